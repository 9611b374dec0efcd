"""Sound is compared packet by packet, whatever the containers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from drawn_media import write_clip
from drawn_sources import write_piece, write_source

from counterface.media.beside.join import join_pieces
from counterface.media.beside.plan import Companions
from counterface.media.beside.sound import compare_sound, hash_sound

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


def test_pcm_is_identical_however_it_is_cut_into_packets(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.mov", TIMES)  # of PCM
    again = tmp_path / "again.mkv"
    with av.open(str(source)) as container, av.open(str(again), "w") as output:
        sound = container.streams.audio[0]
        made = output.add_stream_from_template(sound)
        for number, packet in enumerate(p for p in container.demux(sound) if p.size):
            for half, data in enumerate((bytes(packet)[:512], bytes(packet)[512:])):
                part = av.Packet(data)
                part.pts = part.dts = 2 * number + half
                part.stream, part.time_base = made, Fraction(1, 100)
                output.mux(part)
    assert hash_sound(again) != hash_sound(source)
    assert compare_sound(again, source) == "identical"
