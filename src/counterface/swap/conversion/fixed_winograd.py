"""3x3 convolutions of a finished network by Winograd's minimal filtering, on a CPU.

As in `learn.winograd` (Lavin and Gray 2016, arXiv 1509.09308), but for weights that no longer
change: they are transformed once, and a map is worked on in strips whose intermediate values lie in
memory that every layer uses again. A swap model of 128 px so took 60 % of the CPU time of torch's
direct convolutions (docs/results.md). Results differ by about 1e-5 of their largest value.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import torch
from torch import Tensor, nn

from counterface.learn.winograd import ONES, transforms

_CHANNELS = 16  # below, the transforms cost more than they save
_WASTE = 1.6  # tiles of 4x4 may cover up to so many times the map
_STRIP = 256  # tiles worked on at a time


def fix_convolutions(net: nn.Module) -> int:
    """How many convolutions of a network go by Winograd from now on, in inference mode; in place.

    Weights that change afterwards are not noticed. Other layers, other devices and other precisions
    stay as they are.
    """
    memory = _Memory()
    found = [part for part in net.modules() if isinstance(part, nn.Conv2d) and _fits(part)]
    for part in found:
        part.__class__ = FixedConv2d
        part.__dict__["_memory"], part.__dict__["_transformed"] = memory, None
    return len(found)


class FixedConv2d(nn.Conv2d):
    """A 3x3 convolution of stride 1 with zeros around; its weights are transformed on first use."""

    _memory: _Memory
    _transformed: Tensor | None

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        height, width = input.shape[2:]
        tiles = math.ceil(height / 4) * math.ceil(width / 4)
        if 16 * tiles > _WASTE * height * width or not torch.is_inference_mode_enabled():
            y: Tensor = super()._conv_forward(input, weight, bias)
            return y
        if self._transformed is None:
            self._transformed = _transform(weight)
        return _convolve(input, self._transformed, bias, self._memory)


class _Memory(threading.local):
    """Buffers of each thread, for the intermediate values of layer after layer."""

    def __init__(self) -> None:
        self.held: dict[str, Tensor] = {}

    def get(self, name: str, *shape: int) -> Tensor:
        """Room for these numbers; what it held before is gone."""
        count = math.prod(shape)
        held = self.held.get(name)
        if held is None or held.numel() < count:
            held = self.held[name] = torch.empty(count)
        return held[:count].view(shape)


def _transform(weight: Tensor) -> Tensor:
    """(K, C, 3, 3) -> (36, C, K)."""
    filters, channels = weight.shape[:2]
    _, to_weights, _ = transforms(1, weight.dtype)
    flat = weight.permute(0, 2, 3, 1).reshape(filters, 9, channels)
    return torch.matmul(to_weights, flat).permute(1, 2, 0).contiguous()


def _convolve(x: Tensor, weights: Tensor, bias: Tensor | None, memory: _Memory) -> Tensor:
    """(B, C, H, W) -> (B, K, H, W), channels last."""
    batch, channels, height, width = x.shape
    filters = weights.shape[2]
    high, wide = math.ceil(height / 4), math.ceil(width / 4)
    padded = memory.get("padded", batch, 4 * high + 2, 4 * wide + 2, channels)
    for edge in (
        padded[:, :1],
        padded[:, 1 + height :],
        padded[:, :, :1],
        padded[:, :, 1 + width :],
    ):
        edge.zero_()
    padded[:, 1 : 1 + height, 1 : 1 + width] = x.permute(0, 2, 3, 1)
    y = torch.empty(batch, 4 * high, 4 * wide, filters)
    strip = max(1, _STRIP // wide)
    for image in range(batch):
        for top in range(0, high, strip):
            rows = min(strip, high - top)
            made = _strip(padded[image, 4 * top :], rows, wide, weights, bias, memory)
            place = y[image, 4 * top : 4 * (top + rows)].view(rows, 4, wide, 4, filters)
            place.copy_(made.view(4, 4, rows, wide, filters).permute(2, 0, 3, 1, 4))
    return y[:, :height, :width].permute(0, 3, 1, 2)


def _strip(
    padded: Tensor, rows: int, wide: int, weights: Tensor, bias: Tensor | None, memory: _Memory
) -> Tensor:
    """The first rows of tiles of one padded image (h, w, C): (16, rows * wide * K)."""
    _, channels, filters = weights.shape
    to_tiles, _, to_output = transforms(1, weights.dtype)
    row, column, _ = padded.stride()
    size, step = (6, 6, rows, wide, channels), (row, column, 4 * row, 4 * column, 1)
    count = rows * wide
    drawn = memory.get("drawn", 36, count * channels)
    drawn.view(size).copy_(padded.as_strided(size, step, padded.storage_offset()))
    tiles = torch.mm(to_tiles, drawn, out=memory.get("tiles", 36, count * channels))
    products = memory.get("products", 36, count, filters)
    torch.bmm(tiles.view(36, count, channels), weights, out=products)
    if bias is not None:
        products[ONES] += bias
    made = memory.get("made", 16, count * filters)
    return torch.mm(to_output, products.view(36, -1), out=made)


def _fits(part: Any) -> bool:
    """Whether the layer is of the kind that this is for, and wide enough."""
    return (
        (part.kernel_size, part.stride, part.padding) == ((3, 3), (1, 1), (1, 1))
        and (part.dilation, part.groups, part.padding_mode) == ((1, 1), 1, "zeros")
        and min(part.in_channels, part.out_channels) >= _CHANNELS
        and (part.weight.device.type, part.weight.dtype) == ("cpu", torch.float32)
    )
