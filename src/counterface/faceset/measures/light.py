"""How light a face is, its hue, and how much of the crop is black."""

from __future__ import annotations

import cv2
import numpy as np

from counterface.faceset.measures.measure import Measure
from counterface.faceset.measures.sharpness import MIDDLE, middle_grey
from counterface.types import Image

BLACK = 16  # level of all three channels up to which a pixel is black: video's black and its noise
_PALE = 1e-3  # mean saturation below which no hue is left


def brightness_of(image: Image) -> float:
    """The mean luma of the middle of a crop, [0, 255]."""
    return float(middle_grey(image).mean())


def hue_of(image: Image) -> float:
    """The hue of the middle of a crop, degrees in (-180, 180], 0 is red; NaN where all is grey.

    Each pixel counts by its saturation; skin lies around 15.
    """
    edge = round(len(image) * (1 - MIDDLE) / 2)
    inner = np.ascontiguousarray(image[edge : len(image) - edge, edge : len(image) - edge])
    hsv = cv2.cvtColor(inner.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    turn, weight = np.radians(hsv[..., 0]), hsv[..., 1]
    x, y = float((weight * np.cos(turn)).mean()), float((weight * np.sin(turn)).mean())
    return float(np.degrees(np.arctan2(y, x))) if np.hypot(x, y) > _PALE else float("nan")


def black_share_of(image: Image) -> float:
    """The share of black pixels in a crop, [0, 1]."""
    return float((image.max(axis=2) <= BLACK).mean())


BRIGHTNESS = Measure(
    name="brightness",
    says="mean luma of the face",
    unit="0 to 255",
    reads="crop",
    of=brightness_of,
    largest_first=True,
)
HUE = Measure(
    name="hue",
    says="hue of the face, 0 is red, skin is near 15",
    unit="degrees",
    reads="crop",
    of=hue_of,
)
BLACK_SHARE = Measure(
    name="black", says="black share of the crop", unit="0 to 1", reads="crop", of=black_share_of
)
