"""Genuine clips, written on the same path as the swaps, so that no codec tells the classes apart.

Frames are decoded, encoded in segments and joined as a conversion does it, less the faces. Signed
files are longer by their credentials; a genuine one gets as many bytes that say nothing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from counterface.errors import MediaError
from counterface.files import make_folder, write_bytes
from counterface.media import sandbox
from counterface.swap.conversion.footage import frames_of
from counterface.swap.conversion.segments import WorkFolder, split_times
from counterface.swap.conversion.settings import ConvertConfig
from counterface.swap.conversion.targets.outputs import join_segments, open_writer
from counterface.swap.same_moments import make_even
from counterface.types import Frame

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_COMMENT = 65_533  # bytes in one JPEG segment


def write_genuine(clip: Path, out: Path, config: ConvertConfig, *, like: Path) -> None:
    """Encode a clip as the conversion would, with every face left as it is.

    Args:
        clip: the footage.
        out: ends in .mp4; appears whole.
        config: settings of the conversion.
        like: the signed swap of the same clip.

    Raises:
        MediaError: the clip cannot be read in that range, or the output not written.
    """
    info = sandbox.probe(clip, config.limits)
    times = tuple(frame.pts for frame in frames_of(clip, config))
    if not times:
        raise MediaError(f"{clip}: no frame in the range that is converted; check from and to")
    make_folder(out.parent)
    work = WorkFolder(out)
    with work.opened(redo=True):
        frames = frames_of(clip, config, times[0], exact=True)
        for number, span in enumerate(split_times(times, config.segment_s)):
            with open_writer(work.segment(number), times, info, config) as writer:
                for place, frame in zip(span, islice(frames, len(span)), strict=False):
                    pts = frame.pts - times[span.start]
                    writer.write(Frame(make_even(frame.image), place, pts))
        join_segments(work, clip, times, config)
        data = work.unsigned.read_bytes()
        work.remove()  # first: once `out` is there nobody looks for it
        write_bytes(out, pad_like(data, like.read_bytes()))


def pad_like(plain: bytes, signed: bytes) -> bytes:
    """The unsigned file with as many empty bytes as the signed one has credentials.

    MP4 gets a `free` box at its end, PNG a private chunk, JPEG comments: players skip them.

    Args:
        plain: file of the same format as `signed`.
        signed: with credentials inside.

    Raises:
        MediaError: neither MP4 nor PNG nor JPEG, or damaged.
    """
    kind = _format_of(plain)
    if kind is None or kind != _format_of(signed):
        raise MediaError("only a file of the swap's own format, MP4, PNG or JPEG, can be padded")
    length = _LENGTHS[kind](signed)
    return _PADS[kind](plain, length) if length else plain


def _format_of(data: bytes) -> str | None:
    if data[4:8] == b"ftyp":
        return "mp4"
    if data.startswith(_PNG):
        return "png"
    return "jpeg" if data.startswith(b"\xff\xd8\xff") else None


def _mp4_length(data: bytes) -> int:
    """Bytes of all `uuid` boxes on top, where C2PA lies."""
    place = total = 0
    while place + 8 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        if size == 1:
            size = int.from_bytes(data[place + 8 : place + 16], "big")
        size = size or len(data) - place
        if size < 8:
            raise MediaError("a box of an MP4 file is shorter than its own header: damaged")
        total += size if data[place + 4 : place + 8] == b"uuid" else 0
        place += size
    return total


def _mp4_pad(data: bytes, length: int) -> bytes:
    length = max(8, length)
    return data + struct.pack(">I4s", length, b"free") + bytes(length - 8)


def _png_length(data: bytes) -> int:
    place, total = len(_PNG), 0
    while place + 12 <= len(data):
        size = 12 + int.from_bytes(data[place : place + 4], "big")
        total += size if data[place + 4 : place + 8] == b"caBX" else 0
        place += size
    return total


def _png_pad(data: bytes, length: int) -> bytes:
    body = b"pdNg" + bytes(max(0, length - 12))  # ancillary, private, safe to copy
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    first = len(_PNG) + 25  # after IHDR, where signatures lie too
    return data[:first] + chunk + data[first:]


def _jpeg_length(data: bytes) -> int:
    """Bytes of all APP11 segments, where C2PA lies."""
    place, total = 2, 0
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        size = 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        total += size if data[place + 1] == 0xEB else 0
        place += size
    return total


def _jpeg_pad(data: bytes, length: int) -> bytes:
    comments = b""
    while length - len(comments) >= 4:
        body = min(_MOST_COMMENT, length - len(comments) - 4)
        if 0 < length - len(comments) - 4 - body < 4:
            body -= 4  # leaves room for a last comment
        comments += b"\xff\xfe" + struct.pack(">H", body + 2) + bytes(body)
    place = 2
    while data[place : place + 1] == b"\xff" and 0xE0 <= data[place + 1] <= 0xEF:  # after JFIF
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return data[:place] + comments + data[place:]


_LENGTHS: dict[str, Callable[[bytes], int]] = {
    "mp4": _mp4_length,
    "png": _png_length,
    "jpeg": _jpeg_length,
}
_PADS: dict[str, Callable[[bytes, int], bytes]] = {
    "mp4": _mp4_pad,
    "png": _png_pad,
    "jpeg": _jpeg_pad,
}
