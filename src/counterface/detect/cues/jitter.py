"""Trembling of the landmarks: how abruptly the mouth changes its motion from frame to frame.

A face that is made frame by frame is placed and drawn anew each time; its features tremble where a
real face moves smoothly. Landmarks are taken without the motion, size and tilt of the head.

Source: Sun et al., "Improving the efficiency and robustness of deepfakes detection through precise
geometric features", CVPR 2021 (https://arxiv.org/abs/2104.04480); our own measure.
"""

from __future__ import annotations

import numpy as np

from counterface.detect.cues.cue import Measured, Window
from counterface.detect.cues.parents import WindowCue
from counterface.faces.landmarks import LEFT_EYE, MOUTH, RIGHT_EYE
from counterface.types import Floats

FLOOR = 1e-5  # eye distances


class LandmarkJitter(WindowCue):
    """Median acceleration of the mouth's landmarks, in eye distances a frame."""

    name = "landmark_jitter"
    title = "Trembling of the mouth"
    unit = "log eye distances"
    looks_for = "features that tremble from frame to frame"
    source = "https://arxiv.org/abs/2104.04480"

    def measure_window(self, window: Window) -> Measured | None:
        """The logarithm of the median, and its course over time."""
        points = without_head(window.landmarks)[:, MOUTH]
        turn = points[2:] - 2 * points[1:-1] + points[:-2]
        moved = np.linalg.norm(turn, axis=2).mean(axis=1)
        series = tuple(zip(window.pts[1:-1].tolist(), moved.tolist(), strict=True))
        return Measured(float(np.log(np.median(moved) + FLOOR)), series)


def without_head(landmarks: Floats) -> Floats:
    """Landmarks (T, 68, 2) with the eyes' middle at 0, level, one eye distance apart."""
    left, right = landmarks[:, LEFT_EYE].mean(axis=1), landmarks[:, RIGHT_EYE].mean(axis=1)
    across = right - left
    size = np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    x = across / size
    y = np.stack([-x[:, 1], x[:, 0]], axis=1)
    centred = (landmarks - ((left + right) / 2)[:, None]) / size[:, None]
    return np.stack([np.einsum("tij,tj->ti", centred, axis) for axis in (x, y)], axis=-1).astype(
        np.float32
    )
