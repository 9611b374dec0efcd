"""Where a pasted face lies over its picture: the masks that programs in use paste by.

Face swappers paste a rotated square, a box in the aligned crop or a parsed face, lip-sync programs
a hard box; none of them uses the convex hull of the landmarks alone.

Convention: float32 (H, W) in [0, 1], 1 = pasted; landmarks (68, 2) in pixels of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import cv2
import numpy as np
from numpy.random import Generator

from counterface.faces.align import MEAN_SHAPE, umeyama
from counterface.faces.landmarks import INNER, JAW, LEFT_EYE, MOUTH, RIGHT_EYE
from counterface.faces.mask import fill_convex, hull_points
from counterface.types import Floats, Mask

SPAN, EYE_LINE = 3.6, 0.4  # side of a pasted crop in eye distances; height of the eyes in it
_SIDE = 128  # that square masks are drawn at

PasteMask = Callable[[Floats, tuple[int, int], Generator], Mask]


def square_matrix(landmarks: Floats, side: int) -> Floats:
    """The similarity (2, 3) from the picture to the square that swappers crop.

    Args:
        landmarks: (68, 2).
        side: side of the square, pixels.
    """
    centre = np.array([0.5, EYE_LINE], dtype=np.float32)
    return umeyama(landmarks[INNER], ((MEAN_SHAPE / SPAN + centre) * side - 0.5).astype(np.float32))


def eye_distance(landmarks: Floats) -> float:
    """The distance between the eyes' centres, pixels."""
    left, right = landmarks[LEFT_EYE].mean(axis=0), landmarks[RIGHT_EYE].mean(axis=0)
    return float(np.linalg.norm(left - right))


def soften(mask: Mask, sigma: float) -> Mask:
    """The mask after a Gaussian of `sigma` pixels; unchanged below a fifth of one."""
    if sigma < 0.2:
        return mask
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), dtype=np.float32)


def erode(mask: Mask, pixels: float) -> Mask:
    """The mask narrowed by so many pixels all round."""
    width = 2 * round(pixels) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return np.asarray(cv2.erode(mask, kernel, borderValue=1.0), dtype=np.float32)


def rotated_square(landmarks: Floats, shape: tuple[int, int], rng: Generator) -> Mask:
    """The square of the crop, eroded by 10 % of its side, soft by 1.5 to 5 %."""
    mask = np.zeros((_SIDE, _SIDE), np.float32)
    edge = round(0.1 * _SIDE)
    mask[edge:-edge, edge:-edge] = 1
    return _from_square(soften(mask, float(rng.uniform(0.015, 0.05)) * _SIDE), landmarks, shape)


def static_box(landmarks: Floats, shape: tuple[int, int], rng: Generator) -> Mask:
    """A box in the aligned crop with a border of about 7 %, soft by 2 to 6 %."""
    mask = np.zeros((_SIDE, _SIDE), np.float32)
    top, right, bottom, left = np.round(rng.uniform(0.03, 0.14, 4) * _SIDE).astype(int)
    mask[top : _SIDE - bottom, left : _SIDE - right] = 1
    return _from_square(soften(mask, float(rng.uniform(0.02, 0.06)) * _SIDE), landmarks, shape)


