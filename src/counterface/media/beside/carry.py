"""Streams, chapters and tags of one file carried into another, every packet at its exact time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av

from counterface.media.beside.language import language_in
from counterface.media.beside.plan import CarryPlan, Companions
from counterface.media.beside.subtitle_text import ASS_HEADER, packet_of, words_of
from counterface.media.open_file import read_packets
from counterface.media.stream.seek import goes_back

Timed = tuple[float, Any]  # seconds, packet
_MILLISECOND = Fraction(1, 1000)


@dataclass(slots=True)
class _Track:
    """One stream of the output."""

    stream: Any
    clock: Fraction  # of its packets
    codec: str | None  # that its words are written as; None where packets are copied
    free: int | None = None  # the first tick that no packet has taken
    end: int = 0  # when the last packet ends, ticks
    drops: bool = False  # packets that an edit list of the source leaves out


def carry(output: Any, source: Any, companions: Companions, plan: CarryPlan) -> Iterator[Timed]:
    """(time in seconds, packet) of all that travels, once tags and chapters are in the header.

    Args:
        output: PyAV's container, whose header is not written yet.
        source: PyAV's container of the file.
        companions: part of the file that travels.
        plan: plan for this file and container.
    """
    output.metadata.update(plan.tags)
    output.set_chapters(_chapters(source, companions))
    tracks: dict[int, _Track] = {}
    for stream in source.streams:
        if stream.index in plan.written:
            tracks[stream.index] = _written(output, stream, plan.written[stream.index])
        elif stream.index in plan.copied and stream.type == "attachment":
            output.add_stream_from_template(stream)  # it lies in the header, without packets
        elif stream.index in plan.copied:
            tracks[stream.index] = _copied(output, stream)
    return _packets(source, tracks, _heard(output, companions)) if tracks else iter(())


def _heard(output: Any, companions: Companions) -> Companions:
    """The packets that can be heard; of Matroska, which knows no time before 0, none before it."""
    if output.format.name != "matroska" or companions.start is not None:
        return companions
    return replace(companions, start=companions.shift)


def tick_rates(source: Any, plan: CarryPlan) -> list[int]:
    """Ticks a second of the streams that travel, as an MP4 or MOV file counts them."""
    rates = [1000] if plan.written else []
    for index in plan.copied:
        rates.append(round(1 / _clock(source.streams[index])))
    return rates


def _clock(stream: Any) -> Fraction:
    """The unit of a stream's times: samples for sound, as in MP4 and MOV; else as it comes."""
    if stream.type == "audio" and stream.codec_context.sample_rate:
        return Fraction(1, stream.codec_context.sample_rate)
    return Fraction(stream.time_base or _MILLISECOND)


def _copied(output: Any, stream: Any) -> _Track:
    made = output.add_stream_from_template(stream)
    _describe(made, stream)
    cannot_cut = output.format.name == "matroska"  # it has no edit lists
    free = 0 if cannot_cut else None
    return _Track(made, _clock(stream), None, free, drops=cannot_cut or goes_back(stream))


def _written(output: Any, stream: Any, codec: str) -> _Track:
    made = output.add_stream(codec)
    made.codec_context.subtitle_header = ASS_HEADER
    made.codec_context.time_base = made.time_base = _MILLISECOND
    _describe(made, stream)
    return _Track(made, _MILLISECOND, codec)


def _describe(made: Any, stream: Any) -> None:
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    title = tags.get("title") or tags.get("name")  # as MP4 gives it back
    language = language_in(made.container.format.name, tags.get("language", ""))
    about = {"language": language, "title": title}
    made.metadata.update({key: value for key, value in about.items() if value})
    made.disposition = stream.disposition


def _packets(source: Any, tracks: dict[int, _Track], companions: Companions) -> Iterator[Timed]:
    for packet in read_packets(source, [source.streams[index] for index in tracks]):
        track = tracks[packet.stream.index]
        if not packet.size or (packet.is_discard and track.drops):  # empty: the stream's end
            continue
        begin, end = _span(packet, track, companions.shift)
        if companions.end is not None and begin >= companions.end:
            continue  # not the end: packets of several streams come in turn
        if companions.start is not None and begin < companions.start and end <= companions.start:
            continue
        if packet.stream.type == "subtitle" and companions.start is not None:
            begin = max(begin, companions.start)  # a text that is on screen already
        if track.codec is not None:
            words = words_of(packet.stream.codec_context.name, bytes(packet))
            if not words:
                continue
            packet = av.Packet(packet_of(track.codec, words))
        _place(packet, track, begin - companions.shift, end - begin)
        yield float(packet.dts * track.clock), packet


def _span(packet: Any, track: _Track, shift: Fraction) -> tuple[Fraction, Fraction]:
    """When a packet begins and ends, seconds; right after the one before where it does not say."""
    base = packet.time_base
    ticks = packet.pts if packet.pts is not None else packet.dts
    begin = track.end * track.clock + shift if ticks is None else ticks * base
    return begin, begin + (packet.duration or 0) * base


def _place(packet: Any, track: _Track, begin: Fraction, length: Fraction) -> None:
    """Put a packet on its track, a tick after the one before where it would not come later.

    Short packets of a file that counts in milliseconds share a time, and edit lists overlap. The
    first packet of a part may begin before it.
    """
    ticks = round(begin / track.clock)
    if track.free is not None:
        ticks = max(ticks, track.free)
    packet.stream, packet.time_base = track.stream, track.clock
    packet.pts = packet.dts = ticks
    packet.duration = round(length / track.clock)
    track.free, track.end = ticks + 1, ticks + packet.duration


def _chapters(source: Any, companions: Companions) -> list[Any]:
    """The chapters of the part, at least their own time long."""
    chapters = []
    for chapter in source.chapters():
        base = chapter["time_base"] or _MILLISECOND
        begin, end = chapter["start"] * base, chapter["end"] * base
        if companions.start is not None:
            begin = max(begin, companions.start)
        if companions.end is not None:
            end = min(end, companions.end)
        if begin < end:
            times = [round((time - companions.shift) / _MILLISECOND) for time in (begin, end)]
            chapters.append(
                {**chapter, "start": times[0], "end": times[1], "time_base": _MILLISECOND}
            )
    return chapters
