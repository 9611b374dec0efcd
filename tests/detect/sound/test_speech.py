"""Speech is found where people speak, and not in noise and tones."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from counterface import weights
from counterface.detect.sound import speech
from counterface.detect.sound.speech import speech_probabilities, speech_spans
from counterface.errors import ShapeError
from counterface.media import sandbox
from counterface.media.sound import Sound

PAGE = Path(__file__).parents[3] / "docs" / "sound.md"


def heard(samples: np.ndarray, start: Fraction = Fraction(0), rate: int = 16_000) -> Sound:
    return Sound(samples.astype(np.float32), rate, start, "pcm_s16le", rate, 1, 1)


@pytest.fixture
def model() -> None:
    if weights.find("silero_vad") is None:
        pytest.skip("silero_vad is not on this machine: counterface weights fetch silero_vad")


def steps(*runs: tuple[int, float]) -> np.ndarray:
    return np.concatenate([np.full(count, value, np.float32) for count, value in runs])


def spans_in_steps(probabilities: np.ndarray, start: Fraction = Fraction(0)):
    """The spans of given probabilities, in steps from the start of the sound, margins included."""
    sound = heard(np.zeros(512 * len(probabilities)), start)
    spans = speech_spans(sound, probabilities)
    return [tuple((t - float(start)) / 0.032 for t in span) for span in spans]


MARGIN = 0.03 / 0.032  # in steps


@pytest.mark.parametrize(
    ("runs", "wanted"),
    [
        ([(50, 0.1)], []),
        ([(50, 0.9)], [(0, 50)]),
        ([(10, 0.1), (20, 0.9), (20, 0.1)], [(10 - MARGIN, 30 + MARGIN)]),
        ([(10, 0.1), (7, 0.9), (20, 0.1)], []),  # 0.224 s
        ([(10, 0.9), (3, 0.1), (10, 0.9)], [(0, 23)]),  # a pause of 0.096 s
        ([(10, 0.9), (4, 0.1), (10, 0.9)], [(0, 10 + MARGIN), (14 - MARGIN, 24)]),
        ([(10, 0.9), (9, 0.4), (10, 0.9)], [(0, 29)]),  # doubt goes on as it was
        ([(10, 0.1), (9, 0.4), (10, 0.1)], []),
        ([(10, 0.9), (2, 0.1)], [(0, 10 + MARGIN)]),
        ([], []),
    ],
)
def test_spans_follow_the_rule(runs, wanted) -> None:
    probabilities = steps(*runs) if runs else np.zeros(0, np.float32)
    for start in (Fraction(0), Fraction(1001, 30)):
        found = spans_in_steps(probabilities, start)
        assert np.array(found) == pytest.approx(np.array(wanted), abs=1e-6)


def test_another_rate_is_refused() -> None:
    with pytest.raises(ShapeError, match="44100 samples a second, not 16000"):
        speech_probabilities(heard(np.zeros(441), rate=44_100))


@pytest.mark.usefixtures("model")
def test_noise_tones_and_silence_are_no_speech() -> None:
    random = np.random.default_rng(0)
    time = np.arange(5 * 16_000) / 16_000
    for samples in (
        random.normal(0, 0.1, len(time)),
        random.normal(0, 0.001, len(time)),
        0.5 * np.sin(2 * np.pi * 440 * time),
        sum(0.1 * np.sin(2 * np.pi * hertz * time) for hertz in (220, 277, 330, 440)),
        np.zeros(len(time)),
    ):
        assert speech_probabilities(heard(samples)).max() < 0.3
        assert speech_spans(heard(samples)) == ()


@pytest.mark.usefixtures("model")
def test_there_is_one_probability_for_each_32_ms() -> None:
    for count, expected in ((0, 0), (1, 1), (512, 1), (513, 2), (5120, 10)):
        made = speech_probabilities(heard(np.zeros(count)))
        assert (made.shape, made.dtype) == ((expected,), np.float32)
    assert speech_spans(heard(np.zeros(0))) == ()


@pytest.mark.usefixtures("model")
def test_a_long_sound_is_gone_through_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(2).normal(0, 0.1, 100 * 512)
    whole = speech_probabilities(heard(samples))
    monkeypatch.setattr(speech, "_AT_ONCE", 7)
    assert speech_probabilities(heard(samples)) == pytest.approx(whole, abs=1e-5)


@pytest.mark.usefixtures("model")
def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = (0.1 * np.sin(np.arange(16_000))).astype(np.float32)
    with av.open(str(tmp_path / "talk.mp4"), "w") as output:
        stream = output.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = 16_000
        output.mux(stream.encode(frame) + stream.encode(None))
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict = {}
    exec(compile(block, str(PAGE), "exec"), names)
    assert names["mel"].shape == (1 + len(names["sound"].samples) // 160, 80)


@pytest.mark.footage
@pytest.mark.usefixtures("model")
def test_people_who_speak_are_heard(footage: Path) -> None:
    clips = sorted((footage / "av_grid").glob("*.mpg"))
    if not clips:
        pytest.skip("the clips of av_grid are not there")
    for clip in clips:  # six words in the middle of 3 s
        sound = sandbox.read_sound(clip)
        spans = speech_spans(sound)
        spoken = sum(end - start for start, end in spans)
        assert 1.0 < spoken < 2.5, clip.name
        assert all(a[1] < b[0] for a, b in pairwise(spans))
