"""A mouth that keeps still while somebody speaks.

Speech moves the lips several times a second. A person who keeps the mouth still does not say what
is heard: a listener, a voice laid over the picture, a portrait that somebody set in motion.

Source: Korshunov and Marcel, "Speaker inconsistency detection in tampered video", EUSIPCO 2018
(https://doi.org/10.23919/EUSIPCO.2018.8553270), on voices that are not of the person seen; our own
measure.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from counterface.detect.cues.cue import Measured, SoundView, Window
from counterface.detect.cues.mouth_series import lip_gap, spoken, sweep
from counterface.detect.cues.parents import LipCue

SPAN_S = 0.5  # in which a speaker's lips open or close, at two syllables a second
STILL = 0.02  # eye distances; lips whose distance changes by less keep still


class StillMouth(LipCue):
    """The share of the time of speech in which the lips keep still."""

    name = "still_mouth"
    title = "Still mouth"
    unit = "share of speech"
    looks_for = "a mouth that keeps still while somebody speaks: a voice that is not of this mouth"
    source = "https://doi.org/10.23919/EUSIPCO.2018.8553270"

    def measure_lips(self, window: Window, sound: SoundView) -> Measured | None:
        """The share, [0, 1], and how much the lips' distance changes within half a second."""
        gap = np.median(sliding_window_view(np.pad(lip_gap(window.landmarks), 1, "edge"), 3), 1)
        moved = sweep(gap, max(3, round(SPAN_S / window.step_s)))
        during = spoken(window.pts, sound.speech)
        if not during.any():
            return None
        series = tuple(zip(window.pts.tolist(), moved.tolist(), strict=True))
        return Measured(float(np.mean(moved[during] < STILL)), series)
