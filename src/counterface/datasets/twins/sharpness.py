"""The guard against soft fakes: a fake is as sharp inside as its genuine twin, give or take.

Where every fake is softer than its twin, a detector learns blur and nothing else. A meter of blur
alone would otherwise win; see docs/datasets.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.types import Image, Mask

CENTRE, SPREAD = 0.05, 0.12  # of the differences that twins are brought to; codecs take the mean
CLOSE = 0.03  # how near they are brought to it
MOST_MEAN, SOFTER = 0.05, (0.35, 0.65)  # of a batch of twins
_FLOOR = 0.5  # grey values: keeps the logarithm of a flat patch finite


class GuardFigures(Record):
    """How sharp a batch of fakes is beside its twins."""

    pairs: int
    mean: float = Field(
        description="mean of fake minus twin, in the log of the mean absolute Laplacian within "
        "the face"
    )
    softer: float = Field(description="share of fakes softer than their twins")

    @property
    def kept(self) -> bool:
        """Whether blur alone would tell nothing: the rule of the guard."""
        return abs(self.mean) <= MOST_MEAN and SOFTER[0] <= self.softer <= SOFTER[1]


def log_sharpness(image: Image, inside: Mask, floor: float = _FLOOR) -> float:
    """Natural logarithm of the mean absolute Laplacian of the grey values, weighted by a mask.

    Args:
        image: RGB uint8 (H, W, 3).
        inside: float32 (H, W).
        floor: grey values that are added, so that a flat patch has a finite number.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    edges = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    return float(np.log(floor + float((edges * inside).sum()) / max(float(inside.sum()), 1e-6)))


def inner_part(mask: Mask) -> Mask:
    """The pixels that are pasted nearly whole, away from the seam; the mask itself if none."""
    inner = (mask > 0.9 * float(mask.max())).astype(np.uint8)
    core = cv2.erode(inner, np.ones((5, 5), np.uint8), borderValue=1)
    return (core if core.sum() > 64 else inner).astype(np.float32)


def blur(image: Image, sigma: float) -> Image:
    """The image after a Gaussian of `sigma` pixels."""
    if sigma < 0.05:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8)


def sharpen(image: Image, amount: float, sigma: float = 1.0) -> Image:
    """The image plus `amount` of what a Gaussian of `sigma` takes away."""
    soft = cv2.GaussianBlur(image, (0, 0), sigma)
    return np.asarray(cv2.addWeighted(image, 1 + amount, soft, -amount, 0), dtype=np.uint8)


def match_contrast(image: Image, target: Image, inside: Mask, gain: float = 1.0) -> Image:
    """The image with its deviation inside brought to the target's; sharpening had raised it.

    Args:
        image: RGB uint8 (H, W, 3).
        target: picture of the same shape.
        inside: float32 (H, W), what is measured.
        gain: of the deviation wanted.
    """
    where = (inside > 0).astype(np.uint8)
    means, deviations = cv2.meanStdDev(image, mask=where)
    _, wanted = cv2.meanStdDev(target, mask=where)
    factor = gain * float(wanted.mean()) / max(float(deviations.mean()), 1.0)
    factor = float(np.clip(factor, 0.7, 1.4))
    shift = (1 - factor) * means.reshape(1, 1, 3)
    return np.asarray(np.clip(image * factor + shift + 0.5, 0, 255), dtype=np.uint8)


def reach(change: Callable[[float], float], wanted: float, most: float, steps: int = 7) -> float:
    """The strength in [0, most] at which `change`, rising with it, comes to `wanted`.

    Bisection; the nearer end where it lies outside.
    """
    low, high = 0.0, most
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if change(middle) < wanted else (low, middle)
    return (low + high) / 2


def measure_guard(differences: Sequence[float]) -> GuardFigures:
    """The figures of a batch.

    Args:
        differences: fake minus twin of `log_sharpness`, one a pair; at least one.
    """
    values = np.asarray(differences, dtype=np.float64)
    return GuardFigures(
        pairs=len(values), mean=float(values.mean()), softer=float((values < 0).mean())
    )


def keep_guard(differences: Sequence[float]) -> list[int]:
    """Which pairs of a batch are kept so that the guard's rule holds, in order.

    As long as it does not, the pair that is furthest off on the side that outweighs is dropped.
    """
    order = sorted(range(len(differences)), key=lambda number: differences[number])
    while len(order) > 1:
        figures = measure_guard([differences[number] for number in order])
        if figures.kept:
            break
        too_soft = figures.mean < -MOST_MEAN or (
            figures.mean <= MOST_MEAN and figures.softer > SOFTER[1]
        )
        del order[0 if too_soft else -1]
    return sorted(order)
