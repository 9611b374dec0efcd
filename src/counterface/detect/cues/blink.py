"""Blinking: how far the eyes close.

Early swaps hardly blinked, since few training pictures show shut eyes; later ones blink, but often
not all the way.

Sources: Soukupova and Cech, "Real-time eye blink detection using facial landmarks", CVWW 2016, for
the aspect ratio of an eye; Li, Chang and Lyu, "In ictu oculi", WIFS 2018
(https://arxiv.org/abs/1806.02877), which learns the state of the eye.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from counterface.detect.cues.cue import Measured, Window
from counterface.detect.cues.parents import WindowCue
from counterface.faces.landmarks import LEFT_EYE, RIGHT_EYE
from counterface.types import Floats

OPEN = 80  # percentile of the aspect ratio that stands for open eyes
SHUT = 0.7  # of open eyes; below it an eye blinks
LONGEST_S = 0.8  # of a blink; longer is a look down or closed eyes


class Blinks(NamedTuple):
    """The blinks of a window."""

    per_min: float
    depth: float  # [0, 1], of the deepest closure, 1 = shut
    asymmetry: float  # mean distance of the two eyes' courses, shares of open eyes


class Blink(WindowCue):
    """How far the eyes close at the most, as a share of open eyes."""

    name = "blink"
    title = "Blinking"
    unit = "share of open eyes"
    looks_for = "eyes that never close, or not all the way"
    source = "https://arxiv.org/abs/1806.02877"
    wants_s = 6.0
    min_s = 4.0

    def measure_window(self, window: Window) -> Measured | None:
        """The deepest closure, and how open the eyes are over time."""
        opened = openness(window.landmarks)
        series = tuple(zip(window.pts.tolist(), opened.mean(axis=1).tolist(), strict=True))
        return Measured(find_blinks(opened, window.step_s).depth, series)


def openness(landmarks: Floats) -> NDArray[np.float64]:
    """The aspect ratio of both eyes over that of open ones, (T, 2)."""
    ratios = []
    for eye in (landmarks[:, LEFT_EYE], landmarks[:, RIGHT_EYE]):
        lids = np.linalg.norm(eye[:, [1, 2]] - eye[:, [5, 4]], axis=2).mean(axis=1)
        ratios.append(lids / np.maximum(np.linalg.norm(eye[:, 0] - eye[:, 3], axis=1), 1e-6))
    found = np.stack(ratios, axis=1).astype(np.float64)
    return np.asarray(found / np.maximum(np.percentile(found, OPEN, axis=0), 1e-6))


def find_blinks(opened: NDArray[np.float64], step_s: float) -> Blinks:
    """The blinks in the openness of both eyes (T, 2), `step_s` seconds from frame to frame."""
    both = opened.mean(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], both < SHUT, [0]])))
    lengths = (edges[1::2] - edges[::2]) * step_s
    minutes = len(both) * step_s / 60
    return Blinks(
        per_min=float((lengths <= LONGEST_S).sum() / minutes) if minutes else 0.0,
        depth=float(np.clip(1 - both.min(), 0, 1)),
        asymmetry=float(np.abs(opened[:, 0] - opened[:, 1]).mean()),
    )
