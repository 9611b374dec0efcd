"""Soft-edged regions of a face from its 68 landmarks."""

from __future__ import annotations

import cv2
import numpy as np

from counterface.errors import ShapeError
from counterface.faces.landmarks import BROWS, INNER, JAW, MOUTH, NOSE
from counterface.types import Floats, Mask

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
    raise ShapeError(f"no mask kind {kind!r}; known: {list(MASK_KINDS)}")


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
