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


def hash_sound(path: str | os.PathLike[str]) -> tuple[tuple[bytes, ...], ...]:
    """For each sound stream the SHA-256 of each packet; streams without packets are left out.

    Packets are equal bit for bit, whatever the container: the headers that MPEG-TS puts before
    those of AAC are not counted.

    Raises:
        MediaError: the file cannot be read.
    """
    found: dict[int, list[bytes]] = {}
    try:
        with open_container(check_file(path)) as container:
            sounds = container.streams.audio
            for packet in container.demux(sounds) if sounds else ():
                if packet.size:
                    data = bytes(packet)
                    data = data[_ADTS_BYTES:] if data[:2] in _ADTS else data
                    digest = hashlib.sha256(data).digest()
                    found.setdefault(packet.stream.index, []).append(digest)
    except av.FFmpegError as error:
        raise MediaError(f"{show(path)}: sound cannot be read: {ffmpeg_reason(error)}") from error
    return tuple(tuple(packets) for packets in found.values())


def compare_sound(out: str | os.PathLike[str], target: str | os.PathLike[str]) -> Likeness:
    """How the sound of a result is that of its target.

    "identical" in all packets of all streams; "identical part" where the result's are a run of the
    target's, as after a cut; "none" where the target has no sound.

    Raises:
        MediaError: a file cannot be read.
    """
    heard, wanted = hash_sound(out), hash_sound(target)
    if not wanted:
        return "none"
    if not heard:
        return "left out"
    if heard == wanted:
        return "identical"
    if len(heard) != len(wanted):
        return "different"
    runs = all(_is_run(part, whole) for part, whole in zip(heard, wanted, strict=True))
    return "identical part" if runs else "different"


def _is_run(part: tuple[bytes, ...], whole: tuple[bytes, ...]) -> bool:
    """Whether the packets of one stream are consecutive ones of the other; hashes have 32 bytes."""
    text, place = b"".join(whole), -1
    while (place := text.find(b"".join(part), place + 1)) >= 0:
        if place % 32 == 0:
            return True
    return False
