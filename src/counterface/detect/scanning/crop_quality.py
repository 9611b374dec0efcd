"""Whether an aligned face has the detail and the colours of a photograph.

Sharpness, and texture between its edges, are ratios of the same picture, so that contrast and
exposure cancel; the lines are where genuine faces of the known sets end
(`benchmarks/quality_gate.py`, `docs/results.md`).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

from counterface.types import Floats, Image

TEMPLATE, SIDE = "whole_face", 224  # of the crop that is measured
LEAST_SHARPNESS = 0.52  # the median of sharp faces of 32 pixels; sharp ones of 64 lie above 0.56
ACCUSING_SHARPNESS = 0.59  # below, a high score may be due to softness alone
SOFT_SHARPNESS = 0.56  # below, a face has less detail than nearly all sharp ones of 64 pixels
LEAST_TEXTURE = 0.36  # genuine faces lie above in 998 of 1,000; flat drawings below 0.3
LEAST_COLOR = 2.2  # genuine faces in colour lie above 2.5, toned and grey ones below 1.9
_UNCLIPPED = (8, 247)  # grey values; beyond, a bright sky or a burnt-out cheek is flat as well
_LEVELS = 64  # of brightness, each with as many pixels
_ENOUGH = 200  # pixels that are not clipped


class CropQuality(NamedTuple):
    """Measures of an aligned face; the less, the less like a sharp photograph in colour."""

    sharpness: float  # detail of 2 to 4 pixels of the crop over detail of 4 to 8; blur lowers it
    texture: float | None  # median over mean of the steps between pixels; None: burnt out or black
    color: float  # what of its chroma its brightness does not tell, of 255; 0 where it is grey


def measure_quality(crop: Image) -> CropQuality:
    """The measures of an RGB uint8 (224, 224, 3) crop of the template `whole_face`.

    Sharpness compares two octaves of a Laplacian pyramid (Burt and Adelson 1983) within the face.
    A photograph has some texture everywhere; a drawing has none between its outlines, so that the
    median step between neighbours is small beside the mean. Where one tone was laid over a picture
    in grey (sepia, bronze), each level of brightness has one colour; lips and skin have two.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    half = cv2.pyrDown(grey)
    quarter = cv2.pyrDown(half)
    eighth = cv2.pyrDown(quarter)
    fine, coarse = _octave(half, quarter), _octave(quarter, eighth)
    small = cv2.resize(crop, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)
    small = np.asarray(small)
    return CropQuality(fine / coarse if coarse > 0 else 0.0, _texture(small), _color(small))


def _octave(level: Floats, below: Floats) -> float:
    """The root mean square, within the face, of what a level of the pyramid adds to the next."""
    added = level - cv2.pyrUp(below, dstsize=level.shape[::-1])
    weight = _window(len(level))
    return float(np.sqrt((weight * added**2).sum() / weight.sum()))


def _texture(small: Image) -> float | None:
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across = np.diff(grey, axis=1, prepend=grey[:, :1])
    down = np.diff(grey, axis=0, prepend=grey[:1])
    low, high = _UNCLIPPED
    used = (_window(len(grey)) > 0.5) & (small.max(axis=2) > low) & (grey < high)
    steps = np.hypot(across, down)[used]
    if len(steps) < _ENOUGH or not steps.any():
        return None
    return float(np.median(steps) / steps.mean())


def _color(small: Image) -> float:
    planes = cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    used = _window(len(small)) > 0.2
    grey, chroma = planes[used, 0], cv2.GaussianBlur(planes, (0, 0), 1.0)[used, 1:]
    levels = np.array_split(chroma[np.argsort(grey)], _LEVELS)
    apart = np.concatenate([level - np.median(level, axis=0) for level in levels])
    return float(np.sqrt((apart**2).sum(axis=1).mean()))


@cache
def _window(side: int) -> Floats:
    """Float32 (side, side): 1 in the middle of the face, falling to 0 towards its outline."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    away = ((x - side / 2) / (0.33 * side)) ** 2 + ((y - 0.52 * side) / (0.36 * side)) ** 2
    return np.asarray(np.exp(-(away**2)), np.float32)
