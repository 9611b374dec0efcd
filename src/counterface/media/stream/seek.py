"""The packets to decode for the frames at given times, found from packet headers alone."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

from counterface.media.open_file import open_container, read_packets

_DEEPEST_REORDERING = 16  # frames, in H.264 and HEVC
LAST_TICK = 1 << 62  # FFmpeg counts in 64 bits


@dataclass(frozen=True, slots=True)
class Target:
    """A frame to fetch, in ticks of the stream's time base."""

    pts: int
    key_pts: int  # of the keyframe from which it can be decoded
    key_dts: int


class NoTimestamps(Exception):  # noqa: N818  (a signal inside media, never seen outside)
    """Packets have no presentation times, or cannot be sought, so nothing can be planned."""


def find_targets(
    path: Path,
    stream_index: int,
    times: Sequence[Fraction],
    tolerance: Fraction,
    lead: int = 0,
) -> list[Target]:
    """The last frame shown at or before each of the sorted times, and where to start decoding.

    Args:
        path: path of a video file that was opened before.
        stream_index: index of the video stream in the container.
        times: seconds, ascending.
        tolerance: seconds within which a keyframe may stand in for the exact frame.
        lead: number of frames before the one to fetch that must be decoded too.

    Raises:
        NoTimestamps: packets without presentation times, no keyframe at all, or no seeking.
        MediaError: the file cannot be opened.
    """
    with closing(open_container(path)) as container:
        stream = container.streams[stream_index]
        plan = _Plan(path, container, stream, lead)
        ticks = [max(-LAST_TICK, min(int(t // stream.time_base), LAST_TICK)) for t in times]
        reach = int(tolerance // stream.time_base)
        return [plan.locate(t, reach) for t in ticks]


def goes_back(stream: Any) -> bool:
    """Whether packets come again, as where an edit list of MP4 has several entries.

    Seeking finds the first of them, whichever is meant. Only an index that has not one entry for
    each frame is walked through.
    """
    index = stream.index_entries
    if not stream.frames or len(index) in (0, stream.frames):
        return False
    times = [index[number].timestamp for number in range(len(index))]
    return any(later <= earlier for earlier, later in pairwise(times))


class _Plan:
    """A forward walk over packet headers that jumps where an index shows a nearer keyframe."""

    def __init__(self, path: Path, container: Any, stream: Any, lead: int) -> None:
        self.path, self.container, self.stream, self.lead = path, container, stream, lead
        self.second = max(1, int(1 / stream.time_base))
        self.from_start = True
        self._restart(read_packets(container, stream))

    def _restart(self, packets: Iterator[Any]) -> None:
        self.packets = packets
        self.pts: list[int] = []  # sorted
        self.keys: list[tuple[int, int]] = []  # (pts, dts), sorted
        self.last_dts: int | None = None
        self.without_dts = 0
        self.ended = False

    def locate(self, time: int, reach: int) -> Target:
        if not self._is_near(time):
            self._seek(time)
        self._advance(time + reach)
        back = self.second
        while bisect_right(self.pts, time) <= self.lead and self._started_late(time):
            self._seek(time - back)
            self._advance(time + reach)
            back *= 4
        if not self.keys:
            raise NoTimestamps
        near = min(self.keys, key=lambda key: abs(key[0] - time))
        if reach and abs(near[0] - time) <= reach:
            return Target(near[0], *near)
        place = max(0, bisect_right(self.pts, time) - 1)
        shown, first = self.pts[place], self.pts[max(0, place - self.lead)]
        before = [key for key in self.keys if key[0] <= first]
        return Target(shown, *(before[-1] if before else self.keys[0]))

    def _started_late(self, time: int) -> bool:
        """Whether an earlier start could still show a frame before `time`."""
        start = self.stream.start_time
        return self.from_start is False and (start is None or time >= start)

    def _is_near(self, time: int) -> bool:
        """Whether walking on is cheaper than seeking: no keyframe lies between here and there."""
        if self.last_dts is None or self.ended:
            return self.last_dts is not None and bool(self.pts) and time >= self.pts[0]
        if time < self.last_dts + self.second:
            return bool(self.pts) and time >= self.pts[0]
        index = self.stream.index_entries
        entry = index.search_timestamp(time) if len(index) else -1
        return entry >= 0 and index[entry].timestamp <= self.last_dts

    def _seek(self, time: int) -> None:
        first = self.stream.start_time or 0
        self.from_start = time <= first
        try:
            self.container.seek(time, stream=self.stream, backward=True)
        except av.FFmpegError:
            self.from_start = True
            try:
                self.container.seek(first, stream=self.stream, backward=True)
            except av.FFmpegError as error:  # a raw stream
                raise NoTimestamps from error
        self._restart(read_packets(self.container, self.stream))

    def _note_dts(self, packet: Any) -> None:
        """Note the decoding time; right after a jump Matroska does not know it.

        A presentation time in its place would end the walk before frames that are shown earlier.
        """
        self.without_dts = 0 if packet.dts is not None else self.without_dts + 1
        if packet.dts is not None:
            self.last_dts = packet.dts
        elif self.without_dts > _DEEPEST_REORDERING:
            self.last_dts = packet.pts

    def _advance(self, until: int) -> None:
        """Read packet headers up to the first whose decoding time lies after `until`."""
        while not self.ended and (self.last_dts is None or self.last_dts <= until):
            packet = _next(self.packets)
            if packet is None or (packet.pts is None and packet.size == 0):
                self.ended = True
                return
            if packet.pts is None:
                raise NoTimestamps
            self._note_dts(packet)
            if packet.is_discard or is_lost(packet, self.container):
                continue
            if packet.is_keyframe:
                dts = packet.pts if self.last_dts is None else self.last_dts
                insort(self.keys, (packet.pts, dts))
            if self.keys and packet.pts >= self.keys[0][0]:  # earlier ones lack their references
                insort(self.pts, packet.pts)


def is_lost(packet: Any, container: Any) -> bool:
    """Whether a packet is marked as incomplete.

    At the end of a program stream the mark is on all frames of its last packet; most are whole.
    """
    return bool(packet.is_corrupt) and container.format.name != "mpeg"


def _next(packets: Iterator[Any]) -> Any:
    try:
        return next(packets, None)
    except av.FFmpegError:
        return None
