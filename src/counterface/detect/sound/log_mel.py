"""Log-mel spectra: how loud each of 80 bands of pitch is, a hundred times a second.

The mel scale is that of Slaney (Auditory Toolbox, version 2, 1998): 200/3 Hz a mel up to 1,000 Hz,
above it 27 mels for each factor of 6.4. A band is a triangle of area 1 over frequency in Hz.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterface.errors import ShapeError
from counterface.media.sound import RATE, Sound
from counterface.types import Floats

BANDS = 80
WINDOW = 400  # samples, 25 ms
HOP = 160  # samples, 10 ms
FLOOR = 1e-10  # of power; keeps silence finite; rounding to 16 bits alone gives about 3e-10
_LINEAR_HZ = 200 / 3  # of a mel, below the bend
_BEND_HZ, _BEND_MEL = 1000.0, 15.0
_STEP = np.log(6.4) / 27  # of a mel, above the bend
_AT_ONCE = 6000  # rows of spectra held in memory, 20 MB


def log_mel(sound: Sound) -> Floats:
    """The natural logarithm of the power in each band.

    Convention: row t is centred on the time `sound.start + t * 0.01`; what lies outside the sound
    counts as silence.

    Args:
        sound: sound of 16,000 samples a second.

    Returns:
        float32 (T, 80), low bands first, at least ln(1e-10); T is 1 + N // 160, or 0 for no sample.

    Raises:
        ShapeError: the sound has another rate.
    """
    made = [np.zeros((0, BANDS), np.float32)]
    for power in power_spectra(sound, _hann(), WINDOW):
        made.append(np.log(np.maximum(power @ filters().T, FLOOR)).astype(np.float32))
    return np.concatenate(made)


def power_spectra(sound: Sound, window: Floats, size: int) -> Iterator[NDArray[np.floating[Any]]]:
    """Power at each frequency, (t, size // 2 + 1), in order, a piece of the rows at a time.

    Row t of all is centred on the time `sound.start + t * 0.01`; there are 1 + N // 160, or 0 for
    no sample.

    Args:
        sound: sound of 16,000 samples a second.
        window: weights of the samples of a row, of even number.
        size: of the transform, at least that of the window.

    Raises:
        ShapeError: the sound has another rate.
    """
    require_rate(sound)
    length = len(window)
    count = 1 + len(sound.samples) // HOP if len(sound.samples) else 0
    padded = np.pad(sound.samples, length // 2)
    for first in range(0, count, _AT_ONCE):
        part = padded[first * HOP : (first + _AT_ONCE - 1) * HOP + length]
        rows = np.lib.stride_tricks.sliding_window_view(part, length)[::HOP]
        yield np.abs(np.fft.rfft(rows[: count - first] * window, size, axis=1)) ** 2


def require_rate(sound: Sound) -> None:
    """Raise a ShapeError for sound of another rate than 16,000 samples a second."""
    if sound.rate != RATE:
        raise ShapeError(
            f"sound of {sound.rate} samples a second, not {RATE}; read it with rate={RATE}"
        )


@lru_cache(maxsize=1)
def filters() -> Floats:
    """The weight of each frequency (40 Hz apart, from 0) in each band, (80, 201)."""
    edges = _to_hz(np.linspace(0, _to_mel(RATE / 2), BANDS + 2))[:, None]
    hertz = np.fft.rfftfreq(WINDOW, 1 / RATE)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (hertz - low) / (middle - low)
    falling = (high - hertz) / (high - middle)
    triangles = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    return np.asarray(triangles, np.float32)


def _to_mel(hertz: float) -> float:
    """The mels of a frequency above the bend."""
    return float(_BEND_MEL + np.log(hertz / _BEND_HZ) / _STEP)


def _to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _BEND_HZ * np.exp(_STEP * (np.maximum(mels, _BEND_MEL) - _BEND_MEL))
    return np.where(mels < _BEND_MEL, mels * _LINEAR_HZ, above)


@lru_cache(maxsize=1)
def _hann() -> Floats:
    """The periodic Hann window, (400,)."""
    turn = 2 * np.pi * np.arange(WINDOW) / WINDOW
    return np.asarray(0.5 - 0.5 * np.cos(turn), np.float32)
