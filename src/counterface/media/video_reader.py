"""Videos to frames: RGB, upright, each with its exact presentation time, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from counterface.errors import MediaError
from counterface.media.open_file import check_file, ffmpeg_reason, open_container, show, sniff
from counterface.media.seek import NoTimestamps, Target, find_targets
from counterface.media.upright import Turn, to_rgb, turn_of
from counterface.types import Frame

MAX_PIXELS = 100_000_000  # a frame; 8K is 33 million
ATTACHED_PICTURE = 0x400  # AV_DISPOSITION_ATTACHED_PIC
# Decoders where skipping frames that nothing refers to is exact. In HEVC such a frame may still be
# needed by a higher temporal layer; AV1 fixes the setting when it opens.
_SKIPPING_IS_EXACT = frozenset({"h264", "mpeg2video", "mpeg4"})


def read_video(
    path: str | os.PathLike[str], *, keyframes_only: bool = False, max_pixels: int = MAX_PIXELS
) -> Iterator[Frame]:
    """Every frame of a video in time order, decoded as they are asked for.

    Args:
        path: the file; its first video stream is read.
        keyframes_only: only frames that decode alone (about one in 250 in H.264).
        max_pixels: a stream with larger frames is refused.

    Yields:
        Upright RGB frames with exact `pts`, seconds on the file's own clock. With `keyframes_only`
        the index is worked out from the time and the rate; otherwise it is counted.

    Raises:
        MediaError: no video stream, no frame that can be decoded, or the file is cut short; frames
            before the damage have been yielded by then.
    """
    with VideoReader(path, max_pixels=max_pixels) as reader:
        yield from reader.frames(keyframes_only=keyframes_only)


def frames_at(
    path: str | os.PathLike[str],
    times: Sequence[Fraction],
    *,
    tolerance: Fraction = Fraction(0),
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Frame]:
    """The frames shown at the given times, by seeking; see `VideoReader.frames_at`."""
    with VideoReader(path, max_pixels=max_pixels) as reader:
        yield from reader.frames_at(times, tolerance=tolerance)


def sample_times(
    duration: Fraction | float, n: int, start: Fraction = Fraction(0)
) -> list[Fraction]:
    """The centres of `n` equal intervals of a duration, seconds; none when either is not positive.

    `start` is the time of the first frame (`VideoReader.start_s`, `MediaInfo.start_s`): not 0 in
    broadcast recordings.
    """
    if n <= 0 or duration <= 0:
        return []
    length = Fraction(duration)
    return [start + length * (2 * i + 1) / (2 * n) for i in range(n)]


class VideoReader:
    """An open video: its facts as attributes, its frames by iteration. Use it in a `with` block.

    Attributes:
        width, height: of the upright picture, pixels.
        rotation: clockwise degrees that were applied to the stored picture (0, 90, 180, 270).
        fps: average frame rate, or None where the container does not say.
        start_s, duration_s: seconds; the duration is None where the container does not say.
        damaged_packets: how many packets the decoder refused so far.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS, threads: int = 0
    ) -> None:
        """Opens the file and reads its header.

        Args:
            path: the file.
            max_pixels: a stream with larger frames is refused.
            threads: of the decoder; 0 means one a core, at most 4.

        Raises:
            MediaError: not a video, without a video stream, or with frames over `max_pixels`.
        """
        self.path = check_file(path)
        if sniff(self.path) == "image":
            raise MediaError(f"{show(self.path)} is a picture, not a video; use read_image")
        self.max_pixels = max_pixels
        self.damaged_packets = 0
        self._threads = threads
        self._fresh = True
        self._turn: Turn | None = None
        self._shown_turn: Turn | None = None
        self._shown_rotation = 0
        self._open()

    def _open(self) -> None:
        self.container = open_container(self.path)
        try:
            self._read_header()
        except BaseException:
            self.container.close()
            raise

    def _read_header(self) -> None:
        self.stream = stream = _video_stream(self.container, self.path)
        context = stream.codec_context
        self._check_size(context.width, context.height)
        context.thread_type = "AUTO"
        context.thread_count = self._threads or min(4, os.cpu_count() or 1)
        self._reformatter = VideoReformatter()
        self.time_base: Fraction = stream.time_base or Fraction(1, 90_000)
        self.fps: Fraction | None = stream.average_rate or stream.guessed_rate or None
        self.start_s = Fraction(stream.start_time or 0) * self.time_base
        self.duration_s = stream_duration(self.container, stream)
        self.codec: str = context.name
        self.pixel_format: str = context.pix_fmt or "unknown"
        self._stored_size: tuple[int, int] = (context.width, context.height)

    @property
    def rotation(self) -> int:
        """Clockwise degrees that turn the stored picture upright."""
        return self._first_turn().degrees

    @property
    def width(self) -> int:
        """Of the upright picture, pixels."""
        return self._stored_size[1 if self._first_turn().transpose else 0]

    @property
    def height(self) -> int:
        """Of the upright picture, pixels."""
        return self._stored_size[0 if self._first_turn().transpose else 1]

    def frames(self, *, keyframes_only: bool = False) -> Iterator[Frame]:
        """Every frame from the start, in time order; see `read_video`."""
        self._rewind()
        if keyframes_only:
            self.stream.codec_context.skip_frame = "NONKEY"
        count = 0
        previous: Fraction | None = None
        for decoded in self._decode(keyframes_only):
            pts = self._pts(decoded, previous)
            yield self._frame(decoded, self._index_at(pts) if keyframes_only else count, pts)
            previous = pts
            count += 1
        if count == 0:
            raise MediaError(
                f"{show(self.path)} has a {self.codec} video stream but no frame can be decoded"
            )
        if self.damaged_packets > count:
            raise MediaError(
                f"{show(self.path)} is damaged: {self.damaged_packets} packets cannot be decoded, "
                f"{count} frames can; fetch it again"
            )

    def frames_at(
        self, times: Sequence[Fraction], *, tolerance: Fraction = Fraction(0)
    ) -> Iterator[Frame]:
        """The frames that a player shows at the given times: the last one with `pts` <= time.

        Seeks to the keyframe before each time and decodes forward from there, leaving out frames
        that no other frame needs. A time before the first frame gives the first, one after the end
        the last. Two times within one frame give that frame twice.

        Args:
            times: seconds on the file's own clock, any order.
            tolerance: when a keyframe lies this near to a time, that keyframe comes instead: one
                decoded frame a time, tens of times faster in long files.

        Yields:
            One frame for each time, in sorted order, index worked out from time and rate.

        Raises:
            MediaError: as `read_video`.
        """
        ordered = sorted(Fraction(t) for t in times)
        if not ordered:
            return
        try:
            targets = find_targets(self.path, self.stream.index, ordered, tolerance)
        except NoTimestamps:
            yield from self._frames_at_by_reading(ordered)
            return
        self._rewind()
        for group in _by_keyframe(targets):
            yield from self._decode_group(group)

    def close(self) -> None:
        """Closes the file; further reading fails."""
        self.container.close()

    def __enter__(self) -> VideoReader:
        """The reader itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the file."""
        self.close()

    def _rewind(self) -> None:
        if not self._fresh:  # opening again also works where seeking does not, and resets skipping
            self.container.close()
            self._open()
        self._fresh = False

    def _decode(self, keyframes_only: bool) -> Iterator[Any]:
        """Decoded frames to the end of the file; a packet that cannot be decoded is counted."""
        packets = 0
        for packet in self._demux():
            packets += packet.size > 0
            if keyframes_only and packet.size and not packet.is_keyframe:
                continue
            yield from self._decode_packet(packet)
        promised = self.stream.frames
        if packets < promised:
            raise MediaError(
                f"{show(self.path)} is cut short: {packets} of the {promised} frames that its "
                "header names are there; fetch it again"
            )

    def _demux(self) -> Iterator[Any]:
        try:
            for packet in self.container.demux(self.stream):
                if packet.is_corrupt and packet.size:
                    self.damaged_packets += 1
                    continue
                yield packet
        except (av.FFmpegError, OSError) as error:
            raise MediaError(
                f"{show(self.path)} is damaged or cut short: {ffmpeg_reason(error)}; fetch it again"
            ) from error

    def _decode_packet(self, packet: Any) -> list[Any]:
        try:
            decoded: list[Any] = self.stream.codec_context.decode(packet)
        except (av.MemoryError, MemoryError) as error:
            raise MediaError(f"{show(self.path)}: not enough memory to decode it") from error
        except av.FFmpegError:
            self.damaged_packets += 1
            return []
        return decoded

    def _decode_group(self, group: list[Target]) -> Iterator[Frame]:
        """The frames of targets that share a keyframe, decoded from it in one go."""
        wanted = {target.pts for target in group}
        waiting = list(group)
        best: Any = None
        for decoded in self._decode_from(group[0], wanted):
            if decoded.pts is None:
                continue
            while waiting and decoded.pts > waiting[0].pts:  # the wanted one did not decode
                yield self._frame_of(best if best is not None else decoded)
                waiting.pop(0)
            best = decoded
            while waiting and decoded.pts == waiting[0].pts:
                yield self._frame_of(decoded)
                waiting.pop(0)
            if not waiting:
                return
        if best is None:
            at = float(group[0].pts * self.time_base)
            raise MediaError(f"{show(self.path)}: no frame can be decoded at {at:.3f} s")
        for _ in waiting:
            yield self._frame_of(best)

    def _decode_from(self, start: Target, wanted: set[int]) -> Iterator[Any]:
        """Decoded frames from a keyframe on, until every wanted packet has gone in and come out."""
        context = self.stream.codec_context
        skips = context.name in _SKIPPING_IS_EXACT
        missing = set(wanted)
        for packet in self._demux_from(start):
            if skips and packet.size:
                context.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
            yield from self._decode_packet(packet)
            missing.discard(packet.pts)
            if not missing:
                break
        yield from self._decode_packet(None)  # hands out what is still queued; seeking resets it

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

    def _frames_at_by_reading(self, ordered: list[Fraction]) -> Iterator[Frame]:
        """As `frames_at` for containers without packet times: by reading everything up to there."""
        waiting = list(ordered)
        shown: Frame | None = None
        for frame in self.frames():
            while waiting and shown is not None and frame.pts > waiting[0]:
                yield shown
                waiting.pop(0)
            if not waiting:
                return
            shown = frame
        for _ in waiting:
            if shown is not None:
                yield shown

    def _first_turn(self) -> Turn:
        if self._turn is None:
            with closing(open_container(self.path)) as container:
                frames = decode_what_can_be(container, container.streams[self.stream.index])
                first = next(frames, None)
                if first is not None:
                    self._turn = turn_of(first)
                    return self._turn
            raise MediaError(
                f"{show(self.path)} has a {self.codec} video stream but no frame can be decoded"
            )
        return self._turn

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self.max_pixels:
            raise MediaError(
                f"{show(self.path)} has {width}x{height} pixels a frame, more than the limit of "
                f"{self.max_pixels}; scale it down or raise max_pixels"
            )

    def _pts(self, decoded: Any, previous: Fraction | None) -> Fraction:
        """Exact time; where the container gives none, one frame interval after the one before."""
        if decoded.pts is not None:
            return Fraction(decoded.pts) * (decoded.time_base or self.time_base)
        step = 1 / self.fps if self.fps else Fraction(1, 25)
        return self.start_s if previous is None else previous + step

    def _index_at(self, pts: Fraction) -> int:
        return max(0, round((pts - self.start_s) * self.fps)) if self.fps else 0

    def _frame_of(self, decoded: Any) -> Frame:
        pts = self._pts(decoded, None)
        return self._frame(decoded, self._index_at(pts), pts)

    def _turn_of(self, decoded: Any) -> Turn:
        """The frame's turn, looked up again only when its rotation changes.

        PyAV ties a frame and its side data in a cycle: a frame asked for it stays until the garbage
        collector runs, 1.4 MB each at 720p.
        """
        rotation = decoded.rotation
        if self._shown_turn is None or rotation != self._shown_rotation:
            self._shown_rotation, self._shown_turn = rotation, turn_of(decoded)
        return self._shown_turn

    def _frame(self, decoded: Any, index: int, pts: Fraction) -> Frame:
        self._check_size(decoded.width, decoded.height)
        try:
            image = self._turn_of(decoded).apply(to_rgb(decoded, self._reformatter))
            return Frame(np.require(image, requirements=["C", "W"]), index, pts)
        except (av.FFmpegError, MemoryError) as error:
            raise MediaError(
                f"{show(self.path)}: a frame cannot be converted: {ffmpeg_reason(error)}"
            ) from error


def stream_duration(container: Any, stream: Any) -> Fraction | None:
    """Seconds from the first frame to the end of the last, or None where the file does not say."""
    if stream.duration:
        return Fraction(stream.duration) * Fraction(stream.time_base)
    if container.duration:  # of the whole file, microseconds
        return Fraction(container.duration, 1_000_000)
    return None


def _video_stream(container: Any, path: Path) -> Any:
    for stream in container.streams.video:
        if not stream.disposition & ATTACHED_PICTURE:  # an album cover is not a video
            if stream.codec_context is None:
                raise MediaError(f"{show(path)}: its video codec is not known to this FFmpeg")
            return stream
    kinds = sorted({stream.type for stream in container.streams})
    if not kinds:
        raise MediaError(f"{show(path)} has no stream of any kind in it; fetch it again")
    raise MediaError(f"{show(path)} has no video stream, only {', '.join(kinds)}")


def _by_keyframe(targets: list[Target]) -> Iterator[list[Target]]:
    for _, group in groupby(targets, key=lambda target: target.key_pts):
        yield list(group)


def decode_what_can_be(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames from where the container stands; packets that fail are passed over."""
    try:
        for packet in container.demux(stream):
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                continue
            yield from decoded
    except av.FFmpegError:
        return
