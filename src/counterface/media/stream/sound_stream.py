"""The sound stream of a file: its choice among several, and its packets to decoded frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av

from counterface.errors import MediaError
from counterface.media.notes import MediaNote
from counterface.media.open_file import ffmpeg_reason, open_container, read_packets, show
from counterface.media.stream.decoder import decode_packet
from counterface.media.stream.extent import SignOfLife, slack, times_jump_back
from counterface.media.stream.outline import missing_bytes
from counterface.media.stream.seek import LAST_TICK, goes_back

STORED_RATES = (1_000, 768_000)  # samples a second; speech begins at 8,000, music ends at 192,000
PREROLL = Fraction(1)  # seconds decoded before a start: Opus settles in 80 ms, AAC in two frames
_DEFAULT = 0x1  # AV_DISPOSITION_DEFAULT
_LOOKED_AT = 50  # packets in which a stream must show that it can be decoded
_TICK_PACKETS = 1000  # between two signs of life
_JOINED = frozenset({"mpegts", "mpeg"})  # what can be joined end to end
_GUESSED = frozenset({"mp3", "aac"})  # containers whose times and length FFmpeg works out


class SoundStream:
    """The chosen sound stream of a file, opened for one pass over it.

    Attributes:
        container, stream: PyAV's container and stream; the stream is None where there is no sound.
        streams: number of sound streams in the file.
        jumps: whether times start anew within the file, as in joined recordings.
        packets, damaged_packets: number of packets read, and of those that could not be decoded.
        broken_off: FFmpeg's words for why reading ended before the end; None where it did not.
    """

    def __init__(self, path: Path, tick: SignOfLife = lambda: None) -> None:
        """Open the file.

        Args:
            path: a file that passed `check_file`.
            tick: called now and then while packets are read.

        Raises:
            MediaError: FFmpeg cannot open the file, or knows none of its sound codecs.
        """
        self.path, self._tick = path, tick
        self._open()
        may_jump = self.stream is not None and self.container.format.name in _JOINED
        self.jumps: bool = may_jump and times_jump_back(path, self.stream.index)

    def _open(self) -> None:
        """Open the file for a pass from its start."""
        self.packets = self.damaged_packets = 0
        self.broken_off: str | None = None
        self._torn = 0  # number of incomplete packets at the end
        self.container: Any = open_container(self.path)
        try:
            self.streams = len(self.container.streams.audio)
            self.stream: Any = _choose(self.container, self.path)
            for other in self.container.streams:
                if other is not self.stream:
                    other.discard = av.stream.Discard.all  # their packets need not be read
        except BaseException:
            self.container.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    @property
    def start_s(self) -> Fraction:
        """The time at which the container says that the sound begins."""
        return Fraction(self.stream.start_time or 0) * self._tick_s

    @property
    def _tick_s(self) -> Fraction:
        return Fraction(self.stream.time_base or Fraction(1, 90_000))

    def frames(self, start: Fraction | None = None) -> Iterator[Any]:
        """Decoded frames to the end of the stream.

        Args:
            start: seconds; with it the frames from a little before that time on, found by seeking
                where the file allows it.
        """
        if start is None or not self._seek(start - PREROLL):
            yield from self._decoded()
            return
        frames = self._decoded()
        first = next(frames, None)
        if first is not None and first.pts is not None and first.time <= start:
            yield first
            yield from frames
            return
        self.container.close()
        self._open()  # it landed too late, or where no times are known
        yield from self._decoded()

    def time_of(self, frame: Any) -> Fraction | None:
        """The time of a frame's first sample, seconds; None where the container gives none."""
        if frame.pts is None:
            return None
        return Fraction(frame.pts) * (frame.time_base or self._tick_s)

    def choice_notes(self) -> list[MediaNote]:
        """The note that there were other streams, if there were."""
        if self.streams < 2:
            return []
        marked = [s for s in self.container.streams.audio if s.disposition & _DEFAULT]
        why = "the first that can be decoded"
        if len(marked) == 1 and marked[0].index == self.stream.index:
            why = "it is marked as the default"
        text = (
            f"The file holds {self.streams} sound streams; only stream {self.stream.index} "
            f"({self.stream.codec_context.codec.canonical_name}; {why}) was listened to."
        )
        return [MediaNote("several_sounds", text)]

    def damage_notes(self) -> list[MediaNote]:
        """The note on packets that could not be decoded, or on reading that broke off."""
        if self.broken_off is not None:
            text = f"Reading of the sound broke off ({self.broken_off}); the rest is missing."
            return [MediaNote("sound_damaged", text)]
        count = self.damaged_packets - self._torn  # that it is cut short is said already
        if count <= 0:
            return []
        some = "1 packet of the sound" if count == 1 else f"{count} packets of the sound"
        return [MediaNote("sound_damaged", f"{some} could not be decoded.")]

    def length_notes(self, end_s: Fraction) -> list[MediaNote]:
        """The note on sound that ends before the file says so, if it does.

        Args:
            end_s: end of the last sample that is there, seconds.
        """
        promised = None
        if (self.stream.duration or 0) > 0 and self.container.format.name not in _GUESSED:
            promised = self.start_s + self.stream.duration * self._tick_s
        length = float(end_s - self.start_s)
        if promised is not None and end_s < promised - slack(promised, Fraction(0)):
            all_s = float(promised - self.start_s)
            text = f"The sound is cut short: {length:.2f} of about {all_s:.2f} s are there."
        elif missing_bytes(self.path) or self._torn:
            text = f"The end of the file is missing; {length:.2f} s of sound are there."
        else:
            return []
        return [MediaNote("sound_cut_short", text)]

    def _seek(self, time_s: Fraction) -> bool:
        """Whether the container now stands at or before a time, further on than its start."""
        if time_s <= self.start_s or self.jumps or self.container.format.name in _GUESSED:
            return False
        if goes_back(self.stream):
            return False
        ticks = min(int(time_s // self._tick_s), LAST_TICK)
        try:
            self.container.seek(ticks, stream=self.stream, backward=True)
        except av.FFmpegError:
            return False
        return True

    def _decoded(self) -> Iterator[Any]:
        is_program = self.container.format.name == "mpeg"  # marks whole packets as torn
        try:
            for packet in read_packets(self.container, self.stream):
                self.packets += bool(packet.size)
                if self.packets % _TICK_PACKETS == 0:
                    self._tick()
                if packet.is_corrupt and packet.size and not is_program:
                    self.damaged_packets += 1
                    self._torn += 1
                    continue
                if packet.size:
                    self._torn = 0
                yield from self._decode(packet)
        except MemoryError as error:
            raise MediaError(f"{show(self.path)}: not enough memory to read it") from error
        except (av.FFmpegError, OSError) as error:
            self.broken_off = ffmpeg_reason(error)

    def _decode(self, packet: Any) -> list[Any]:
        decoded = decode_packet(self.stream, packet, self.path)
        if decoded is None:
            self.damaged_packets += 1
            return []
        for frame in decoded:
            if not STORED_RATES[0] <= frame.sample_rate <= STORED_RATES[1]:
                raise MediaError(
                    f"{show(self.path)} claims {frame.sample_rate} samples of sound a second, not "
                    f"{STORED_RATES[0]} to {STORED_RATES[1]}; it is damaged: fetch it again"
                )
        return [frame for frame in decoded if frame.samples]


def _choose(container: Any, path: Path) -> Any:
    """The stream marked as the default, else the first, among those that can be decoded.

    None where the file has no sound.

    Raises:
        MediaError: no codec of its sound is known.
    """
    streams = container.streams.audio
    known = [stream for stream in streams if stream.codec_context is not None]
    if streams and not known:
        raise MediaError(
            f"{show(path)}: the codec of its sound is not known to this FFmpeg; convert the sound "
            "to AAC, or leave it out"
        )
    ordered = sorted(known, key=lambda s: (not s.disposition & _DEFAULT, s.index))
    if len(ordered) < 2:
        return ordered[0] if ordered else None
    return next((s for s in ordered if _can_be_decoded(path, s.index)), ordered[0])


def _can_be_decoded(path: Path, index: int) -> bool:
    """Whether a stream gives a frame within its first packets."""
    with closing(open_container(path)) as container:
        for packet in islice(read_packets(container, container.streams[index]), _LOOKED_AT):
            with suppress(av.FFmpegError, MemoryError):
                if packet.decode():
                    return True
    return False
