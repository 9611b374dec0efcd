"""Sound to samples: mono, at one rate, on the same clock as the pictures.

FFmpeg leaves out what encoders put before the first sample (priming, pre-skip) and what an edit
list leaves out. Gaps between packets become silence, and what comes twice is given once, so that
sample n stands for the time `start + n / rate` throughout.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from counterface.errors import ConfigError, MediaError
from counterface.media.notes import MediaNote, Tell
from counterface.media.open_file import check_file, ffmpeg_reason, show, sniff
from counterface.media.picture.kinds import is_animated_webp
from counterface.media.stream.extent import SignOfLife
from counterface.media.stream.sound_stream import PREROLL, SoundStream
from counterface.types import Floats

RATE = 16_000  # samples a second: what models of speech take
LOWEST_RATE, HIGHEST_RATE = 1_000, 192_000
MAX_SOUND_S = 600.0
PART_S = 10  # seconds in one part, at most
FULL_SCALE = 32_768  # of 16-bit samples
_JITTER = Fraction(1, 100)  # seconds; rounded times stay within 1 ms, a lost AAC packet is 21 ms
_JUMP = Fraction(1)  # seconds back: no overlap of packets, but a recording joined to another
_UNNAMED = " channels"  # how FFmpeg's name of a layout ends that says nothing of its speakers

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """The sound of a file, or a part of it.

    Attributes:
        samples: float32 (N,) in [-1, 1], mono; all channels mixed.
        rate: samples a second.
        start: time of the first sample, seconds on the file's own clock, as `Frame.pts`.
        codec: FFmpeg's name of the format.
        stored_rate: samples a second in the file.
        channels: number of channels in the file.
        streams: number of sound streams in the file; one of them was read.
    """

    samples: Floats
    rate: int
    start: Fraction
    codec: str
    stored_rate: int
    channels: int
    streams: int

    @property
    def duration(self) -> float:
        """The length, seconds."""
        return len(self.samples) / self.rate


def read_sound(
    path: str | os.PathLike[str],
    rate: int = RATE,
    start: Fraction | float | None = None,
    duration: Fraction | float | None = None,
    tell: Tell | None = None,
    *,
    longest: float = MAX_SOUND_S,
) -> Sound | None:
    """The sound of a file of one's own, or None where it has none; see `sandbox.read_sound`."""
    wanted = Wanted.checked(rate, start, duration, longest)
    return join_parts(list(read_parts(path, wanted, tell or (lambda note: None))))


def to_floats(samples: Samples) -> Floats:
    """16-bit samples as float32 in [-1, 1]."""
    return samples.astype(np.float32) / np.float32(FULL_SCALE)


def join_parts(parts: Sequence[Sound]) -> Sound | None:
    """The sound whose consecutive parts these are; None without any.

    Raises:
        ValueError: they do not follow each other, or differ in rate.
    """
    if not parts:
        return None
    count = 0
    for part in parts:
        if part.rate != parts[0].rate or part.start != parts[0].start + Fraction(count, part.rate):
            raise ValueError("parts of sound that do not follow each other")
        count += len(part.samples)
    return replace(parts[0], samples=np.concatenate([part.samples for part in parts]))


def read_parts(
    path: str | os.PathLike[str], wanted: Wanted, tell: Tell, tick: SignOfLife = lambda: None
) -> Iterator[Sound]:
    """Consecutive parts of a file's sound, 10 s each; nothing where it has none.

    Args:
        path: the file.
        wanted: what of it is read.
        tell: is called with the notes once everything has been read.
        tick: is called now and then while packets are read.

    Raises:
        MediaError: as `sandbox.read_sound`.
    """
    file = check_file(path)
    if sniff(file) == "image" or is_animated_webp(file):
        return
    with closing(SoundStream(file, tick)) as stream:
        if stream.stream is not None:
            yield from _parts_of(stream, wanted, tell)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller asks for: samples a second, and seconds of the file's clock."""

    rate: int
    start: Fraction | None
    duration: Fraction
    may_be_longer: bool  # the limit, not the caller, has set the duration

    @staticmethod
    def checked(
        rate: int, start: Fraction | float | None, duration: Fraction | float | None, longest: float
    ) -> Wanted:
        """The same, where it can be had.

        Raises:
            ConfigError: a rate, time or length that no sound has.
        """
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise ConfigError(
                f"rate={rate}: sound is given with {LOWEST_RATE} to {HIGHEST_RATE} samples a second"
            )
        try:
            first = None if start is None else Fraction(start)
            length = Fraction(longest if duration is None else min(duration, longest))
        except (ValueError, OverflowError) as error:  # NaN, infinite
            raise ConfigError(
                f"start={start}, duration={duration}, longest={longest}: give finite seconds"
            ) from error
        if length <= 0:
            raise ConfigError(f"duration={duration}, longest={longest}: give more than 0 seconds")
        return Wanted(rate, first, length, duration is None or duration > longest)

    def require(self, part: Sound, before: Sequence[Sound]) -> Sound:
        """The next part of a sound from the decoder process, once it is one that was asked for.

        Raises:
            ValueError: another rate, or more than was asked for.
        """
        count = len(part.samples) + sum(len(other.samples) for other in before)
        if part.rate != self.rate or count > ceil(self.duration * self.rate) + 1:
            raise ValueError(f"{count} samples of sound at {part.rate} a second")
        return part


