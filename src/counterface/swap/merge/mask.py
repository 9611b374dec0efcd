"""The mask of a swap in its crop: which kind, shrunk, softened, and faded to the crop's border.

Masks are shaped on a small square over the crop, whatever the size of the face in the frame: they
are smooth, so they lose nothing when they are warped up, and it costs the same for every frame.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from counterface.errors import ShapeError, SwapError
from counterface.faces.align import crop_matrix, matrix_scale, warp_points
from counterface.faces.mask import hull_mask
from counterface.swap.merge.settings import MergeSettings
from counterface.types import Floats, Mask

MASK_SIZE = 128  # side of the square on which masks are shaped
_DRAWN = 4  # hulls are drawn this many times finer: a hull of whole pixels would jump in time
_MISSING = {
    "learned": "this model gives no mask of its own; use 'hull', or train a model with a mask "
    "branch",
    "faceset": "no mask came with this face; use 'hull' or 'learned'",
    "segmented": "no face was segmented; use 'hull' or 'learned'",
    "made": "no face was segmented; use 'hull' or 'learned'",
}
_CLEAN = 0.05  # masks of nets below this are nothing, and above 1 minus this all


def face_size(landmarks: Floats, frame_to_crop: Floats) -> float:
    """The side of the face in crop pixels: 2.7 eye distances, as steady as the alignment is.

    Raises:
        ShapeError: landmarks are not (68, 2).
    """
    return matrix_scale(frame_to_crop) / matrix_scale(crop_matrix(landmarks, "face", 1))


def choose_mask(
    settings: MergeSettings,
    landmarks: Floats,
    frame_to_crop: Floats,
    size: int,
    masks: Mapping[str, Mask | None],
) -> Mask:
    """The mask of the kind asked for, not yet shrunk or softened, (MASK_SIZE, MASK_SIZE).

    Args:
        settings: `mask` and `hull` count.
        landmarks: (68, 2) frame pixels.
        frame_to_crop: (2, 3), of a crop of `size` pixels.
        size: side of the crop, pixels.
        masks: square masks over the crop by what `mask` calls them, but for the hull.

    Raises:
        SwapError: the kind needs a mask that is not there.
        ShapeError: a mask that is not square, or landmarks that are not (68, 2).
    """
    out = np.ones((MASK_SIZE, MASK_SIZE), np.float32)
    for factor in settings.mask_factors:
        if factor == "hull":
            out = out * _hull(settings.hull, landmarks, frame_to_crop, size)
            continue
        mask = masks.get(factor)
        if mask is None:
            raise SwapError(f"mask {settings.mask!r}: {_MISSING[factor]}")
        fitted = _fit(mask)
        if factor != "faceset":  # which somebody may have drawn so
            fitted = np.clip((fitted - _CLEAN) / (1 - 2 * _CLEAN), 0, 1)
        out = out * fitted
    return np.asarray(out, dtype=np.float32)


def shape_mask(mask: Mask, settings: MergeSettings, face: float) -> Mask:
    """The mask cut, shrunk, softened and faded to 0 at the border, float32 in [0, 1].

    Args:
        mask: square, over the crop.
        settings: `cut_*`, `erode`, `blur`, `edge` and `opacity` count.
        face: size of the face in pixels of the mask.
    """
    out = _cut(mask, settings)
    if settings.erode:
        out = _shrink(out, settings.erode / 100 * face)
    if settings.blur:
        # three sigma from 7 to 93 %: what is seen as the edge's width. The whole crop is a square
        # of 1 with 0 around, so that it fades inward too.
        sigma = settings.blur / 100 * face / 3
        out = cv2.GaussianBlur(out, (0, 0), max(sigma, 0.1), borderType=cv2.BORDER_REPLICATE)
    if settings.edge:
        ramp = _ramp(len(out), settings.edge / 100 * len(out))
        out = out * ramp * ramp[:, None]
    return np.asarray(out * (settings.opacity / 100), dtype=np.float32)


def _hull(kind: str, landmarks: Floats, frame_to_crop: Floats, size: int) -> Mask:
    fine = MASK_SIZE * _DRAWN
    points = (warp_points(landmarks, frame_to_crop) + 0.5) * (fine / size) - 0.5
    drawn = hull_mask(points.astype(np.float32), (fine, fine), kind)
    small = cv2.resize(drawn, (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32)


def _fit(mask: Mask) -> Mask:
    if mask.ndim != 2 or mask.shape[0] != mask.shape[1]:
        raise ShapeError(f"expected a square mask (R, R) over the crop, got {mask.shape}")
    how = cv2.INTER_AREA if len(mask) > MASK_SIZE else cv2.INTER_LINEAR
    fitted = cv2.resize(mask, (MASK_SIZE, MASK_SIZE), interpolation=how)
    return np.asarray(np.clip(fitted, 0, 1), dtype=np.float32)


def _cut(mask: Mask, settings: MergeSettings) -> Mask:
    """The mask without the strips at the crop's sides; a strip may end within a pixel."""
    sides = (settings.cut_top, settings.cut_bottom, settings.cut_left, settings.cut_right)
    if not any(sides):
        return mask
    side = len(mask)
    top, bottom, left, right = (share / 100 * side for share in sides)
    place = np.arange(side, dtype=np.float32)

    def strip(low: float, high: float) -> Floats:
        kept = np.minimum(place + 1 - low, side - high - place)
        return np.asarray(np.clip(kept, 0, 1), dtype=np.float32)

    return np.asarray(mask * strip(top, bottom)[:, None] * strip(left, right), dtype=np.float32)


def _shrink(mask: Mask, pixels: float) -> Mask:
    """The mask shrunk (grown where negative); parts of a pixel blend the two nearest radii."""
    change = cv2.erode if pixels > 0 else cv2.dilate
    low = int(abs(pixels))
    share = abs(pixels) - low
    levels = np.round(mask * 255).astype(np.uint8)
    # beyond the crop lies what lies at its border: a mask that reaches it is not shrunk from there,
    # since that is what `edge` is for
    steps = [
        change(levels, _disc(radius), borderType=cv2.BORDER_REPLICATE) if radius else levels
        for radius in (low, low + 1)
    ]
    return np.asarray((steps[0] * (1 - share) + steps[1] * share) / 255, dtype=np.float32)


def _disc(radius: int) -> object:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def _ramp(side: int, width: float) -> Floats:
    """(side,) from 0 at both ends to 1 at `width` pixels from them, without a kink."""
    place = np.arange(side, dtype=np.float32)
    share = np.clip(np.minimum(place, side - 1 - place) / max(width, 1e-6), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), dtype=np.float32)
