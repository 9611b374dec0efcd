"""The contour of the lips and the chin in consecutive frames, freed of the head's motion.

The frame of reference is given by the eyes and the nose alone: the alignment of crops also follows
the mouth itself, and would take away a part of what is looked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterface.detect.cues.cue import WINDOW_SIDE, WINDOW_TEMPLATE
from counterface.errors import ShapeError
from counterface.faces.align import MEAN_SHAPE, crop_matrix, umeyama, warp_points
from counterface.faces.landmarks import INNER, JAW, LEFT_EYE, MOUTH, NOSE, RIGHT_EYE
from counterface.types import Floats

FPS = 25  # as in "Out of time"
CHIN = slice(JAW.start + 5, JAW.start + 12)
POINTS = 27  # 20 of the lips, 7 of the chin
_STEADY = slice(NOSE.start, RIGHT_EYE.stop)  # nose and eyes follow each other
_SMOOTH = 5  # frames over which the frame of reference is averaged: single ones tremble
assert NOSE.stop == LEFT_EYE.start
assert LEFT_EYE.stop == RIGHT_EYE.start


@dataclass(frozen=True, slots=True, eq=False)
class Lips:
    """What is seen of a mouth, `FPS` times a second."""

    points: Floats  # (T, POINTS, 2), lips then chin; eye distances from the middle of the eyes
    start_s: float  # time of the first, seconds on the file's clock


def lips_of(landmarks: Floats, pts: NDArray[np.float64]) -> Lips:
    """The lips of one person in consecutive frames, at even times between those of the frames.

    Args:
        landmarks: (N, 68, 2), pixels of the frame.
        pts: (N,) times of the frames in order, seconds.

    Raises:
        ShapeError: no frame, other shapes, or points of a face that all lie in one place.
    """
    if landmarks.ndim != 3 or landmarks.shape[1:] != (68, 2) or len(landmarks) != len(pts):
        raise ShapeError(
            f"expected landmarks (N, 68, 2) and N times, got {landmarks.shape}, {pts.shape}"
        )
    if not len(pts):
        raise ShapeError("lips of no frame; give one or more")
    onto = MEAN_SHAPE[_STEADY.start - INNER.start : _STEADY.stop - INNER.start]
    upright = [warp_points(p, crop_matrix(p, WINDOW_TEMPLATE, WINDOW_SIDE)) for p in landmarks]
    matrices = _steadied(np.stack([umeyama(p[_STEADY], onto) for p in upright]))
    seen = [
        warp_points(np.concatenate([p[MOUTH], p[CHIN]]), matrix)
        for p, matrix in zip(upright, matrices, strict=True)
    ]
    flat = np.stack(seen).reshape(len(pts), -1)
    first, last = float(pts[0]), float(pts[-1])
    times = first + np.arange(int((last - first) * FPS + 1e-3) + 1) / FPS
    even = np.stack([np.interp(times, pts, course) for course in flat.T], axis=1)
    return Lips(even.reshape(-1, POINTS, 2).astype(np.float32), first)


def _steadied(matrices: Floats) -> Floats:
    """Each matrix (N, 2, 3) averaged with its neighbours in time."""
    half = _SMOOTH // 2
    padded = np.pad(matrices, [(half, half), (0, 0), (0, 0)], mode="edge")
    moved = [padded[shift : shift + len(matrices)] for shift in range(_SMOOTH)]
    return np.asarray(np.mean(moved, axis=0), np.float32)
