"""Convolutions by Winograd's minimal filtering, on a CPU: a third of the arithmetic.

Lavin and Gray 2016, "Fast algorithms for convolutional neural networks", arXiv 1509.09308:
F(4x4, 3x3) makes 16 outputs of a 3x3 convolution with 36 products instead of 144, in forward and
backward passes alike. Ours also takes 5x5 convolutions of stride 2, as 3x3 ones over the four
pixels of each 2x2 block (36 products for 100), and is written in matrix products alone, so that it
runs at the machine's peak where torch's direct convolution on small, deep maps reaches a third.
Weights that no longer change (`fix_convolutions`) are transformed once, and a map is worked on in
strips whose intermediate values lie in memory that every layer uses again: a swap model of 128 px
so took 60 % of the CPU time of torch's direct convolutions (docs/results.md). Results differ from
the direct ones by about 1e-5 of their largest value.

Convention: maps are (B, C, H, W) in channels-last memory; inside, `s` is the stride, C' = C s s.
"""

from __future__ import annotations

import math
import threading
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

_CHANNELS = 16  # below, the transforms cost more than they save
_TILES = 8  # below, so do those of the weights
_WASTE, _FIXED_WASTE = 2.0, 1.6  # tiles of 4x4 may cover up to so many times the map
_STRIP = 256  # tiles worked on at a time where weights are fixed

# the polynomials' points are 0, 1, -1, 2, -2 and infinity, as in the paper
_INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OUTPUT = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)
_ONES = 7  # what is added at this place of the 36 is added to each of the 16 outputs


def use_winograd(module: nn.Module) -> int:
    """How many convolutions inside a module will now go by Winograd where it pays; in place.

    It pays in float32 on a CPU while weights learn; otherwise torch's own way stays. Weights,
    names and formats of checkpoints stay as they are.
    """
    found = [part for part in module.modules() if type(part) is nn.Conv2d and _fits(part)]
    for part in found:
        part.__class__ = WinogradConv2d
    return len(found)


