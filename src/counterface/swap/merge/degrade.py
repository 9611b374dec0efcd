"""What makes a clean generated face look like the footage around it: grain, blur, losses.

Each step takes and gives RGB uint8 (H, W, 3) in frame pixels. `degrade_face` puts them in the order
of a camera: optics, exposure, sensor, codec.
"""

from __future__ import annotations

import zlib

import cv2
import numpy as np

from counterface.media.recompress import recompress_jpeg
from counterface.swap.merge.settings import MergeSettings
from counterface.types import Floats, Image

_SHORT = 0.5  # pixels; a shorter way blurs nothing


def degrade_face(
    face: Image, settings: MergeSettings, motion: Floats | None = None, seed: int = 0
) -> Image:
    """The face after the steps that the settings turn on; the same image if they turn on none.

    Args:
        face: RGB uint8 (H, W, 3), warped into a window of the frame.
        settings: `denoise`, `resolution`, `motion_blur`, `noise` and `jpeg_quality` count.
        motion: (2,) the face's way in one frame, pixels, or None where it is not known.
        seed: seed of the grain; `grain_seed` of the frame gives every frame its own.
    """
    if settings.denoise:
        face = smooth_away(face, settings.denoise)
    if settings.resolution < 100:
        face = lower_resolution(face, settings.resolution / 100, settings.resolution_filter)
    if settings.motion_blur and motion is not None:
        face = blur_along(face, motion * (settings.motion_blur / 100))
    if settings.noise:
        face = add_grain(face, settings.noise, seed)
    if settings.jpeg_quality < 100:
        face = recompress_jpeg(face, settings.jpeg_quality)
    return face


def smooth_away(image: Image, levels: float) -> Image:
    """The image without differences between neighbours well under `levels` grey levels."""
    return np.asarray(cv2.bilateralFilter(image, 5, levels, 2.0), dtype=np.uint8)


def lower_resolution(image: Image, share: float, how: str = "area") -> Image:
    """The image scaled to a share of its size and back.

    Args:
        image: RGB uint8 (H, W, 3).
        share: share of the side, in (0, 1].
        how: `area` averages on the way down and is soft; `bicubic` skips pixels and is jagged.
    """
    height, width = image.shape[:2]
    small = (max(1, round(width * share)), max(1, round(height * share)))
    down = cv2.INTER_AREA if how == "area" else cv2.INTER_CUBIC
    low = cv2.resize(image, small, interpolation=down)
    return np.asarray(
        cv2.resize(low, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8
    )


def blur_along(image: Image, way: Floats) -> Image:
    """The image as an open shutter sees it while it moves along a straight way.

    Args:
        image: RGB uint8 (H, W, 3).
        way: (2,) xy pixels from the shutter's opening to its closing; its middle is the image.
    """
    length = float(np.hypot(*way))
    if length < _SHORT:
        return image
    count = max(2, int(np.ceil(length * 2)) + 1)
    half = int(np.ceil(length / 2)) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    for x, y in np.linspace(-0.5, 0.5, count)[:, None] * way + half:  # bilinear splats
        column, row = int(x), int(y)
        part_x, part_y = x - column, y - row
        splat = np.outer([1 - part_y, part_y], [1 - part_x, part_x])
        kernel[row : row + 2, column : column + 2] += splat
    blurred = cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, dtype=np.uint8)


def add_grain(image: Image, levels: float, seed: int) -> Image:
    """The image with Gaussian grain of a standard deviation in grey levels, equal in R, G, B."""
    grain = np.random.default_rng(seed).standard_normal((*image.shape[:2], 1), dtype=np.float32)
    return np.clip(np.round(image + grain * levels), 0, 255).astype(np.uint8)


def grain_seed(window: Image) -> int:
    """A number from the frame's own pixels: other frames get other grain, a repeat gets the same.

    A counter would give a resumed conversion other grain than an uninterrupted one.
    """
    return zlib.crc32(np.ascontiguousarray(window[::4]).tobytes())
