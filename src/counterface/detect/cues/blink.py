"""Blinking: how far the eyes close, seen in their pixels.

Early swaps hardly blinked, since few training pictures show shut eyes; later ones blink, but often
not all the way. A shut eye has lost the contrast of its white against its iris.

Sources: Li, Chang and Lyu, "In ictu oculi", WIFS 2018 (https://arxiv.org/abs/1806.02877), which
learns the state of the eye from its picture. The aspect ratio of an eye's landmarks (Soukupova and
Cech, "Real-time eye blink detection using facial landmarks", CVWW 2016) does not serve: our
landmarks hardly follow the lids.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from counterface.detect.cues.cue import Measured, Window
from counterface.detect.cues.parents import WindowCue
from counterface.detect.cues.regions import cut_box

# Left, top, right, bottom in eye distances from the middle of the eyes.
LEFT_BOX, RIGHT_BOX = (-0.78, -0.16, -0.22, 0.16), (0.22, -0.16, 0.78, 0.16)
OPEN = 80  # percentile over time of the contrast that stands for open eyes
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # luma of ITU-R BT.601


class Blink(WindowCue):
    """How much of their contrast the eyes lose at the most, which is near 1 for shut ones."""

    name = "blink"
    title = "Blinking"
    unit = "share of open eyes"
    looks_for = "eyes that never close, or not all the way"
    source = "https://arxiv.org/abs/1806.02877"
    wants_s = 6.0
    min_s = 4.0
    nothing = "the eyes are too dark"

    def measure_window(self, window: Window) -> Measured | None:
        """The deepest closure that lasts two frames, [0, 1], and how open the eyes are."""
        contrast = eye_contrast(window)
        if contrast is None:
            return None
        steady = np.median(sliding_window_view(contrast, 3), axis=1)
        opened = steady / max(float(np.percentile(steady, OPEN)), 1e-6)
        series = tuple(zip(window.pts[1:-1].tolist(), opened.tolist(), strict=True))
        return Measured(float(np.clip(1 - opened.min(), 0, 1)), series)


def eye_contrast(window: Window) -> NDArray[np.float64] | None:
    """Brightest less darkest over middle of both eyes, (T,); None where an eye is black."""
    found = []
    for box in (LEFT_BOX, RIGHT_BOX):
        grey = (cut_box(window.crops, box) @ GREY).reshape(len(window.pts), -1)
        dark, middle, bright = np.percentile(grey, [5, 50, 95], axis=1)
        if middle.min() < 1:
            return None
        found.append((bright - dark) / middle)
    return np.asarray(np.mean(found, axis=0))
