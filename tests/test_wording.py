"""Counts and names in texts for people."""

from __future__ import annotations

import errno

from counterface.errors import MediaError, reason_of
from counterface.wording import counted, spoken, unknown_name


def test_a_count_agrees_with_its_noun() -> None:
    assert [counted(n, "frame") for n in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]
    assert [counted(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]


def test_a_family_reads_as_it_is_written_elsewhere() -> None:
    assert [spoken(key) for key in ("self_blended", "face_swap", "gan")] == [
        *("self-blended", "face swap", "gan")
    ]


def test_an_unknown_name_suggests_the_near_one_and_lists_all() -> None:
    assert unknown_name("model", "lia", ("df", "liae")) == (
        "no model is named 'lia'; did you mean 'liae'? Known: df, liae"
    )
    assert unknown_name("model", "x", ("df", "liae")) == "no model is named 'x'; known: df, liae"


def test_an_error_of_the_system_is_its_file_and_reason() -> None:
    moved = OSError(errno.EISDIR, "Is a directory", ".temporary", None, "out.png")
    assert reason_of(moved) == "out.png: Is a directory"
    assert reason_of(OSError(errno.ENOSPC, "No space left on device")) == "No space left on device"
    assert reason_of(MediaError("a.mp4 is empty; fetch it again")).startswith("a.mp4 is empty")
