"""Talks are read from clips as a scan reads them, and the shipped network hears who is in step."""

from __future__ import annotations

import re
from pathlib import Path

import av
import numpy as np
import pytest
from actors import draw_clip, write_clip

from counterface import weights
from counterface.apps.cli.main import main
from counterface.detect.lip_sync.lips import FPS, POINTS
from counterface.detect.lip_sync.match import (
    LipSyncFile,
    count_rows,
    lag_parts,
    match_of,
    relative,
    rows_at,
)
from counterface.detect.lip_sync.talks import Talk, read_talk

PAGE = Path(__file__).parents[3] / "docs" / "lip_sync.md"


@pytest.fixture
def _speech_model() -> None:
    if weights.find("silero_vad") is None:
        pytest.skip("the model of speech is not there; fetch it by 'weights fetch silero_vad'")


def odds(talk: Talk, late_s: float) -> float:
    """What the shipped network says where the sound comes so much later."""
    first = round((talk.lead_s - 0.6 - late_s) * 100)
    rows = relative(rows_at(talk.rows, first + np.arange(count_rows(len(talk.points)))))
    network = LipSyncFile()
    parts = lag_parts(*network.vectors(talk.points, rows))
    assert parts is not None
    return match_of(parts, network.info.scale, 0.0).log_odds


def write_buzz(path: Path) -> None:
    """A second of sound."""
    samples = (0.1 * np.sin(np.arange(16_000))).astype(np.float32)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = 16_000
        output.mux(stream.encode(frame) + stream.encode(None))


@pytest.mark.usefixtures("_speech_model")
def test_clips_that_say_nothing_are_told(tmp_path: Path) -> None:
    write_clip(tmp_path / "silent.mp4", draw_clip([1], 4, 320, 320))
    assert read_talk(tmp_path / "silent.mp4") == "it has no sound"
    write_buzz(tmp_path / "buzz.mp4")
    assert "speaks for less than 1 s" in str(read_talk(tmp_path / "buzz.mp4"))


@pytest.mark.slow
def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(tmp_path / "talk.mp4", draw_clip([1], 30, 320, 320))
    write_buzz(tmp_path / "talk.wav.mp4")
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(block.replace('sound("talk.mp4")', 'sound("talk.wav.mp4")'), PAGE, "exec"), names)
    assert names["lips"].points.shape[1:] == (POINTS, 2)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.footage
@pytest.mark.usefixtures("_speech_model")
def test_people_are_in_step_with_their_own_sound(footage: Path) -> None:
    clips = sorted((footage / "av_grid").glob("*.mpg"))
    if not clips:
        pytest.skip("the clips of av_grid are not there")
    for clip in clips:
        talk = read_talk(clip)
        assert isinstance(talk, Talk), talk
        assert talk.length_s == pytest.approx(len(talk.points) / FPS)
        assert 1.0 < talk.speech_s < 2.5
        assert odds(talk, 0.0) > max(odds(talk, 0.4), odds(talk, -0.4))


@pytest.mark.slow
@pytest.mark.footage
@pytest.mark.usefixtures("_speech_model")
def test_the_command_trains_on_clips_and_goes_on(
    footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = sorted((footage / "av_grid").glob("*.mpg"))[:2]
    if not clips:
        pytest.skip("the clips of av_grid are not there")
    write_buzz(tmp_path / "buzz.mp4")
    recipe = PAGE.parents[1] / "recipes" / "lip_sync.toml"
    words = ["detect", "lips", str(recipe), "--clips", *map(str, clips), str(tmp_path / "buzz.mp4")]
    words += ["--out", str(tmp_path / "run"), "--device", "cpu"]
    for steps in (2, 3):
        settings = [f"loop.steps={steps}", "loop.tensorboard=false", "loop.batch_size=4"]
        assert main([*words, "--set", *settings]) == 0
        said = capsys.readouterr().out
        assert "left out: buzz.mp4: somebody speaks for less than 1 s" in said
        assert f"finished at step {steps}, from 2 clips, 6 s" in said
    assert LipSyncFile(tmp_path / "run" / "lip_sync.onnx").info.card["steps"] == 3
