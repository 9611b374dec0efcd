"""Local motion between two aligned crops, and a picture moved by it, as tensor operations.

Aligned faces still move: lips, lids, cheeks, a pixel of unsteady landmarks. Block matching over all
shifts of a few pixels finds how a neighbourhood moved; a soft minimum of the costs mixes the best
shifts, which also gives fractions of a pixel. There is nothing to train.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from math import hypot

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

SOFTNESS = 0.003  # of the soft minimum: costs differ by less than a grey level of 255
STAY = 0.001  # cost of a pixel of motion: where nothing can be seen nothing moves


@torch.no_grad()
def follow_motion(before: Tensor, now: Tensor, reach: int, window: int = 7) -> Tensor:
    """The earlier picture, each neighbourhood moved to where it is now, (B, 3, H, W).

    Args:
        before: RGB float32 [0, 1] (B, 3, H, W).
        now: the same a moment later.
        reach: longest shift along each axis, pixels.
        window: side of the neighbourhood that is compared, pixels, odd.
    """
    grey_before, grey_now = before.mean(dim=1, keepdim=True), now.mean(dim=1, keepdim=True)
    costs = [
        box_mean((copy - grey_now).abs(), window) + STAY * length
        for length, copy in shifted_copies(grey_before, reach)
    ]
    least = reduce(torch.minimum, costs)
    moved, whole = torch.zeros_like(before), torch.zeros_like(least)
    for cost, (_, copy) in zip(costs, shifted_copies(before, reach), strict=True):
        share = torch.exp((least - cost) / SOFTNESS)
        moved, whole = moved + copy * share, whole + share
    return moved / whole


def shifted_copies(picture: Tensor, reach: int) -> Iterator[tuple[float, Tensor]]:
    """A picture (B, C, H, W) once for each shift, row by row, with the shift's length in pixels.

    The border is repeated.
    """
    height, width = picture.shape[2:]
    wide = pad(picture, (reach, reach, reach, reach), mode="replicate")
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            top, left = reach + y, reach + x
            yield hypot(x, y), wide[:, :, top : top + height, left : left + width]


def box_mean(values: Tensor, side: int) -> Tensor:
    """The mean of each neighbourhood of side x side, cut off at the border; one axis at a time."""
    for kernel in ((side, 1), (1, side)):
        padding = (kernel[0] // 2, kernel[1] // 2)
        values = avg_pool2d(values, kernel, stride=1, padding=padding, count_include_pad=False)
    return values


def fine_detail(images: Tensor) -> Tensor:
    """How strong the finest detail is, (B, 1, H, W): grey minus its mean over 5x5, absolute."""
    grey = images.mean(dim=1, keepdim=True)
    return (grey - box_mean(grey, 5)).abs()