def ellipse(landmarks: Floats, shape: tuple[int, int], rng: Generator) -> Mask:
    """An ellipse over the face in the aligned crop."""
    mask = np.zeros((_SIDE, _SIDE), np.float32)
    axes = np.round(np.array([0.34, 0.42]) * rng.uniform(0.85, 1.1, 2) * _SIDE).astype(int)
    middle = (_SIDE // 2, round(0.53 * _SIDE))
    cv2.ellipse(mask, middle, (int(axes[0]), int(axes[1])), 0, 0, 360, 1.0, -1)
    return _from_square(soften(mask, float(rng.uniform(0.01, 0.06)) * _SIDE), landmarks, shape)


def hull(
    landmarks: Floats,
    shape: tuple[int, int],
    rng: Generator,
    kind: str = "whole",
    most: float = 0.12,
) -> Mask:
    """A convex hull of landmarks, soft by 1 to 6 % of the face's width.

    Args:
        landmarks: (68, 2).
        shape: (H, W) of the mask.
        rng: the only source of chance.
        kind: which landmarks, see `hull_points`.
        most: most that is eroded, as a share of the face's width.
    """
    width = float(np.ptp(landmarks[JAW, 0]))
    mask = fill_convex(hull_points(landmarks, kind), shape)
    mask = erode(mask, float(rng.uniform(0, most)) * width)
    return soften(mask, float(rng.uniform(0.01, 0.06)) * width)


def hull_with_holes(landmarks: Floats, shape: tuple[int, int], rng: Generator) -> Mask:
    """The face without eyes or mouth, as a parsing mask leaves them out."""
    mask = fill_convex(hull_points(landmarks, "whole"), shape)
    kept = rng.permutation(3)[: rng.integers(1, 4)]
    grow = 0.08 * eye_distance(landmarks)
    for part in np.array([LEFT_EYE, RIGHT_EYE, MOUTH], dtype=object)[kept]:
        mask = np.minimum(mask, 1 - fill_convex(landmarks[part], shape, grow))
    return soften(mask, float(rng.uniform(0.01, 0.05)) * eye_distance(landmarks))


def mouth(landmarks: Floats, shape: tuple[int, int], rng: Generator) -> Mask:
    """The mouth with some skin."""
    grow = float(rng.uniform(0.1, 0.4)) * eye_distance(landmarks)
    mask = fill_convex(landmarks[MOUTH], shape, grow)
    return soften(mask, float(rng.uniform(0.02, 0.12)) * eye_distance(landmarks))


def eye_strip(landmarks: Floats, shape: tuple[int, int], rng: Generator) -> Mask:
    """Both eyes with their brows: one upright box in the aligned crop."""
    mask = np.zeros((_SIDE, _SIDE), np.float32)
    reach = rng.uniform(0.8, 1.1)
    top, bottom = round((EYE_LINE - 0.14 * reach) * _SIDE), round((EYE_LINE + 0.09 * reach) * _SIDE)
    side = round((0.5 - 0.31 * reach) * _SIDE)
    mask[top:bottom, side : _SIDE - side] = 1
    return _from_square(soften(mask, float(rng.uniform(0.01, 0.04)) * _SIDE), landmarks, shape)


def mouth_box(landmarks: Floats, shape: tuple[int, int], rng: Generator) -> Mask:
    """What a lip-sync program pastes: the face's upright box or its lower half, hard or nearly."""
    left, top, right, bottom = face_box(landmarks, shape)
    if rng.random() < 0.6:
        top = round(top + float(rng.uniform(0.45, 0.6)) * (bottom - top))
    mask = np.zeros(shape, np.float32)
    mask[top:bottom, left:right] = 1
    soft = 0.0 if rng.random() < 0.5 else float(rng.uniform(0.01, 0.03)) * (right - left)
    return soften(mask, soft)


def face_box(landmarks: Floats, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """The upright box of a face detector, xyxy pixels inside the picture, as lip-sync crops it."""
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    tall = high[1] - low[1]
    low, high = low - np.array([0, 0.12 * tall]), high + np.array([0, 0.04 * tall])
    limit = np.array(shape[::-1])
    (left, top), (right, bottom) = (
        np.clip(np.round(end), 0, limit).astype(int).tolist() for end in (low, high)
    )
    return left, top, right, bottom


FACE_MASKS: Mapping[str, tuple[PasteMask, float]] = {  # by name, with how often each is drawn
    "rotated_square": (rotated_square, 3.0),
    "static_box": (static_box, 2.0),
    "ellipse": (ellipse, 1.5),
    "hull": (hull, 1.5),
    "hull_without_forehead": (partial(hull, kind="no_forehead"), 1.5),
    "hull_with_holes": (hull_with_holes, 1.0),
}
PART_MASKS: Mapping[str, tuple[PasteMask, float]] = {
    "lower_face": (partial(hull, kind="lower", most=0.06), 1.0),
    "mouth": (mouth, 1.0),
    "eye_strip": (eye_strip, 1.0),
}


def draw_mask(
    masks: Mapping[str, tuple[PasteMask, float]],
    landmarks: Floats,
    shape: tuple[int, int],
    rng: Generator,
) -> tuple[Mask, str]:
    """A mask by lot, at most 1, and its name."""
    names = list(masks)
    shares = np.array([masks[name][1] for name in names])
    name = names[int(rng.choice(len(names), p=shares / shares.sum()))]
    return np.clip(masks[name][0](landmarks, shape, rng), 0, 1), name


def _from_square(mask: Mask, landmarks: Floats, shape: tuple[int, int]) -> Mask:
    matrix = square_matrix(landmarks, _SIDE)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(mask, matrix, shape[::-1], flags=flags), dtype=np.float32)
