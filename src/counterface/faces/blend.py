"""Putting one picture into another: alpha paste, seamless clone, and how visible the seam is.

Convention: pictures are RGB uint8 (H, W, 3); masks float32 (H, W) in [0, 1], 1 takes the face.

Seamless clone: Perez, Gangnet and Blake, "Poisson image editing", 2003, as OpenCV solves it; ours
pads pictures whose mask touches the border, and keeps the soft edge of the mask.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.errors import ShapeError
from counterface.types import Floats, Image, Mask

SEEN = 1 / 255  # a smaller share of the face changes no pixel
_CLONE_PAD = 4  # pixels; OpenCV needs an outside around the mask


class Region(NamedTuple):
    """A window of a picture: rows y0 to y1 and columns x0 to x1, the ends left out."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def window(self) -> tuple[slice, slice]:
        """What cuts the region out of an array: `image[region.window]`."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the window."""
        return self.y1 - self.y0, self.x1 - self.x0

    def within(self, outer: Region) -> Region:
        """The same window, where its pixels were counted from the corner of `outer`."""
        return Region(
            self.x0 + outer.x0, self.y0 + outer.y0, self.x1 + outer.x0, self.y1 + outer.y0
        )


def crop_region(
    frame_to_crop: Floats, size: int, shape: tuple[int, int], grid: int = 1
) -> Region | None:
    """The window of a frame that a crop covers, or None where it lies outside the frame.

    Args:
        frame_to_crop: (2, 3), of a crop of `size` pixels.
        size: side of the crop, pixels.
        shape: (H, W) of the frame.
        grid: the window begins and ends on multiples of this many pixels, or at the frame's end.
    """
    corners = np.array([[0, 0, 1, 1], [0, 1, 0, 1]], np.float64).T * size - 0.5
    back = cv2.invertAffineTransform(frame_to_crop.astype(np.float64))
    points = corners @ back[:, :2].T + back[:, 2]
    if not np.isfinite(points).all():
        return None
    low = np.floor(points.min(axis=0) / grid) * grid
    high = np.ceil((points.max(axis=0) + 1) / grid) * grid
    x0, y0 = (int(max(v, 0)) for v in low)
    x1, y1 = (int(min(v, side)) for v, side in zip(high, shape[::-1], strict=True))
    return Region(x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def mask_region(mask: Mask, grid: int = 1) -> Region | None:
    """The window in which a mask would change a pixel, or None for an empty mask.

    Args:
        mask: float32 (H, W).
        grid: the window begins and ends on multiples of this many pixels, or at the mask's end.
    """
    x, y, width, height = cv2.boundingRect((mask > SEEN).astype(np.uint8))
    if not width or not height:
        return None
    x1, y1 = -(-(x + width) // grid) * grid, -(-(y + height) // grid) * grid
    bottom, right = mask.shape
    return Region(x // grid * grid, y // grid * grid, min(x1, right), min(y1, bottom))


def shift_matrix(frame_to_crop: Floats, region: Region) -> Floats:
    """The matrix (2, 3) that maps pixels of the region, rather than of the frame, to the crop."""
    matrix = frame_to_crop.astype(np.float64)
    matrix[:, 2] += matrix[:, :2] @ (region.x0, region.y0)
    return matrix.astype(np.float32)


def paste(face: Image, frame: Image, face_mask: Mask) -> Image:
    """The frame with the aligned face blended in; where the mask is 0 every bit is the frame's.

    Args:
        face: RGB uint8 (H, W, 3), already warped into the frame.
        frame: RGB uint8 (H, W, 3); not changed.
        face_mask: float32 (H, W) in [0, 1]; 1 keeps the face.

    Raises:
        ShapeError: the three sizes differ.
    """
    _require_one_size(face, frame, face_mask)
    return np.asarray(cv2.blendLinear(face, frame, face_mask, 1 - face_mask), dtype=np.uint8)


def clone_seamlessly(face: Image, frame: Image, face_mask: Mask) -> Image:
    """The frame with the face's gradients cloned in; colours at the mask's edge are the frame's.

    What is cloned is where the mask has half of its peak and more (`cloned_mask`): colours are then
    taken from skin well inside the soft edge, not from hair and background beyond it. That half of
    the soft edge is kept on top. An empty mask gives the frame.

    Args:
        face: RGB uint8 (H, W, 3), already warped into the frame.
        frame: RGB uint8 (H, W, 3); not changed.
        face_mask: float32 (H, W) in [0, 1]. It may touch the border: the frame's outermost pixels
            are continued there.

    Raises:
        ShapeError: the three sizes differ.
    """
    _require_one_size(face, frame, face_mask)
    face_mask = cloned_mask(face_mask)
    cloned = (face_mask > 0).astype(np.uint8) * 255
    x, y, width, height = cv2.boundingRect(cloned)
    if not width:
        return frame.copy()
    window = (slice(y, y + height), slice(x, x + width))
    around = (_CLONE_PAD,) * 4
    below = cv2.copyMakeBorder(frame, *around, cv2.BORDER_REPLICATE)
    area = slice(y, y + height + 2 * _CLONE_PAD), slice(x, x + width + 2 * _CLONE_PAD)
    above = cv2.copyMakeBorder(face[window], *around, cv2.BORDER_REPLICATE)
    where = cv2.copyMakeBorder(cloned[window], *around, cv2.BORDER_CONSTANT, value=0)
    middle = (_CLONE_PAD + width // 2, _CLONE_PAD + height // 2)
    clone = cv2.seamlessClone(above, below[area].copy(), where, middle, cv2.NORMAL_CLONE)
    inner = slice(_CLONE_PAD, _CLONE_PAD + height), slice(_CLONE_PAD, _CLONE_PAD + width)
    out = frame.copy()
    out[window] = paste(np.ascontiguousarray(clone[inner]), frame[window], face_mask[window])
    return out


def cloned_mask(face_mask: Mask) -> Mask:
    """The mask of what `clone_seamlessly` changes: 0 where it has less than half of its peak."""
    level = max(0.5 * float(face_mask.max(initial=0.0)), SEEN)
    return np.where(face_mask >= level, face_mask, np.float32(0))


def colour_seam(image: Image, mask: Mask) -> float:
    """How much colours differ across the edge of a mask: mean delta E (CIE 1976), 0 for none.

    Along the line where the mask is half of its peak, the mean LAB colour of a band just inside the
    mask's soft zone is compared with that of a band just outside it, place by place. A face's own
    outline (hair, collar) and shading count too, so the number is to be read against that of the
    untouched frame under the same mask.

    Args:
        image: RGB uint8 (H, W, 3), the merged frame.
        mask: float32 (H, W) in [0, 1], what was merged.

    Returns:
        0.0 also for a mask without an edge in the picture.

    Raises:
        ShapeError: the sizes differ.
    """
    if image.shape[:2] != mask.shape:
        raise ShapeError(f"image {image.shape} and mask {mask.shape} differ in size")
    small = _around_mask(image, mask)
    if small is None:
        return 0.0
    lab = cv2.cvtColor(small[0].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    level = small[1] / small[1].max()
    half = level >= 0.5
    inward, outward = _distance(half), _distance(~half)
    line = (inward > 0) & (inward <= 1.5)
    if not line.any() or half.all():
        return 0.0
    reach = float(((level > 0.1) & (level < 0.9)).sum() / line.sum()) / 2  # half the soft zone
    band = max(2.0, 0.04 * float(np.sqrt(half.sum())))
    means, known = [], line
    for distance, beyond in ((inward, level >= 0.9), (outward, level <= 0.1)):
        weight = (beyond & (distance > 0) & (distance <= 1.5 * reach + band)).astype(np.float32)
        spread = cv2.GaussianBlur(weight, (0, 0), reach + band)
        mean = cv2.GaussianBlur(lab * weight[..., None], (0, 0), reach + band)
        means.append(mean / np.maximum(spread, 1e-6)[..., None])
        known = known & (spread > 1e-3)
    if not known.any():
        return 0.0
    return float(np.linalg.norm(means[0][known] - means[1][known], axis=1).mean())


_SEAM_SIZE = 160  # pixels; a seam is seen from afar, and this costs the same for any frame


def _around_mask(image: Image, mask: Mask) -> tuple[Image, Mask] | None:
    """The window around the mask with room for a band, at most _SEAM_SIZE wide; None if empty."""
    region = mask_region(mask)
    if region is None:
        return None
    room = max(4, max(region.shape) // 8)
    height, width = mask.shape
    x0, y0 = max(region.x0 - room, 0), max(region.y0 - room, 0)
    window = Region(x0, y0, min(region.x1 + room, width), min(region.y1 + room, height)).window
    part, share = image[window], mask[window]
    scale = _SEAM_SIZE / max(share.shape)
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in share.shape[::-1])
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        share = cv2.resize(share, size, interpolation=cv2.INTER_AREA)
    return np.asarray(part, dtype=np.uint8), np.asarray(share, dtype=np.float32)


def _distance(inside: NDArray[np.bool_]) -> Floats:
    """Pixels to the nearest one that is not inside; the picture's border is none."""
    if inside.all():
        return np.full(inside.shape, np.inf, np.float32)
    return np.asarray(
        cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5), dtype=np.float32
    )


def _require_one_size(face: Image, frame: Image, face_mask: Mask) -> None:
    if face.shape != frame.shape or face_mask.shape != frame.shape[:2]:
        raise ShapeError(
            f"face {face.shape}, frame {frame.shape} and mask {face_mask.shape} differ in size"
        )
