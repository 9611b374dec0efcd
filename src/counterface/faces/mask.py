"""Soft-edged regions of a face from its 68 landmarks."""

from __future__ import annotations

import cv2
import numpy as np

from counterface.errors import ShapeError
from counterface.faces.landmarks import BROWS, INNER, JAW, MOUTH, NOSE
from counterface.types import Floats, Mask
from counterface.wording import unknown_name

FINE = 4  # `fill_convex` draws this many times finer
_TURN = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_CIRCLE = np.column_stack([np.cos(_TURN), np.sin(_TURN)]).astype(np.float32)
FOREHEAD = 0.6  # how far `whole` rises above the brows, in brow-to-nose-tip lengths


def _lifted_brows(landmarks: Floats) -> Floats:
    """The brow points moved up the face: landmarks end at the brows, faces do not."""
    up = landmarks[27] - landmarks[30]  # nose tip to nose root
    return np.asarray(landmarks[BROWS] + FOREHEAD * up, dtype=np.float32)


def _region(landmarks: Floats, kind: str) -> Floats:
    if kind == "whole":
        return np.concatenate([landmarks[JAW], landmarks[BROWS], _lifted_brows(landmarks)])
    if kind == "no_forehead":
        return np.concatenate([landmarks[JAW], landmarks[BROWS]])
    if kind == "inner":
        return landmarks[INNER]
    if kind == "lower":
        return np.concatenate([landmarks[2:15], landmarks[NOSE][2:], landmarks[MOUTH]])
    if kind == "upper":
        top = [landmarks[0:3], landmarks[14:17], landmarks[BROWS], landmarks[NOSE]]
        return np.concatenate([*top, _lifted_brows(landmarks)])
    if kind == "mouth":
        mouth = landmarks[MOUTH]
        return np.concatenate([mouth.mean(axis=0) + 1.35 * (mouth - mouth.mean(axis=0))])
    raise ShapeError(unknown_name("mask", kind, MASK_KINDS))


MASK_KINDS = ("whole", "no_forehead", "inner", "lower", "upper", "mouth")


def hull_mask(landmarks: Floats, shape: tuple[int, int], kind: str = "whole") -> Mask:
    """The convex hull of a face region, float32 (H, W), 1 inside and 0 outside.

    Args:
        landmarks: (68, 2) xy pixels in the image that the mask is for.
        shape: (H, W) of that image.
        kind: one of `MASK_KINDS`.

    Raises:
        ShapeError: landmarks are not (68, 2), or no such kind.
    """
    if landmarks.shape != (68, 2):
        raise ShapeError(f"expected landmarks (68, 2), got {landmarks.shape}")
    mask = np.zeros(shape, np.float32)
    hull = cv2.convexHull(np.round(_region(landmarks, kind)).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 1.0)
    return mask


def hull_points(landmarks: Floats, kind: str = "whole") -> Floats:
    """The corners of the hull that `hull_mask` fills, float32 (K, 2), in order, not rounded.

    Raises:
        ShapeError: landmarks are not (68, 2), or no such kind.
    """
    if landmarks.shape != (68, 2):
        raise ShapeError(f"expected landmarks (68, 2), got {landmarks.shape}")
    return np.asarray(cv2.convexHull(_region(landmarks, kind))[:, 0], dtype=np.float32)


def fill_convex(points: Floats, shape: tuple[int, int], grow: float = 0.0) -> Mask:
    """The convex hull of some points to a fraction of a pixel, float32 (H, W) in [0, 1].

    Unlike `hull_mask`, a pixel at the edge has the share that is covered, so the mask of a moving
    face moves smoothly. The hull comes out up to an eighth of a pixel too wide.

    Args:
        points: (K, 2) xy pixels of the mask.
        shape: (H, W) of the mask.
        grow: pixels by which the hull is widened all round.
    """
    if grow:
        points = (points[:, None] + grow * _CIRCLE).reshape(-1, 2)
    mask = np.zeros(shape, np.float32)
    limit = np.array(shape[::-1])
    low, high = points.min(axis=0).clip(0, limit), points.max(axis=0).clip(0, limit)
    left, top = np.maximum(np.floor(low).astype(int) - 1, 0).tolist()
    right, bottom = np.minimum(np.ceil(high).astype(int) + 2, limit).tolist()
    if left >= right or top >= bottom:
        return mask
    corners = cv2.convexHull(((points + 0.5 - (left, top)) * FINE - 0.5).astype(np.float32))
    fine = np.zeros(((bottom - top) * FINE, (right - left) * FINE), np.uint8)
    fixed = np.round(np.clip(corners, -1e6, 1e6) * 16).astype(np.int32)  # 4 bits behind the point
    cv2.fillConvexPoly(fine, fixed, 255, cv2.LINE_8, 4)
    small = cv2.resize(fine, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    np.multiply(small, np.float32(1 / 255), out=mask[top:bottom, left:right])
    return mask
