"""TAEF2, the tiny autoencoder of FLUX.2's latent space, as a decoder that re-draws any picture.

Ollin Boer Bohan's madebyollin/taesd (https://github.com/madebyollin/taesd, MIT) distils the
autoencoders of diffusion models; this is ours of the layers of its FLUX.2 member, which reads the
published weights: safetensors with `encoder.*` and `decoder.*`, the keys of two plain sequences.
Latents: 32 channels at an eighth of the side.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from counterface.datasets.decoders.autoencoder import export_redrawing
from counterface.errors import WeightsError
from counterface.project_files import reading

WIDTH, LATENTS, STEP = 64, 32, 8


class Block(nn.Module):
    """relu(three 3x3 convolutions of x, plus x); at the smallest scale x passes a pool first."""

    def __init__(self, pooled: bool = False) -> None:
        """Start from random weights."""
        super().__init__()
        layers: list[nn.Module] = []
        for last in (False, False, True):
            layers += [nn.Conv2d(WIDTH, WIDTH, 3, padding=1), *([] if last else [nn.ReLU()])]
        self.conv = nn.Sequential(*layers)
        self.pool: nn.Sequential | None = None
        if pooled:
            self.pool = nn.Sequential(
                nn.Conv2d(WIDTH, 4 * WIDTH, 1, bias=False),
                nn.GroupNorm(4, 4 * WIDTH),
                nn.ReLU(),
                nn.Conv2d(4 * WIDTH, WIDTH, 1, bias=False),
            )

    def forward(self, x: Tensor) -> Tensor:
        """The refined features, same shape."""
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


class Bound(nn.Module):
    """3 tanh(x / 3): keeps latents in the range that the decoder knows."""

    def forward(self, x: Tensor) -> Tensor:
        """The bounded values, same shape, in (-3, 3)."""
        return 3 * torch.tanh(x / 3)


def _conv(stride: int) -> nn.Conv2d:
    return nn.Conv2d(WIDTH, WIDTH, 3, stride, 1, bias=False)


def _blocks(pooled: bool = False) -> list[nn.Module]:
    return [Block(pooled) for _ in range(3)]


class Taef2(nn.Module):
    """RGB [0, 1] (B, 3, H, W) -> the picture, re-drawn; H and W are multiples of 8."""

    def __init__(self) -> None:
        """Start from random weights; see `read_taef2`."""
        super().__init__()
        encoder: list[nn.Module] = [nn.Conv2d(3, WIDTH, 3, padding=1), Block()]
        for pooled in (False, False, True):
            encoder += [_conv(2), *_blocks(pooled)]
        self.encoder = nn.Sequential(*encoder, nn.Conv2d(WIDTH, LATENTS, 3, padding=1))
        decoder: list[nn.Module] = [Bound(), nn.Conv2d(LATENTS, WIDTH, 3, padding=1), nn.ReLU()]
        for pooled in (True, False, False):
            decoder += [*_blocks(pooled), nn.Upsample(scale_factor=2), _conv(1)]
        self.decoder = nn.Sequential(*decoder, Block(), nn.Conv2d(WIDTH, 3, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        """The re-drawn picture, same shape, in [0, 1]."""
        drawn: Tensor = self.decoder(self.encoder(image))
        return drawn.clamp(0, 1)


def read_taef2(path: Path) -> Taef2:
    """The net with its published weights, in float32.

    Raises:
        WeightsError: the file cannot be read or is of another net.
    """
    net = Taef2()
    with reading(path, WeightsError, "name the file taef2.safetensors", what="not TAEF2's weights"):
        found = {name: tensor.float() for name, tensor in load_file(path).items()}
        missing = sorted(net.state_dict().keys() ^ found.keys())
        if missing:
            raise ValueError(f"{len(missing)} tensors differ in name, {missing[0]} first")
        net.load_state_dict(found)
    return net.eval()


def export_taef2(net: Taef2, path: Path) -> None:
    """Write the net as ONNX (input `image`, output `made`); height and width are free."""
    export_redrawing(net, (torch.rand(1, 3, 64, 64),), ["image"], path)
