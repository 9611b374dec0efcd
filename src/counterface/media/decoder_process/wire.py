"""How a sandbox and its parent talk: length-prefixed JSON over pipes, pixels in shared memory.

JSON and not pickle: the child has read hostile files, and reading a pickle runs code.
"""

from __future__ import annotations

import json
import math
import os
import struct
from dataclasses import asdict
from typing import Any

from pydantic_core import to_jsonable_python

from counterface.media.notes import MediaNote
from counterface.media.probe import MediaInfo

Message = dict[str, Any]
_LENGTH = struct.Struct("<I")
LONGEST_TEXT = 2000  # characters of a message that hostile code may have written
_LONGEST = 16_000_000  # bytes; a request with a million times is the largest known use


def send(descriptor: int, message: Message) -> None:
    """Put the whole message into the pipe; OSError when the other end is gone."""
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
    """The facts of a file as plain JSON values, those that no report shows too."""
    values = {name: getattr(info, name) for name in MediaInfo.model_fields}
    packed: Message = to_jsonable_python(values, fallback=str)  # exact fractions
    return packed


def unpack_info(values: Message) -> MediaInfo:
    """The facts again; TypeError, KeyError or ValueError when something is missing or misshapen."""
    known = {name: values[name] for name in MediaInfo.model_fields}
    told = dict(values["compression"])
    told.pop("words", None)  # made anew: hostile code could say anything in them
    known["compression"] = told
    known["notes"] = tuple(unpack_note(note) for note in known["notes"])
    info = MediaInfo.model_validate(known)
    _require_possible(info)
    return info


def _require_possible(info: MediaInfo) -> None:
    """Raise a ValueError for facts that no file has, from a child that a file has taken over."""
    possible = {
        "size": min(info.width, info.height) >= 1,
        "rotation": info.rotation in (0, 90, 180, 270),
        "fps": info.fps is None or info.fps > 0,
        "duration_s": info.duration_s is None or 0 <= info.duration_s < math.inf,
        "frame_count": info.frame_count is None or info.frame_count >= 0,
        "pixel_aspect": info.pixel_aspect > 0,
    }
    wrong = [name for name, holds in possible.items() if not holds]
    if wrong:
        raise ValueError(f"impossible {', '.join(wrong)}")


def pack_note(note: MediaNote) -> Message:
    """A note as plain JSON values."""
    return asdict(note)


def unpack_note(values: Message) -> MediaNote:
    """The note again, one printable line of bounded length, whatever hostile code wrote."""
    return MediaNote(clean_text(values["code"]), clean_text(values["text"]))


def clean_text(text: object) -> str:
    """The text without control characters, and not longer than a message may be."""
    return "".join(c if c.isprintable() else "?" for c in str(text)[:LONGEST_TEXT])
