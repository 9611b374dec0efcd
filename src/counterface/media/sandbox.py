"""Decoding of untrusted files in a child process under limits; results as from the plain readers.

A file that crashes the decoder, hangs it, or asks for too much ends a child process, never this
one, and becomes a `MediaError` with the file's name and the reason. One child serves many files and
is replaced after any such end. Linux and macOS (there without a memory limit).
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path

from pydantic import Field

from counterface.config import Record
from counterface.errors import MediaError
from counterface.media.decoder_process import parent
from counterface.media.decoder_process.parent import warm_up as warm_up
from counterface.media.decoder_process.wire import (
    Message,
    unpack_info,
    unpack_note,
    unpack_sound,
)
from counterface.media.notes import MediaNote, Tell
from counterface.media.open_file import check_file, show
from counterface.media.probe import MediaInfo
from counterface.media.sound import MAX_SOUND_S, RATE, Sound, Wanted, join_parts
from counterface.media.tags.metadata import Metadata, clean
from counterface.types import Frame, Image


class Limits(Record):
    """The limits of what decoding one file may cost."""

    memory_mb: int = Field(
        default=2000, ge=1, description="memory of the decoder, MB (million bytes)"
    )
    cpu_s: float = Field(
        default=30, gt=0, description="CPU time allowed without a result, whole seconds"
    )
    wall_s: float = Field(default=60, gt=0, description="time allowed without a result, seconds")
    file_mb: int = Field(default=20_000, ge=1, description="largest file that is opened, MB")
    max_pixels: int = Field(
        default=100_000_000, ge=1, description="largest picture or frame, pixels"
    )
    threads: int = Field(default=2, ge=1, le=16, description="number of decoder threads")


DEFAULT_LIMITS = Limits()
_Answer = Frame | MediaInfo | MediaNote | Metadata | Sound


def read_image(
    path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS, tell: Tell | None = None
) -> Image:
    """The picture in a file, upright, decoded in a child process; see `image.read_image`.

    Raises:
        MediaError: as there, or a limit was reached, or the decoder crashed.
    """
    frames = list(_frames({"do": "image"}, path, limits, tell))
    if not frames:
        raise MediaError(f"{show(path)}: the decoder process gave no picture; report this file")
    return frames[-1].image


def read_video(
    path: str | os.PathLike[str],
    limits: Limits = DEFAULT_LIMITS,
    keyframes_only: bool = False,
    start: Fraction | None = None,
    exact: bool = False,
    tell: Tell | None = None,
) -> Iterator[Frame]:
    """Every frame of a video, decoded in a child process some frames ahead.

    As `video_reader.read_video`; with `start` (seconds) only frames from that time on, found by
    seeking, as `VideoReader.frames_from`; with `exact` colours for encoding again, as there.
    `tell` is called with what must be known of the frames, once the last has been read.
    `cpu_s` and `wall_s` count from one frame to the next, so a long video may take its time.

    Raises:
        MediaError: as there, or a limit was reached, or the decoder crashed.
    """
    request: Message = {"do": "video", "keyframes_only": keyframes_only, "exact": exact}
    if start is not None:
        request["start"] = str(Fraction(start))
    yield from _frames(request, path, limits, tell)


def frames_at(
    path: str | os.PathLike[str],
    times: Sequence[Fraction],
    limits: Limits = DEFAULT_LIMITS,
    *,
    tolerance: Fraction = Fraction(0),
    tell: Tell | None = None,
) -> Iterator[Frame]:
    """The frames shown at the given times, decoded in a child process.

    As `video_reader.frames_at`; `tell` as in `read_video`.

    Raises:
        MediaError: as there, or a limit was reached, or the decoder crashed.
    """
    texts = [str(Fraction(t)) for t in times]
    request: Message = {"do": "video", "times": texts, "tolerance": str(Fraction(tolerance))}
    yield from _frames(request, path, limits, tell)


def read_sound(
    path: str | os.PathLike[str],
    rate: int = RATE,
    start: Fraction | float | None = None,
    duration: Fraction | float | None = None,
    limits: Limits = DEFAULT_LIMITS,
    tell: Tell | None = None,
    *,
    longest: float = MAX_SOUND_S,
) -> Sound | None:
    """The sound of a file, mono, decoded in a child process; None where the file has none.

    Of several streams the one marked as the default is read, else the first that can be decoded.
    Where `start` or the end lies outside the sound, what is there is given, if need be no sample.

    Args:
        path: the file; of a damaged one, what can be decoded is read.
        rate: samples a second of the result, 1,000 to 192,000.
        start: the time from which on it is read, seconds on the file's own clock (as `Frame.pts`);
            None for the start of the sound.
        duration: the length that is read, seconds; None for all of it.
        limits: the limits of what decoding may cost; time counts from one part of 10 s to the next.
        tell: is called with what must be known of the sound, once it has been read.
        longest: the length in seconds at which reading ends, whatever `duration` is; a note tells
            where there is more.

    Raises:
        ConfigError: a rate, time or length that no sound has.
        MediaError: the file cannot be opened, its sound cannot be decoded, a limit was reached, or
            the decoder crashed.
    """
    wanted = Wanted.checked(rate, start, duration, longest)
    request: Message = {
        "do": "sound",
        "rate": rate,
        "start": None if wanted.start is None else str(wanted.start),
        "duration": str(wanted.duration),
        "may_be_longer": wanted.may_be_longer,
    }
    parts: list[Sound] = []
    try:
        for answer in _answers(request, path, limits):
            if isinstance(answer, Sound):
                parts.append(wanted.require(answer, parts))
            elif tell is not None and isinstance(answer, MediaNote):
                tell(answer)
        return join_parts(parts)
    except ValueError as error:
        raise _nonsense(path, error) from error


def probe(path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> MediaInfo:
    """The facts of a media file, found in a child process; see `probe.probe`.

    Raises:
        MediaError: as there, or a limit was reached, or the decoder crashed.
    """
    found = [a for a in _answers({"do": "probe"}, path, limits) if isinstance(a, MediaInfo)]
    if not found:
        raise MediaError(f"{show(path)}: the decoder process gave no facts; report this file")
    return found[-1].model_copy(update={"path": os.fspath(path)})


def read_metadata(path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> Metadata:
    """The metadata of a file, read in a child process.

    Whatever keeps them from being read stands in `problem`: a file without metadata is valid.
    """
    try:
        found = [a for a in _answers({"do": "metadata"}, path, limits) if isinstance(a, Metadata)]
    except MediaError as error:
        return Metadata(problem=clean(error))
    return found[-1] if found else Metadata(problem="the decoder process gave no answer")


def _frames(
    request: Message, path: str | os.PathLike[str], limits: Limits, tell: Tell | None
) -> Iterator[Frame]:
    """The frames among the child's answers; its notes go to `tell`."""
    for answer in _answers(request, path, limits):
        if isinstance(answer, Frame):
            yield answer
        elif tell is not None and isinstance(answer, MediaNote):
            tell(answer)


