"""LFCC against a slow formula, and what they do not depend on."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from counterface.detect.sound.lfcc import COEFFICIENTS, COLUMNS, filters, lfcc, slopes
from counterface.errors import ShapeError
from counterface.media.sound import RATE, Sound
from counterface.types import Floats


def sound_of(samples: Floats, rate: int = RATE) -> Sound:
    return Sound(samples.astype(np.float32), rate, Fraction(0), "pcm_s16le", rate, 1, 1)


def noise(count: int) -> Floats:
    return np.random.default_rng(0).normal(0, 0.1, count).astype(np.float32)


def slow_row(samples: Floats, t: int) -> list[float]:
    """The 20 coefficients of a row, straight from their definition."""
    whole = np.concatenate([np.zeros(160), samples, np.zeros(400)])
    part = whole[t * 160 : t * 160 + 320]
    part = part * (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(320) / 320))
    times = np.arange(320)
    power = [abs(np.sum(part * np.exp(-2j * np.pi * k * times / 512))) ** 2 for k in range(257)]
    step = 8000 / 21
    logs = []
    for band in range(20):
        total = 0.0
        for k in range(257):
            place = (k * 31.25 - band * step) / step
            weight = place if place <= 1 else 2 - place
            total += max(0.0, weight) * power[k]
        logs.append(np.log(max(total, 1e-10)))
    found = []
    for number in range(20):
        scale = np.sqrt((1 if number == 0 else 2) / 20)
        waves = [np.cos(np.pi * number * (band + 0.5) / 20) for band in range(20)]
        found.append(scale * float(np.dot(waves, logs)))
    return found


def test_the_coefficients_are_those_of_the_formula() -> None:
    samples = noise(2000)
    found = lfcc(sound_of(samples))
    assert found.shape == (1 + 2000 // 160, COLUMNS)
    assert found.dtype == np.float32
    for t in (0, 5, 12):  # both ends reach beyond the sound
        assert found[t, :COEFFICIENTS] == pytest.approx(slow_row(samples, t), abs=2e-3)


def test_slopes_are_those_of_a_line_and_ends_are_seen_again() -> None:
    rows = np.outer(np.arange(9), [2.0, -3.0]).astype(np.float32)
    assert slopes(rows)[2:-2] == pytest.approx(np.tile([2.0, -3.0], (5, 1)))
    # At the first row two rows before it are itself: (1 * 2 + 2 * 4) / 10 for a slope of 2.
    assert slopes(rows)[0, 0] == pytest.approx(1.0)
    assert slopes(rows[:0]).shape == (0, 2)


def test_a_louder_sound_moves_the_first_column_alone() -> None:
    samples = noise(4000)
    soft, loud = lfcc(sound_of(samples)), lfcc(sound_of(samples * 2))
    moved = loud - soft
    assert moved[:, 0] == pytest.approx(np.full(len(moved), np.log(4) * np.sqrt(20)), abs=1e-3)
    assert np.abs(moved[:, 1:]).max() < 1e-3


def test_bands_cover_the_range_evenly() -> None:
    inner = filters()[:, 13:244]  # between the peaks of the first and the last band
    assert inner.sum(axis=0) == pytest.approx(np.ones(inner.shape[1]), abs=1e-5)


def test_a_long_sound_is_made_in_parts_without_a_seam() -> None:
    samples = noise(160 * 6010)
    end = lfcc(sound_of(samples[160 * 5990 :]))
    assert lfcc(sound_of(samples))[-15:-5] == pytest.approx(end[-15:-5], abs=1e-4)


def test_silence_and_nothing_are_borne() -> None:
    assert np.isfinite(lfcc(sound_of(np.zeros(3200)))).all()
    assert lfcc(sound_of(np.zeros(0))).shape == (0, COLUMNS)


def test_another_rate_is_refused() -> None:
    with pytest.raises(ShapeError, match="8000 samples a second"):
        lfcc(sound_of(noise(800), 8000))
