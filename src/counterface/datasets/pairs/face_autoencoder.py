"""A small face autoencoder whose output carries the traces of a swap model's decoder.

Shared-encoder swaps (deepfakes/faceswap 2017; DeepFaceLab, Perov et al. 2020,
https://arxiv.org/abs/2005.05535) pass a face through a bottleneck and up-sample it again by
depth-to-space. Passing a real face through such a path gives a pseudo-fake with their texture and
no change of identity. Ours keeps a spatial code, so that a few minutes of training give a sharp
face, and drops the code's last channels at random in training (nested dropout, Rippel et al. 2014,
https://arxiv.org/abs/1402.0915): the number kept then sets how much texture is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from counterface.datasets.pairs.remake import CODE, SIDE


def _down(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 5, 2, 2), nn.LeakyReLU(0.1))


def _up(inputs: int, outputs: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, 4 * outputs, 3, padding=1)
    return nn.Sequential(conv, nn.LeakyReLU(0.1), nn.PixelShuffle(2))


class FaceAutoencoder(nn.Module):
    """RGB [0, 1] (B, 3, 128, 128) and a channel mask (B, 24) -> the face, re-made."""

    def __init__(self) -> None:
        """Random weights."""
        super().__init__()
        self.encoder = nn.Sequential(
            _down(3, 24), _down(24, 48), _down(48, 96), nn.Conv2d(96, CODE, 1)
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(CODE, 96, 1), _up(96, 64), _up(64, 32), _up(32, 16), nn.Conv2d(16, 3, 5, 1, 2)
        )

    def forward(self, image: Tensor, kept: Tensor) -> Tensor:
        """The re-made face, (B, 3, 128, 128) in [0, 1]."""
        code = torch.tanh(self.encoder(image * 2 - 1)) * kept[:, :, None, None]
        made: Tensor = torch.sigmoid(self.decoder(code))
        return made


def _slopes(image: Tensor) -> tuple[Tensor, Tensor]:
    return image[..., 1:] - image[..., :-1], image[..., 1:, :] - image[..., :-1, :]


class AutoencoderTask:
    """Trains a `FaceAutoencoder` on batches of RGB [0, 1] (B, 3, 128, 128) faces."""

    def __init__(self, lr: float = 2e-3) -> None:
        """The net and its learning rate."""
        self.net = FaceAutoencoder()
        self.lr = lr

    def modules(self) -> dict[str, nn.Module]:
        """One module."""
        return {"autoencoder": self.net}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One Adam."""
        return {"adam": torch.optim.Adam(self.net.parameters(), self.lr, betas=(0.9, 0.99))}

    def losses(
        self, batch: Tensor, step: int, log: dict[str, float | Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Absolute error of pixels and of their slopes; the slopes keep it from blurring."""
        kept = torch.randint(3, CODE + 1, (len(batch), 1), device=batch.device)
        mask = (torch.arange(CODE, device=batch.device)[None] < kept).to(batch.dtype)
        made = self.net(batch, mask).float()
        pixels = (made - batch).abs().mean()
        slopes = [(a - b).abs().mean() for a, b in zip(_slopes(made), _slopes(batch), strict=True)]
        log["pixel_error"] = pixels.detach()
        yield "adam", pixels + 2 * sum(slopes, start=torch.zeros(()))


def export_autoencoder(net: FaceAutoencoder, path: Path) -> None:
    """Writes the net as ONNX (inputs `image`, `kept`; output `made`), for workers without torch."""
    example: Any = (torch.rand(1, 3, SIDE, SIDE), torch.ones(1, CODE))
    torch.onnx.export(
        net.eval(),
        example,
        str(path),
        input_names=["image", "kept"],
        output_names=["made"],
        opset_version=18,
        dynamo=False,
    )
