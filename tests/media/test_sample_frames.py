"""Moments of a file: even over time, their frames neighbours, nothing twice."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from drawn_media import draw, write_clip
from hypothesis import given
from hypothesis import strategies as st

from counterface.media import sandbox
from counterface.media.image import write_image
from counterface.media.sample_frames import moment_times, sample_frames, square
from counterface.media.video_reader import read_video, sample_times
from counterface.types import Frame


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "one.mp4"
    return write_clip(path, 72, times=[Fraction(i, 24) for i in range(72)])


def test_one_frame_a_moment_is_the_even_sample():
    assert moment_times(8, 4) == sample_times(8, 4)


@given(
    st.integers(1, 12),
    st.integers(2, 7),
    st.integers(1, 4),
    st.sampled_from([Fraction(24), Fraction(30000, 1001), Fraction(25, 2)]),
    st.fractions(0, 100, max_denominator=90000),
)
def test_the_times_of_a_clip_are_middles_of_frames_inside_the_file(
    moments, frames, step, fps, start
):
    duration = (frames * step + 20 + moments) / fps
    times = moment_times(duration, moments, frames, step, fps, start)
    assert len(times) == moments * frames
    for time in times:
        assert (time - start) * fps % 1 == Fraction(1, 2)
        assert start < time < start + duration
    for first in range(0, len(times), frames):
        run = times[first : first + frames]
        assert {b - a for a, b in pairwise(run)} == {step / fps}


@pytest.mark.parametrize(("frames", "step"), [(3, 1), (5, 2)])
def test_a_moment_holds_neighbouring_frames(clip: Path, frames: int, step: int):
    sample = sample_frames(clip, sandbox.probe(clip), 4, frames, step)
    moments = list(sample.moments)
    assert (sample.mode, sample.requested, len(moments)) == ("even", 4 * frames, 4)
    for moment in moments:
        indices = [frame.index for frame in moment]
        assert indices == list(range(indices[0], indices[0] + frames * step, step))
    middles = [moment[frames // 2].index for moment in moments]
    assert all(abs(m - (18 * i + 9)) <= step + 1 for i, m in enumerate(middles))


def test_a_short_file_is_read_whole_in_consecutive_moments(clip: Path):
    sample = sample_frames(clip, sandbox.probe(clip), 40, 5, 1)
    moments = list(sample.moments)
    assert (sample.mode, sample.requested) == ("all", None)
    assert [len(m) for m in moments] == [5] * 14 + [2]
    assert [f.pts for m in moments for f in m] == [f.pts for f in read_video(clip)]


def test_a_picture_is_one_moment_of_one_frame(tmp_path: Path):
    write_image(tmp_path / "a.png", draw(1))
    sample = sample_frames(tmp_path / "a.png", sandbox.probe(tmp_path / "a.png"), 8, 5)
    ((frame,),) = list(sample.moments)
    assert (sample.mode, frame.index) == ("image", 0)


@pytest.mark.parametrize(
    ("aspect", "rotation", "size"),
    [
        (Fraction(64, 45), 0, (1024, 576)),
        (Fraction(8, 9), 0, (720, 648)),
        (Fraction(64, 45), 90, (720, 819)),
        (Fraction(1), 0, (720, 576)),
        (Fraction(101, 100), 0, (720, 576)),
        (Fraction(9000, 1), 0, (720, 576)),  # damaged
    ],
)
def test_pixels_become_square(aspect: Fraction, rotation: int, size: tuple[int, int], clip: Path):
    media = sandbox.probe(clip).model_copy(update={"pixel_aspect": aspect, "rotation": rotation})
    frame = Frame(np.zeros((576, 720, 3), np.uint8), 3, Fraction(1, 8))
    made = square(frame, media)
    assert made.image.shape == (size[1], size[0], 3)
    assert (made.index, made.pts) == (3, Fraction(1, 8))
    notes = [note.code for note in sample_frames(clip, media, 2).notes]
    assert notes == (["anamorphic"] if size != (720, 576) else [])
