"""Packets to decoded FFmpeg frames: the whole stream, or just what given times need."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

import av

from counterface.errors import MediaError
from counterface.media.open_file import ffmpeg_reason, open_container, read_packets, show
from counterface.media.stream.choice import video_stream
from counterface.media.stream.deinterlace import Deinterlacer, windows
from counterface.media.stream.seek import Target, is_lost

_INTERLACED = frozenset({2, 3, 4, 5})  # AVFieldOrder: top or bottom first, coded or shown so
_SAY_IT_LATE = frozenset({"dvvideo", "mjpeg", "mpeg4", "vc1", "wmv3", "dnxhd", "ffv1"})
_MOST_THREADS = 4  # each holds frames; more gain little below 4K
# Decoders where skipping frames that nothing refers to is exact. In HEVC such a frame may still be
# needed by a higher temporal layer; AV1 fixes the setting when it opens.
_SKIPPING_IS_EXACT = frozenset({"h264", "mpeg2video", "mpeg4"})


def decode_packet(stream: Any, packet: Any, path: Path) -> list[Any] | None:
    """The frames that a packet completes, of pictures or sound; None where it is damaged.

    Raises:
        MediaError: there is not enough memory.
    """
    try:
        decoded: list[Any] = stream.codec_context.decode(packet)
    except MemoryError as error:
        raise MediaError(f"{show(path)}: not enough memory to decode it") from error
    except av.FFmpegError:
        return None
    return decoded


class StreamDecoder:
    """The video stream of a file, opened for one pass over it.

    Attributes:
        container, stream: PyAV's container and stream.
        damaged_packets: number of packets that could not be decoded so far.
        is_interlaced: whether frames are deinterlaced, with the help of their neighbours.
        broken_off: FFmpeg's words for why reading ended before the end; None where it did not.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        """Open the file.

        Args:
            path: a file that passed `check_file`.
            threads: number of threads of the decoder; 0 means one a core, at most 4.

        Raises:
            MediaError: not a video, or without a video stream.
        """
        self.path = path
        self.damaged_packets = 0
        self.broken_off: str | None = None
        self.container = open_container(path)
        try:
            self.stream = video_stream(self.container, path)
        except BaseException:
            self.container.close()
            raise
        context = self.stream.codec_context
        self.is_interlaced = _is_interlaced(context, path)
        self._deinterlacer = Deinterlacer()
        context.thread_type = "AUTO"
        context.thread_count = threads or min(_MOST_THREADS, os.cpu_count() or 1)

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    def frames(self, *, keyframes_only: bool = False) -> Iterator[Any]:
        """Decoded frames from the start to the end; packets that fail are counted.

        Raises:
            MediaError: no frame could be decoded.
        """
        if keyframes_only:
            self.stream.codec_context.skip_frame = "NONKEY"
        packets = (
            packet
            for packet in self._demux()
            if not keyframes_only or not packet.size or packet.is_keyframe
        )
        decoded = None
        for decoded in self._woven(packets):
            yield decoded
        if decoded is None:
            raise no_frame(self.path, self.stream)

    def frames_from(self, start: Target) -> Iterator[Any]:
        """Decoded frames from the one of a target on to the end; none where seeking fails."""
        for decoded in self._woven(self._demux_from(start)):
            if decoded.pts is None or decoded.pts >= start.pts:
                yield decoded

    def _woven(self, packets: Iterable[Any]) -> Iterator[Any]:
        """The decoded frames of packets, deinterlaced if need be."""
        frames = (decoded for packet in packets for decoded in self._decode(packet))
        if not self.is_interlaced:
            return frames
        return (self._deinterlacer.weave(window) for window in windows(frames))

    def frames_of(self, targets: list[Target]) -> Iterator[Any]:
        """One decoded frame for each of the sorted targets.

        What does not decode is replaced by the frame before it, at the start by the one after.

        Raises:
            MediaError: none of them can be decoded.
        """
        last: Any = None
        waiting = 0
        for _, group in groupby(targets, key=lambda target: target.key_pts):
            for decoded in self._frames_of_group(list(group)):
                if decoded is None and last is None:
                    waiting += 1
                    continue
                last = last if decoded is None else decoded
                yield from [last] * (waiting + 1)
                waiting = 0
        if waiting:
            raise no_frame(self.path, self.stream)

    def _demux(self) -> Iterator[Any]:
        try:
            held: Any = None  # the last packet is not decoded when it is torn
            for packet in read_packets(self.container, self.stream):
                if held is not None:
                    if packet.size:
                        yield held
                    else:
                        self.damaged_packets += 1
                    held = None
                if packet.is_corrupt and packet.size and not is_lost(packet, self.container):
                    held = packet
                elif packet.is_corrupt and packet.size:
                    self.damaged_packets += 1
                elif packet.size or packet.pts is None:  # else: "the same frame again"
                    yield packet
        except MemoryError as error:
            raise MediaError(f"{show(self.path)}: not enough memory to read it") from error
        except (av.FFmpegError, OSError) as error:
            self.broken_off = ffmpeg_reason(error)

    def _decode(self, packet: Any) -> list[Any]:
        decoded = decode_packet(self.stream, packet, self.path)
        if decoded is None:
            self.damaged_packets += 1
            return []
        return decoded

    def _frames_of_group(self, group: list[Target]) -> Iterator[Any]:
        """The frames of targets that share a keyframe, decoded from it in one go.

        A frame that does not decode is replaced by the one shown before it, or by None.
        """
        waiting = list(group)
        best: Any = None
        if self.is_interlaced:  # every frame is needed, and one after the last
            self.stream.codec_context.skip_frame = "DEFAULT"
            frames = self._woven(self._demux_from(group[0]))
        else:
            frames = self._decode_from(group[0], {target.pts for target in group})
        for decoded in frames:
            if not waiting:
                return
            if decoded.pts is None:
                continue
            while waiting and decoded.pts > waiting[0].pts:  # the wanted one did not decode
                yield best if best is not None else decoded
                waiting.pop(0)
            best = decoded
            while waiting and decoded.pts == waiting[0].pts:
                yield decoded
                waiting.pop(0)
        for _ in waiting:
            yield best

    def _decode_from(self, start: Target, wanted: set[int]) -> Iterator[Any]:
        """Decoded frames from a keyframe on, until every wanted packet has gone in and come out."""
        context = self.stream.codec_context
        skips = context.name in _SKIPPING_IS_EXACT
        missing = set(wanted)
        for packet in self._demux_from(start):
            if skips and packet.size:
                context.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
            yield from self._decode(packet)
            missing.discard(packet.pts)
            if not missing:
                break
        yield from self._decode(None)  # hands out what is still queued; seeking resets it

    def _demux_from(self, start: Target) -> Iterator[Any]:
        """Packets from the one of a known keyframe on."""
        for ticks in (start.key_pts, start.key_dts - 1, self.stream.start_time or 0):
            try:
                self.container.seek(ticks, stream=self.stream, backward=True)
            except av.FFmpegError:
                continue
            found = False
            for packet in self._demux():
                found = found or (packet.is_keyframe and packet.pts == start.key_pts)
                if found:
                    yield packet
                elif packet.dts is not None and packet.dts > start.key_dts:
                    break  # landed behind it: try from earlier
            if found:
                return


def _is_interlaced(context: Any, path: Path) -> bool:
    """Whether the header says so, or the first frame, where FFmpeg leaves that open."""
    if context.field_order or context.name not in _SAY_IT_LATE:
        return context.field_order in _INTERLACED
    try:
        return bool(first_frame(path).interlaced_frame)
    except MediaError:
        return False


def first_frame(path: Path) -> Any:
    """The first decoded frame of a file; MediaError when there is none."""
    with closing(open_container(path)) as container:
        stream = video_stream(container, path)
        first = next(decode_what_can_be(container, stream), None)
        if first is None:
            raise no_frame(path, stream)
        return first


def decode_what_can_be(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames from where a container stands; packets that fail are passed over."""
    try:
        for packet in read_packets(container, stream):
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                continue
            yield from decoded
    except av.FFmpegError:
        return


def no_frame(path: Path, stream: Any) -> MediaError:
    """The error of a video without pictures."""
    codec = stream.codec_context.name
    return MediaError(f"{show(path)} has a {codec} video stream but no frame can be decoded")