def _parts_of(stream: SoundStream, wanted: Wanted, tell: Tell) -> Iterator[Sound]:
    line = _TimeLine(stream, wanted)
    part_length = PART_S * wanted.rate
    waiting: list[Samples] = []
    given = 0
    for samples in line.samples():
        waiting.append(samples)
        while sum(map(len, waiting)) >= part_length:
            whole = np.concatenate(waiting)
            yield _part(line.empty_sound(), given, whole[:part_length])
            waiting, given = [whole[part_length:]], given + part_length
    if line.end is None and not _explain_nothing(stream, tell):
        return
    left = np.concatenate(waiting) if waiting else np.zeros(0, np.int16)
    if len(left) or not given:
        yield _part(line.empty_sound(), given, left)
    for note in stream.choice_notes() + stream.damage_notes() + line.notes():
        tell(note)


def _part(empty: Sound, given: int, samples: Samples) -> Sound:
    """The part of a sound that begins after so many samples."""
    return replace(
        empty,
        samples=to_floats(samples),
        start=empty.start + Fraction(given, empty.rate),
    )


def _explain_nothing(stream: SoundStream, tell: Tell) -> bool:
    """False for a stream without packets, which counts as no sound; a note says so.

    Raises:
        MediaError: there are packets, none of which can be decoded.
    """
    if stream.packets:
        name = stream.stream.codec_context.name
        raise MediaError(
            f"{show(stream.path)} has a {name} sound stream but nothing of it can be decoded; "
            "fetch it again, or leave the sound out"
        )
    tell(MediaNote("sound_empty", "The file names a sound stream, but there is nothing in it."))
    return False


