"""Seeking gives the very frames that reading from the start gives, for a fraction of the work."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from drawn_media import draw, write_clip
from drawn_sources import edit

from counterface.media import sandbox
from counterface.media.video_reader import VideoReader, frames_at, read_video, sample_times
from counterface.types import Frame

CASES = {
    "matroska": ("a.mkv", {"options": {"g": "12", "bf": "3"}}),
    "raw_h264": ("a.h264", {"options": {"g": "12", "bf": "3"}}),
    "interlaced": (
        "a.mp4",
        {"options": {"g": "12", "bf": "2", "flags": "+ildct+ilme", "x264-params": "tff=1"}},
    ),
    "interlaced_open_gop": (
        "a.mkv",
        {"options": {"g": "12", "flags": "+ildct+ilme", "x264-params": "bff=1:open-gop=1"}},
    ),
    "b_frames": ("a.mp4", {"options": {"g": "12", "bf": "3", "sc_threshold": "0"}}),
    "one_keyframe": ("a.mp4", {"options": {"g": "999", "sc_threshold": "0"}}),
    "open_gop": ("a.mkv", {"options": {"g": "12", "bf": "3", "x264-params": "open-gop=1"}}),
    "transport_stream": ("a.ts", {"options": {"g": "12"}}),
    "hevc": ("a.mp4", {"codec": "libx265", "options": {"x265-params": "keyint=12:log-level=none"}}),
    "vp9": ("a.webm", {"codec": "libvpx-vp9", "options": {"g": "12"}}),
    "avi_without_packet_times": ("a.avi", {"codec": "mpeg4", "options": {"g": "12", "bf": "2"}}),
    "mpeg2_program_stream": ("a.mpg", {"codec": "mpeg2video", "options": {"g": "12", "bf": "2"}}),
}


@pytest.fixture(scope="module", params=CASES)
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name, settings = CASES[request.param]
    return write_clip(tmp_path_factory.mktemp(request.param) / name, 50, **settings)


@pytest.fixture(scope="module")
def whole(clip: Path) -> list[Frame]:
    """All frames, read from the start."""
    return list(read_video(clip))


def shown_at(frames, when):
    return next((f for f in reversed(frames) if f.pts <= when), frames[0])


def test_equals_reading_from_the_start(clip: Path, whole: list[Frame]) -> None:
    start, end = whole[0].pts, whole[-1].pts
    times = [*sample_times(end - start, 9, start), start, end, whole[20].pts, whole[21].pts]
    got = list(frames_at(clip, times))
    assert len(got) == len(times)
    for when, frame in zip(sorted(times), got, strict=True):
        expected = shown_at(whole, when)
        assert frame.pts == expected.pts
        slack = clip.suffix == ".avi"  # its header starts the clock a frame before the first frame
        assert abs(frame.index - expected.index) <= slack
        assert np.array_equal(frame.image, expected.image)


@pytest.mark.parametrize("first", [0, 1, 17, 30, 49])
def test_reading_from_a_time_on_equals_the_rest_of_reading_it_all(
    clip: Path, whole: list[Frame], first: int
) -> None:
    with VideoReader(clip) as reader:
        rest = list(reader.frames_from(whole[first].pts))
    assert [f.pts for f in rest] == [f.pts for f in whole[first:]]
    for got, expected in zip(rest, whole[first:], strict=True):
        assert np.array_equal(got.image, expected.image)


def test_reading_from_between_two_frames_starts_at_the_later(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 20)
    rest = list(sandbox.read_video(path, start=Fraction(4, 25) + Fraction(1, 1000)))
    assert [f.pts for f in rest] == [Fraction(i, 25) for i in range(5, 20)]
    assert [f.index for f in rest] == list(range(5, 20))


def test_times_outside_give_the_first_and_the_last_frame(clip: Path, whole: list[Frame]) -> None:
    got = list(frames_at(clip, [Fraction(-5), Fraction(10_000)]))
    assert [f.pts for f in got] == [whole[0].pts, whole[-1].pts]


def test_a_time_asked_twice_gives_the_frame_twice(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 20)
    got = list(frames_at(path, [Fraction(1, 5)] * 3 + [Fraction(1, 5) + Fraction(1, 100)]))
    assert [f.pts for f in got] == [Fraction(1, 5)] * 4


def test_variable_frame_rate_shows_the_frame_before(tmp_path: Path) -> None:
    times = [Fraction(0), Fraction(1, 10), Fraction(2), Fraction(21, 10)]
    path = write_clip(tmp_path / "a.mp4", 4, times=times)
    got = [f.pts for f in frames_at(path, [Fraction(19, 10), Fraction(2), Fraction(99, 1000)])]
    assert got == [Fraction(0), Fraction(1, 10), Fraction(2)]


def test_tolerance_takes_keyframes_only_within_reach(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 50, options={"g": "10", "sc_threshold": "0"})
    near, far = Fraction(12, 25), Fraction(15, 25)  # keyframes at 10/25 and 20/25
    got = [f.pts for f in frames_at(path, [near, far], tolerance=Fraction(3, 25))]
    assert got == [Fraction(10, 25), far]


@pytest.mark.slow
def test_costs_a_fraction_of_reading_everything(tmp_path: Path) -> None:
    images = [draw(i, 320, 240) for i in range(60)] * 30
    path = write_clip(
        tmp_path / "a.mp4", images, options={"preset": "ultrafast", "g": "60", "bf": "2"}
    )
    start = time.process_time()
    assert sum(1 for _ in frames_at(path, sample_times(72, 8))) == 8
    seeking = time.process_time() - start
    start = time.process_time()
    assert sum(1 for _ in read_video(path)) == 1800
    assert seeking < (time.process_time() - start) / 3


@pytest.mark.slow
@pytest.mark.footage
def test_real_clips_equal_reading_from_the_start(footage: Path) -> None:
    clips = sorted((footage / "clips_talking_heads").glob("*.mp4"), key=lambda p: p.stat().st_size)
    for path in clips[:3]:
        whole = list(read_video(path))
        times = sample_times(whole[-1].pts, 8)
        for when, frame in zip(times, frames_at(path, times), strict=True):
            expected = shown_at(whole, when)
            assert (frame.pts, frame.index) == (expected.pts, expected.index)
            assert np.array_equal(frame.image, expected.image)


def test_an_edit_list_of_several_entries_plays_parts_in_its_own_order(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", 25, options={"g": "8", "bf": "2"})
    for entries in ([(0.4, 0.0), (0.32, 0.6)], [(0.32, 0.6), (0.4, 0.0)], [(0.3, 0.2)] * 2):
        edit(clip, entries)
        frames = list(read_video(clip))
        times = sample_times(Fraction(frames[-1].pts), 7, frames[0].pts)
        found = frames_at(clip, times)
        for time_s, frame in zip(times, found, strict=True):
            shown = [f for f in frames if f.pts <= time_s][-1]
            assert frame.pts == shown.pts
            assert np.array_equal(frame.image, shown.image)
        assert sandbox.probe(clip).frame_count == pytest.approx(
            len(frames), abs=2
        )  # some are lost at the seams
