"""LFCC: the shape of a sound's spectrum in 20 numbers, a hundred times a second, and its change.

Linear-frequency cepstral coefficients, as the baselines of ASVspoof take them (Sahidullah, Kinnunen
and Hanilçi 2015, https://www.isca-archive.org/interspeech_2015/sahidullah15_interspeech.html;
Todisco et al. 2019, https://arxiv.org/abs/1904.05441): windows of 20 ms, 20 triangular bands of
equal width, the cosine transform of their log powers. Traces of synthesis lie at high pitches too,
which a mel scale would blur. Ours takes changes as slopes over five rows.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from counterface.detect.sound.log_mel import FLOOR, HOP, power_spectra
from counterface.media.sound import RATE, Sound
from counterface.types import Floats

COEFFICIENTS = 20  # of one row; as many bands
COLUMNS = 3 * COEFFICIENTS  # with changes, and the changes of these
WINDOW = 320  # samples, 20 ms
HOP_S = HOP / RATE
_FFT = 512
_REACH = 2  # rows on either side that a slope is taken over


def lfcc(sound: Sound) -> Floats:
    """The coefficients, their changes, and the changes of these.

    Convention: row t is centred on the time `sound.start + t * 0.01`; what lies outside the sound
    counts as silence. Columns 0 to 19 are the orthonormal cosine transform (DCT-II) of the natural
    logarithms of 20 band powers, column 0 the loudness; 20 to 39 are their slopes, per row; 40 to
    59 the slopes of those. Beyond an end, slopes see its row again.

    Args:
        sound: sound of 16,000 samples a second.

    Returns:
        float32 (T, 60); T is 1 + N // 160, or 0 for no sample.

    Raises:
        ShapeError: the sound has another rate.
    """
    made = [np.zeros((0, COEFFICIENTS), np.float32)]
    for power in power_spectra(sound, _hamming(), _FFT):
        loudness = np.log(np.maximum(power @ filters().T, FLOOR))
        made.append((loudness @ _cosines().T).astype(np.float32))
    level = np.concatenate(made)
    change = slopes(level)
    return np.concatenate([level, change, slopes(change)], axis=1)


def slopes(rows: Floats) -> Floats:
    """The slope of each column around each row, by least squares over five rows, (T, C)."""
    if not len(rows):
        return rows
    wide = np.pad(rows, ((_REACH, _REACH), (0, 0)), mode="edge")
    steps = range(-_REACH, _REACH + 1)
    total = sum(step * wide[_REACH + step :][: len(rows)] for step in steps)
    return np.asarray(total / sum(step * step for step in steps), np.float32)


@cache
def filters(size: int = _FFT) -> Floats:
    """The weight of each frequency in each band, (20, size / 2 + 1).

    Band k rises from k to k + 1 and falls to k + 2, in steps of 8,000 / 21 Hz; its peak is 1.

    Args:
        size: samples of the Fourier transform; its frequencies lie 16,000 / size Hz apart, from 0.
    """
    place = np.fft.rfftfreq(size, 1 / RATE) / (RATE / 2) * (COEFFICIENTS + 1)
    peaks = np.arange(1, COEFFICIENTS + 1)[:, None]
    return np.asarray(np.maximum(0, 1 - np.abs(place - peaks)), np.float32)


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float64]:
    """The orthonormal DCT-II, (coefficient, band)."""
    number, band = np.arange(COEFFICIENTS)[:, None], np.arange(COEFFICIENTS)
    waves = np.cos(np.pi * number * (band + 0.5) / COEFFICIENTS)
    waves *= np.sqrt(2 / COEFFICIENTS)
    waves[0] /= np.sqrt(2)
    return waves


@lru_cache(maxsize=1)
def _hamming() -> Floats:
    """The periodic Hamming window, (320,)."""
    turn = 2 * np.pi * np.arange(WINDOW) / WINDOW
    return np.asarray(0.54 - 0.46 * np.cos(turn), np.float32)