def _answers(request: Message, path: str | os.PathLike[str], limits: Limits) -> Iterator[_Answer]:
    """The child's answers; every way to fail becomes a MediaError with the name and the reason."""
    file = check_file(path)
    megabytes = file.stat().st_size / 1_000_000
    if megabytes > limits.file_mb:
        raise MediaError(
            f"{show(path)} has {megabytes:.1f} MB, more than the limit of "
            f"file_mb={limits.file_mb}; raise the limit if you trust the file"
        )
    request = {**request, "path": os.fspath(Path(file).absolute()), "limits": limits.model_dump()}
    try:
        with closing(parent.ask(request)) as answers:
            for answer in answers:
                yield _unpack(answer)
    except MemoryError as error:
        raise _over(path, f"needs more memory than memory_mb={limits.memory_mb} allows") from error
    except TimeoutError as error:
        raise _over(path, f"gave no result within wall_s={limits.wall_s:g} s") from error
    except parent.Died as error:
        if str(error) == "cpu":
            raise _over(path, f"gave no result within cpu_s={limits.cpu_s:g} s of CPU") from error
        raise MediaError(
            f"{show(path)}: the decoder process {error}; the file is damaged or hostile"
            f"{_under_ulimit()}"
        ) from error
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise _nonsense(path, error) from error


def _unpack(answer: Message | Frame) -> _Answer:
    """The child's answer as a value of its type; LookupError, TypeError, ... when misshapen."""
    if isinstance(answer, Frame):
        return answer
    if "sound" in answer:
        return unpack_sound(answer["sound"])
    if "metadata" in answer:
        return Metadata.model_validate(answer["metadata"])
    return unpack_note(answer["note"]) if "note" in answer else unpack_info(answer["info"])


def _under_ulimit() -> str:
    """Another reason why a decoder process ends, where there is one."""
    stated = [n for n in resource.getrlimit(resource.RLIMIT_AS) if n != resource.RLIM_INFINITY]
    if not stated:
        return ""
    return f", or the address space ({min(stated) // 1024} kB by 'ulimit -v') is too small for it"


def _nonsense(path: str | os.PathLike[str], error: Exception) -> MediaError:
    return MediaError(f"{show(path)}: the decoder process answered nonsense: {error}")


def _over(path: str | os.PathLike[str], what: str) -> MediaError:
    return MediaError(
        f"{show(path)}: decoding {what}; it is damaged or hostile, or the limit is too low for it"
    )
