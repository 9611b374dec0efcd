"""How a sound's loudness swings within 32 ms, in 20 bands of pitch, a hundred times a second.

A voice is a row of pulses: within a period every band rises at once and falls. What a program makes
of phases is heard there: Griffin and Lim's method blurs the pulses, a vocoder makes them all alike.
Spectra of 20 ms see neither. Kin to the modulation spectra of Wu et al. 2013
(https://doi.org/10.1109/ICASSP.2013.6639067), but within a period or a few. Ours takes spread and
skewness of log powers, which level and a microphone's tone leave alone.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from counterface.detect.sound.lfcc import COEFFICIENTS, filters
from counterface.detect.sound.log_mel import HOP, require_rate
from counterface.media.sound import Sound
from counterface.types import Floats

BANDS = COEFFICIENTS  # the same bands
COLUMNS = 2 * BANDS
WINDOW = 96  # samples of a short spectrum, 6 ms
STEP = 16  # samples from one to the next, 1 ms
SPAN = 32  # short spectra that a row is about, 32 ms
_FFT = 128
_FAINTEST = 0.003  # of the mean power within 32 ms, 25 dB: else clean pauses would swing most
_FLOOR = 1e-9  # of power; rounding to 16 bits alone gives about 3e-9
_STILL = 0.05  # spread at which skewness is damped: in what is still it would be noise
_AT_ONCE = 2000  # rows held in memory


def swings(sound: Sound) -> Floats:
    """Spread and skewness of the log power in each band.

    Convention: row t is about the 32 ms around `sound.start + t * 0.01`; beyond an end of the sound
    lies silence. To each power 0.003 of the mean over these 32 ms is added. Columns 0 to 19 are the
    standard deviations of natural logarithms, low bands first; 20 to 39 their skewness. The bands
    are those of `lfcc`.

    Args:
        sound: sound of 16,000 samples a second.

    Returns:
        float32 (T, 40); T is 1 + N // 160, or 0 for no sample.

    Raises:
        ShapeError: the sound has another rate.
    """
    require_rate(sound)
    count = 1 + len(sound.samples) // HOP if len(sound.samples) else 0
    each = HOP // STEP
    before = WINDOW // 2 + SPAN // 2 * STEP
    padded = np.pad(sound.samples, (before, before + HOP))
    made = [np.zeros((0, COLUMNS), np.float32)]
    for first in range(0, count, _AT_ONCE):
        rows = min(_AT_ONCE, count - first)
        steps = (rows - 1) * each + SPAN
        part = padded[first * HOP :][: (steps - 1) * STEP + WINDOW]
        short = np.lib.stride_tricks.sliding_window_view(part, WINDOW)[::STEP] * _hann()
        power = np.abs(np.fft.rfft(short, _FFT)).astype(np.float32) ** 2 @ filters(_FFT).T
        spans = np.lib.stride_tricks.sliding_window_view(power, SPAN, axis=0)[::each]
        faintest = np.float32(_FAINTEST) * spans.mean(axis=2, keepdims=True)
        levels = np.log(spans + faintest + np.float32(_FLOOR))
        away = levels - levels.mean(axis=2, keepdims=True)
        spread = np.sqrt((away**2).mean(axis=2))
        skewness = (away**3).mean(axis=2) / (spread**3 + np.float32(_STILL))
        made.append(np.concatenate([spread, skewness], axis=1))
    return np.concatenate(made)


@lru_cache(maxsize=1)
def _hann() -> Floats:
    """The periodic window, (96,)."""
    return np.asarray(np.hanning(WINDOW + 1)[:-1], np.float32)
