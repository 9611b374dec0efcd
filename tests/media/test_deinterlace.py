"""Interlaced video: every frame once, at its time, without the teeth of two moments in one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from drawn_media import write_clip

from counterface.media import sandbox
from counterface.media.video_reader import read_video

INTERLACED = {"crf": "8", "g": "12", "flags": "+ildct+ilme", "x264-params": "tff=1"}
SIZE = (80, 96)  # five rows of macroblocks: an odd number


def bar(moment: int) -> np.ndarray:
    """A bright bar that moves four pixels from one half picture to the next."""
    image = np.full((*SIZE, 3), 40, np.uint8)
    left = (10 + 4 * moment) % (SIZE[1] - 16)
    image[8:72, left : left + 12] = 200
    return image


def interlaced(number: int) -> np.ndarray:
    image = bar(2 * number)
    image[1::2] = bar(2 * number + 1)[1::2]
    return image


def teeth(image: np.ndarray) -> float:
    """Grey levels by which rows differ from the mean of both their neighbours."""
    grey = image.astype(float).mean(axis=2)
    return float(np.abs(grey[1:-1] - (grey[:-2] + grey[2:]) / 2).mean())


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "a.mp4", [interlaced(i) for i in range(12)], options=INTERLACED)


def test_frames_keep_their_number_and_times_and_lose_their_teeth(clip: Path) -> None:
    frames = list(read_video(clip))
    assert [f.pts for f in frames] == [Fraction(i, 25) for i in range(12)]
    with av.open(str(clip)) as container:
        raw = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.mean([teeth(f.image) for f in frames]) < np.mean([teeth(i) for i in raw]) / 3


def test_what_does_not_move_stays_as_it_is(tmp_path: Path) -> None:
    still = [bar(0)] * 6
    path = write_clip(tmp_path / "a.mp4", still, options=INTERLACED)
    for frame in read_video(path):
        assert np.abs(frame.image.astype(int) - still[0]).mean() < 1.5


def test_a_note_says_what_was_done(clip: Path, tmp_path: Path) -> None:
    info = sandbox.probe(clip)  # an odd number of rows of macroblocks made this fail
    assert [note.code for note in info.notes] == ["interlaced"]
    assert info.compression.method == "quantiser"
    plain = write_clip(tmp_path / "b.mp4", 6)
    assert sandbox.probe(plain).notes == ()


def test_video_that_is_not_interlaced_is_left_alone(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [interlaced(i) for i in range(6)], options={"crf": "8"})
    assert teeth(next(iter(read_video(path))).image) > 5
