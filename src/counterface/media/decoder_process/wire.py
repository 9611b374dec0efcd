"""How a sandbox and its parent talk: length-prefixed JSON over pipes, pixels in shared memory.

JSON and not pickle: the child has read hostile files, and reading a pickle runs code.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import asdict, fields
from fractions import Fraction
from typing import Any

from counterface.media.compression import Compression
from counterface.media.probe import AudioInfo, MediaInfo

Message = dict[str, Any]
_LENGTH = struct.Struct("<I")
_LONGEST = 16_000_000  # bytes; a request with a million times is the largest known use


def send(descriptor: int, message: Message) -> None:
    """Nothing, once the whole message is in the pipe; OSError when the other end is gone."""
    data = json.dumps(message).encode("ascii")
    data = _LENGTH.pack(len(data)) + data
    while data:
        data = data[os.write(descriptor, data) :]


def receive(descriptor: int) -> Message | None:
    """The next message, or None when the other end is gone; ValueError when it is no message."""
    head = _read(descriptor, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > _LONGEST:
        raise ValueError(f"a message of {length} bytes")
    body = _read(descriptor, length)
    message = None if body is None else json.loads(body)
    if not isinstance(message, dict | None):
        raise ValueError("a message that is no object")
    return message


def _read(descriptor: int, length: int) -> bytes | None:
    parts = []
    while length:
        part = os.read(descriptor, min(length, 1 << 16))
        if not part:
            return None
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def pack_info(info: MediaInfo) -> Message:
    """The facts of a file as plain JSON values."""
    values = asdict(info)
    for name in ("fps", "start_s", "pixel_aspect"):
        values[name] = None if values[name] is None else str(values[name])
    return values


def unpack_info(values: Message) -> MediaInfo:
    """The facts again; TypeError, KeyError or ValueError when something is missing or misshapen."""
    known = {field.name: values[field.name] for field in fields(MediaInfo)}
    for name in ("fps", "start_s", "pixel_aspect"):
        known[name] = None if known[name] is None else Fraction(known[name])
    known["compression"] = Compression(**known["compression"])
    known["audio"] = tuple(AudioInfo(**audio) for audio in known["audio"])
    return MediaInfo(**known)
