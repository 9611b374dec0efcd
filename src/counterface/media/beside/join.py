"""Encoded pieces of one video to one file without encoding again, with what lies beside another's.

Each piece starts with a keyframe and refers to nothing outside itself, as `VideoWriter` makes them.
A piece's own clock does not count: its frames get the times that the caller gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from itertools import pairwise
from math import ceil, lcm
from pathlib import Path
from typing import Any

import av

from counterface.errors import MediaError
from counterface.files import replacing
from counterface.media.beside.carry import carry, tick_rates
from counterface.media.beside.plan import Companions, plan_streams
from counterface.media.open_file import check_file, open_container, read_packets, show
from counterface.media.picture.kinds import is_animated_webp
from counterface.media.video_writer import CONTAINERS, TIME_BASE

MAX_RATE = 10_000_000  # ticks a second: finer clocks overflow 32-bit fields within minutes


@dataclass(frozen=True, slots=True)
class Piece:
    """A file with the packets of consecutive frames."""

    path: Path
    times: tuple[Fraction, ...]  # of its frames, seconds, ascending


def time_base_of(times: Sequence[Fraction]) -> Fraction:
    """The coarsest time base in which all the times are whole numbers of ticks.

    The writer's own, in which they are rounded, where that would be finer than `MAX_RATE`.
    """
    rate = 1
    for denominator in {time.denominator for time in times}:
        rate = lcm(rate, denominator)
        if rate > MAX_RATE:
            return TIME_BASE
    return Fraction(1, rate)


def movie_rate(video: int, others: Sequence[int]) -> int:
    """Ticks a second of the clock of a whole MP4 or MOV file, in which its edit lists are written.

    An edit list says when a stream begins, so a clock that is too coarse moves sound against the
    pictures and cuts its last packet off. Times of the pictures are always whole numbers of ticks;
    those of the other streams too, or where that takes more than `MAX_RATE`, they are so fine that
    a reader rounds them to the right sample.

    Args:
        video: ticks a second of the pictures.
        others: ticks a second of the other streams.
    """
    rate = lcm(video, *others)
    if rate <= MAX_RATE:
        return rate
    return video * ceil(4 * max(others, default=1) / video)


def join_pieces(pieces: Sequence[Piece], out: Path, companions: Companions | None = None) -> None:
    """Join all frames, and what travels along, into `out`; a failure leaves it as it was.

    Args:
        pieces: pieces in order of time, all encoded with the same settings.
        out: ends in .mp4, .mov, .m4v or .mkv.
        companions: the file whose sound is copied bit for bit, with subtitles, chapters and tags.

    Raises:
        MediaError: a piece has another number of frames than times, or other encoder settings than
            the first; the container cannot hold the sound; the disk is full.
    """
    if companions is not None and is_animated_webp(check_file(companions.path)):
        companions = None  # it holds nothing but pictures
    clock = _FrameTimes.of([time for piece in pieces for time in piece.times], out)
    orders = [_order(piece) for piece in pieces]
    with replacing(out) as temporary, ExitStack() as opened:
        source, plan, rates = None, None, []
        if companions is not None:
            source = opened.enter_context(closing(open_container(companions.path)))
            plan = plan_streams(source, companions, out.suffix)
            rates = tick_rates(source, plan)
        output = opened.enter_context(_create(temporary, out.suffix, clock.base, rates))
        first = opened.enter_context(closing(open_container(pieces[0].path)))
        video = output.add_stream_from_template(first.streams.video[0])
        video.time_base = clock.base
        if CONTAINERS[out.suffix.lower()] != "matroska":  # which knows no such tags
            video.codec_context.codec_tag = first.streams.video[0].codec_context.codec_tag
        streams = [_seen(pieces, orders, clock, video)]
        if companions is not None and plan is not None:
            if plan.timecode is not None:
                video.metadata["timecode"] = plan.timecode
            streams.append(carry(output, source, companions, plan))
        for _, packet in merge(*streams, key=lambda timed: timed[0]):
            output.mux(packet)


@dataclass(frozen=True, slots=True)
class _FrameTimes:
    """When each frame is shown, in ticks."""

    base: Fraction
    ticks: list[int]
    ends: list[int]  # each frame stays until the next comes

    @classmethod
    def of(cls, times: Sequence[Fraction], out: Path) -> _FrameTimes:
        base = time_base_of(times)
        ticks = [round(time / base) for time in times]
        if not ticks or any(b <= a for a, b in pairwise(ticks)):
            raise MediaError(f"{show(out)}: the times of the frames to join do not increase")
        step = ticks[-1] - ticks[-2] if len(ticks) > 1 else round(1 / (25 * base)) or 1
        return cls(base, ticks, [*ticks[1:], ticks[-1] + step])

    def decode_ticks(self, delay: int) -> list[int]:
        """When each packet is decoded, where decoding runs `delay` packets ahead of showing.

        The times of the frames themselves, moved on by the delay: they increase, and none lies
        after the time at which its packet's frame is shown.
        """
        step = self.ends[0] - self.ticks[0]
        early = [self.ticks[0] - step * (delay - i) for i in range(delay)]
        return [*early, *self.ticks][: len(self.ticks)]


def _create(path: Path, suffix: str, base: Fraction, rates: Sequence[int]) -> Any:
    kind = CONTAINERS[suffix.lower()]
    options = {}
    if kind != "matroska":
        options["movie_timescale"] = str(movie_rate(base.denominator, rates))
    return av.open(str(path), "w", format=kind, container_options=options)


def _order(piece: Piece) -> list[int]:
    """The place of each packet's frame in time, in file order."""
    with closing(open_container(piece.path)) as container:
        shown = [
            packet.pts
            for packet in read_packets(container, container.streams.video[0])
            if packet.size
        ]
    if len(shown) != len(piece.times) or None in shown or len(set(shown)) < len(shown):
        raise MediaError(
            f"{show(piece.path)} holds {len(shown)} frames, not the {len(piece.times)} expected; "
            "delete it and run the same command again"
        )
    places = {pts: place for place, pts in enumerate(sorted(shown))}
    return [places[pts] for pts in shown]


def _seen(
    pieces: Sequence[Piece], orders: Sequence[list[int]], clock: _FrameTimes, video: Any
) -> Iterator[tuple[float, Any]]:
    """(decoding time in seconds, packet) of all frames."""
    delay = max(index - place for order in orders for index, place in enumerate(order))
    decode = clock.decode_ticks(delay)
    header = bytes(video.codec_context.extradata or b"")
    done = 0
    for piece, order in zip(pieces, orders, strict=True):
        with closing(open_container(piece.path)) as container:
            stream = container.streams.video[0]
            if bytes(stream.codec_context.extradata or b"") != header:
                raise MediaError(
                    f"{show(piece.path)} was encoded with other settings than the pieces before "
                    "it; delete it and run the same command again"
                )
            packets = (packet for packet in read_packets(container, stream) if packet.size)
            for index, (place, packet) in enumerate(zip(order, packets, strict=True)):
                at = done + place
                packet.stream, packet.time_base = video, clock.base
                packet.pts, packet.dts = clock.ticks[at], decode[done + index]
                packet.duration = clock.ends[at] - clock.ticks[at]
                yield float(packet.dts * clock.base), packet
        done += len(order)
