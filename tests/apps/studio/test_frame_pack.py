"""Packs of frames: how many are kept, which, and how large."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from counterface.errors import MediaError
from counterface.types import Frame

frame_pack = pytest.importorskip("counterface.apps.studio.frame_pack")


def packed(frames: int, expected: int | None, scored: list[float]) -> Any:
    """The choice among frames of 1/10 s when so many were expected."""
    choice = frame_pack._Choice(expected, np.array(scored, np.float64))
    image = np.zeros((2, 2, 3), np.uint8)
    kept = 0
    for place in range(frames):
        frame = Frame(image, place, Fraction(place, 10))
        if choice.wants(place, frame):
            choice.keep(place, frame, kept, 1, kept)
            kept += 1
    return choice.frames()


@pytest.mark.parametrize("expected", [None, 90, 100, 5000])
def test_at_most_so_many_frames_are_kept_at_an_even_step(
    expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_pack, "MOST_FRAMES", 20)
    found = packed(100, expected, [])
    times = [one.pts_s for one in found]
    assert len(found) <= 20
    assert times[0] == 0
    assert len(set(np.round(np.diff(times), 6))) <= 1


def test_scored_frames_stay_when_the_step_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_pack, "MOST_FRAMES", 20)
    found = packed(200, None, [0.7, 3.3, 19.9])
    times = [one.pts_s for one in found]
    assert {0.7, 3.3, 19.9} <= set(times)
    assert len(times) <= 20
    assert times == sorted(times)


def test_numbers_of_pictures_stay_as_frames_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_pack, "MOST_FRAMES", 4)
    assert all(one.number == one.start for one in packed(40, None, []))


def test_a_picture_is_one_frame_at_most_1280_wide(tmp_path: Path) -> None:
    from counterface.media.image import write_image

    write_image(tmp_path / "a.png", np.full((300, 2000, 3), 90, np.uint8))
    *_, pack = frame_pack.make_pack(tmp_path / "p.frames", tmp_path / "a.png")
    assert (pack.width, pack.height, pack.shown_width, pack.shown_height) == (2000, 300, 1280, 192)
    assert [one.pts_s for one in pack.frames] == [0]
    assert (tmp_path / "p.frames").stat().st_size == pack.frames[0].bytes


def test_a_pack_that_is_forgotten_while_it_is_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def slowly(target: Path, *_: Any) -> Iterator[Any]:
        target.write_bytes(b"picture")
        for state in ("making", "done"):
            begun.set()
            assert go_on.wait(20)
            yield frame_pack.FramePack(state=state)

    real = frame_pack._delete
    monkeypatch.setattr(frame_pack, "make_pack", slowly)
    monkeypatch.setattr(frame_pack, "_delete", lambda stem: (real(stem), ended.set()))
    maker, stem = frame_pack.PackMaker(), tmp_path / "scan-1"
    assert maker.pack(stem, tmp_path / "a.mp4", None, []).state == "waiting"
    assert begun.wait(20)
    maker.forget(stem)
    go_on.set()
    assert ended.wait(20)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video at all" * 100)
    with pytest.raises(MediaError):
        list(frame_pack.make_pack(tmp_path / "p.frames", tmp_path / "a.mp4"))
