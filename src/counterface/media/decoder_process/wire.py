"""How a sandbox and its parent talk over a socket: length-prefixed JSON, pixels as they are.

JSON and not pickle: the child has read hostile files, and reading a pickle runs code.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from pydantic_core import to_jsonable_python

from counterface.media.notes import MediaNote
from counterface.media.probe import MediaInfo
from counterface.types import Image

Message = dict[str, Any]
_LENGTH = struct.Struct("<I")
LONGEST_TEXT = 2000  # characters of a message that hostile code may have written
_LONGEST = 16_000_000  # bytes; a request with a million times is the largest known use


def send(channel: socket.socket, message: Message, pixels: Image | None = None) -> None:
    """Send a message, and after it the pixels that it announces.

    Raises:
        OSError: the other end is gone, or does not read in time.
    """
    data = json.dumps(message).encode("ascii")
    channel.sendall(_LENGTH.pack(len(data)) + data)
    if pixels is not None:
        channel.sendall(pixels.data)


def receive(channel: socket.socket, timeout_s: float | None = None) -> Message | None:
    """The next message, or None when the other end is gone.

    Raises:
        TimeoutError: it has not come whole by then.
        ValueError: it is no message.
    """
    until = None if timeout_s is None else time.monotonic() + timeout_s
    head = bytearray(_LENGTH.size)
    if not _fill(channel, memoryview(head), until):
        return None
    (length,) = _LENGTH.unpack(head)
    if length > _LONGEST:
        raise ValueError(f"a message of {length} bytes")
    body = bytearray(length)
    if not _fill(channel, memoryview(body), until):
        return None
    try:
        message = json.loads(body)
    except RecursionError as error:
        raise ValueError("a message that is nested too deep") from error
    if not isinstance(message, dict):
        raise ValueError("a message that is no object")
    return message


def receive_pixels(channel: socket.socket, image: Image, timeout_s: float) -> bool:
    """Fill an image with the pixels that come next; False when the other end is gone.

    Raises:
        TimeoutError: they have not come whole by then.
    """
    return _fill(channel, image.data.cast("B"), time.monotonic() + timeout_s)


def _fill(channel: socket.socket, place: memoryview, until: float | None) -> bool:
    while place:
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        channel.settimeout(left)
        try:
            count = channel.recv_into(place)
        except ConnectionResetError:  # it died with something of ours unread
            return False
        if not count:
            return False
        place = place[count:]
    return True


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
    for name in ("fps", "start_s", "pixel_aspect"):
        known[name] = None if known[name] is None else parse_fraction(known[name])
    info = MediaInfo.model_validate(known)
    _require_possible(info)
    return info


def parse_fraction(value: object) -> Fraction:
    """The fraction in a text such as `30000/1001`; ValueError where it is written otherwise.

    `Fraction` itself takes exponents too, and works on those of hostile code without end.
    """
    numerator, _, denominator = str(value).partition("/")
    return Fraction(int(numerator), int(denominator or 1))


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
