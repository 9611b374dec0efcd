"""Speech in pieces of two seconds, and the file that judges them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from counterface.detect.synthetic_speech.pieces import (
    COLUMNS,
    PIECE,
    SpeechFile,
    cut_pieces,
    speech_rows,
)
from counterface.detect.synthetic_speech.wear import (
    at_pace,
    with_noise,
    with_room,
    worn,
    worn_sound,
)
from counterface.errors import DetectorError
from counterface.media.sound import RATE, Sound
from counterface.types import Floats


def noise(seconds: float) -> Floats:
    return np.random.default_rng(0).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)


def sound_of(samples: Floats, start: Fraction = Fraction(0)) -> Sound:
    return Sound(samples, RATE, start, "pcm_s16le", RATE, 1, 1)


def test_only_rows_in_which_somebody_speaks_are_kept() -> None:
    rows, times = speech_rows(sound_of(noise(4), Fraction(10)), ((10.5, 11.0), (12.0, 13.0)))
    assert rows.shape == (len(times), COLUMNS)
    assert len(times) == pytest.approx(152, abs=2)
    assert times.min() >= 10.5
    assert not ((times > 11.0) & (times < 12.0)).any()
    assert times.max() <= 13.0


@pytest.mark.parametrize("count", [1, 100, 200, 201, 250, 300, 731])
def test_every_row_is_in_a_piece_and_times_rise(count: int) -> None:
    rows = np.repeat(np.arange(count, dtype=np.float32)[:, None], COLUMNS, axis=1)
    pieces = cut_pieces(rows, np.arange(count) * 0.01)
    assert pieces.rows.shape == (len(pieces.times), PIECE, COLUMNS)
    assert set(pieces.rows[..., 0].ravel()) == set(range(count))
    assert (np.diff(pieces.times) > 0).all()
    assert pieces.times[0] == pytest.approx(min(count, PIECE) * 0.005, abs=0.011)


def test_nothing_gives_no_piece() -> None:
    assert cut_pieces(np.zeros((0, COLUMNS), np.float32), np.zeros(0)).rows.shape[0] == 0


def test_what_is_no_file_of_this_kind_is_refused(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    path = tmp_path / "other.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(DetectorError):
        SpeechFile(path)
    value = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["rows"], ["logits"])], "g", [value], [out]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))
    with pytest.raises(DetectorError, match="counterface_speech_swings"):
        SpeechFile(path)


def test_a_way_by_chance_keeps_the_length_and_follows_from_its_seed() -> None:
    samples = noise(1)
    for seed in range(6):
        one, two = (worn(samples, np.random.default_rng(seed)) for _ in range(2))
        assert one.shape == samples.shape
        assert one.dtype == np.float32
        assert np.isfinite(one).all()
        assert np.abs(one).max() <= 1.1
        assert np.array_equal(one, two)


@pytest.mark.parametrize("pace", [0.95, 1.0, 1.04])
def test_another_pace_moves_pitch_and_time_alike(pace: float) -> None:
    times = np.arange(2 * RATE) / RATE
    tone = np.sin(2 * np.pi * 1000 * times) * (times < 1)
    made = at_pace(tone.astype(np.float32), pace)
    assert len(made) == round(2 * RATE / pace)
    assert np.abs(np.fft.rfft(made)).argmax() * RATE / len(made) == pytest.approx(
        1000 * pace, abs=1
    )
    early = np.abs(made[: int(0.99 * RATE / pace)]).mean()
    assert np.abs(made[int(1.01 * RATE / pace) :]).mean() < 0.02 * early


def test_spans_go_with_the_pace() -> None:
    sound = sound_of(noise(1), Fraction(10))
    paces = []
    for seed in range(24):
        moved, ((start, end),) = worn_sound(sound, ((10.25, 10.75),), np.random.default_rng(seed))
        paces.append(0.5 / (end - start))
        assert len(moved.samples) == pytest.approx(RATE / paces[-1], abs=1)
        assert start == pytest.approx(10 + 0.25 / paces[-1])
    assert 0.95 <= min(paces) < 1 < max(paces) <= 1.05
    assert 10 < sum(pace == pytest.approx(1) for pace in paces) < 24


def test_noise_and_rooms_are_added_to_the_speech() -> None:
    tone = np.sin(np.arange(RATE) * 0.2).astype(np.float32)
    rng = np.random.default_rng(0)
    noisy = with_noise(tone, rng) - tone
    assert 10 ** (-45 / 20) * 0.9 < noisy.std() / tone.std() < 10 ** (-8 / 20) * 1.1
    click = np.zeros(RATE, np.float32)
    click[100] = 1
    heard = with_room(click, rng)
    assert heard[100] == pytest.approx(1, abs=1e-3)
    assert np.abs(heard[:99]).max() < 1e-3
    assert np.abs(heard[101:1000]).max() > 1e-3
