"""Canny's edges (1986) as tensor operations, so that they lie inside an exported net.

Everything is done on whole grey levels, which float32 holds exactly, so torch, ONNX Runtime and
`cv2.Canny` come to the same pixels. Where ours differs: hysteresis reaches a fixed number of pixels
from a strong edge, while OpenCV follows an edge to its end.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, pad

from counterface.config import Record

TAN_22 = 13573  # tan(22.5 degrees) in 1/32768, as OpenCV has it
ONE = 32768


class CannyConfig(Record):
    """Which edges count. Gradients are |dx| + |dy| of the 3x3 Sobel filter on levels 0 to 255."""

    thresholds: Literal["fixed", "median", "percentile"] = Field(
        "median",
        description="how the thresholds are set: fixed, from the picture's median level, or by a "
        "share of its pixels",
    )
    low: float = Field(60.0, ge=0, description="fixed: gradient below which there is no edge")
    high: float = Field(
        150.0, ge=0, description="fixed: gradient above which a pixel is an edge by itself"
    )
    spread: float = Field(
        0.33,
        ge=0,
        le=1,
        description="median: distance of both thresholds from the median, as a share of it",
    )
    weak_share: float = Field(
        0.20, gt=0, lt=1, description="percentile: share of pixels above the low threshold"
    )
    strong_share: float = Field(
        0.07, gt=0, lt=1, description="percentile: share of pixels above the high threshold"
    )
    reach: int = Field(
        24, ge=0, le=256, description="distance over which an edge is followed, pixels"
    )

    @model_validator(mode="after")
    def _in_order(self) -> CannyConfig:
        if self.low > self.high or self.strong_share > self.weak_share:
            raise ValueError(
                f"low {self.low} lies above high {self.high}, or strong_share "
                f"{self.strong_share} above weak_share {self.weak_share}"
            )
        return self


@torch.no_grad()
def find_edges(images: Tensor, config: CannyConfig) -> Tensor:
    """1 on an edge, else 0, (B, 1, H, W), after smoothing by a gaussian of 5x5.

    Args:
        images: RGB float32 [0, 1] (B, 3, H, W); rounded to 256 levels.
        config: thresholds.
    """
    levels = smooth_levels(grey_levels(images))
    across, down = sobel(levels)
    strength = across.abs() + down.abs()
    low, high = _thresholds(levels, strength, config)
    thin = _is_ridge(strength, across, down) & (strength > low)
    weak, strong = thin.float(), (thin & (strength > high)).float()
    for _ in range(config.reach):
        strong = max_pool2d(strong, 3, stride=1, padding=1) * weak
    return strong


def grey_levels(images: Tensor) -> Tensor:
    """Whole levels 0 to 255, (B, 1, H, W), by the weights of BT.601 as OpenCV rounds them."""
    red, green, blue = (images * 255).round().chunk(3, dim=1)
    return ((red * 4899 + green * 9617 + blue * 1868 + 8192) / 16384).floor()


def smooth_levels(levels: Tensor) -> Tensor:
    """Smoothed by the 5x5 binomial filter, rounded to whole levels; mirrored at the border."""
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=levels.device)
    kernel = (line[:, None] * line)[None, None]
    return ((conv2d(pad(levels, (2, 2, 2, 2), mode="reflect"), kernel) + 128) / 256).floor()


def sobel(levels: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients to the right and downwards, whole numbers; the border is repeated."""
    line = torch.tensor([1.0, 2.0, 1.0], device=levels.device)
    rise = torch.tensor([-1.0, 0.0, 1.0], device=levels.device)
    across = line[:, None] * rise
    kernels = torch.stack([across, across.T])[:, None]
    found = conv2d(pad(levels, (1, 1, 1, 1), mode="replicate"), kernels)
    return found[:, :1], found[:, 1:]


def _thresholds(
    levels: Tensor, strength: Tensor, config: CannyConfig
) -> tuple[Tensor | float, Tensor | float]:
    """Low and high, a number or (B, 1, 1, 1)."""
    if config.thresholds == "fixed":
        return float(int(config.low)), float(int(config.high))  # whole, as OpenCV takes them
    if config.thresholds == "median":
        middle = _largest(levels, 0.5)
        low = (middle * (1 - config.spread)).floor()
        return low, (middle * (1 + config.spread)).floor().clamp(max=255)
    return _largest(strength, config.weak_share), _largest(strength, config.strong_share)


def _largest(values: Tensor, share: float) -> Tensor:
    """The value that this share of the pixels reaches, (B, 1, 1, 1)."""
    count = max(1, int(share * values.shape[2] * values.shape[3]))
    return values.flatten(1).topk(count, dim=1).values[:, -1].view(-1, 1, 1, 1)


def _is_ridge(strength: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Where the gradient is largest along its own direction, of four; bool (B, 1, H, W)."""
    height, width = strength.shape[2:]
    edge = pad(strength, (1, 1, 1, 1))

    def near(y: int, x: int) -> Tensor:
        return edge[:, :, 1 + y : 1 + y + height, 1 + x : 1 + x + width]

    run, rise = across.abs() * TAN_22, down.abs() * ONE
    level = (strength > near(0, -1)) & (strength >= near(0, 1))
    upright = (strength > near(-1, 0)) & (strength >= near(1, 0))
    falling = (strength > near(-1, -1)) & (strength > near(1, 1))
    rising = (strength > near(-1, 1)) & (strength > near(1, -1))
    opposite = (across * down) < 0
    slanted = (opposite & rising) | (~opposite & falling)
    flat, steep = rise < run, rise > run + across.abs() * 2 * ONE
    return (flat & level) | (steep & upright) | (~flat & ~steep & slanted)
