"""Where the pieces of a media file lie: boxes, chunks, elements, segments, fields of tags.

Each walker takes whole, honest content and gives the places at which a lie can be told. Of damaged
content they give what they reach.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple


class Piece(NamedTuple):
    """A box, chunk, element or segment: its kind, its whole extent, and its field of length."""

    kind: bytes
    start: int
    body: int
    end: int
    size_at: int  # where the length is written
    size_bytes: int


_HOLDS_BOXES = frozenset(
    b"moov trak mdia minf dinf stbl edts udta moof traf mvex mfra meta iprp ipco grpl jumb".split()
)
_ENTRIES_BEFORE = {b"meta": 4, b"stsd": 8, b"dref": 8, b"iinf": 6, b"iref": 4}
_SAMPLE_ENTRIES = frozenset(b"avc1 hvc1 hev1 av01 mp4v vp09".split())


def boxes(data: bytes, start: int = 0, end: int | None = None, depth: int = 0) -> Iterator[Piece]:
    """The boxes of ISO BMFF and JUMBF, those within others after them."""
    end = len(data) if end is None else end
    while start + 8 <= end and depth < 12:
        size, kind, head = (
            int.from_bytes(data[start : start + 4], "big"),
            data[start + 4 : start + 8],
            8,
        )
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        size = size or end - start
        if size < head or start + size > end:
            return
        yield Piece(kind, start, start + head, start + size, start, 4)
        within = _ENTRIES_BEFORE.get(kind, 0 if kind in _HOLDS_BOXES else None)
        within = 78 if kind in _SAMPLE_ENTRIES else within
        if within is not None:
            yield from boxes(data, start + head + within, start + size, depth + 1)
        start += size


def jumbf(data: bytes) -> Iterator[Piece]:
    """The boxes of content credentials, wherever in a file they lie."""
    at = data.find(b"jumb")
    while at >= 4:
        size = int.from_bytes(data[at - 4 : at], "big")
        if 8 <= size <= len(data) - at + 4:
            yield Piece(b"jumb", at - 4, at + 4, at - 4 + size, at - 4, 4)
            yield from boxes(data, at + 4, at - 4 + size)
        at = data.find(b"jumb", at + 4)


def riff_chunks(data: bytes, start: int = 12, end: int | None = None) -> Iterator[Piece]:
    """The chunks of AVI, WAV and WebP, lists included."""
    end = len(data) if end is None else end
    if start == 12:
        yield Piece(data[:4], 0, 12, len(data), 4, 4)
    while start + 8 <= end:
        size = int.from_bytes(data[start + 4 : start + 8], "little")
        stop = min(start + 8 + size + size % 2, end)
        yield Piece(data[start : start + 4], start, start + 8, stop, start + 4, 4)
        if data[start : start + 4] == b"LIST":
            yield from riff_chunks(data, start + 12, stop)
        start = stop


def png_chunks(data: bytes) -> Iterator[Piece]:
    """The chunks of a PNG, their checksums in them."""
    at = 8
    while at + 12 <= len(data):
        stop = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if stop > len(data):
            return
        yield Piece(data[at + 4 : at + 8], at, at + 8, stop, at, 4)
        at = stop


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk with its right checksum."""
    check = zlib.crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + check


def with_right_checksums(data: bytes) -> bytes:
    """The PNG with the checksum of each chunk made right again."""
    whole = bytearray(data)
    for piece in png_chunks(data):
        check = zlib.crc32(whole[piece.start + 4 : piece.end - 4]).to_bytes(4, "big")
        whole[piece.end - 4 : piece.end] = check
    return bytes(whole)


_SEGMENTS_ALONE = frozenset({0x01, *range(0xD0, 0xDA)})


def jpeg_segments(data: bytes) -> Iterator[Piece]:
    """The segments of a JPEG, or of the first in another file, up to its pixels."""
    at = data.find(b"\xff\xd8\xff") + 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _SEGMENTS_ALONE:
            at += 2
            continue
        stop = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if stop > len(data):
            return
        yield Piece(data[at : at + 2], at, at + 4, stop, at + 2, 2)
        if marker == 0xDA:
            return
        at = stop


_HOLDS_ELEMENTS = frozenset(
    bytes.fromhex(name)
    for name in (
        *("18538067", "1549a966", "1654ae6b", "ae", "e0", "e1", "1f43b675", "a0"),
        *("114d9b74", "4dbb", "1c53bb6b", "bb", "b7"),
    )
)


def elements(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Piece]:
    """The elements of EBML (Matroska, WebM), those within others after them."""
    end = len(data) if end is None else end
    while start + 2 <= end and data[start]:
        name = _vint_length(data[start])
        at = start + name
        if at >= end or not data[at]:
            return
        width = _vint_length(data[at])
        size = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
        body = at + width
        stop = end if size == (1 << 7 * width) - 1 else min(body + size, end)
        kind = data[start:at]
        yield Piece(kind, start, body, stop, at, width)
        if kind in _HOLDS_ELEMENTS:
            yield from elements(data, body, stop)
        start = stop


def _vint_length(first: int) -> int:
    return 9 - first.bit_length()


class Field(NamedTuple):
    """An entry of a TIFF directory: where it lies and how its numbers are written."""

    at: int
    tag: int
    order: str


def tiff_fields(data: bytes) -> Iterator[Field]:
    """The entries of the directories of a TIFF, or of the EXIF that lies in another file."""
    base = 0 if data[:2] in (b"II", b"MM") else max(data.find(b"II*\0"), data.find(b"MM\0*"))
    if base < 0:
        return
    order = "little" if data[base : base + 2] == b"II" else "big"
    waiting, seen = [int.from_bytes(data[base + 4 : base + 8], order)], set()  # type: ignore[arg-type]
    while waiting:
        offset = waiting.pop()
        at = base + offset
        if not offset or offset in seen or at + 2 > len(data):
            continue
        seen.add(offset)
        count = int.from_bytes(data[at : at + 2], order)  # type: ignore[arg-type]
        for number in range(min(count, 200)):
            place = at + 2 + 12 * number
            if place + 12 > len(data):
                return
            tag = int.from_bytes(data[place : place + 2], order)  # type: ignore[arg-type]
            yield Field(place, tag, order)
            if tag in (0x8769, 0x8825):
                waiting.append(int.from_bytes(data[place + 8 : place + 12], order))  # type: ignore[arg-type]
        after = at + 2 + 12 * count
        waiting.append(int.from_bytes(data[after : after + 4], order))  # type: ignore[arg-type]
