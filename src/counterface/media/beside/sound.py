"""What a file's sound is, packet by packet, without decoding it."""

from __future__ import annotations

import hashlib
import os

import av

from counterface.errors import MediaError
from counterface.media.open_file import check_file, ffmpeg_reason, open_container, show


def hash_sound(path: str | os.PathLike[str]) -> str | None:
    """SHA-256 over the bytes of all sound packets, in hexadecimal; None where there is no sound.

    Two files with one hash hold the same sound bit for bit, whatever their containers.

    Raises:
        MediaError: the file cannot be read.
    """
    digest, packets = hashlib.sha256(), 0
    try:
        with open_container(check_file(path)) as container:
            for stream in container.streams.audio:
                container.seek(0, backward=True)
                for packet in container.demux(stream):
                    if packet.size:
                        digest.update(bytes(packet))
                        packets += 1
    except av.FFmpegError as error:
        raise MediaError(f"{show(path)}: sound cannot be read: {ffmpeg_reason(error)}") from error
    return digest.hexdigest() if packets else None
