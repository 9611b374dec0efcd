"""How a sandbox and its parent talk over a socket: length-prefixed JSON, pixels as they are.

Sound travels inside JSON, as 16-bit samples in base64: 10 s are 0.4 MB.

JSON and not pickle: the child has read hostile files, and reading a pickle runs code.
"""

from __future__ import annotations

import base64
import json
import math
import socket
import struct
import time
from dataclasses import asdict
from fractions import Fraction
from typing import Any

import numpy as np
from pydantic_core import to_jsonable_python

from counterface.media.notes import MediaNote
from counterface.media.probe import MediaInfo
from counterface.media.sound import FULL_SCALE, PART_S, Sound, to_floats
from counterface.types import Image

Message = dict[str, Any]
_LENGTH = struct.Struct("<I")
LONGEST_TEXT = 2000  # characters of a message that hostile code may have written
_LARGEST = 1 << 63  # of a number about a file: FFmpeg counts in 64 bits
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


def pack_sound(part: Sound) -> Message:
    """A part of a sound, as it was decoded to 16 bits, as plain JSON values."""
    samples = (part.samples * FULL_SCALE).astype("<i2")
    return {
        "pcm": base64.b64encode(samples.tobytes()).decode("ascii"),
        "rate": part.rate,
        "start": str(part.start),
        "codec": part.codec,
        "stored_rate": part.stored_rate,
        "channels": part.channels,
        "streams": part.streams,
    }


def unpack_sound(values: Message) -> Sound:
    """The part again; TypeError, KeyError or ValueError when something is missing or misshapen."""
    rate, start = int(values["rate"]), parse_fraction(values["start"])
    data = base64.b64decode(values["pcm"], validate=True)
    samples = np.frombuffer(data, "<i2")
    facts = [int(values[name]) for name in ("stored_rate", "channels", "streams")]
    if not 0 <= len(samples) <= PART_S * rate or abs(start) > _LARGEST:
        raise ValueError(f"{len(samples)} samples of sound at {float(start):g} s")
    if not all(0 <= fact <= _LARGEST for fact in facts):
        raise ValueError(f"impossible facts of sound: {facts}")
    return Sound(to_floats(samples), rate, start, clean_text(values["codec"]), *facts)


def pack_note(note: MediaNote) -> Message:
    """A note as plain JSON values."""
    return asdict(note)


def unpack_note(values: Message) -> MediaNote:
    """The note again, one printable line of bounded length, whatever hostile code wrote."""
    return MediaNote(clean_text(values["code"]), clean_text(values["text"]))


def clean_text(text: object) -> str:
    """The text without control characters, and not longer than a message may be."""
    return "".join(c if c.isprintable() else "?" for c in str(text)[:LONGEST_TEXT])
