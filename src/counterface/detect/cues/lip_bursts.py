"""Where p, b or m may be heard, by a rule on the sound alone.

While the lips are shut, what lies above the voice's murmur is missing; as they part, it comes back
at once, and stronger in low than in high pitch. The tongue's t, d, k and g burst higher (Blumstein
and Stevens, "Acoustic invariance in speech production", 1979, https://doi.org/10.1121/1.383319).
The rule also finds other sounds: a quarter of its moments are p, b or m by a recogniser's ear
(`benchmarks/lip_cues.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from counterface.detect.cues.lip_match import LOUD
from counterface.detect.sound.log_mel import HOP, log_mel
from counterface.media.sound import RATE, Sound

MIDDLE, HIGH = slice(12, 40), slice(45, 80)  # bands: 530 to 1,700 Hz, and from 2,100 Hz on
AROUND = 12  # steps of 10 ms, before and after, within which a dip has its edges
# All in natural logarithms of power, 1 = 4.3 dB.
DEPTH = 2.5  # of the dip below both edges
QUIETER = 3.0  # than loud speech the edge after it may be, at most
JUMP = 1.5  # within 20 ms, as the lips part
HISS = 3.0  # by which the dip has less of high pitch than loud hissing: s and f are no dips
FALL = 2.0  # by which the burst has more of middle than of high pitch
FLOOR = 1e-6  # of power
APART_S = 0.08  # two moments, at least


def find_bursts(sound: Sound) -> list[float]:
    """The times of the dips, seconds on the file's own clock, in order."""
    power = np.exp(log_mel(sound).astype(np.float64))
    if len(power) <= 2 * AROUND:
        return []
    middle, high = (np.log(power[:, part].mean(axis=1) + FLOOR) for part in (MIDDLE, HIGH))
    near = sliding_window_view(middle, 2 * AROUND + 1)
    before, after = near[:, :AROUND].max(axis=1), near[:, AROUND + 1 :].max(axis=1)
    dips = near[:, AROUND]
    fits = (
        (dips <= near[:, AROUND - 3 : AROUND + 4].min(axis=1))
        & (np.minimum(before, after) - dips >= DEPTH)
        & (after >= np.percentile(middle, LOUD) - QUIETER)
        & (high[AROUND:-AROUND] <= np.percentile(high, LOUD) - HISS)
    )
    found: list[float] = []
    for at in np.flatnonzero(fits) + AROUND:
        onset = at + 1 + int(np.argmax(np.diff(middle[at : at + AROUND])))
        burst = slice(onset - 1, onset + 2)
        falls = middle[burst].mean() - high[burst].mean() >= FALL
        time = float(sound.start) + at * HOP / RATE
        late_enough = not found or time - found[-1] > APART_S
        if falls and late_enough and middle[onset + 1] - middle[onset - 1] >= JUMP:
            found.append(time)
    return found
