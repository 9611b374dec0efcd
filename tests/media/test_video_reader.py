"""Frames: exact times, upright, right colours, bounded memory."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from drawn_media import draw, write_clip

from counterface.errors import MediaError
from counterface.media.video_reader import VideoReader, read_video, sample_times

CLOCKWISE = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]  # as phones write held upright
HALF_TURN = [-(1 << 16), 0, 0, 0, -(1 << 16), 0, 0, 0, 1 << 30]
MIRROR = [-(1 << 16), 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30]


def test_frames_come_in_order_with_their_content(tmp_path: Path) -> None:
    frames = list(read_video(write_clip(tmp_path / "a.mp4", 12)))
    assert [f.index for f in frames] == list(range(12))
    for frame in frames:
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        assert np.abs(frame.image.astype(int) - draw(frame.index)).mean() < 6


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".ts"])
def test_variable_frame_rate_keeps_exact_times(tmp_path: Path, suffix: str) -> None:
    times = [Fraction(0), Fraction(1, 30), Fraction(1001, 10_000), Fraction(1, 2), Fraction(7, 9)]
    path = write_clip(tmp_path / f"a{suffix}", 5, times=times)
    read = [f.pts for f in read_video(path)]
    assert all(isinstance(pts, Fraction) for pts in read)
    assert [pts - read[0] for pts in read] == times


@pytest.mark.parametrize(("codec", "suffix"), [("mpeg4", ".avi"), ("libvpx-vp9", ".webm")])
def test_other_codecs_and_containers_read(tmp_path: Path, codec: str, suffix: str) -> None:
    path = write_clip(tmp_path / f"a{suffix}", 8, codec=codec, options={})
    frames = list(read_video(path))
    assert [f.pts for f in frames] == [Fraction(i, 25) for i in range(8)]


@pytest.mark.parametrize(
    ("matrix", "degrees", "upright"),
    [
        (CLOCKWISE, 90, lambda image: np.rot90(image, -1)),
        (HALF_TURN, 180, lambda image: np.rot90(image, 2)),
        (MIRROR, 0, lambda image: image[:, ::-1]),
    ],
)
def test_rotation_is_applied(tmp_path: Path, matrix, degrees, upright) -> None:
    path = write_clip(tmp_path / "a.mp4", 3, matrix=matrix)
    expected = upright(draw(0))
    frame = next(read_video(path))
    assert frame.image.shape == expected.shape
    assert np.abs(frame.image.astype(int) - expected).mean() < 6
    with VideoReader(path) as reader:
        assert (reader.height, reader.width) == expected.shape[:2]
        assert reader.rotation == degrees


@pytest.mark.parametrize("tags", [(1, 1), (6, 1), (1, 2)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_colours_are_right_for_every_tag_and_depth(tmp_path: Path, tags, pixel_format) -> None:
    flat = [np.full((64, 96, 3), colour, np.uint8) for colour in ((200, 60, 40), (30, 90, 220))]
    path = write_clip(tmp_path / "a.mp4", flat, tags=tags, pixel_format=pixel_format)
    for frame, image in zip(read_video(path), flat, strict=True):
        assert np.abs(frame.image.astype(int) - image).max() <= 4


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_exact_colours_are_not_darker(tmp_path: Path, pixel_format: str) -> None:
    rng = np.random.default_rng(3)
    flat = [np.full((64, 96, 3), colour, np.uint8) for colour in rng.integers(20, 235, (40, 3))]
    path = write_clip(
        tmp_path / "a.mp4", flat, tags=(1, 1), pixel_format=pixel_format, options={"crf": "1"}
    )

    def bias(exact: bool) -> float:
        with VideoReader(path, exact=exact) as reader:
            pairs = zip(reader.frames(), flat, strict=True)
            return float(np.mean([frame.image.astype(int) - image for frame, image in pairs]))

    assert abs(bias(True)) < 0.15
    if pixel_format == "yuv420p":
        assert bias(False) < -0.5


def test_keyframes_only_gives_just_those(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 30, options={"g": "10", "sc_threshold": "0"})
    frames = list(read_video(path, keyframes_only=True))
    assert [f.index for f in frames] == [0, 10, 20]
    whole = list(read_video(path))
    for frame in frames:
        assert frame.pts == whole[frame.index].pts
        assert np.array_equal(frame.image, whole[frame.index].image)


def test_a_reader_can_be_read_twice(tmp_path: Path) -> None:
    with VideoReader(write_clip(tmp_path / "a.mp4", 5)) as reader:
        first = [f.pts for f in reader.frames()]
        assert [f.pts for f in reader.frames()] == first


def test_frames_over_the_pixel_limit_are_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 2)
    with pytest.raises(MediaError, match="96x64 pixels a frame, more than the limit of 1000"):
        next(read_video(path, max_pixels=1000))


@pytest.mark.slow
def test_a_long_stream_does_not_grow_memory(tmp_path: Path) -> None:
    images = [draw(i, 320, 240) for i in range(40)] * 10
    path = write_clip(tmp_path / "a.mp4", images, options={"preset": "ultrafast"})
    program = (
        "import gc, resource, sys; from counterface.media.video_reader import read_video\n"
        "gc.disable()\n"  # what only the collector frees grows between its runs
        "for frame in read_video(sys.argv[1]):\n"
        "    if frame.index in (100, 399):\n"
        "        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    early, late = map(int, done.stdout.split())  # kB; 300 frames are 69 MB
    assert late - early < 8_000


@pytest.mark.parametrize(("duration", "n"), [(0, 3), (5, 0), (-1, 2)])
def test_no_times_without_duration_or_count(duration: int, n: int) -> None:
    assert sample_times(duration, n) == []


def test_sample_times_are_centres_of_equal_intervals() -> None:
    assert sample_times(8, 4) == [1, 3, 5, 7]
    assert sample_times(Fraction(1, 3), 1, start=Fraction(2)) == [Fraction(13, 6)]
