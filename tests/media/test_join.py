"""Joined pieces are the video that one writer would have made: times, pictures, sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from drawn_media import draw, packets_of, write_clip, write_sound
from hypothesis import given, settings
from hypothesis import strategies as st

from counterface.errors import MediaError
from counterface.media.beside.join import MAX_RATE, Piece, join_pieces, movie_rate, time_base_of
from counterface.media.beside.plan import Companions, plan_companions
from counterface.media.probe import probe
from counterface.media.video_reader import read_video
from counterface.media.video_writer import VideoWriter
from counterface.types import Frame

UNEVEN = [Fraction(n, 90_000) for n in (0, 3003, 9009, 9010, 15_015, 15_500, 40_000, 43_003)]
LATE = [Fraction(7, 5) + time for time in UNEVEN]


def write_pieces(folder: Path, times: list[Fraction], cuts: list[int]) -> list[Piece]:
    pieces = []
    for number, (low, high) in enumerate(zip([0, *cuts], [*cuts, len(times)], strict=True)):
        path = folder / f"piece-{number}.mp4"
        with VideoWriter(path, 96, 64, crf=12, time_base=time_base_of(times)) as writer:
            for index in range(low, high):
                writer.write(Frame(draw(index), index, times[index] - times[low]))
        pieces.append(Piece(path, tuple(times[low:high])))
    return pieces


@pytest.mark.parametrize("times", [UNEVEN, LATE, [Fraction(i, 25) for i in range(8)]])
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_joined_frames_keep_exact_times_and_every_pixel(
    tmp_path: Path, times: list[Fraction], suffix: str
) -> None:
    pieces = write_pieces(tmp_path, times, [3, 4])
    out = tmp_path / f"out{suffix}"
    join_pieces(pieces, out)
    joined = list(read_video(out))
    parts = [frame.image for piece in pieces for frame in read_video(piece.path)]
    assert [frame.pts for frame in joined] == times
    assert all(np.array_equal(f.image, part) for f, part in zip(joined, parts, strict=True))
    assert [path.name for path in tmp_path.glob(".counterface-*")] == []


def test_decode_times_increase_and_never_follow_the_showing(tmp_path: Path) -> None:
    import av

    times = [*UNEVEN, *(Fraction(1) + Fraction(i, 50) for i in range(30))]
    join_pieces(write_pieces(tmp_path, times, [1, 9, 20]), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        packets = [p for p in container.demux(container.streams.video[0]) if p.size]
    decode = [p.dts for p in packets]
    assert decode == sorted(set(decode))
    assert all(p.dts <= p.pts for p in packets)


def test_sound_is_copied_bit_for_bit(tmp_path: Path) -> None:
    target = write_clip(tmp_path / "a.mp4", 30, sound_s=1.2)
    times = [Fraction(i, 25) for i in range(30)]
    join_pieces(write_pieces(tmp_path, times, [13]), tmp_path / "out.mp4", Companions(target))
    assert packets_of(tmp_path / "out.mp4") == packets_of(target)
    assert len(packets_of(target)) > 50


def test_a_cut_of_the_sound_holds_exactly_the_packets_heard_in_it(tmp_path: Path) -> None:
    target = write_clip(tmp_path / "a.mp4", 30, sound_s=1.2)
    times = [Fraction(i, 25) for i in range(5)]
    sound = Companions(target, Fraction(1, 2), Fraction(7, 10), Fraction(1, 2))
    join_pieces(write_pieces(tmp_path, times, []), tmp_path / "out.mp4", sound)
    length = Fraction(1024, 48_000)
    expected = [
        (data, time - Fraction(1, 2))
        for data, time in packets_of(target)
        if time + length > Fraction(1, 2) and time < Fraction(7, 10)
    ]
    got = packets_of(tmp_path / "out.mp4")
    assert [data for data, _ in got] == [data for data, _ in expected]
    assert all(
        abs(a - b) <= Fraction(1, 48_000) for (_, a), (_, b) in zip(got, expected, strict=True)
    )


def test_a_piece_with_missing_frames_is_refused_and_leaves_the_old_file(tmp_path: Path) -> None:
    times = [Fraction(i, 25) for i in range(8)]
    pieces = write_pieces(tmp_path, times, [4])
    out = tmp_path / "out.mp4"
    out.write_bytes(b"before")
    short = [pieces[0], Piece(pieces[1].path, tuple(times[4:7]))]
    with pytest.raises(MediaError, match="holds 4 frames, not the 3 expected"):
        join_pieces(short, out)
    assert out.read_bytes() == b"before"


def test_a_piece_of_other_encoder_settings_is_refused(tmp_path: Path) -> None:
    times = [Fraction(i, 25) for i in range(8)]
    pieces = write_pieces(tmp_path, times, [4])
    with VideoWriter(pieces[1].path, 96, 64, preset="ultrafast") as writer:
        for index in range(4):
            writer.write(Frame(draw(index), index, times[index]))
    with pytest.raises(MediaError, match="other settings"):
        join_pieces(pieces, tmp_path / "out.mp4")


def test_the_time_base_holds_every_time() -> None:
    assert time_base_of([Fraction(0), Fraction(1001, 30_000), Fraction(1, 7)]) == Fraction(
        1, 210_000
    )
    assert time_base_of([Fraction(1, 24)]) == Fraction(1, 24)
    wild = [Fraction(1, 7919), Fraction(1, 7907)]  # their common clock would tick 62 million times
    assert time_base_of(wild) == Fraction(1, 360_000)


@settings(deadline=None)
@given(
    video=st.sampled_from([5, 25, 24_000, 30_000, 90_000, 360_000, 9_999_991]),
    others=st.lists(st.sampled_from([8_000, 11_025, 44_100, 48_000, 90_000, 96_000]), max_size=3),
    tick=st.integers(0, 10**9),
)
def test_the_clock_of_an_edit_list_keeps_every_sample(
    video: int, others: list[int], tick: int
) -> None:
    rate = movie_rate(video, others)
    assert rate < 2**31
    assert rate % video == 0
    for other in others:
        written = Fraction(tick, other) * rate // 1  # as FFmpeg writes it
        assert round(Fraction(written, rate) * other) == tick  # as it is read
    assert rate <= MAX_RATE or len(others) > 0


def test_non_square_pixels_stay_so(tmp_path: Path) -> None:
    path = tmp_path / "piece.mp4"
    with VideoWriter(path, 96, 64, pixel_aspect=Fraction(16, 15)) as writer:
        for index in range(3):
            writer.write(Frame(draw(index), index, Fraction(index, 25)))
    join_pieces([Piece(path, tuple(Fraction(i, 25) for i in range(3)))], tmp_path / "out.mp4")
    assert probe(tmp_path / "out.mp4").pixel_aspect == Fraction(16, 15)


def test_sound_that_a_container_cannot_hold_is_told_before_any_work(tmp_path: Path) -> None:
    import av
    from drawn_media import sine

    path = tmp_path / "a.wma"
    with av.open(str(path), "w", format="asf") as output:
        stream = output.add_stream("wmav2", rate=48_000, layout="stereo")
        stream.bit_rate = 128_000
        for packet in sine(stream, 0.2):
            output.mux(packet)
    with pytest.raises(MediaError, match=r"wmav2.*cannot be copied into a \.mp4"):
        plan_companions(Companions(path), ".mp4")
    for suffix in (".mp4", ".mov", ".mkv"):
        plan_companions(Companions(write_sound(tmp_path / "b.mp4")), suffix)
