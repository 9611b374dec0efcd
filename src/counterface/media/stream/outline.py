"""Whether the outermost parts of a file, by the lengths that they state, lie wholly inside it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ASF_INDEX = (
    bytes.fromhex("90080033b1e5cf1189f400a0c90349cb"),
    bytes.fromhex("d329e2d6da35d111903400a0c90349be"),
    bytes.fromhex("feb103f812ad644c840f2a1d2f7ad48c"),
)
_EBML = b"\x1a\x45\xdf\xa3"
_BOX = re.compile(rb"[ -~\xa9]{4}")  # a type as MP4 has them
_CUT_BOXES = frozenset(  # in which a file may break off
    {b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"styp", b"pnot", b"uuid"}
    | {b"meta", b"sidx", b"mfra", b"emsg", b"udta", b"idat", b"prft"}
)
_SEGMENT = b"\x18\x53\x80\x67"  # of Matroska
_PACK = b"\0\0\1\xba"  # begins an MPEG program stream
_SYSTEM = 0xBB  # the lowest kind of a packet in it
_PES = re.compile(rb"\x00\x00\x01[\xbd-\xef]")  # a packet of it; no picture holds these bytes
_TAIL = 70_000  # bytes; a packet of a program stream and a page of Ogg have at most 65 kB
_MOST_PARTS = 1_000_000  # a fragmented recording of a day has 100,000
_TS_SYNC, _TS_PACKET = 0x47, 188

_IsWhole = Callable[[bytes], bool]  # of the last bytes
_PartEnd = Callable[[BinaryIO, int], int | None]  # where the part that starts there ends


def missing_bytes(path: Path) -> int | None:
    """The number of bytes that a file lacks at its end by its own account; None without one.

    MP4, Matroska, AVI, WebP and ASF state the length of their parts, a transport stream consists of
    packets of one length, others have marks at the end or packets that say how long they are; of
    those 1 means "some". What was appended behind the end is no loss. A recording that was written
    without going back (piped, streamed, interrupted) gives no account.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(208)
        for signature, (is_whole, part_end) in _BY_THEIR_END.items():
            if head.startswith(signature):
                return 0 if _has_its_end(stream, size, is_whole, part_end) else 1
        packet = _packet_length(head)
        if packet:
            return _missing_of_packets(stream, size, packet)
        end = _end_of_parts(stream, size, _part_end_of(head))
        return None if end is None else max(0, end - size)


def name_missing(path: Path) -> str:
    """A sentence on the missing end of a file; empty where it is there, or that is not known."""
    missing = missing_bytes(path)
    if not missing:
        return ""
    return f"{missing} bytes of its end are missing" if missing > 1 else "its end is missing"


def _has_its_end(
    stream: BinaryIO, size: int, is_whole: _IsWhole, part_end: _PartEnd | None
) -> bool:
    """Whether the mark at the end is there, or else where the parts end: something lies behind."""
    stream.seek(max(0, size - _TAIL))
    if is_whole(stream.read()):
        return True
    end = _end_of_parts(stream, size, part_end)
    if end is None or end > size:
        return False
    stream.seek(max(0, end - _TAIL))
    return is_whole(stream.read(min(end, _TAIL)))


def _missing_of_packets(stream: BinaryIO, size: int, length: int) -> int:
    """The bytes that a transport stream lacks; 0 where something else follows its last packet."""
    rest = size % length
    for begin in (size - rest - length, size - rest):
        stream.seek(begin + length - _TS_PACKET)
        mark = stream.read(1)
        if mark and mark[0] != _TS_SYNC:
            return 0
    return -size % length


def _packet_length(head: bytes) -> int | None:
    """Bytes of a packet of a transport stream; 192 with the time stamps of a camcorder."""
    for first, length in ((0, 188), (4, 192)):
        if len(head) > first + length and head[first] == head[first + length] == _TS_SYNC:
            return length
    return None


def _part_end_of(head: bytes) -> _PartEnd | None:
    if head[:4] == b"RIFF":
        return _riff_end
    if head[:4] == _EBML:
        return _ebml_end
    if head[:16] == _ASF:
        return _asf_end
    if head[4:8] in _CUT_BOXES:
        return _box_end
    return None


def _end_of_parts(stream: BinaryIO, size: int, part_end: _PartEnd | None) -> int | None:
    """The end of the last part, by its own account; None where it gives none."""
    if part_end is None:
        return None
    at = 0
    for _ in range(_MOST_PARTS):
        if at >= size:
            return at
        stream.seek(at)
        end = part_end(stream, at)
        if end is None:
            return None
        if end <= at:  # something else lies behind the last part
            return at
        at = end
    return None


def _box_end(stream: BinaryIO, at: int) -> int | None:
    head = stream.read(16)
    length = int.from_bytes(head[:4], "big")
    if len(head) < 8 or not _BOX.fullmatch(head[4:8]):
        return at
    if length == 1:
        length = int.from_bytes(head[8:16], "big")
    if not length:
        return None  # up to the end, wherever that is
    fits = at + length <= os.fstat(stream.fileno()).st_size
    return at + length if fits or head[4:8] in _CUT_BOXES else at  # else: any text


