"""Videos to frames: RGB, upright, each with its exact presentation time, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any, Self

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from counterface.errors import MediaError
from counterface.media.color.tone_map import ColorTags
from counterface.media.notes import MediaNote
from counterface.media.open_file import check_file, ffmpeg_reason, show, sniff
from counterface.media.picture.animation import ANIMATED, AnimationReader, shown_at
from counterface.media.picture.kinds import is_animated_webp
from counterface.media.stream.choice import choice_notes
from counterface.media.stream.color_tags import color_tags_of, first_color_tags, needs_first
from counterface.media.stream.decoder import StreamDecoder, first_frame
from counterface.media.stream.deinterlace import COMBED, WOVEN
from counterface.media.stream.extent import (
    Extent,
    SignOfLife,
    Stated,
    damage_note,
    length_notes,
    measure,
    stated_by,
    times_jump_back,
)
from counterface.media.stream.outline import missing_bytes
from counterface.media.stream.seek import NoTimestamps, Target, find_targets, goes_back
from counterface.media.stream.upright import Turn, to_rgb, turn_of
from counterface.types import Frame

MAX_PIXELS = 100_000_000  # a frame; 8K is 33 million
USUAL_INTERVAL = Fraction(1, 25)  # seconds between frames of a file that does not say
JUMPS = (
    "The times in the file jump back, as where recordings were joined end to end; its frames are "
    "taken to follow each other evenly."
)
_JOINED = frozenset({"mpegts", "mpeg"})  # what can be joined end to end
_SEQUENCES = frozenset({"avis", "hevc", "hevx", "heis", "msf1"})  # brands of AVIF and HEIC
_SILENT = frozenset({"avi", "apng", "gif", "asf"})
_FASTEST = 1000  # frames a second; a guess above echoes the time base
_RAW = frozenset({"h264", "hevc", "mpegvideo", "m4v", "mjpeg", "obu"})  # frames without times


def read_video(
    path: str | os.PathLike[str], *, keyframes_only: bool = False, max_pixels: int = MAX_PIXELS
) -> Iterator[Frame]:
    """Every frame of a video in time order, decoded as they are asked for.

    Args:
        path: the file; `stream.choice` says which of several video streams is read. Of a file that
            is cut short, what is there is read.
        keyframes_only: only frames that decode alone (about one in 250 in H.264).
        max_pixels: a stream with larger frames is refused.

    Yields:
        Upright RGB frames with exact `pts`, seconds on the file's own clock. With `keyframes_only`
        the index is worked out from the time and the rate; otherwise it is counted.

    Raises:
        MediaError: no video stream, or no frame that can be decoded.
    """
    with open_clip(path, max_pixels=max_pixels) as reader:
        yield from reader.frames(keyframes_only=keyframes_only)


def frames_at(
    path: str | os.PathLike[str],
    times: Sequence[Fraction],
    *,
    tolerance: Fraction = Fraction(0),
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Frame]:
    """The frames shown at the given times, by seeking; see `VideoReader.frames_at`."""
    with open_clip(path, max_pixels=max_pixels) as reader:
        yield from reader.frames_at(times, tolerance=tolerance)


@contextmanager
def open_clip(
    path: str | os.PathLike[str],
    *,
    max_pixels: int = MAX_PIXELS,
    threads: int = 0,
    exact: bool = False,
) -> Iterator[VideoReader | AnimationReader]:
    """The reader of a video or of an animated picture, closed with the block; see `VideoReader`.

    Raises:
        MediaError: as there.
    """
    file = check_file(path)
    if is_animated_webp(file):
        yield AnimationReader(file, max_pixels=max_pixels)
    else:
        with VideoReader(file, max_pixels=max_pixels, threads=threads, exact=exact) as reader:
            yield reader


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
        width, height: size of the upright picture, pixels.
        rotation: clockwise degrees that were applied to the stored picture (0, 90, 180, 270).
        fps: average frame rate, or None where the container does not say.
        start_s: time of the first frame, seconds.
        stated: end of the video by its header.
        codec, pixel_format: FFmpeg's names.
        color: colour tags of the file.
        notes: notes on the frames, as far as they have been read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_pixels: int = MAX_PIXELS,
        threads: int = 0,
        exact: bool = False,
    ) -> None:
        """Open the file and read its header.

        Args:
            path: the file.
            max_pixels: a stream with larger frames is refused.
            threads: number of threads of the decoder; 0 means one a core, at most 4.
            exact: colours are rounded, not cut off, which takes longer; for what is encoded again.

        Raises:
            MediaError: not a video, without a video stream, or with frames over `max_pixels`.
        """
        self.path = check_file(path)
        if sniff(self.path) == "image":
            raise MediaError(f"{show(self.path)} is a picture, not a video; use read_image")
        self.max_pixels = max_pixels
        self._threads, self._exact = threads, exact
        self.notes: list[MediaNote] = []
        self._passes = 0
        self._is_combed = False  # an interlaced frame came through as it is
        self._extent: Extent | None = None
        self._first: tuple[Turn, ColorTags] | None = None  # of the first frame
        self._shown_turn: Turn | None = None  # of the last frame that was converted
        self._shown_rotation = 0
        self._reformatter = VideoReformatter()
        self.decoder = StreamDecoder(self.path, threads)
        try:
            self._read_header()
        except BaseException:
            self.decoder.close()
            raise

    def _read_header(self) -> None:
        container, stream = self.decoder.container, self.decoder.stream
        context = stream.codec_context
        self._check_size(context.width, context.height)
        self.time_base: Fraction = stream.time_base or Fraction(1, 90_000)
        guess = stream.guessed_rate
        guess = None if guess is None or guess > _FASTEST else guess
        rates = (stream.average_rate, guess)
        if container.format.name in _RAW:  # the average is FFmpeg's default, 25
            rates = (guess, stream.average_rate)
        self.fps: Fraction | None = next((rate for rate in rates if rate and rate > 0), None)
        self.interval = 1 / self.fps if self.fps else USUAL_INTERVAL
        self.start_s = Fraction(stream.start_time or 0) * self.time_base
        self.missing_bytes = missing_bytes(self.path)
        self.stated = stated_by(container, stream, self.missing_bytes)
        self._jumps = container.format.name in _JOINED and times_jump_back(self.path, stream.index)
        if self._jumps:
            self.stated = Stated(None, None)
        self.notes += choice_notes(container, stream)
        self.notes += [WOVEN] if self.decoder.is_interlaced else []
        if self._jumps:
            self.notes.append(MediaNote("times_jump", JUMPS))
        brand = container.metadata.get("major_brand")
        if (container.format.name in ("gif", "apng") or brand in _SEQUENCES) and stream.frames != 1:
            self.notes.append(MediaNote("animated", ANIMATED))
        self.codec: str = context.codec.canonical_name  # `av1`, whichever decoder it is
        self.pixel_format: str = context.pix_fmt or "unknown"
        self._stored_size: tuple[int, int] = (context.width, context.height)

    def measure(self, tick: SignOfLife = lambda: None) -> Extent | None:
        """The extent of what is really there; None without a packet. Notes on it join `notes`.

        Args:
            tick: called now and then while the whole file is read through, where that is needed.
        """
        if self._extent is None:
            stream, container = self.decoder.stream, self.decoder.container
            found = measure(self.path, stream.index, self.stated, self.interval, tick)
            if found is None:
                return None
            if container.format.name in (*_RAW, "mpjpeg"):  # times made up by FFmpeg
                found = replace(found, timed=False)
            if self._jumps:
                end_s = self.start_s + (found.frames or 0) * self.interval
                found = replace(found, start_s=self.start_s, end_s=end_s, timed=False)
            self._extent = found
            if stream.start_time is None:
                self.start_s = found.start_s
            # A whole AVI may end in empty chunks, which mean "the same frame again".
            # A GIF or PNG never states how long it is; whether it has an end tells if it is whole.
            # FFmpeg takes no length from an ASF file with something behind it.
            silent = self.missing_bytes == 0 and container.format.name in _SILENT
            silent = silent or (self._jumps and not self.missing_bytes)  # said already
            if found.torn or not silent:
                self.notes += length_notes(found, self.stated, self.interval, self.missing_bytes)
        return self._extent

    @property
    def damaged_packets(self) -> int:
        """The number of packets that could not be decoded in the newest pass over the file."""
        return self.decoder.damaged_packets

    @property
    def rotation(self) -> int:
        """Clockwise degrees that turn the stored picture upright."""
        return self._first_look()[0].degrees

    @property
    def color(self) -> ColorTags:
        """The colour tags of the file, by which frames are brought to BT.709 and SDR."""
        return self._first_look()[1]

    @property
    def width(self) -> int:
        """The width of the upright picture, pixels."""
        turn = self._first_look()[0]
        return self._stored_size[1 if turn.transpose else 0]

    @property
    def height(self) -> int:
        """The height of the upright picture, pixels."""
        turn = self._first_look()[0]
        return self._stored_size[0 if turn.transpose else 1]

    def frames(self, *, keyframes_only: bool = False) -> Iterator[Frame]:
        """Every frame from the start, in time order; see `read_video`."""
        self._start_pass()
        previous: Fraction | None = None
        for count, decoded in enumerate(self.decoder.frames(keyframes_only=keyframes_only)):
            pts = self._pts(decoded, previous)
            yield self._frame(decoded, self._index_at(pts) if keyframes_only else count, pts)
            previous = pts
        self._add_notes()

    def frames_from(self, start: Fraction) -> Iterator[Frame]:
        """Every frame from a time on, in time order: those with `pts` >= `start`.

        Seeks to the keyframe before it. The first index is worked out from time and average rate,
        those after it are counted.

        Raises:
            MediaError: as `read_video`.
        """
        first: int | None = None
        previous: Fraction | None = None
        with suppress(NoTimestamps):
            target = self._find_targets([start], Fraction(0))[0]
            self._start_pass()
            for count, decoded in enumerate(self.decoder.frames_from(target)):
                previous = self._pts(decoded, previous)
                first = self._index_at(previous) if first is None else first
                if previous >= start:
                    yield self._frame(decoded, first + count, previous)
        if first is None:  # some containers cannot be planned, or not be sought in
            yield from (frame for frame in self.frames() if frame.pts >= start)
        else:
            self._add_notes()

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
            targets = self._find_targets(ordered, tolerance)
        except NoTimestamps:
            yield from shown_at(self.frames(), ordered)  # by reading everything up to there
            return
        self._start_pass()
        for decoded in self.decoder.frames_of(targets):
            pts = self._pts(decoded, None)
            yield self._frame(decoded, self._index_at(pts), pts)
        self._add_notes(whole=False)

    def close(self) -> None:
        """Close the file; further reading fails."""
        self.decoder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _find_targets(self, times: list[Fraction], tolerance: Fraction) -> list[Target]:
        if self._jumps or goes_back(self.decoder.stream):
            raise NoTimestamps
        lead = int(self.decoder.is_interlaced)
        return find_targets(self.path, self.decoder.stream.index, times, tolerance, lead)

    def _add_notes(self, *, whole: bool = True) -> None:
        """Add the notes that a pass over the file, or over parts of it, brings up."""
        says = self.stated.video_end_s or self.stated.file_end_s
        if self._is_combed:
            self.notes.append(COMBED)
        extent = self.measure() if (whole and says) or self.damaged_packets else None
        torn = extent is not None and extent.torn  # said already
        note = damage_note(self.damaged_packets - torn, self.decoder.broken_off)
        said = self.decoder.broken_off is not None and bool(self.missing_bytes)
        if note is not None and not said:
            self.notes.append(note)

    def _start_pass(self) -> None:
        if self._passes:  # opening again works where seeking does not, and resets the decoder
            self.decoder.close()
            self.decoder = StreamDecoder(self.path, self._threads)
        self._passes += 1

    def _first_look(self) -> tuple[Turn, ColorTags]:
        if self._first is None:
            decoded = first_frame(self.path)
            tag = str(self.decoder.stream.codec_context.codec_tag)
            self._first = turn_of(decoded), first_color_tags(decoded, tag)
            if 0 in self._stored_size:  # a header that does not say
                self._stored_size = decoded.width, decoded.height
        return self._first

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self.max_pixels:
            raise MediaError(
                f"{show(self.path)} has {width}x{height} pixels a frame, more than the limit of "
                f"{self.max_pixels}; scale it down or raise max_pixels"
            )

    def _pts(self, decoded: Any, previous: Fraction | None) -> Fraction:
        """Exact time; where the container gives none, one frame interval after the one before."""
        if decoded.pts is not None and not self._jumps:
            return Fraction(decoded.pts) * (decoded.time_base or self.time_base)
        return self.start_s if previous is None else previous + self.interval

    def _index_at(self, pts: Fraction) -> int:
        return max(0, round((pts - self.start_s) * self.fps)) if self.fps else 0

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
            self._is_combed = self._is_combed or bool(decoded.interlaced_frame)
            tags = color_tags_of(decoded)
            if needs_first(decoded, tags):
                tags = color_tags_of(decoded, self.color)
            if tags.note is not None and tags.note not in self.notes:
                self.notes.append(tags.note)
            stored = to_rgb(decoded, self._reformatter, tags, exact=self._exact)
            image = self._turn_of(decoded).apply(stored)
            return Frame(np.require(image, requirements=["C", "W"]), index, pts)
        except (av.FFmpegError, MemoryError) as error:
            raise MediaError(
                f"{show(self.path)}: a frame cannot be converted: {ffmpeg_reason(error)}"
            ) from error
