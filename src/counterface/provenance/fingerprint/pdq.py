"""Perceptual hashes, which are alike for pictures that look alike.

PDQ (Davis, Rosen and Meta, 2019, "The TMK+PDQF video-hashing algorithm and the PDQ image-hashing
algorithm", https://github.com/facebook/ThreatExchange), written anew on NumPy and OpenCV because
the usual package needs a compiler. It gives the same 256 bits on every picture with enough in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from counterface.errors import ShapeError
from counterface.provenance.watermark.working_size import without_bars
from counterface.types import Floats, Image

HASH_BYTES = 32
MIN_QUALITY = 50  # of 100: PDQ's own; below it pictures of all sorts share a hash

_SIDE = 512  # every picture is brought to this square first, as the reference does
_SMALL = 64
_WAVES = 16
_STEP = _SIDE // _SMALL
_BAND = 4  # rows smoothed at a time
_BOX = _STEP // 2  # two passes of half a step each weigh like a tent over one step
_CROPS = (0.05, 0.10)  # registered too; each finds crops within 2 % of it
_CROPPED = 640  # pixels of the square that they are cut from

_LUMA = np.array([[0.299, 0.587, 0.114]], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class ImageHash:
    """The look of a picture."""

    bits: bytes  # 32
    quality: int  # [0, 100]; PDQ's measure of the detail in the picture
    mirrored: bytes  # the hash of the mirror image

    @property
    def usable(self) -> bool:
        """Whether the picture has enough detail to be told from others."""
        return self.quality >= MIN_QUALITY


def hash_image(image: Image) -> ImageHash:
    """The PDQ hash of a picture and of its mirror image; 1 to 10 ms by its size.

    Args:
        image: RGB uint8 (H, W, 3), any size.

    Raises:
        ShapeError: another shape or type, or no pixels.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ShapeError(f"expected RGB uint8 (H, W, 3), got {image.dtype} {image.shape}")
    luma = cv2.transform(_squared(image, _SIDE).astype(np.float32), _LUMA)
    rows = _smooth(luma.reshape(_SIDE, _SIDE))
    small = _smooth(rows.T).T
    mirrored = _smooth(rows[:, ::-1].T).T
    return ImageHash(_bits(small), _quality(small), _bits(mirrored))


def hash_copies(image: Image) -> list[ImageHash]:
    """The hashes under which a picture is registered: whole, without bars, and cropped.

    A crop changes many bits of a hash, so likely crops are registered too: 5 and 10 per cent cut
    off width and height evenly, and off one side.

    Args:
        image: RGB uint8 (H, W, 3), any size.

    Raises:
        ShapeError: another shape or type, or no pixels.
    """
    hashes = hash_looks(image)
    # A hash is of a square, whatever the proportions; crops of this one cost a fifth.
    square = _squared(without_bars(image), _CROPPED)
    for share in _CROPS:
        cut = round(_CROPPED * share)
        half, rest = cut // 2, _CROPPED - cut
        crops = (
            square[half : half + rest, half : half + rest],
            square[cut:],
            square[:rest],
            square[:, cut:],
            square[:, :rest],
        )
        hashes += [hash_image(crop) for crop in crops]
    return hashes


def hash_looks(image: Image) -> list[ImageHash]:
    """The hashes by which a picture is looked up: whole and, where it has bars, without them."""
    inner = without_bars(image)
    return [hash_image(one) for one in ([image] if inner is image else [image, inner])]


def _squared(image: Image, side: int) -> Image:
    """The picture squeezed or stretched to a square."""
    way = cv2.INTER_AREA if min(image.shape[:2]) >= side else cv2.INTER_LINEAR
    square = cv2.resize(np.ascontiguousarray(image), (side, side), interpolation=way)
    return np.asarray(square, dtype=np.uint8)


@cache
def _tent() -> Floats:
    """The weights (64, 512) that smooth 512 pixels by two boxes and keep every eighth.

    A box is the mean of a pixel, the one before and the two after; at the ends, of fewer.
    """
    place = np.arange(_SIDE)
    ahead = place[None, :] - place[:, None]
    box = ((ahead > -_BOX // 2) & (ahead <= _BOX // 2)).astype(np.float64)
    box /= box.sum(axis=1, keepdims=True)
    return np.asarray((box @ box)[_STEP // 2 :: _STEP], dtype=np.float32)


def _smooth(luma: Floats) -> Floats:
    """`_tent() @ luma` for luma (512, N), four rows at a time from the pixels that they weigh.

    That is a fifth of the work, and too little for BLAS to share between threads, which would spin.
    """
    rows = []
    for first in range(0, _SMALL, _BAND):
        near = slice(max(0, _STEP * (first - 1)), _STEP * (first + _BAND + 1))
        rows.append(_tent()[first : first + _BAND, near] @ luma[near])
    return np.concatenate(rows)


@cache
def _cosines() -> Floats:
    """The 16 lowest waves over 64 pixels, without the constant one, (16, 64)."""
    phase = np.arange(1, _WAVES + 1)[:, None] * (2 * np.arange(_SMALL) + 1)
    return np.asarray(np.cos(np.pi * phase / (2 * _SMALL)), dtype=np.float32)


def _bits(small: Floats) -> bytes:
    """A bit for each of the 256 lowest waves but the constant ones; 1 above their median."""
    spectrum = (_cosines() @ small @ _cosines().T).ravel()
    median = np.sort(spectrum)[spectrum.size // 2 - 1]  # the lower of the two in the middle
    return np.packbits((spectrum > median)[::-1]).tobytes()  # PDQ writes the last bit first


def _quality(small: Floats) -> int:
    """PDQ's measure of the change from pixel to pixel, [0, 100]."""
    steps = [np.diff(small, axis=axis) * np.float32(100 / 255) for axis in (0, 1)]
    total = sum(int(np.abs(np.trunc(step)).sum()) for step in steps)
    return min(100, total // 90)
