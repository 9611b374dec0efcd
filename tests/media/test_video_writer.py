"""Writing: times survive, and a failure leaves what was there."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from drawn_media import draw

from counterface.errors import MediaError, ShapeError
from counterface.media.probe import probe
from counterface.media.video_reader import read_video
from counterface.media.video_writer import VideoWriter
from counterface.types import Frame

UNEVEN = [Fraction(0), Fraction(1, 30), Fraction(1001, 10_000), Fraction(1, 2), Fraction(7, 10)]


def write(path: Path, times: list[Fraction], **settings) -> Path:
    with VideoWriter(path, 96, 64, preset="ultrafast", **settings) as writer:
        for index, pts in enumerate(times):
            writer.write(Frame(draw(index), index, pts))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("start", [Fraction(0), Fraction(1, 2)])
def test_uneven_times_are_kept_exactly(tmp_path: Path, suffix: str, start: Fraction) -> None:
    times = [start + t for t in UNEVEN]
    frames = list(read_video(write(tmp_path / f"a{suffix}", times)))
    assert [f.pts for f in frames] == times
    for frame in frames:
        assert np.abs(frame.image.astype(int) - draw(frame.index)).mean() < 6


def test_matroska_rounds_times_to_milliseconds(tmp_path: Path) -> None:
    frames = list(read_video(write(tmp_path / "a.mkv", UNEVEN)))
    for frame, pts in zip(frames, UNEVEN, strict=True):
        assert abs(frame.pts - pts) <= Fraction(1, 2000)


@pytest.mark.parametrize("fps", [Fraction(24_000, 1001), Fraction(30_000, 1001), Fraction(50)])
def test_usual_rates_are_held_exactly(tmp_path: Path, fps: Fraction) -> None:
    times = [i / fps for i in range(40)]
    path = write(tmp_path / "a.mp4", times, fps=fps)
    assert [f.pts for f in read_video(path)] == times
    info = probe(path)
    assert info.fps == pytest.approx(float(fps), rel=1e-5)
    assert info.duration_s == pytest.approx(40 / fps, rel=1e-5)


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with pytest.raises(MediaError, match="time order"):
        write(path, [Fraction(1), Fraction(0)])
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_appears_only_when_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 96, 64) as writer:
        writer.write(Frame(draw(0), 0, Fraction(0)))
        assert not path.exists()
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "by hand").touch()
    assert path.stat().st_mode == (tmp_path / "by hand").stat().st_mode


def test_no_frame_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no frame was written"):
        VideoWriter(tmp_path / "a.mp4", 96, 64).close()
    assert not list(tmp_path.iterdir())


def test_times_must_rise_and_sizes_match(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 96, 64) as writer:
        writer.write(Frame(draw(0), 0, Fraction(1)))
        with pytest.raises(MediaError, match="write frames in time order"):
            writer.write(Frame(draw(1), 1, Fraction(1)))
        with pytest.raises(ShapeError, match=r"\(32, 32, 3\)"):
            writer.write(Frame(np.zeros((32, 32, 3), np.uint8), 2, Fraction(2)))


@pytest.mark.parametrize(("width", "height"), [(95, 64), (96, 63), (0, 64)])
def test_odd_and_empty_sizes_are_refused(tmp_path: Path, width: int, height: int) -> None:
    with pytest.raises(ShapeError, match=f"{width}x{height}"):
        VideoWriter(tmp_path / "a.mp4", width, height)


def test_unknown_suffix_and_absent_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"written as \.mp4"):
        VideoWriter(tmp_path / "a.avi", 96, 64)
    with pytest.raises(MediaError, match="cannot be written"):
        VideoWriter(tmp_path / "absent" / "a.mp4", 96, 64)
