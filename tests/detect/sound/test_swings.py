"""Swings of loudness against a slow formula, and what they tell apart."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from counterface.detect.sound.swings import BANDS, COLUMNS, swings
from counterface.errors import ShapeError
from counterface.media.sound import RATE, Sound
from counterface.types import Floats


def sound_of(samples: Floats, rate: int = RATE) -> Sound:
    return Sound(samples.astype(np.float32), rate, Fraction(0), "pcm_s16le", rate, 1, 1)


def noise(count: int) -> Floats:
    return np.random.default_rng(0).normal(0, 0.1, count).astype(np.float32)


def slow_row(samples: Floats, t: int) -> tuple[list[float], list[float]]:
    """Spread and skewness of the 20 bands in a row, straight from their definition."""
    whole = np.concatenate([np.zeros(1000), samples, np.zeros(1000)])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(96) / 96)
    powers = np.zeros((32, 20))
    for step in range(32):
        middle = 1000 + t * 160 + (step - 16) * 16
        power = np.abs(np.fft.rfft(whole[middle - 48 : middle + 48] * window, 128)) ** 2
        for band in range(20):
            away = np.abs(np.arange(65) * 125 - (band + 1) * 8000 / 21) / (8000 / 21)
            powers[step, band] = np.maximum(0, 1 - away) @ power
    levels = np.log(powers + 0.003 * powers.mean(axis=0) + 1e-9)
    away = levels - levels.mean(axis=0)
    spread = np.sqrt((away**2).mean(axis=0))
    return list(spread), list((away**3).mean(axis=0) / (spread**3 + 0.05))


def test_the_numbers_are_those_of_the_formula() -> None:
    samples = noise(2000)
    found = swings(sound_of(samples))
    assert found.shape == (1 + 2000 // 160, COLUMNS)
    assert found.dtype == np.float32
    for t in (0, 5, 12):  # both ends reach beyond the sound
        spread, skewness = slow_row(samples, t)
        assert found[t, :BANDS] == pytest.approx(spread, abs=2e-3)
        assert found[t, BANDS:] == pytest.approx(skewness, abs=2e-2)


def test_level_changes_nothing() -> None:
    samples = noise(4000)
    soft, loud = (swings(sound_of(samples * scale))[3:-3] for scale in (0.25, 1))
    assert soft == pytest.approx(loud, abs=1e-3)


def test_pulses_swing_and_lose_it_with_their_phases() -> None:
    pulses = np.zeros(RATE)
    pulses[::160] = 0.5  # 100 Hz
    pulses += noise(RATE) / 100
    spectrum = np.fft.rfft(pulses)
    turns = np.exp(2j * np.pi * np.random.default_rng(1).random(len(spectrum)))
    blurred = np.fft.irfft(np.abs(spectrum) * turns)
    sharp, soft = (swings(sound_of(x))[5:-5, :BANDS].mean() for x in (pulses, blurred))
    assert sharp > 1.3 * soft


def test_a_long_sound_is_made_in_parts_without_a_seam() -> None:
    samples = noise(160 * 2010)
    end = swings(sound_of(samples[160 * 1990 :]))
    assert swings(sound_of(samples))[-15:-5] == pytest.approx(end[-15:-5], abs=1e-4)


def test_silence_does_not_swing_and_nothing_is_borne() -> None:
    assert (swings(sound_of(np.zeros(3200))) == 0).all()
    assert swings(sound_of(np.zeros(0))).shape == (0, COLUMNS)


def test_another_rate_is_refused() -> None:
    with pytest.raises(ShapeError, match="8000 samples a second"):
        swings(sound_of(noise(800), 8000))
