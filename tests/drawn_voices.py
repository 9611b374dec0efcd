"""What drawn people are heard to say: a buzz with formants, in syllables or as their lips move."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from counterface.detect.cues.cue import SoundView, Window
from counterface.detect.cues.mouth_series import lip_gap
from counterface.media.sound import RATE, Sound


def speak(window: Window, late_s: float = 0.0) -> SoundView:
    """What the person in a window says: a buzz that is as loud as the mouth is open.

    It breaks off where the mouth is nearly shut, as for p, b and m. `late_s` moves it.
    """
    gap = lip_gap(window.landmarks)
    times = np.arange(6 * RATE) / RATE - late_s
    opened = np.interp(times, window.pts, gap / gap.max())
    return buzz(np.where(opened > 0.2, opened, 0))


def buzz(loudness: NDArray[np.float64] | None = None) -> SoundView:
    """Six seconds of a voice: a pulse of 120 Hz with three formants, weaker with pitch.

    `loudness` is that of each sample; None for three syllables a second, with pauses.
    """
    times = np.arange(6 * RATE) / RATE
    pulses = np.zeros(len(times))
    pulses[(np.arange(0, 6, 1 / 120) * RATE).astype(int)] = 1
    spectrum, hertz = np.fft.rfft(pulses), np.fft.rfftfreq(len(times), 1 / RATE)
    peaks = ((600, 1.0), (1400, 0.6), (2600, 0.3))
    formants = sum(a * np.exp(-(((hertz - f) / 150) ** 2)) for f, a in peaks)
    voice = np.fft.irfft(spectrum * formants, len(times))
    voice *= np.clip(np.sin(2 * np.pi * 3 * times), 0, 1) if loudness is None else loudness
    voice += np.random.default_rng(0).normal(0, voice.std() / 100, len(times))
    samples = (voice / np.abs(voice).max() / 2).astype(np.float32)
    sound = Sound(samples, RATE, Fraction(0), "pcm_s16le", RATE, 1, 1)
    return SoundView(sound, ((0.0, 2.9), (3.1, 6.0)))
