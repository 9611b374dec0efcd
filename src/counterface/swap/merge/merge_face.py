"""One generated face put into its frame: colour, mask, place, blend.

Only a window around the face is worked on. `frame_to_crop` has the convention of `faces.align`, so
a crop that nobody changed goes back to where it came from, to a fraction of a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from counterface.errors import ShapeError
from counterface.faces.align import matrix_scale, warp_image, warp_points
from counterface.faces.blend import (
    Region,
    clone_seamlessly,
    cloned_mask,
    crop_region,
    mask_region,
    paste,
    shift_matrix,
)
from counterface.faces.landmarks import INNER
from counterface.registry import COLOR_TRANSFERS
from counterface.swap.merge.degrade import degrade_face, grain_seed
from counterface.swap.merge.mask import MASK_SIZE, choose_mask, face_size, shape_mask
from counterface.swap.merge.settings import MergeSettings
from counterface.swap.merge.sharpen import sharpen_image
from counterface.types import Floats, Image, Mask

_GRID = 16  # pixels: the window starts where blocks of the frame's codec start
_RESAMPLE = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}
_REDUCE = 1.5  # a face that shrinks by more is averaged over areas first; sampling would alias
_KEEP = 1.5  # and then has this many pixels for each of the frame's: at 1 it would be blurred twice


@dataclass(frozen=True, slots=True, eq=False)
class Swapped:
    """A generated face and where it belongs."""

    image: Image  # (R, R, 3)
    mask: Mask | None  # (R, R), the model's own, where it learns one
    frame_to_crop: Floats  # (2, 3) for the R pixels
    landmarks: Floats  # (68, 2) of the target's face, frame pixels
    faceset_mask: Mask | None = None  # (S, S) over the crop, of any size
    segmented: Mask | None = None  # likewise: where the target's face is visible
    segmented_made: Mask | None = None  # likewise: where the face is visible in `image`

    @property
    def masks(self) -> dict[str, Mask | None]:
        """The masks by what `MergeSettings.mask` calls them."""
        return {
            "learned": self.mask,
            "faceset": self.faceset_mask,
            "segmented": self.segmented,
            "made": self.segmented_made,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """A frame with a new face."""

    frame: Image  # (H, W, 3)
    mask: Mask  # (H, W): how much of the new face each pixel has
    note: str = ""  # why the frame was left as it was; empty where it was not


def merge_face(
    frame: Image, swapped: Swapped, settings: MergeSettings, motion: Floats | None = None
) -> Merged:
    """The frame with the generated face in it; where the mask is 0 every bit is the frame's.

    Args:
        frame: RGB uint8 (H, W, 3); not changed.
        motion: (2,) xy pixels by which the face moved since the last frame, for `motion_blur`.

    Raises:
        ShapeError: the face is not a square RGB crop, or its masks, matrix or landmarks do not fit.
        SwapError: the settings ask for a mask that is not there.
        RegistryError: the colour transfer cannot be loaded.
    """
    size = _side(swapped.image)
    matrix = _scaled(swapped, settings.face_scale / 100)
    region = crop_region(matrix, size, frame.shape[:2], _GRID)
    if region is None:
        return _unchanged(frame, "the face lies outside the frame")
    face_share = face_size(swapped.landmarks, swapped.frame_to_crop) / size
    if settings.blend == "raw":
        plain = shaped = np.ones((MASK_SIZE, MASK_SIZE), np.float32)
    else:
        place = swapped.landmarks, swapped.frame_to_crop, size
        plain = choose_mask(settings, *place, swapped.masks)
        shaped = shape_mask(plain, settings, face_share * MASK_SIZE)
    mask = _warp_mask(shaped, shift_matrix(matrix, region), size, region)
    mask = cloned_mask(mask) if settings.blend == "seamless" else mask
    seen = mask_region(mask, _GRID)
    if seen is None:
        return _unchanged(frame, "the mask is empty")

    face = swapped.image
    if settings.blend != "raw":
        around = np.ascontiguousarray(frame[region.window])
        face = _recolor(face, around, shift_matrix(swapped.frame_to_crop, region), plain, settings)
    mask = mask[seen.window]
    region = seen.within(region)
    window = np.ascontiguousarray(frame[region.window])
    layer = warp_into(face, shift_matrix(matrix, region), region.shape, settings.resample)
    if settings.sharpen != "none":
        radius = settings.sharpen_radius / 100 * face_share * size / matrix_scale(matrix)
        layer = sharpen_image(layer, settings.sharpen, settings.sharpen_amount / 100, radius)
    layer = degrade_face(layer, settings, motion, grain_seed(window) if settings.noise else 0)
    blend = clone_seamlessly if settings.blend == "seamless" else paste
    out = frame.copy()
    out[region.window] = blend(layer, window, mask)
    whole = np.zeros(frame.shape[:2], np.float32)
    whole[region.window] = mask
    return Merged(out, whole)


def warp_into(
    face: Image, frame_to_crop: Floats, shape: tuple[int, int], resample: str = "cubic"
) -> Image:
    """The crop (R, R, 3) moved to where it lies in a picture of (H, W), its border continued.

    A face that becomes smaller is averaged over areas first, since sampling alone would alias.

    Args:
        face: RGB uint8 (R, R, 3).
        frame_to_crop: (2, 3) from pixels of the picture to pixels of the crop.
        shape: (H, W) of the picture.
        resample: `linear`, `cubic` or `lanczos`.
    """
    size = face.shape[0]
    reduction = matrix_scale(frame_to_crop)
    if reduction > _REDUCE:
        small = max(1, round(size / reduction * _KEEP))
        face = cv2.resize(face, (small, small), interpolation=cv2.INTER_AREA)
        frame_to_crop = resize_matrix(frame_to_crop, size, small)
    return np.asarray(
        cv2.warpAffine(
            face,
            frame_to_crop.astype(np.float64),
            shape[::-1],
            flags=_RESAMPLE[resample] | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        dtype=np.uint8,
    )


def resize_matrix(frame_to_crop: Floats, size: int, to: int) -> Floats:
    """`frame_to_crop` (2, 3) of the same crop at another number of pixels."""
    matrix = frame_to_crop.astype(np.float64) * (to / size)
    matrix[:, 2] += (to / size - 1) / 2
    return matrix.astype(np.float32)


def _side(face: Image) -> int:
    if face.ndim != 3 or face.shape[0] != face.shape[1] or face.shape[2] != 3:
        raise ShapeError(f"expected a square RGB face (R, R, 3), got {face.shape}")
    return int(face.shape[0])


def _scaled(swapped: Swapped, scale: float) -> Floats:
    """`frame_to_crop` of the face, made larger about the middle of its inner landmarks."""
    if scale == 1:
        return swapped.frame_to_crop
    matrix = swapped.frame_to_crop.astype(np.float64)
    centre = swapped.landmarks[INNER].mean(axis=0)
    moved = warp_points(centre[None], swapped.frame_to_crop)[0]
    matrix[:, :2] /= scale
    matrix[:, 2] = moved - matrix[:, :2] @ centre
    return matrix.astype(np.float32)


def _warp_mask(mask: Mask, frame_to_crop: Floats, size: int, region: Region) -> Mask:
    matrix = resize_matrix(frame_to_crop, size, len(mask)).astype(np.float64)
    warped = cv2.warpAffine(
        mask, matrix, region.shape[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    return np.asarray(warped, dtype=np.float32)


def _recolor(
    face: Image, window: Image, frame_to_crop: Floats, mask: Mask, settings: MergeSettings
) -> Image:
    """The face with colours moved toward those of the face that it covers."""
    if settings.color_transfer == "none" or not settings.color_strength:
        return face
    size = face.shape[0]
    like = warp_image(window, frame_to_crop, size)
    under = np.asarray(cv2.resize(mask, (size, size), interpolation=cv2.INTER_LINEAR))
    moved = COLOR_TRANSFERS.load(settings.color_transfer)(face, like, under, under)
    share = settings.color_strength / 100
    if share == 1:
        return np.asarray(moved, dtype=np.uint8)
    return np.asarray(cv2.addWeighted(moved, share, face, 1 - share, 0), dtype=np.uint8)


def _unchanged(frame: Image, why: str) -> Merged:
    return Merged(frame.copy(), np.zeros(frame.shape[:2], np.float32), why)
