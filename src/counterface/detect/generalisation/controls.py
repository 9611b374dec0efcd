"""What else could tell the classes apart, measured in the open beside every score.

A blur meter puts most fakes above their genuine twins, and a repository's habits of size and coding
do the rest. So the same tables are made of these numbers alone, of the detector on the ring outside
the face, on both classes brought to one size and one JPEG quality, and on twins made equally sharp.
All of it works on aligned crops (S, S, 3) of the template `whole_face` or one that is near to it.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from counterface.datasets.twins.sharpness import log_sharpness
from counterface.faces.align import TEMPLATES
from counterface.media.compression import from_blockiness
from counterface.media.recompress import recompress_jpeg
from counterface.types import Floats, Image, Mask

EQUAL_SIDE, EQUAL_QUALITY = 128, 75  # eyes 39 pixels apart in a `whole_face` crop
ENOUGH_BLUR = 8.0  # sigma in pixels of the crop; nothing of a face is left beyond
FADE = 0.04  # share of the side over which the covered face passes into what is left of the crop
STEPS = 12  # halvings of the search for a sigma: to 0.002 pixels
CONTROLS = {  # name -> what a high value is said to mean
    "small": "few pixels of the whole picture",
    "few_bytes": "few bytes a pixel and frame",
    "soft": "little energy of the Laplacian within the face",
    "blocky": "edges on a grid of 8 pixels",
}


def sharpness(crop: Image, template: str = "whole_face") -> float:
    """Log of the mean absolute Laplacian within the face; each halving of detail takes 0.7."""
    return log_sharpness(crop, face_part(crop.shape[0], template), 1e-3)  # a flat crop: -6.9


def file_controls(
    crops: Image, template: str, *, width: int, height: int, size: int, frames: int
) -> dict[str, float]:
    """The numbers of `CONTROLS`, the higher the more is the file what its name says.

    Args:
        crops: (N, S, S, 3), aligned faces of the file.
        template: template of the crops.
        width: width of the file's pictures, pixels.
        height: height of the file's pictures, pixels.
        size: size of the file, bytes.
        frames: number of frames that it holds.
    """
    pixels = max(1, width * height)
    return {
        "small": -float(np.log(pixels)),
        "few_bytes": -float(np.log(max(1, size) / (pixels * max(1, frames)))),
        "soft": -float(np.mean([sharpness(crop, template) for crop in crops])),
        "blocky": from_blockiness(list(crops)).strength,
    }


def ring_only(crop: Image, template: str = "whole_face") -> Image:
    """The crop with its face painted over, from forehead to chin, by the colours around it.

    The colours flow in from the outline (a pyramid of averages of what is outside), so that neither
    an edge nor any detail of the face is left. What still tells the classes apart lies outside.
    """
    weight = 1.0 - _covered(crop.shape[0], template)[..., None]
    return np.asarray(np.rint(_fill(crop.astype(np.float32), weight)), np.uint8)


def equalise(crop: Image) -> Image:
    """The crop through 128 pixels and JPEG 75, and back to its size."""
    side = crop.shape[0]
    small = cv2.resize(crop, (EQUAL_SIDE, EQUAL_SIDE), interpolation=cv2.INTER_AREA)
    coded = recompress_jpeg(np.asarray(small, np.uint8), EQUAL_QUALITY)
    return np.asarray(cv2.resize(coded, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def blur(crop: Image, sigma: float) -> Image:
    """Gaussian; sigma in pixels of the crop, 0 for none."""
    return crop if sigma <= 0 else np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma), np.uint8)


def equal_blur(crops: Image, wanted: float, template: str = "whole_face") -> float:
    """The sigma that brings crops (N, S, S, 3) down to a mean sharpness; 0 where they are softer.

    By halving: sharpness falls as sigma grows.
    """

    def mean(sigma: float) -> float:
        return float(np.mean([sharpness(blur(crop, sigma), template) for crop in crops]))

    if mean(0.0) <= wanted:
        return 0.0
    low, high = 0.0, ENOUGH_BLUR
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if mean(middle) > wanted else (low, middle)
    return (low + high) / 2


@cache
def face_part(side: int, template: str) -> Mask:
    """1 where a swap replaces the face, from brows to chin, (side, side)."""
    return _ellipse(side, template, 1.0)


@cache
def _covered(side: int, template: str) -> Mask:
    """1 over the face with forehead and jaw line, fading out, (side, side)."""
    hull = _ellipse(side, template, 1.3)
    return np.asarray(cv2.GaussianBlur(hull, (0, 0), FADE * side / 2), np.float32)


def _ellipse(side: int, template: str, grow: float) -> Mask:
    """Half axes 0.9 and 1.2 eye distances, its centre 0.4 below the eyes; larger by a factor."""
    eyes = side / TEMPLATES[template][0]
    y, x = np.mgrid[:side, :side].astype(np.float32) + 0.5
    middle = TEMPLATES[template][1] * side + 0.4 * eyes
    away = ((x - side / 2) / (0.9 * eyes)) ** 2 + ((y - middle) / (1.2 * eyes)) ** 2
    return np.asarray(away < grow**2, np.float32)


def _fill(image: Floats, weight: Mask) -> Floats:
    """The picture, filled where the weight is 0 with averages of its surroundings."""
    height, width = image.shape[:2]
    if min(height, width) <= 2:
        mean = (image * weight).sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)
        return np.asarray(image * weight + mean * (1 - weight), np.float32)
    size = (-(-width // 2), -(-height // 2))
    share = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)[..., None]
    known = cv2.resize(image * weight, size, interpolation=cv2.INTER_AREA)
    below = _fill(np.asarray(known / np.maximum(share, 1e-6), np.float32), np.asarray(share))
    back = cv2.resize(below, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(image * weight + back * (1 - weight), np.float32)
