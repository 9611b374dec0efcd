"""A match is found at its lag, and the file of a network is checked before it is believed."""

from __future__ import annotations

from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from counterface.detect.lip_sync.lips import FPS
from counterface.detect.lip_sync.match import (
    DEEPEST,
    LAGS,
    MOST_LAG_S,
    MOST_ODDS,
    PITCHES,
    STEPS,
    LipSyncFile,
    count_rows,
    lag_parts,
    match_of,
    sound_rows,
)
from counterface.errors import DetectorError, ShapeError
from counterface.media.sound import RATE, Sound
from counterface.types import Floats

FRAMES = 100


def make_vectors(late_s: float) -> tuple[Floats, Floats]:
    """Vectors of lips, and of a sound that comes so much later."""
    rng = np.random.default_rng(0)
    times = np.arange(2 * FRAMES - 1 + LAGS - 1) / STEPS - MOST_LAG_S
    waves = rng.uniform(1, 9, 8)
    heard = np.sin(waves * (times[:, None] - late_s)).astype(np.float32)
    seen = np.sin(waves * np.arange(FRAMES)[:, None] / FPS).astype(np.float32)
    return seen, heard


@pytest.mark.parametrize("late_s", [0.0, 0.2, -0.3])
def test_the_lag_is_found(late_s: float):
    parts = lag_parts(*make_vectors(late_s))
    assert parts is not None
    found = match_of(parts, 20.0, 5.0)
    assert found.lag_s == pytest.approx(late_s)
    assert found.correlations.max() == pytest.approx(1, abs=1e-3)
    assert (found.log_odds > 0) == (late_s == 0)
    assert abs(found.log_odds) <= MOST_ODDS
    times = [time for time, _ in found.course]
    assert times == sorted(times)
    assert times[0] >= 5
    assert times[-1] <= 5 + FRAMES / FPS
    assert all((odds > 0) == (late_s == 0) for _, odds in found.course)


def test_what_does_not_move_matches_nothing():
    seen, heard = make_vectors(0)
    assert lag_parts(np.ones_like(seen), heard) is None
    assert lag_parts(seen, np.ones_like(heard)) is None


def make_sound(samples: Floats, rate: int = RATE, start: Fraction = Fraction(0)) -> Sound:
    return Sound(samples.astype(np.float32), rate, start, "pcm_s16le", rate, 1, 1)


def test_rows_of_sound_stand_at_their_time_and_do_not_depend_on_loudness():
    samples = np.random.default_rng(0).normal(0, 1e-4, 4 * RATE)
    samples[2 * RATE :] *= 1000  # at 3 s of the file's clock
    rows = sound_rows(make_sound(samples, start=Fraction(1)), 1.0, 75)
    assert rows.shape == (count_rows(75), PITCHES)
    assert rows.max() == 0
    assert rows.min() == -DEEPEST  # before the sound begins
    loud = np.flatnonzero(rows.mean(axis=1) > -6)
    assert loud[0] == pytest.approx((3.0 - 1.0 + MOST_LAG_S) * 100, abs=2)
    twice = sound_rows(make_sound(2 * samples, start=Fraction(1)), 1.0, 75)
    np.testing.assert_allclose(rows, twice, atol=1e-3)


def test_silence_has_rows_and_other_rates_are_refused():
    silence = sound_rows(make_sound(np.zeros(0)), 0.0, 25)
    assert (silence == -DEEPEST).all()
    with pytest.raises(ShapeError, match="8000"):
        sound_rows(make_sound(np.zeros(100), rate=8000), 0.0, 25)


def test_the_shipped_file_says_what_it_is():
    network = LipSyncFile()
    assert network.info.name == "lip_sync"
    assert network.info.card["licence"]
    seen, heard = network.vectors(
        np.zeros((30, 27, 2), np.float32), np.zeros((count_rows(30), PITCHES), np.float32)
    )
    assert len(heard) == 2 * 30 - 1 + LAGS - 1
    assert seen.shape == (30, heard.shape[1])


def test_other_files_are_refused(tmp_path: Path):
    with pytest.raises(DetectorError, match="absent"):
        LipSyncFile(tmp_path / "absent.onnx")
    (tmp_path / "noise.onnx").write_bytes(b"\x00noise" * 100)
    with pytest.raises(DetectorError, match="noise"):
        LipSyncFile(tmp_path / "noise.onnx")
    with pytest.raises(DetectorError, match="no lip-sync file"):
        LipSyncFile(Path(str(files("counterface.detect.data").joinpath("default.onnx"))))