def _riff_end(stream: BinaryIO, at: int) -> int | None:
    head = stream.read(8)
    length = int.from_bytes(head[4:8], "little")
    if head[:4] != b"RIFF":
        return at
    return None if length in (0, 0xFFFFFFFF) else at + 8 + length


def _asf_end(stream: BinaryIO, at: int) -> int | None:
    head = stream.read(24)
    length = int.from_bytes(head[16:24], "little")
    if head[:16] == _ASF_DATA and length <= 50:  # its header alone: a broadcast
        return None
    return at + length if head[:16] in (_ASF, _ASF_DATA, *_ASF_INDEX) else at


def _ebml_end(stream: BinaryIO, at: int) -> int | None:
    head = stream.read(12)
    if head[:4] not in (_EBML, _SEGMENT):
        return at
    width = 9 - head[4].bit_length() if len(head) > 4 and head[4] else 0
    if not width or len(head) < 4 + width:
        return at
    length = int.from_bytes(head[4 : 4 + width], "big") & ((1 << 7 * width) - 1)
    return None if length == (1 << 7 * width) - 1 else at + 4 + width + length


def _gif_end(stream: BinaryIO, at: int) -> int | None:
    head = stream.read(13 if at == 0 else 10)
    colors = head[10:11] if at == 0 else head[9:10]
    table = 3 << (colors[0] & 7) + 1 if colors and colors[0] & 0x80 else 0
    if at == 0:
        return at + 13 + table
    if head[:1] == b";":
        return at + 1
    if head[:1] not in (b"!", b","):
        return at
    place = at + (2 if head[:1] == b"!" else 11 + table)
    for _ in range(_MOST_PARTS):  # blocks of up to 255 bytes, then an empty one
        stream.seek(place)
        length = stream.read(1)
        place += 1 + (length[0] if length else 1)
        if not length or not length[0]:
            return place
    return None


def _ogg_end(stream: BinaryIO, at: int) -> int | None:
    head = stream.read(27)
    if head[:4] != b"OggS" or len(head) < 27:
        return at
    return at + 27 + head[26] + sum(stream.read(head[26]))


def _flv_end(stream: BinaryIO, at: int) -> int | None:
    head = stream.read(11)
    if at == 0:
        return int.from_bytes(head[5:9], "big") + 4
    if len(head) < 11 or head[0] & 0x1F not in (8, 9, 18) or head[8:] != b"\0\0\0":
        return at
    return at + 11 + int.from_bytes(head[1:4], "big") + 4


def _program_end(stream: BinaryIO, at: int) -> int | None:
    head = stream.read(14)
    if head[:4] == _PACK and len(head) > 4:  # of MPEG-2, or of MPEG-1
        return at + (14 + (head[-1] & 7) if head[4] >> 6 == 1 else 12)
    if head[:4] == b"\0\0\1\xb9":
        return at + 4
    if head[:3] != b"\0\0\1" or len(head) < 6 or head[3] < _SYSTEM:
        return at
    return at + 6 + int.from_bytes(head[4:6], "big")


def _png_end(stream: BinaryIO, at: int) -> int | None:
    if at == 0:
        return 8
    head = stream.read(8)
    return at + 12 + int.from_bytes(head[:4], "big") if _BOX.fullmatch(head[4:]) else at


def _gif_is_whole(tail: bytes) -> bool:
    return tail[-64:].rstrip(b"\0\r\n ").endswith(b";")


def _ogg_is_whole(tail: bytes) -> bool:
    """Whether the last page lies inside the file and says that it is the last."""
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return False
    sizes = tail[at + 27 : at + 27 + tail[at + 26]]
    inside = at + 27 + tail[at + 26] + sum(sizes) <= len(tail)
    return inside and bool(tail[at + 5] & 4)


def _flv_is_whole(tail: bytes) -> bool:
    """Whether the last four bytes state the length of the tag before them."""
    length = int.from_bytes(tail[-4:], "big")
    at = len(tail) - 4 - length
    if length < 11 or at < 0:  # a tag of more than the tail is not looked at
        return at < 0 and length < 1 << 24
    return int.from_bytes(tail[at + 1 : at + 4], "big") + 11 == length


def _program_is_whole(tail: bytes) -> bool:
    starts = list(_PES.finditer(tail))
    if not starts or len(tail) < starts[-1].end() + 2:
        return False
    end = starts[-1].end()
    return end + 2 + int.from_bytes(tail[end : end + 2], "big") <= len(tail)


def _png_is_whole(tail: bytes) -> bool:
    return b"IEND\xaeB`\x82" in tail


def _jpeg_is_whole(tail: bytes) -> bool:
    return tail.rfind(b"\xff\xd9") > tail.rfind(b"\xff\xd8\xff")


_BY_THEIR_END: dict[bytes, tuple[_IsWhole, _PartEnd | None]] = {
    b"\x89PNG": (_png_is_whole, _png_end),
    b"\xff\xd8\xff": (_jpeg_is_whole, None),
    b"GIF": (_gif_is_whole, _gif_end),
    b"OggS": (_ogg_is_whole, _ogg_end),
    b"FLV": (_flv_is_whole, _flv_end),
    _PACK: (_program_is_whole, _program_end),
}