class _TimeLine:
    """Decoded frames laid on an even grid of samples, from the first one that is wanted on.

    Attributes:
        end: end of the last frame that was decoded, seconds; None before the first.
    """

    def __init__(self, stream: SoundStream, wanted: Wanted) -> None:
        self.stream, self.wanted = stream, wanted
        self.end: Fraction | None = None
        self.was_cut = False  # more sound follows what was wanted
        self._jumped = stream.jumps
        self._shift = Fraction(0)  # added to the file's times, since they jumped back
        self._origin: Fraction | None = None  # time of sample 0 of the grid
        self._skip = self._until = 0  # samples of the grid that are wanted: [skip, until)
        self._at = 0  # sample of the grid that comes next
        self._given = 0  # samples of the grid that were given or passed over
        self._resampler: Any = None
        self._taken: Any = None  # what the resampler was made for
        self._facts: tuple[str, int, int] | None = None

    def samples(self) -> Iterator[Samples]:
        """16-bit samples, without gap or overlap, up to the end of what is wanted."""
        try:
            for frame in self.stream.frames(self.wanted.start):
                for piece in self._add(frame):
                    yield from self._place(piece)
                if self.was_cut:
                    break
            for piece in self._flush():
                yield from self._place(piece)
        except (av.FFmpegError, MemoryError, ValueError) as error:
            raise MediaError(
                f"{show(self.stream.path)}: its sound cannot be brought to {self.wanted.rate} "
                f"samples a second ({ffmpeg_reason(error)}); convert the sound to AAC"
            ) from error

    def empty_sound(self) -> Sound:
        """The facts of the sound, with its start and no samples."""
        start = self.wanted.start
        if (self._origin is not None and self._given > self._skip) or start is None:
            start = (self._origin or Fraction(0)) + Fraction(self._skip, self.wanted.rate)
        context = self.stream.stream.codec_context
        codec, rate, channels = self._facts or (context.codec.canonical_name, 0, 0)
        none = np.zeros(0, np.float32)
        streams = self.stream.streams
        return Sound(none, self.wanted.rate, start, codec, rate, channels, streams)

    def notes(self) -> list[MediaNote]:
        """The notes on times and length, once all samples were given."""
        notes = []
        if self._jumped:
            text = "The times of the sound jump back; its packets are taken to follow each other."
            notes.append(MediaNote("sound_times_jump", text))
        if self.was_cut and self.wanted.may_be_longer:
            text = f"Of the sound only {float(self.wanted.duration):g} s were read; there is more."
            notes.append(MediaNote("sound_too_long", text))
        if not self.was_cut and not self._jumped and self.end is not None:
            notes += self.stream.length_notes(self.end)
        return notes

    def _add(self, frame: Any) -> Iterator[Samples]:
        """The samples that a further frame brings out of the resampler; begins runs anew."""
        time = self.stream.time_of(frame)
        shape = (frame.sample_rate, frame.format.name, frame.layout.name)
        runs_on = self._taken == shape
        if self.end is None:
            time = self.stream.start_s if time is None else time
        elif time is None or self.stream.jumps:
            time = self.end
        elif (time := time + self._shift) < self.end - _JUMP:
            self._jumped, self._shift = True, self._shift + self.end - time
            time = self.end
        elif abs(time - self.end) <= _JITTER:
            time = self.end
        else:
            runs_on = False
        length = Fraction(frame.samples, frame.sample_rate)
        self.end = time + length
        if self._facts is None:
            name = self.stream.stream.codec_context.codec.canonical_name
            self._facts = (name, frame.sample_rate, frame.layout.nb_channels)
        first = self.wanted.start
        if self._origin is None and first is not None and self.end < first - PREROLL:
            return
        if self._origin is None:
            self._lay_grid(time)
        if not runs_on:
            yield from self._flush()
            self._taken = shape
            self._resampler = av.AudioResampler("s16", "mono", self.wanted.rate)
            self._at = round((time - self._laid) * self.wanted.rate)
        if (time - self._laid) * self.wanted.rate >= self._until:
            self.was_cut = True
        else:
            yield from self._resampled(frame)

    @property
    def _laid(self) -> Fraction:
        return self._origin or Fraction(0)

    def _lay_grid(self, time: Fraction) -> None:
        """Let sample 0 of the grid be at a time, and find which samples are wanted."""
        rate, first = self.wanted.rate, self.wanted.start
        first = time if first is None else first
        self._origin = time
        self._skip = self._given = max(0, ceil((first - time) * rate))
        self._until = max(0, ceil((first + self.wanted.duration - time) * rate))

    def _resampled(self, frame: Any) -> Iterator[Samples]:
        if frame is not None and frame.layout.name.endswith(_UNNAMED):
            frame = _mix(frame)
        for made in filter(None, self._resampler.resample(frame)):  # it may hand back what it got
            yield made.to_ndarray().reshape(-1)

    def _flush(self) -> Iterator[Samples]:
        """The rest that the resampler holds back."""
        if self._resampler is not None:
            yield from self._resampled(None)
            self._resampler = self._taken = None

    def _place(self, piece: Samples) -> Iterator[Samples]:
        """A piece at its place of the grid: silence before it, and of it what is new and wanted."""
        at, self._at = self._at, self._at + len(piece)
        silent_until = min(at, self._until)
        while self._given < silent_until:
            count = min(silent_until - self._given, PART_S * self.wanted.rate)
            self._given += count
            yield np.zeros(count, np.int16)
        new = piece[max(0, self._given - at) : max(0, self._until - at)]
        if len(new):
            self._given += len(new)
            yield new
        self.was_cut = self.was_cut or self._at > self._until


def _mix(frame: Any) -> Any:
    """The mean of a frame's channels, for those that FFmpeg has no rule for."""
    stored = frame.to_ndarray()
    channels = stored if frame.format.is_planar else stored.reshape(frame.samples, -1).T
    mean = channels.mean(axis=0, dtype=np.float64)
    if stored.dtype == np.uint8:
        mean = mean / 128 - 1
    elif stored.dtype.kind == "i":
        mean /= -float(np.iinfo(stored.dtype).min)
    mixed = av.AudioFrame.from_ndarray(mean.astype(np.float32)[None], format="flt", layout="mono")
    mixed.sample_rate, mixed.time_base, mixed.pts = frame.sample_rate, frame.time_base, frame.pts
    return mixed
