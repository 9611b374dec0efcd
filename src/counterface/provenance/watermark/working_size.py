"""Pictures as the watermark sees them: luma, without bars, squeezed to one square, evened out."""

from __future__ import annotations

import cv2
import numpy as np

from counterface.errors import ShapeError
from counterface.provenance.watermark.carrier import SIDE
from counterface.types import Floats, Image

MIN_SIDE = 96  # pixels: below it the finest waves are lost

_BAR = 20  # luma below which a whole edge row counts as a black bar
_SIGMAS = (0.8, 1.4, 2.4, 4.0)  # pixels at working size, between which the bands lie
_QUIET = 0.3  # grey levels below which a band is noise and is not raised further
_FURTHEST = 0.7  # of a band's own rms: what stands out further is an edge and says no more


def fits(image: Image) -> bool:
    """Whether a picture is large enough to hold the mark.

    Raises:
        ShapeError: it is not RGB uint8 (H, W, 3).
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ShapeError(f"expected RGB uint8 (H, W, 3), got {image.dtype} {image.shape}")
    return bool(min(image.shape[:2]) >= MIN_SIDE)


def without_bars(image: Image) -> Image:
    """The picture inside its black bars; the picture itself where there are none.

    Args:
        image: RGB uint8 (H, W, 3).
    """
    edges = (image[:1], image[-1:], image[:, :1], image[:, -1:])
    if all(cv2.cvtColor(e, cv2.COLOR_RGB2GRAY).max() > _BAR for e in map(np.array, edges)):
        return image  # almost all pictures; looking at every pixel takes ten times as long
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    rows = np.flatnonzero(cv2.reduce(grey, 1, cv2.REDUCE_MAX) > _BAR)
    columns = np.flatnonzero(cv2.reduce(grey, 0, cv2.REDUCE_MAX) > _BAR)
    if not len(rows) or grey.shape == (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1):
        return image
    inner = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return inner if fits(inner) else image


def luma_square(image: Image) -> Floats:
    """The luma of a picture at working size, float32 (256, 256)."""
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    whole = min(grey.shape) // SIDE
    if whole > 1:  # halving and the like is far faster than shrinking by a fraction
        height, width = grey.shape[0] // whole, grey.shape[1] // whole
        grey = grey[: height * whole, : width * whole]
        grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    way = cv2.INTER_AREA if whole else cv2.INTER_CUBIC
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=way)
    return np.asarray(small, dtype=np.float32)


def evened(luma: Floats) -> Floats:
    """The detail of a picture with all places and bands about as strong, (256, 256).

    Each band is divided by its own strength nearby, then limited: pictures have rare strong edges,
    and a limiter takes less of a faint mark than of them.
    """
    total = np.zeros_like(luma)
    finer = luma
    for sigma in _SIGMAS:
        coarser = cv2.GaussianBlur(luma, (0, 0), sigma)
        band = finer - coarser
        power = cv2.GaussianBlur(band * band, (0, 0), 2.0 * max(1.0, sigma))
        total += np.clip(band / cv2.sqrt(power + _QUIET**2), -_FURTHEST, _FURTHEST)
        finer = coarser
    return total
