"""What a file's sound is, packet by packet, without decoding it."""

from __future__ import annotations

import hashlib
import os
from typing import Literal

import av

from counterface.errors import MediaError
from counterface.media.open_file import check_file, ffmpeg_reason, open_container, show

Likeness = Literal["identical", "identical part", "different", "left out", "none"]
_ADTS = (b"\xff\xf1", b"\xff\xf9")  # how a packet of AAC begins in MPEG-TS: a header of 7 bytes
_ADTS_BYTES = 7


Hashes = tuple[tuple[bytes, ...], ...]  # one tuple a stream


def hash_sound(path: str | os.PathLike[str]) -> Hashes:
    """For each sound stream the SHA-256 of each packet; streams without packets are left out.

    Packets are equal bit for bit, whatever the container: the headers that MPEG-TS puts before
    those of AAC are not counted.

    Raises:
        MediaError: the file cannot be read.
    """
    return _hash_sound(path)[0]


def _hash_sound(path: str | os.PathLike[str]) -> tuple[Hashes, Hashes]:
    """The hashes of all packets, and of those that no edit list leaves out."""
    every: dict[int, list[bytes]] = {}
    heard: dict[int, list[bytes]] = {}
    try:
        with open_container(check_file(path)) as container:
            sounds = container.streams.audio
            for packet in container.demux(sounds) if sounds else ():
                if packet.size:
                    data = bytes(packet)
                    data = data[_ADTS_BYTES:] if data[:2] in _ADTS else data
                    digest = hashlib.sha256(data).digest()
                    every.setdefault(packet.stream.index, []).append(digest)
                    if not packet.is_discard:
                        heard.setdefault(packet.stream.index, []).append(digest)
    except av.FFmpegError as error:
        raise MediaError(f"{show(path)}: sound cannot be read: {ffmpeg_reason(error)}") from error
    first, second = (tuple(map(tuple, found.values())) for found in (every, heard))
    return first, second


def compare_sound(out: str | os.PathLike[str], target: str | os.PathLike[str]) -> Likeness:
    """How the sound of a result is that of its target.

    "identical" in all packets of all streams, or all that are heard: Matroska cannot hold what an
    edit list leaves out. "identical part" where the result's are a run of the target's, as after a
    cut; "none" where the target has no sound.

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
