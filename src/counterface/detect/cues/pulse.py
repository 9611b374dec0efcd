"""The pulse: blood colours the skin with each beat, everywhere at once.

A face that was drawn, or taken from several frames, has no such rhythm, or one that differs from
place to place. Compression takes it as well: that no pulse is found says little.

Sources: de Haan and Jeanne, "Robust pulse rate from chrominance-based rPPG", IEEE TBME 2013 (CHROM,
and the signal-to-noise ratio); Wang et al., "Algorithmic principles of remote PPG", IEEE TBME 2017
(POS); Ciftci et al., "FakeCatcher", 2019 (https://arxiv.org/abs/1901.02212), for the use of it.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from counterface.detect.cues.cue import Measured, Window
from counterface.detect.cues.parents import WindowCue
from counterface.detect.cues.regions import cut_box

Signal = NDArray[np.float64]  # (T,)
# Left, top, right, bottom in eye distances from the middle of the eyes.
FOREHEAD = (-0.5, -1.0, 0.5, -0.5)
LEFT_CHEEK, RIGHT_CHEEK = (-0.85, 0.35, -0.4, 0.85), (0.4, 0.35, 0.85, 0.85)
SPAN_S = 1.6  # of POS's and CHROM's windows, as published
SLOWEST_HZ, FASTEST_HZ = 0.7, 3.5  # 42 to 210 beats a minute
WIDTH_HZ = 0.2  # on each side of the beat and of its first harmonic
SPECTRUM = 2048  # samples, with zeros behind the signal: steps of about 0.01 Hz


class _PulseCue(WindowCue):
    """What the two cues on the pulse share."""

    source = "https://arxiv.org/abs/1901.02212"
    wants_s = 6.0
    min_s = 4.8
    min_fps = 20.0
    nothing = "the skin is too dark or does not change at all"


class Pulse(_PulseCue):
    """How far the beat stands above the noise: POS and CHROM, forehead and cheeks together."""

    name = "pulse"
    title = "Pulse"
    unit = "dB"
    looks_for = "skin without a pulse"

    def measure_window(self, window: Window) -> Measured | None:
        """The mean of the two signal-to-noise ratios."""
        colors = skin_colors(window)
        if colors is None:
            return None
        found = []
        for method in (pos_signal, chrom_signal):
            joined = np.sum([method(color, window.step_s) for color in colors], axis=0)
            found.append(snr(joined, window.step_s))
        known = [value for value in found if value is not None]
        return Measured(sum(known) / len(known)) if known else None


class PulseAgreement(_PulseCue):
    """Whether forehead and cheeks beat together: the mean correlation of their POS signals."""

    name = "pulse_agreement"
    title = "Pulse in three places"
    unit = "correlation"
    looks_for = "a forehead and cheeks that do not beat together"

    def measure_window(self, window: Window) -> Measured | None:
        """The mean of the three correlations, [-1, 1]."""
        colors = skin_colors(window)
        if colors is None:
            return None
        signals = [_in_band(pos_signal(color, window.step_s), window.step_s) for color in colors]
        if min(float(signal.std()) for signal in signals) < 1e-9:
            return None
        pairs = [np.corrcoef(one, two)[0, 1] for one, two in combinations(signals, 2)]
        return Measured(float(np.mean(pairs)))


def skin_colors(window: Window) -> NDArray[np.float64] | None:
    """Mean colours of forehead and cheeks, (3, T, 3), at even times; None where one is black."""
    even = np.linspace(window.pts[0], window.pts[-1], len(window.pts))
    found = []
    for box in (FOREHEAD, LEFT_CHEEK, RIGHT_CHEEK):
        means = cut_box(window.crops, box).mean(axis=(1, 2), dtype=np.float64)
        if means.min() < 1:
            return None
        found.append(np.stack([np.interp(even, window.pts, plane) for plane in means.T], axis=1))
    return np.stack(found)


def pos_signal(color: NDArray[np.float64], step_s: float) -> Signal:
    """The pulse by POS of a region's colours (T, 3)."""
    return _project(color, step_s, np.array([[0, 1, -1], [-2, 1, 1]]), 1)


def chrom_signal(color: NDArray[np.float64], step_s: float) -> Signal:
    """The pulse by CHROM of a region's colours (T, 3)."""
    return _project(color, step_s, np.array([[3, -2, 0], [1.5, 1, -1.5]]), -1)


def snr(signal: Signal, step_s: float) -> float | None:
    """Power of the strongest beat and its first harmonic over the rest, dB; None of nothing."""
    power, hertz = _spectrum(signal, step_s)
    within = (hertz >= SLOWEST_HZ) & (hertz <= FASTEST_HZ)
    if float(power[within].sum()) < 1e-12:
        return None
    beat = hertz[within][power[within].argmax()]
    near = np.minimum(np.abs(hertz - beat), np.abs(hertz - 2 * beat)) <= WIDTH_HZ
    beats, rest = power[within & near].sum(), power[within & ~near].sum()
    return float(10 * np.log10(beats / max(rest, 1e-3 * beats)))


def _project(
    color: NDArray[np.float64], step_s: float, axes: NDArray[np.float64], sign: int
) -> Signal:
    """Colours over their mean along two axes, the second scaled to the first, in windows."""
    count = max(2, round(SPAN_S / step_s))
    signal = np.zeros(len(color))
    for start in range(len(color) - count + 1):
        part = color[start : start + count]
        first, second = axes @ (part / part.mean(axis=0) - 1).T
        found = first + sign * first.std() / max(float(second.std()), 1e-9) * second
        signal[start : start + count] += found - found.mean()
    return signal


def _spectrum(signal: Signal, step_s: float) -> tuple[Signal, Signal]:
    """Power and frequencies, hertz."""
    shaped = (signal - signal.mean()) * np.hanning(len(signal))
    size = max(SPECTRUM, len(signal))
    power = np.abs(np.fft.rfft(shaped, size)) ** 2
    return power.astype(np.float64), np.fft.rfftfreq(size, step_s).astype(np.float64)


def _in_band(signal: Signal, step_s: float) -> Signal:
    """The part of a signal with the frequencies of a pulse."""
    waves, hertz = np.fft.rfft(signal - signal.mean()), np.fft.rfftfreq(len(signal), step_s)
    waves[(hertz < SLOWEST_HZ) | (hertz > FASTEST_HZ)] = 0
    return np.asarray(np.fft.irfft(waves, len(signal)))
