"""The cue on synthetic speech: when it applies, its series, and a scan that reports it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from counterface.detect.cues.cue import Measured, NotApplicable, PersonView, SoundView
from counterface.detect.cues.synthetic_speech import SyntheticSpeech
from counterface.detect.scanning import listening
from counterface.detect.scanning.scan import ScanConfig, Scanner
from counterface.media.sound import RATE, Sound


def test_less_than_a_second_of_speech_is_not_judged(person: PersonView) -> None:
    assert person.sound is not None
    short = PersonView((), None, SoundView(person.sound.sound, ((0.5, 1.4),)))
    found = SyntheticSpeech().measure(short)
    assert isinstance(found, NotApplicable)
    assert "0.9 s of speech" in found.reason


def test_the_series_has_a_point_a_second_and_the_value_is_its_mean(person: PersonView) -> None:
    found = SyntheticSpeech().measure(PersonView((), None, person.sound))
    assert isinstance(found, Measured)
    times = [time for time, _ in found.series]
    assert 4 <= len(times) <= 6
    assert np.diff(times)[:-1] == pytest.approx(1, abs=0.3)
    assert found.value == pytest.approx(np.mean([value for _, value in found.series]))


def test_level_hardly_matters(person: PersonView) -> None:
    view = person.sound
    assert view is not None
    soft = SoundView(replace(view.sound, samples=view.sound.samples / 4), view.speech)
    one, two = (SyntheticSpeech().measure(PersonView((), None, v)) for v in (view, soft))
    assert isinstance(one, Measured)
    assert isinstance(two, Measured)
    assert one.value == pytest.approx(two.value, abs=0.05)


def write_clip(path: Path, sound: Sound) -> Path:
    """Grey pictures and a sound."""
    with av.open(str(path), "w") as out:
        pictures = out.add_stream("mpeg4", rate=10)
        pictures.width = pictures.height = 64
        tones = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        whole = (sound.samples * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        for n in range(int(sound.duration * 10)):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90 + n, np.uint8), "rgb24")
            out.mux(pictures.encode(picture))
        for stream, last in ((tones, frame), (tones, None), (pictures, None)):
            out.mux(stream.encode(last))
    return path


@pytest.mark.slow
def test_a_scan_reports_it_of_the_sound(
    person: PersonView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = person.sound
    assert view is not None
    monkeypatch.setattr(listening, "speech_spans", lambda sound: view.speech)  # no model is fetched
    clip = write_clip(tmp_path / "buzz.avi", view.sound)
    scanner = Scanner(ScanConfig(cues="synthetic_speech", marks=False, pictures=False))
    (found,) = scanner.scan(clip).sound_cues
    assert found.name == "synthetic_speech"
    assert found.value is not None
    assert len(found.series) >= 4
