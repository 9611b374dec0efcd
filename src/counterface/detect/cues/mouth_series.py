"""The course of a mouth over time: how open it is, and how much it moves.

Landmarks alone follow the lips too smoothly. The dark inside of an open mouth is seen in its pixels
at once; both together follow speech best (`benchmarks/lip_cues.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from counterface.detect.cues.cue import Window
from counterface.detect.cues.jitter import without_head
from counterface.detect.cues.regions import cut_box
from counterface.types import Floats

# Left, top, right, bottom in eye distances from the middle of the eyes.
INSIDE_BOX = (-0.3, 0.7, 0.3, 1.5)  # where the inside of the mouth comes to lie
SKIN_BOX = (-0.55, 0.62, 0.55, 1.62)  # with the skin around it
DARK = 0.55  # of the middle brightness of the skin box: darker is the inside of the mouth
UPPER, LOWER = [61, 62, 63], [67, 66, 65]  # landmarks of the inner lips, one above the other
UNDER_LIP, NOSE = [65, 66, 67], slice(30, 36)
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # luma of ITU-R BT.601
FLAT = 1e-6  # deviation; a course below does not move

Course = NDArray[np.float64]


def mouth_opening(window: Window) -> Course | None:
    """How open the mouth is in each frame, (T,), against its mean, in deviations.

    The mean of two measures: the dark share of the mouth, and how far the lower lip is from the
    nose. None where neither moves.
    """
    points = without_head(window.landmarks).astype(np.float64)
    drop = points[:, UNDER_LIP, 1].mean(axis=1) - points[:, NOSE, 1].mean(axis=1)
    moving = [course for course in (dark_share(window), drop) if course.std() > FLAT]
    return np.asarray(np.mean([standardise(c) for c in moving], axis=0)) if moving else None


def dark_share(window: Window) -> Course:
    """The share of the mouth's pixels that are dark in each frame, (T,) in [0, 1]."""
    line = DARK * float(np.median(cut_box(window.crops, SKIN_BOX) @ GREY))
    return np.asarray((cut_box(window.crops, INSIDE_BOX) @ GREY < line).mean(axis=(1, 2)))


def lip_gap(landmarks: Floats) -> Course:
    """The distance of the inner lips, (T,) in eye distances, from landmarks (T, 68, 2)."""
    points = without_head(landmarks).astype(np.float64)
    return np.asarray(np.linalg.norm(points[:, UPPER] - points[:, LOWER], axis=2).mean(axis=1))


def sweep(course: Course, count: int) -> Course:
    """Largest less least value of the `count` neighbours around each, (T,)."""
    padded = np.pad(course, (count // 2, count - count // 2 - 1), "edge")
    near = sliding_window_view(padded, count)
    return np.asarray(near.max(axis=1) - near.min(axis=1))


def spoken(times: Course, speech: tuple[tuple[float, float], ...]) -> NDArray[np.bool_]:
    """At which of the times (T,), seconds, somebody speaks."""
    during = np.zeros(len(times), np.bool_)
    for start, end in speech:
        during |= (times >= start) & (times <= end)
    return during


def standardise(course: Course) -> Course:
    """The course with mean 0 and deviation 1; it moves."""
    return np.asarray((course - course.mean()) / course.std())
