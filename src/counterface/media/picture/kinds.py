"""Whether a picture file holds a clip: animated WebP, PNG and AVIF, JPEG after JPEG."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO

PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_FIRST_JPEG_BYTES = 16_000_000  # of a dump of a camera, more than its first two pictures take
_NEXT_JPEG = re.compile(rb"\xff\xd9[\x00\r\n ]{0,64}\xff\xd8\xff")
_FILM = re.compile(rb"\0\0\0[\x10-\x60]ftyp(?:mp4|isom|iso[2-9]|qt  |avc1|M4V)")
_SHORTEST_PICTURE = 32  # bytes; a HEIC begins with such a box of its own
_SIZE_MARKERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_WEBP_ANIMATION = 0x02  # of the flags of VP8X


def is_animated_webp(path: Path) -> bool:
    """Whether a file is an animated WebP, the one clip that FFmpeg does not open."""
    with path.open("rb") as stream:
        return _starts_animated_webp(stream.read(32))


def _starts_animated_webp(head: bytes) -> bool:
    return (
        head[:4] == b"RIFF"
        and head[8:16] == b"WEBPVP8X"
        and len(head) > 20
        and bool(head[20] & _WEBP_ANIMATION)
    )


def holds_a_clip(stream: BinaryIO) -> bool:
    """Whether a picture file, open at its start, holds a clip rather than a picture."""
    head = stream.read(32)
    if head.startswith(PNG):
        return int.from_bytes(png_chunk(stream, b"acTL", 4), "big") > 1  # its number of frames
    if head.startswith(_JPEG):
        return _is_motion_jpeg(head + stream.read(_FIRST_JPEG_BYTES))
    return _starts_animated_webp(head) or head[4:12] == b"ftypavis"


def holds_a_track(path: Path) -> bool:
    """Whether a HEIC or AVIF picture has a sequence of pictures beside it: a box `moov`."""
    at = 0
    with path.open("rb") as stream:
        for _ in range(100):
            stream.seek(at)
            head = stream.read(16)
            if head[4:8] == b"moov":
                return True
            length = int.from_bytes(head[:4], "big")
            length = int.from_bytes(head[8:16], "big") if length == 1 else length
            if len(head) < 8 or length < 8:
                return False
            at += length
    return False


def has_a_film_behind(path: Path) -> bool:
    """Whether a picture file ends in an MP4 or MOV file, as motion photos of telephones do."""
    with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as data:
        return _FILM.search(data, _SHORTEST_PICTURE) is not None


def png_chunk(stream: BinaryIO, kind: bytes, length: int) -> bytes:
    """The first bytes of a chunk ahead of the pixels of a PNG; empty where it is not there."""
    stream.seek(len(PNG))
    for _ in range(1000):
        head = stream.read(8)
        if len(head) < 8 or head[4:] == b"IDAT":
            return b""
        if head[4:] == kind:
            data = stream.read(length)
            return data if len(data) == length else b""
        stream.seek(int.from_bytes(head[:4], "big") + 4, 1)
    return b""


def riff_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk of a RIFF file: its kind, where its body begins and where the next one does."""
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        yield data[at : at + 4], at + 8, end
        at = end


def _is_motion_jpeg(data: bytes) -> bool:
    """Whether a second JPEG of the same size follows the first, as in a dump of a web camera.

    Cameras append smaller pictures and depth maps too, but list them in the first (MPF).
    """
    for found in _NEXT_JPEG.finditer(data):
        first, second = data[: found.start()], data[found.end() - len(_JPEG) :]
        size = _jpeg_size(first)
        if b"MPF\0" in first[:200_000] or size is None:
            return False
        if _jpeg_size(second) == size:
            return True
    return False


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that a JPEG's frame header states."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _SIZE_MARKERS:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
