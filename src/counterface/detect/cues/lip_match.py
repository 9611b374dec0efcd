"""How well the opening of a mouth goes with the strength of the sound, at each lag between them.

The strength is that of 600 to 1,800 Hz, where an open mouth lets most through (Grant and Seitz,
"The use of visible speech cues for improving auditory detection of spoken sentences", 2000, find
the second formant to follow the lips best). Both courses are freed of what changes more slowly than
syllables do, two to seven a second (Chandrasekaran et al., "The natural statistics of audiovisual
speech", 2009, https://doi.org/10.1371/journal.pcbi.1000436).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from counterface.detect.cues.cue import Window
from counterface.detect.cues.mouth_series import FLAT, Course, mouth_opening, standardise
from counterface.detect.sound.log_mel import HOP, log_mel
from counterface.media.sound import RATE, Sound

STEP_S = HOP / RATE  # of both courses, 10 ms
BANDS = slice(15, 41)  # of the log-mel spectrum, 600 to 1,800 Hz
QUIET = 1e-4  # of the strength of loud speech, 40 dB below: what is quieter is pause
LOUD = 95  # percentile over time that stands for loud speech
SMOOTH = 8  # steps
DRIFT = 60  # steps; what changes more slowly is no syllable
LEAST_S = 2.0  # that both must have in common at a lag
MARGIN_S = 0.5  # of sound on either side, for the edges of the filters


class Match(NamedTuple):
    """The correlation of lips and sound at each lag."""

    lags_s: Course  # (N,) how much later the sound comes than the lips, seconds; even steps
    correlations: Course  # (N,) in [-1, 1]

    def best(self, low_s: float, high_s: float) -> tuple[float, float] | None:
        """The lag of the largest correlation between two lags, seconds, and that correlation.

        Between steps the peak is placed by a parabola. None where no lag lies between.
        """
        inside = np.flatnonzero((self.lags_s >= low_s - 1e-9) & (self.lags_s <= high_s + 1e-9))
        if not inside.size:
            return None
        at = int(inside[np.argmax(self.correlations[inside])])
        lag, peak = float(self.lags_s[at]), float(self.correlations[at])
        if 0 < at < len(self.lags_s) - 1:
            before, after = self.correlations[at - 1], self.correlations[at + 1]
            bend = float(before - 2 * peak + after)
            if bend < -1e-9 and max(before, after) <= peak:
                lag += STEP_S * float(before - after) / (2 * bend)
        return min(max(lag, low_s), high_s), peak


def match_lips(window: Window, sound: Sound, reach_s: float) -> Match | None:
    """The correlation at every lag up to `reach_s` seconds, either way.

    None where the mouth or the sound does not change, or both have too little time in common.
    """
    opening = mouth_opening(window)
    count = round((window.pts[-1] - window.pts[0]) / STEP_S) if len(window.pts) else 0
    if opening is None or count < 1:
        return None
    first = float(window.pts[0])
    lips = without_drift(np.interp(first + STEP_S * np.arange(count), window.pts, opening))
    heard = cut_sound(sound, first - reach_s - MARGIN_S, window.pts[-1] + reach_s + MARGIN_S)
    strength = sound_strength(heard)
    if strength is None:
        return None
    strength = without_drift(strength)
    reach = round(reach_s / STEP_S)
    begins = round((float(heard.start) - first) / STEP_S)  # step of the lips at its first value
    found = []
    for lag in range(-reach, reach + 1):
        low, high = max(0, begins - lag), min(count, begins - lag + len(strength))
        if (high - low) * STEP_S < LEAST_S:
            continue
        seen, said = lips[low:high], strength[low + lag - begins : high + lag - begins]
        if min(seen.std(), said.std()) > FLAT:
            found.append((lag * STEP_S, float(np.mean(standardise(seen) * standardise(said)))))
    return Match(*(np.array(column) for column in zip(*found, strict=True))) if found else None


def cut_sound(sound: Sound, first_s: float, last_s: float) -> Sound:
    """The part of a sound between two times, seconds; empty where it has none of it."""
    start = float(sound.start)
    low = min(max(0, round((first_s - start) * sound.rate)), len(sound.samples))
    high = min(max(low, round((last_s - start) * sound.rate)), len(sound.samples))
    begins = sound.start + Fraction(low, sound.rate)
    return replace(sound, samples=sound.samples[low:high], start=begins)


def sound_strength(sound: Sound) -> Course | None:
    """The logarithm of the power from 600 to 1,800 Hz each 10 ms, (T,); None where it is silent."""
    power = np.exp(log_mel(sound)[:, BANDS].astype(np.float64)).mean(axis=1)
    loud = float(np.percentile(power, LOUD)) if len(power) else 0.0
    if loud < 1e-9:  # the floor of a log-mel spectrum is 1e-10
        return None
    return smoothed(np.log(power + QUIET * loud), np.hanning(SMOOTH + 2)[1:-1])


def without_drift(course: Course) -> Course:
    """A course of 10 ms steps less its running mean over 0.6 s."""
    return course - smoothed(course, np.ones(DRIFT))


def smoothed(course: Course, weights: Course) -> Course:
    """The running mean by these weights, as long as the course, whose ends are drawn out."""
    count = len(weights)
    padded = np.pad(course, (count // 2, count - count // 2 - 1), "edge")
    return np.asarray(np.convolve(padded, weights / weights.sum(), "valid"))
