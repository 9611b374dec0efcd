"""What a scan hears, and where it looks at the lips."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from counterface import weights
from counterface.detect.cues.cue import SoundView
from counterface.detect.scanning.listening import LONGEST_S, listen, place_window
from counterface.detect.sound import speech
from counterface.errors import WeightsError
from counterface.media import sandbox
from counterface.media.sandbox import Limits
from counterface.media.sound import RATE, Sound

SECONDS = [float(second) for second in range(61)]


def said(*spans: tuple[float, float]) -> SoundView:
    return SoundView(Sound(np.zeros(0, np.float32), RATE, Fraction(0), "", RATE, 1, 1), spans)


def test_the_window_lies_in_the_middle_where_nothing_is_said() -> None:
    assert place_window(SECONDS, 6, None) == 30
    assert place_window(SECONDS, 6, said()) == 30


def test_the_window_lies_where_most_is_said() -> None:
    place = place_window(SECONDS, 6, said((2, 3), (10, 16), (40, 44)))
    assert place - 3 + 0.3 >= 10
    assert place + 3 - 0.3 <= 16


def test_of_equal_places_the_nearest_to_the_middle_is_taken() -> None:
    assert place_window(SECONDS, 4, said((0, 60))) == 30


def test_the_window_stays_within_the_time_of_the_person() -> None:
    assert 12 <= place_window([10.0, 12.0, 14.0], 4, said((0, 9), (13, 14))) <= 14
    assert place_window([5.0], 4, said((0, 9))) == 5


def test_speech_is_counted_within_a_time() -> None:
    assert said((0, 2), (3, 9)).speech_between(1, 4) == pytest.approx(2)
    assert said((0, 2)).speech_between(5, 6) == 0


def heard(path: Path, middle_s: float = 0.0) -> tuple[SoundView | None, list[str]]:
    listening = listen(path, sandbox.probe(path), Limits(), middle_s)
    return listening.view, [note.code for note in listening.notes]


def write_tone(path: Path, length: float, rate: int = 8000, *, video: bool = True) -> Path:
    """A clip with a tone; written with PyAV."""
    with av.open(str(path), "w") as out:
        pictures = out.add_stream("mpeg4", rate=10) if video else None
        if pictures is not None:
            pictures.width = pictures.height = 64
        tones = out.add_stream("pcm_s16le", rate=rate, layout="mono")
        samples = (9000 * np.sin(np.arange(int(length * rate)) * 0.2)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = rate
        for n in range(int(length * 10) if pictures is not None else 0):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), n % 200, np.uint8), "rgb24")
            out.mux(pictures.encode(picture))
        for stream, last in ((tones, frame), (tones, None), (pictures, None)):
            if stream is not None:
                out.mux(stream.encode(last))
    return path


def test_a_tone_is_heard_and_is_no_speech(tmp_path: Path) -> None:
    view, notes = heard(write_tone(tmp_path / "tone.avi", 2))
    assert view is not None
    assert view.sound.duration == pytest.approx(2, abs=0.05)
    assert view.speech == ()
    assert notes == []


def test_a_file_without_sound_is_not_listened_to(tmp_path: Path) -> None:
    path = tmp_path / "mute.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        out.mux(stream.encode(None))
    assert heard(path) == (None, [])


@pytest.mark.slow
def test_of_a_long_file_a_minute_is_heard(tmp_path: Path) -> None:
    view, _ = heard(write_tone(tmp_path / "long.avi", 100), middle_s=60)
    assert view is not None
    assert view.sound.duration == pytest.approx(LONGEST_S, abs=0.05)
    assert float(view.sound.start) == pytest.approx(30, abs=0.05)


def test_without_the_model_for_speech_a_note_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> Path:
        raise WeightsError(f"{name} is not there; fetch it")

    monkeypatch.setattr(weights, "path", absent)
    speech._session.cache_clear()
    listening = listen(
        path := write_tone(tmp_path / "tone.avi", 2), sandbox.probe(path), Limits(), 0
    )
    assert listening.view is None
    (note,) = listening.notes
    assert note.code == "sound_unheard"
    assert "silero_vad is not there; fetch it." in note.text
