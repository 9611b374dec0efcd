"""Regions of a face in the pixels of its frame or crop, and the noise in them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.detect.cues.cue import WINDOW_SIDE, WINDOW_TEMPLATE, Still
from counterface.faces.align import TEMPLATES
from counterface.faces.landmarks import BROWS, JAW, LEFT_EYE, RIGHT_EYE
from counterface.types import Floats, Image

Region = NDArray[np.bool_]  # (H, W)
FEW = 50  # pixels; a region with fewer says nothing
FLOOR = 0.05  # grey levels: noise below cannot be told from rounding


def face_outline(landmarks: Floats, scale: float = 1.0) -> Floats:
    """The convex outline of a face with its lower forehead, (N, 2), scaled about its middle.

    The forehead is not in the 68 points: the brows are lifted by 0.7 of their distance to the eyes.
    """
    eyes = (landmarks[LEFT_EYE].mean(axis=0) + landmarks[RIGHT_EYE].mean(axis=0)) / 2
    lifted = landmarks[BROWS] + 0.7 * (landmarks[BROWS] - eyes)
    points = np.concatenate([landmarks[JAW], lifted]).astype(np.float32)
    hull = cv2.convexHull(points)[:, 0]
    middle = hull.mean(axis=0)
    return np.asarray(middle + (hull - middle) * scale, np.float32)


def fill(shape: tuple[int, ...], outline: Floats) -> Region:
    """The pixels of a picture (H, W, ...) that lie within an outline (N, 2)."""
    mask = np.zeros(shape[:2], np.uint8)
    points = np.round(outline * 8).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_8, 3)
    return np.asarray(mask > 127)


def face_region(still: Still, scale: float = 1.0) -> Region:
    """The pixels of the face, its outline scaled about its middle."""
    return fill(still.image.shape, face_outline(still.landmarks, scale))


def grey(still: Still) -> Floats:
    """The brightness (H, W), grey levels."""
    return np.asarray(cv2.cvtColor(still.image, cv2.COLOR_RGB2GRAY), np.float32)


def chroma(still: Still) -> tuple[Floats, Floats]:
    """The channels a and b of CIELAB (H, W), offset by 128."""
    lab = cv2.cvtColor(still.image, cv2.COLOR_RGB2LAB).astype(np.float32)
    return lab[..., 1], lab[..., 2]


def band(plane: Floats, fine: float, coarse: float) -> Floats:
    """A plane (H, W) between two Gaussian blurs; `fine` = 0 keeps the finest detail, pixels."""
    low = cv2.GaussianBlur(plane, (0, 0), coarse)
    return np.asarray((cv2.GaussianBlur(plane, (0, 0), fine) if fine else plane) - low, np.float32)


def noise(detail: Floats, region: Region) -> float | None:
    """The robust deviation of the detail (H, W) in a region, 1.48 times its median distance.

    None where the region has too few pixels. Edges are few and hardly move a median.
    """
    values = detail[region]
    if len(values) < FEW:
        return None
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def strength(detail: Floats, region: Region) -> float | None:
    """The root mean square of the detail (H, W) in a region; None where it is too small."""
    values = detail[region]
    return float(np.sqrt(np.mean(values**2))) if len(values) >= FEW else None


def log_ratio(one: float | None, other: float | None) -> float | None:
    """The natural logarithm of a ratio of two strengths; None where one is not known."""
    if one is None or other is None:
        return None
    return float(np.log((one + FLOOR) / (other + FLOOR)))


def cut_box(crops: Image, box: tuple[float, float, float, float]) -> Image:
    """The pixels of a box, in eye distances from the middle of the eyes, in crops (T, S, S, 3)."""
    side, eye_line = TEMPLATES[WINDOW_TEMPLATE]
    left, top, right, bottom = (
        round((offset / side + middle) * WINDOW_SIDE)
        for offset, middle in zip(box, (0.5, eye_line, 0.5, eye_line), strict=True)
    )
    return crops[:, top:bottom, left:right]
