"""The real extent of a video stream: where its frames begin and end, whatever the header says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av

from counterface.media.notes import MediaNote
from counterface.media.open_file import open_container, read_packets
from counterface.media.stream.seek import LAST_TICK, is_lost

_TICK_BYTES = 16_000_000  # of a file, between two signs of life
_MICROSECONDS = 1_000_000  # the unit of a container's own times
_PLACES, _TIMED_WITHIN = 16, 60  # places in a file, packets at each until one states a time
_TAIL_S = 2  # before the stated end, where the last frames are looked for

SignOfLife = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Extent:
    """The part of a video stream that is there.

    Attributes:
        start_s, end_s: start of the first frame and end of the last, seconds on its own clock.
        frames: number of packets; None where only the end was looked at.
        timed: whether the packets carry times. Where they do not, frames are one interval apart.
        file_end_s: end of the last packet of any stream, sound included.
        torn: whether the last packet is incomplete.
    """

    start_s: Fraction
    end_s: Fraction
    frames: int | None
    timed: bool
    file_end_s: Fraction
    torn: bool


@dataclass(frozen=True, slots=True)
class Stated:
    """The end of its video, or of the file, that a container's header promises, seconds."""

    video_end_s: Fraction | None
    file_end_s: Fraction | None

    def holds(self, found: Extent, interval: Fraction) -> bool:
        """Whether everything promised is there, but for what rounding may cost."""
        if self.video_end_s is not None:
            return found.end_s >= self.video_end_s - slack(self.video_end_s, interval)
        if self.file_end_s is not None:
            return found.file_end_s >= self.file_end_s - slack(self.file_end_s, interval)
        return False


def slack(end_s: Fraction, interval: Fraction) -> Fraction:
    """Seconds by which the end of a whole file may lie before the one that it states."""
    return max(Fraction(1, 4), 3 * interval, end_s / 100)


def measure(
    path: Path,
    stream_index: int,
    stated: Stated,
    interval: Fraction,
    tick: SignOfLife = lambda: None,
) -> Extent | None:
    """The extent of a stream, from packet headers; None where there is no packet.

    The last seconds are enough where they bear out what the header states; otherwise the file is
    read from start to end, without decoding.

    Args:
        path: path of a video file that was opened before.
        stream_index: index of the video stream in the container.
        stated: ends by the header; without any, all is read.
        interval: seconds from one frame to the next.
        tick: called after every 16 million bytes of reading.
    """
    promised = stated.video_end_s or stated.file_end_s
    if promised is not None and promised > 0:
        with closing(open_container(path)) as container:
            stream = container.streams[stream_index]
            if _seek(container, stream, promised - _TAIL_S - interval):
                tail = _walk(container, stream, interval, tick)
                if tail is not None and tail.timed and stated.holds(tail, interval):
                    start = Fraction(stream.start_time or 0) * stream.time_base
                    return replace(tail, start_s=start, frames=None)
    with closing(open_container(path)) as container:
        return _walk(container, container.streams[stream_index], interval, tick)


