"""A small face autoencoder whose output carries the traces of a generator's decoder.

Shared-encoder swaps (deepfakes/faceswap 2017; DeepFaceLab, Perov et al. 2020,
https://arxiv.org/abs/2005.05535) pass a face through a bottleneck and up-sample it again; so do
autoencoders of diffusion models. Passing a real picture through such a path gives a fake with their
texture and no change of content (Rajan et al. 2025, https://arxiv.org/abs/2410.11835). Ours keeps a
spatial code, so that a few minutes of training give a sharp face. It may drop the code's last
channels at random in training (nested dropout, Rippel et al. 2014,
https://arxiv.org/abs/1402.0915): the number kept then sets how much texture is lost. It may
quantise the code (van den Oord et al. 2017, https://arxiv.org/abs/1711.00937), here with unit
vectors, a moving average and a new start for entries that nobody uses.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from counterface.datasets.decoders.architectures import DecoderNet, Up
from counterface.datasets.decoders.bank import NESTED
from counterface.files import write_bytes

ENCODER_WIDTHS, DECODER_WIDTHS = (24, 48, 96, 128), (16, 32, 64, 96, 128)  # from the full size on


def _up(kind: Up, inputs: int, outputs: int) -> nn.Sequential:
    """Features at twice the side."""
    if kind == "shuffle":
        return nn.Sequential(
            nn.Conv2d(inputs, 4 * outputs, 3, padding=1), nn.LeakyReLU(0.1), nn.PixelShuffle(2)
        )
    if kind == "transposed":
        return nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(0.1))
    grown = (
        nn.Upsample(scale_factor=2)
        if kind == "nearest"
        else nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    )
    return nn.Sequential(grown, nn.Conv2d(inputs, outputs, 3, padding=1), nn.LeakyReLU(0.1))


class ResidualUnit(nn.Module):
    """x + two 3x3 convolutions of it."""

    def __init__(self, channels: int) -> None:
        """Start near the identity."""
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """The refined features, same shape."""
        change: Tensor = self.second(functional.leaky_relu(self.first(x), 0.1))
        return x + change


class CodeBook(nn.Module):
    """A code (B, C, h, w) in (-1, 1) -> the nearest entry of each place, same shape.

    Entries and codes are compared as unit vectors. In training the entries follow the codes they
    stand for; one that stands for none starts anew at a code of the batch.
    """

    def __init__(self, entries: int, channels: int) -> None:
        """Start from random entries."""
        super().__init__()
        start = functional.normalize(torch.randn(entries, channels), dim=1)
        self.entries: Tensor
        self.used: Tensor
        self.register_buffer("entries", start)
        self.register_buffer("used", torch.ones(entries))

    def forward(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """The quantised code, with the gradient of the code; and how far they are apart."""
        batch, channels, height, width = code.shape
        flat = functional.normalize(code.permute(0, 2, 3, 1).reshape(-1, channels).float(), dim=1)
        nearest = (flat @ self.entries.T).argmax(dim=1)
        found = self.entries[nearest]
        if self.training:
            self._follow(flat.detach(), nearest)
        apart = ((flat - found) ** 2).sum(dim=1).mean()
        carried = flat + (found - flat).detach()
        return carried.reshape(batch, height, width, channels).permute(0, 3, 1, 2), apart

    @torch.no_grad()
    def _follow(self, flat: Tensor, nearest: Tensor) -> None:
        counts = torch.bincount(nearest, minlength=len(self.entries)).to(flat.dtype)
        sums = torch.zeros_like(self.entries).index_add_(0, nearest, flat)
        self.used.lerp_(counts, 0.05)
        moved = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], self.entries)
        self.entries.lerp_(moved, 0.05)
        idle = self.used < 0.05
        if bool(idle.any()):
            picked = torch.randint(len(flat), (int(idle.sum()),), device=flat.device)
            self.entries[idle] = flat[picked]
            self.used[idle] = 1.0
        self.entries.copy_(functional.normalize(self.entries, dim=1))


class FaceAutoencoder(nn.Module):
    """RGB [0, 1] (B, 3, H, W) and a channel mask (B, code) -> the picture, re-drawn.

    H and W are multiples of `architecture.step`.
    """

    def __init__(self, architecture: DecoderNet) -> None:
        """Start from random weights."""
        super().__init__()
        self.architecture = architecture
        downs: list[nn.Module] = []
        inputs = 3
        for outputs in ENCODER_WIDTHS[: architecture.halvings]:
            downs += [nn.Conv2d(inputs, outputs, 5, 2, 2), nn.LeakyReLU(0.1)]
            inputs = outputs
        self.encoder = nn.Sequential(*downs, nn.Conv2d(inputs, architecture.code, 1))
        self.book = CodeBook(architecture.codes, architecture.code) if architecture.codes else None
        widths = DECODER_WIDTHS[architecture.halvings :: -1]
        ups: list[nn.Module] = [nn.Conv2d(architecture.code, widths[0], 1), ResidualUnit(widths[0])]
        for inputs, outputs in pairwise(widths):
            ups.append(_up(architecture.up, inputs, outputs))
        self.decoder = nn.Sequential(*ups, nn.Conv2d(widths[-1], 3, 5, 1, 2))

    def encode(self, image: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """The code as the decoder takes it; and the distance of codes to their book's entries."""
        code = torch.tanh(self.encoder(image * 2 - 1)) * kept[:, :, None, None]
        if self.book is None:
            return code, code.new_zeros(())
        quantised: tuple[Tensor, Tensor] = self.book(code)
        return quantised

    def forward(self, image: Tensor, kept: Tensor) -> Tensor:
        """The re-drawn picture, same shape, in [0, 1]."""
        made: Tensor = torch.sigmoid(self.decoder(self.encode(image, kept)[0]).float())
        return made


def export_autoencoder(net: FaceAutoencoder, path: Path) -> None:
    """Write the net as ONNX (inputs `image`, `kept`; output `made`), for workers without torch.

    Height and width are free.
    """
    side = net.architecture.side
    example: Any = (torch.rand(1, 3, side, side), torch.ones(1, net.architecture.code))
    facts = {} if net.architecture.fewest is None else {NESTED: str(net.architecture.fewest)}
    export_redrawing(net.eval(), example, ["image", "kept"], path, facts)


def export_redrawing(
    net: nn.Module, example: Any, inputs: list[str], path: Path, facts: dict[str, str] | None = None
) -> None:
    """Write a net from picture to picture as ONNX, whole or not at all.

    Args:
        net: in eval mode.
        example: its inputs, the picture first.
        inputs: their names.
        path: ends in .onnx.
        facts: what the file says of itself.
    """
    import onnx

    with TemporaryDirectory() as scratch:
        file = f"{scratch}/net.onnx"
        torch.onnx.export(
            net,
            example,
            file,
            input_names=inputs,
            output_names=["made"],
            dynamic_axes={name: {2: "height", 3: "width"} for name in ("image", "made")},
            opset_version=18,
            dynamo=False,
        )
        model = onnx.load(file)
    onnx.helper.set_model_props(model, facts or {})
    write_bytes(path, model.SerializeToString())
