"""The sound of files compared packet by packet, without decoding it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import Any, Literal

import av

from counterface.errors import MediaError
from counterface.media.open_file import (
    check_file,
    ffmpeg_reason,
    open_container,
    read_packets,
    show,
)

Likeness = Literal["identical", "identical part", "different", "left out", "none"]
_ADTS = (b"\xff\xf1", b"\xff\xf9")  # how a packet of AAC begins in MPEG-TS: a header of 7 bytes
_ADTS_BYTES = 7


Hashes = tuple[tuple[bytes, ...], ...]  # one tuple a stream


@dataclass(slots=True)
class _Heard:
    """One stream, hashed packet by packet and as a whole."""

    every: list[bytes] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)  # without what an edit list leaves out
    samples: Any = None  # the hash of all of PCM, which each container cuts into packets anew


def hash_sound(path: str | os.PathLike[str]) -> Hashes:
    """The SHA-256 of each packet of each sound stream; streams without packets are left out.

    Packets are equal bit for bit, whatever the container: the headers that MPEG-TS puts before
    those of AAC are not counted.

    Raises:
        MediaError: the file cannot be read.
    """
    return _hash_sound(path)[0]


def _hash_sound(path: str | os.PathLike[str]) -> tuple[Hashes, Hashes, Hashes]:
    """The hashes of all packets, of those that no edit list leaves out, and of whole streams."""
    found: dict[int, _Heard] = {}
    try:
        with open_container(check_file(path)) as container:
            sounds = container.streams.audio
            for packet in read_packets(container, sounds) if sounds else ():
                if packet.size:
                    _take(found.setdefault(packet.stream.index, _Heard()), packet)
    except av.FFmpegError as error:
        raise MediaError(f"{show(path)}: sound cannot be read: {ffmpeg_reason(error)}") from error
    return (
        tuple(tuple(stream.every) for stream in found.values()),
        tuple(tuple(stream.heard) for stream in found.values()),
        tuple((s.samples.digest(),) if s.samples else tuple(s.every) for s in found.values()),
    )


def _take(stream: _Heard, packet: Any) -> None:
    data = bytes(packet)
    data = data[_ADTS_BYTES:] if data[:2] in _ADTS else data
    digest = hashlib.sha256(data).digest()
    stream.every.append(digest)
    if not packet.is_discard:
        stream.heard.append(digest)
    codec = packet.stream.codec_context
    if codec is not None and codec.name.startswith("pcm_"):
        stream.samples = stream.samples or hashlib.sha256(codec.name.encode())
        stream.samples.update(data)


def compare_sound(out: str | os.PathLike[str], target: str | os.PathLike[str]) -> Likeness:
    """The likeness of a result's sound to that of its target.

    "identical" in all packets of all streams, or all that are heard (Matroska cannot hold what an
    edit list leaves out), or in all samples of PCM. "identical part" where the result's are a run
    of the target's, as after a cut; "none" where the target has no sound.

    Raises:
        MediaError: a file cannot be read.
    """
    made, wanted = _hash_sound(out), _hash_sound(target)
    if not wanted[0]:
        return "none"
    if not made[0]:
        return "left out"
    pairs = [(a, b) for a in made for b in wanted]
    if any(a == b for a, b in pairs):
        return "identical"
    if len(made[0]) != len(wanted[0]):
        return "different"
    runs = (
        all(_is_run(part, whole) for part, whole in zip(a, b, strict=True))
        for a, b in pairs
        if len(a) == len(b)
    )
    return "identical part" if any(runs) else "different"


def _is_run(part: tuple[bytes, ...], whole: tuple[bytes, ...]) -> bool:
    """Whether the packets of one stream are consecutive ones of the other; hashes have 32 bytes."""
    text, place = b"".join(whole), -1
    while (place := text.find(b"".join(part), place + 1)) >= 0:
        if place % 32 == 0:
            return True
    return False
