"""Are the lips shut when p, b or m is heard?

These three cannot be spoken with open lips. Where a recogniser of phonemes is installed
(`detect/phonemes`), it says when they are heard; else a rule does (`lip_bursts.py`), which also
takes some other sounds for them. `source` of the cue names what was used.

Source: Agarwal, Farid, Fried and Agrawala, "Detecting deep-fake videos from phoneme-viseme
mismatches", CVPR workshops 2020, which finds such moments by transcripts; our own measure.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from counterface.detect.cues.cue import Measured, SoundView, Window
from counterface.detect.cues.lip_bursts import find_bursts
from counterface.detect.cues.lip_match import MARGIN_S, STEP_S, cut_sound
from counterface.detect.cues.mouth_series import Course, mouth_opening, spoken
from counterface.detect.cues.parents import LipCue
from counterface.detect.phonemes.recogniser import (
    CLOSED_LIPS,
    PhonemeRecogniser,
    installed_recogniser,
)
from counterface.media.sound import Sound

PAPER = "https://doi.org/10.1109/CVPRW50498.2020.00338"
NEAR_S = 0.04  # around a moment; the lips are shut for 50 to 100 ms
FEWEST = 2  # moments


class ClosedLips(LipCue):
    """How open the lips are at p, b and m, among all openings while somebody speaks."""

    name = "closed_lips"
    title = "Lips at p, b and m"
    unit = "share of speech with lips as closed"
    looks_for = "lips that are open where p, b or m is heard: sound that is not of these lips"
    nothing = f"fewer than {FEWEST} sounds that close the lips are heard, or the mouth keeps still"

    def __init__(self, find: Callable[[], PhonemeRecogniser | None] = installed_recogniser) -> None:
        """Look for the recogniser that is used; `find` gives None for the rule."""
        self.recogniser = find()
        by = "a rule on bursts" if self.recogniser is None else self.recogniser.name
        self.source = f"{PAPER}, p, b and m by {by}"

    def measure_lips(self, window: Window, sound: SoundView) -> Measured | None:
        """The mean over the moments, [0, 1], 0.5 by chance, and the share at each moment."""
        first, last = float(window.pts[0]), float(window.pts[-1])
        heard = cut_sound(sound.sound, first - MARGIN_S, last + MARGIN_S)
        moments = [time for time in self.closures(heard) if first <= time <= last]
        opening = mouth_opening(window)
        if opening is None or len(moments) < FEWEST:
            return None
        times = np.arange(first, last, STEP_S)
        count = 2 * round(NEAR_S / STEP_S) + 1
        padded = np.pad(np.interp(times, window.pts, opening), count // 2, "edge")
        least: Course = sliding_window_view(padded, count).min(axis=1)
        usual = np.sort(least[spoken(times, sound.speech)])
        if not usual.size:
            return None
        at = np.interp(moments, times, least)
        shares = (np.searchsorted(usual, at) / len(usual)).tolist()
        return Measured(float(np.mean(shares)), tuple(zip(moments, shares, strict=True)))

    def closures(self, sound: Sound) -> list[float]:
        """The times at which the lips should be shut, seconds, in order."""
        if self.recogniser is None:
            return find_bursts(sound)
        heard = self.recogniser.recognise(sound)
        return [(p.start_s + p.end_s) / 2 for p in heard if p.name in CLOSED_LIPS]