class WinogradConv2d(nn.Conv2d):
    """A 3x3 convolution, or a 5x5 one of stride 2, with zeros around that keep the map's size."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not _pays(input, weight, self.stride[0]):
            y: Tensor = super()._conv_forward(input, weight, bias)
            return y
        return convolve(input, weight, bias, self.stride[0])


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1) -> Tensor:
    """The convolution with zeros around, any size of map.

    Args:
        x: float (B, C, H, W); H and W even where the stride is 2.
        weight: (K, C, 3, 3) for stride 1, (K, C, 5, 5) for stride 2.
        bias: (K,).

    Returns:
        (B, K, H / stride, W / stride), channels last.
    """
    y: Tensor = _Convolve.apply(x, weight, bias, stride)
    return y


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, s: int) -> Tensor:
        batch, _, height, width = x.shape
        filters = len(weight)
        to_tiles, _, to_output = _transforms(s, x.dtype)
        high, wide = -(-height // (4 * s)), -(-width // (4 * s))  # tiles
        drawn = _gather(x.permute(0, 2, 3, 1), high, wide, s)  # (36, tiles * C')
        tiles = torch.mm(to_tiles, drawn).view(36, batch * high * wide, -1)
        weights = _transform(weight, s)
        products = torch.bmm(tiles, weights.permute(1, 2, 0))  # (36, tiles, K)
        if bias is not None:
            products[_ONES] += bias
        made = torch.mm(to_output, products.view(36, -1)).view(4, 4, batch, high, wide, filters)
        made = made.permute(2, 3, 0, 4, 1, 5).reshape(batch, 4 * high, 4 * wide, filters)
        # no view may leave here: layers that follow write in place
        y = x.new_empty((batch, filters, height // s, width // s)).to(
            memory_format=torch.channels_last
        )
        y.permute(0, 2, 3, 1).copy_(made[:, : height // s, : width // s])
        ctx.save_for_backward(tiles, weights)
        ctx.sizes = (tuple(x.shape), tuple(weight.shape), high, wide, s)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        tiles, weights = ctx.saved_tensors
        (batch, channels, height, width), (filters, _, side, _), high, wide, s = ctx.sizes
        to_tiles, to_weights, to_output = _transforms(s, grad.dtype)
        grad = grad.permute(0, 2, 3, 1)
        down, right = 4 * high - height // s, 4 * wide - width // s
        if down or right:
            grad = nn.functional.pad(grad, (0, 0, 0, right, 0, down))
        grad = grad.reshape(batch, high, 4, wide, 4, filters).permute(2, 4, 0, 1, 3, 5)
        products = torch.mm(to_output.t(), grad.reshape(16, -1)).view(36, -1, filters)
        into_x = into_weight = into_bias = None
        if ctx.needs_input_grad[0]:
            drawn = torch.bmm(products, weights.transpose(0, 1)).view(36, -1)
            drawn = torch.mm(to_tiles.t(), drawn)
            into_x = _scatter(drawn, (batch, channels, height, width), high, wide, s)
        if ctx.needs_input_grad[1]:
            moved = torch.bmm(products.transpose(1, 2), tiles)  # (36, K, C')
            moved = moved.transpose(0, 1).reshape(filters, -1, channels)
            moved = torch.matmul(to_weights.t(), moved).view(filters, side, side, channels)
            into_weight = moved.permute(0, 3, 1, 2)
        if ctx.needs_input_grad[2]:
            into_bias = products[_ONES].sum(0)
        return into_x, into_weight, into_bias, None


def _gather(x: Tensor, high: int, wide: int, s: int) -> Tensor:
    """(B, H, W, C) -> overlapping tiles of 6x6 blocks of s x s pixels: (36, B * tiles * C s s)."""
    batch, height, width, channels = x.shape
    padded = x.new_zeros(batch, (4 * high + 2) * s, (4 * wide + 2) * s, channels)
    padded[:, s : s + height, s : s + width] = x
    image, row, column, _ = padded.stride()
    size = (6, 6, batch, high, wide, s, s, channels)
    step = (s * row, s * column, image, 4 * s * row, 4 * s * column, row, column, 1)
    return padded.as_strided(size, step).reshape(36, -1)


def _scatter(
    drawn: Tensor, shape: tuple[int, int, int, int], high: int, wide: int, s: int
) -> Tensor:
    """The adjoint of `_gather`: overlapping tiles are summed up into (B, C, H, W)."""
    batch, channels, height, width = shape
    parts = drawn.view(6, 6, batch, high, wide, s, s, channels).permute(2, 3, 0, 5, 4, 1, 6, 7)
    total = drawn.new_zeros(batch, high + 1, 4, s, wide + 1, 4, s, channels)
    # a tile's first 4 x 4 blocks lie in its own cell, the other two rows and columns in the next
    total[:, :high, :, :, :wide] = parts[:, :, :4, :, :, :4]
    total[:, 1:, :2, :, :wide] += parts[:, :, 4:, :, :, :4]
    total[:, :high, :, :, 1:, :2] += parts[:, :, :4, :, :, 4:]
    total[:, 1:, :2, :, 1:, :2] += parts[:, :, 4:, :, :, 4:]
    full = total.view(batch, (high + 1) * 4 * s, (wide + 1) * 4 * s, channels)
    inside = full[:, s : s + height, s : s + width].permute(0, 3, 1, 2)
    return inside.contiguous(memory_format=torch.channels_last)


def _transform(weight: Tensor, s: int) -> Tensor:
    """(K, C, side, side) -> (K, 36, C')."""
    filters, channels, side, _ = weight.shape
    _, to_weights, _ = _transforms(s, weight.dtype)
    flat = weight.permute(0, 2, 3, 1).reshape(filters, side * side, channels)
    return torch.matmul(to_weights, flat).view(filters, 36, -1)


@lru_cache(maxsize=8)
def _transforms(s: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Tiles (36, 36), weights (36 s s, side * side) and outputs (16, 36), each for both axes."""
    kernel = torch.tensor(_KERNEL, dtype=torch.float64)
    taps = [kernel]
    if s == 2:  # a 5-tap filter's even taps see the first pixel of each pair, its odd ones the next
        taps = [kernel.new_zeros(6, 5), kernel.new_zeros(6, 5)]
        taps[0][:, 0::2], taps[1][:, 1::2] = kernel, kernel[:, :2]
    weights = torch.stack([torch.kron(a, b) for a in taps for b in taps], 1).flatten(0, 1)
    tiles, output = (torch.tensor(m, dtype=torch.float64) for m in (_INPUT, _OUTPUT))
    return (
        torch.kron(tiles, tiles).to(dtype),
        weights.to(dtype),
        torch.kron(output, output).to(dtype),
    )


def _fits(part: nn.Conv2d, strides: tuple[int, ...] = (1, 2)) -> bool:
    """Whether the layer is of a kind that `convolve` knows, and wide enough."""
    kind = (part.kernel_size, part.stride, part.padding)
    return (
        kind in {((2 * s + 1,) * 2, (s, s), (s, s)) for s in strides}
        and part.dilation == (1, 1)
        and part.groups == 1
        and part.padding_mode == "zeros"
        and min(part.in_channels, part.out_channels) >= _CHANNELS
    )


def _pays(x: Tensor, weight: Tensor, s: int) -> bool:
    """Whether it is faster for these tensors here."""
    # an exported graph holds convolutions
    if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
        return False
    if x.ndim != 4 or x.device.type != "cpu" or {x.dtype, weight.dtype} != {torch.float32}:
        return False
    if not (torch.is_grad_enabled() and weight.requires_grad) or torch.is_autocast_enabled("cpu"):
        return False
    batch, _, height, width = x.shape
    if height % s or width % s:
        return False
    high, wide = math.ceil(height / (4 * s)), math.ceil(width / (4 * s))
    enough = batch * high * wide >= _TILES
    return enough and 16 * high * wide * s * s <= _WASTE * height * width


def fix_convolutions(net: nn.Module) -> int:
    """How many convolutions of a network go by Winograd from now on, in inference mode; in place.

    Weights that change afterwards are not noticed. Other layers, other devices and other precisions
    stay as they are.
    """
    memory = _Memory()
    found = [
        part
        for part in net.modules()
        if isinstance(part, nn.Conv2d)
        and _fits(part, strides=(1,))
        and (part.weight.device.type, part.weight.dtype) == ("cpu", torch.float32)
    ]
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
        if 16 * tiles > _FIXED_WASTE * height * width or not torch.is_inference_mode_enabled():
            y: Tensor = super()._conv_forward(input, weight, bias)
            return y
        if self._transformed is None:
            self._transformed = _transform(weight, 1).permute(1, 2, 0).contiguous()  # (36, C, K)
        return _convolve_fixed(input, self._transformed, bias, self._memory)


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


def _convolve_fixed(x: Tensor, weights: Tensor, bias: Tensor | None, memory: _Memory) -> Tensor:
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
    to_tiles, _, to_output = _transforms(1, weights.dtype)
    row, column, _ = padded.stride()
    size, step = (6, 6, rows, wide, channels), (row, column, 4 * row, 4 * column, 1)
    count = rows * wide
    drawn = memory.get("drawn", 36, count * channels)
    drawn.view(size).copy_(padded.as_strided(size, step, padded.storage_offset()))
    tiles = torch.mm(to_tiles, drawn, out=memory.get("tiles", 36, count * channels))
    products = memory.get("products", 36, count, filters)
    torch.bmm(tiles.view(36, count, channels), weights, out=products)
    if bias is not None:
        products[_ONES] += bias
    made = memory.get("made", 16, count * filters)
    return torch.mm(to_output, products.view(36, -1), out=made)
