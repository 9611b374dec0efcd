"""Log-mel spectra against another program's numbers, and against what is known of tones."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from counterface.detect.sound.log_mel import BANDS, FLOOR, HOP, filters, log_mel
from counterface.errors import ShapeError
from counterface.media.sound import Sound

# Every 13th band of three rows by librosa 0.11.0: melspectrogram(y, sr=16000, n_fft=400,
# hop_length=160, pad_mode="constant", n_mels=80), its logarithm.
LIBROSA = {
    0: [-0.2279, -3.9058, -5.7901, -6.4182, -5.1297, -6.0122, -5.545],
    7: [-10.7736, -5.5925, -10.3295, -5.9055, -8.0671, -5.8454, -6.4914],
    25: [-5.4605, -5.4278, -4.3006, -2.9126, -5.0101, -7.0369, -8.3609],
}


def heard(samples: np.ndarray, rate: int = 16_000) -> Sound:
    return Sound(samples.astype(np.float32), rate, Fraction(0), "pcm_s16le", rate, 1, 1)


def tone(hertz: float, count: int = 16_000) -> Sound:
    return heard(0.5 * np.sin(2 * np.pi * hertz * np.arange(count) / 16_000))


def test_the_numbers_are_those_of_librosa() -> None:
    n = np.arange(4000)
    sweep = 0.4 * np.sin(2 * np.pi * (200 * n / 16_000 + 900 * (n / 16_000) ** 2 * 4))
    made = log_mel(heard(sweep + 0.05 * np.sin(n * n * 0.37)))
    assert (made.shape, made.dtype) == ((26, BANDS), np.float32)
    for row, values in LIBROSA.items():
        assert made[row, ::13] == pytest.approx(values, abs=2e-4)


def test_a_row_is_the_transform_of_25_ms_around_its_time() -> None:
    samples = np.random.default_rng(3).normal(0, 0.1, 4000)
    row = 12
    part = samples[row * HOP - 200 : row * HOP + 200]
    part = part * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400))
    turns = np.exp(-2j * np.pi * np.outer(np.arange(201), np.arange(400)) / 400)
    power = np.abs(turns @ part) ** 2
    wanted = np.log(filters().astype(np.float64) @ power)
    assert log_mel(heard(samples))[row] == pytest.approx(wanted, abs=1e-3)


def test_bands_are_triangles_of_area_one_between_known_frequencies() -> None:
    fine = filters()
    assert fine.shape == (BANDS, 201)
    assert (fine.max(axis=1) > 0).all()
    wide = fine[40:]  # of many bins: the sum over them is the area
    assert wide.sum(axis=1) * 40 == pytest.approx(np.ones(len(wide)), abs=0.12)
    # 8,000 Hz are 15 + 27 ln 8 / ln 6.4 mels, so a band is 0.557 mels, 37.2 Hz, wide on each side.
    low = log_mel(tone(37.2 * 10))[50].argmax()
    assert low == 9  # band k is centred on (k + 1) * 37.2 Hz up to 1,000 Hz


def test_higher_tones_lie_in_higher_bands() -> None:
    loudest = [int(log_mel(tone(hertz))[50].argmax()) for hertz in (100, 400, 1000, 3000, 7000)]
    assert loudest == sorted(set(loudest))


def test_silence_is_the_floor_and_no_samples_give_no_rows() -> None:
    assert (log_mel(heard(np.zeros(1600))) == np.float32(np.log(FLOOR))).all()
    assert log_mel(heard(np.zeros(0))).shape == (0, BANDS)
    assert log_mel(heard(np.ones(1))).shape == (1, BANDS)


def test_long_sound_is_what_its_pieces_are() -> None:
    samples = np.random.default_rng(4).normal(0, 0.1, 6100 * HOP)  # over one piece of work
    whole = log_mel(heard(samples))
    assert whole.shape == (6101, BANDS)
    end = log_mel(heard(samples[5900 * HOP :]))
    assert np.abs(whole[5910:] - end[10:]).max() < 1e-5


def test_another_rate_is_refused() -> None:
    with pytest.raises(ShapeError, match="8000 samples a second, not 16000; read it with rate="):
        log_mel(heard(np.zeros(800), rate=8000))