def times_jump_back(path: Path, stream_index: int) -> bool:
    """Whether times start anew within an MPEG stream, as where recordings were joined end to end.

    Looks at one packet in each of so many places of the file.
    """
    size = path.stat().st_size
    before: Fraction | None = None
    with closing(open_container(path)) as container:
        stream = container.streams[stream_index]
        for place in range(_PLACES):
            try:
                container.seek(size * place // _PLACES, unsupported_byte_offset=True)
                packets = islice(read_packets(container, stream), _TIMED_WITHIN)
                pts = next((packet.pts for packet in packets if packet.pts is not None), None)
            except av.FFmpegError:
                continue
            if pts is None:
                continue
            time_s = pts * stream.time_base
            if before is not None and time_s <= before - 1:  # reordering takes less than a second
                return True
            before = time_s
    return False


def _seek(container: Any, stream: Any, time_s: Fraction) -> bool:
    ticks = int(max(time_s, Fraction(0)) // stream.time_base)
    try:
        container.seek(min(ticks, LAST_TICK), stream=stream, backward=True)
    except av.FFmpegError:
        return False
    return True


def _walk(container: Any, stream: Any, interval: Fraction, tick: SignOfLife) -> Extent | None:
    """The extent from where the container stands to its end."""
    first: int | None = None
    last: int | None = None
    count = untimed = 0
    torn, file_end_s = False, Fraction(0)
    step = max(1, int(interval // stream.time_base))
    for packet in _packets(container, stream, tick):
        if packet.size == 0 or packet.is_discard:
            continue
        end = None if packet.pts is None else packet.pts + (packet.duration or 0)
        if packet.stream_index == stream.index:
            count += 1
            torn = packet.is_corrupt
            if packet.pts is None or is_lost(packet, container):
                untimed += packet.pts is None
                continue
            end = packet.pts + (packet.duration or step)
            first = packet.pts if first is None else min(first, packet.pts)
            last = end if last is None else max(last, end)
        if end is not None:
            file_end_s = max(file_end_s, end * packet.time_base)
    if not count:
        return None
    if untimed or first is None or last is None:
        end_s = count * interval
        return Extent(Fraction(0), end_s, count, timed=False, file_end_s=end_s, torn=False)
    start_s, end_s = first * stream.time_base, last * stream.time_base
    return Extent(start_s, end_s, count - torn, timed=True, file_end_s=file_end_s, torn=torn)


def _packets(container: Any, stream: Any, tick: SignOfLife) -> Iterable[Any]:
    """The packets of the stream and of all sound, up to the end or to where reading fails."""
    streams = [stream, *container.streams.audio]
    told = 0
    try:
        for packet in read_packets(container, streams):
            if (packet.pos or 0) >= told + _TICK_BYTES:
                told = packet.pos
                tick()
            yield packet
    except (av.FFmpegError, OSError):
        return


def stated_by(container: Any, stream: Any, missing: int | None) -> Stated:
    """The ends that the header promises.

    Args:
        container, stream: PyAV's container and stream.
        missing: bytes that the file lacks by its own account; None where it gives none.
    """
    video_end = file_end = None
    if container.format.name == "avi":  # FFmpeg makes the duration fit the size of the file
        # Without an account of sizes its header was written before the frames, with no true count.
        if stream.frames and missing is not None:
            video_end = stream.frames * stream.time_base
    elif (stream.duration or 0) > 0 and container.format.name != "asf":  # there of the whole file
        video_end = (stream.duration + (stream.start_time or 0)) * stream.time_base
    elif (container.duration or 0) > 0:
        file_end = Fraction(container.duration, _MICROSECONDS)
        if not container.format.name.startswith("matroska"):  # there it is the last time
            file_end += Fraction(container.start_time or 0, _MICROSECONDS)
    return Stated(video_end, file_end)


def damage_note(packets: int, broken_off: str | None) -> MediaNote | None:
    """The note on packets that could not be decoded, or on reading that broke off."""
    if broken_off is not None:
        text = f"Reading broke off before the end of the file ({broken_off}); the rest is missing."
        return MediaNote("damaged", text)
    if packets <= 0:
        return None
    some = "1 packet of the video" if packets == 1 else f"{packets} packets of the video"
    return MediaNote("damaged", f"{some} could not be decoded.")


def length_notes(
    found: Extent, stated: Stated, interval: Fraction, missing: int | None
) -> list[MediaNote]:
    """The note on a file that is cut short or does not say how long it is, if it is such a file.

    Args:
        found: extent of what is there.
        stated: ends by the header.
        interval: seconds from one frame to the next.
        missing: bytes that the file lacks by its own account.
    """
    length = max(Fraction(0), found.end_s - found.start_s)
    promised = stated.video_end_s if stated.video_end_s is not None else stated.file_end_s
    if promised is None and not missing and not found.torn:
        text = (
            "The file does not state how long it is, as interrupted recordings do not; "
            f"{float(length):.2f} s of frames were found by reading it."
            if found.timed
            else "The file does not state the times of its frames; they are taken to be "
            f"{float(interval):.3g} s apart, {float(length):.2f} s in all."
        )
        return [MediaNote("no_duration", text)]
    if not missing and not found.torn and stated.holds(found, interval):
        return []
    if promised is not None and promised - found.end_s > interval:
        all_s = float(promised - found.start_s)
        text = f"The file is cut short: {float(length):.2f} of about {all_s:.2f} s are there."
    else:
        text = f"The end of the file is missing; {float(length):.2f} s of frames are there."
    return [MediaNote("cut_short", f"{text} Only what is there was looked at.")]
