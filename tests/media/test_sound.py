"""Sound is compared packet by packet, whatever the containers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from drawn_media import write_clip
from drawn_sources import write_piece, write_source

from counterface.media.beside.plan import Companions
from counterface.media.beside.sound import compare_sound, hash_sound
from counterface.media.join import join_pieces

TIMES = [Fraction(i, 5) for i in range(8)]


@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".mkv"])
def test_a_copy_is_identical_and_a_cut_an_identical_part(tmp_path: Path, suffix: str) -> None:
    source = write_source(tmp_path / f"source{suffix}", TIMES)
    piece = write_piece(tmp_path / "piece.mp4", TIMES)
    join_pieces([piece], tmp_path / "whole.mp4", Companions(source))
    assert compare_sound(tmp_path / "whole.mp4", source) == "identical"
    part = Companions(source, Fraction(1, 2), Fraction(1), Fraction(1, 2))
    join_pieces([write_piece(tmp_path / "p.mp4", TIMES[:3])], tmp_path / "cut.mp4", part)
    assert compare_sound(tmp_path / "cut.mp4", source) == "identical part"
    assert compare_sound(source, tmp_path / "cut.mp4") == "different"


def test_other_sound_and_none_are_told_apart(tmp_path: Path) -> None:
    silent = write_clip(tmp_path / "silent.mp4", 2)
    one = write_source(tmp_path / "one.mp4", TIMES)
    other = write_source(tmp_path / "other.mp4", TIMES, rate=44_100)
    assert hash_sound(silent) == ()
    assert compare_sound(silent, one) == "left out"
    assert compare_sound(one, silent) == "none"
    assert compare_sound(one, other) == "different"
