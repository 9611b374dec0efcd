"""Hostile files that need no mutation: playlists, archives, pages, bombs, files of two kinds.

Each asks a reader for a file or an address of its own (`CANARY`, `ADDRESS`), for a size nobody
has, or to be taken for something else.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from random import Random

from hostile_structures import png_chunk

Invent = Callable[[Random, Mapping[str, bytes]], bytes]
CANARY = "/etc/hostname"  # a file that is there; whoever opens it followed a playlist
ADDRESS = "http://127.0.0.1:9/counterface.mp4"
SUFFIXES = (".mp4", ".jpg", ".png", ".mkv", ".gif", ".ts", ".avi")


def _text(*lines: str) -> Invent:
    def invent(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
        target = chance.choice(
            (
                f"file://{CANARY}",
                CANARY,
                ADDRESS,
                f"concat:{CANARY}|{ADDRESS}",
                f"subfile,,start,0,end,9,,:{CANARY}",
                f"data:,{CANARY}",
                f"crypto:{CANARY}",
            )
        )
        return "\n".join(lines).replace("TARGET", target).encode() + b"\n"

    return invent


def _box(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I", 8 + len(body)) + kind + body


def _full(kind: bytes, *bodies: bytes) -> bytes:
    return _box(kind, bytes(4), *bodies)


def _png(width: int, height: int, pixels: bytes, *extra: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (png_chunk(b"IHDR", head), *extra, png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png_bomb(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A PNG of 100 megapixels or of as many as its header can say, in a few kilobytes."""
    width, height = chance.choice(
        ((10_000, 10_000), (30_000, 3000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1))
    )
    pixels = zlib.compress(bytes(min(20_000_000, (width + 1) * height)), 9)
    return _png(width, height, pixels)


def profile_bomb(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A PNG whose colour profile, or a text, is 60 MB once it is unpacked."""
    packed = zlib.compress(bytes(60_000_000), 9)
    extra = chance.choice(
        (png_chunk(b"iCCP", b"a\0\0" + packed), png_chunk(b"zTXt", b"a\0\0" + packed))
    )
    return _png(4, 4, zlib.compress(bytes(20)), extra)


def jpeg_of_all_sizes(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A JPEG that says 65,535 pixels a side."""
    data = seeds["jpeg"]
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    size = chance.choice((b"\xff\xff\xff\xff", b"\0\0\xff\xff", b"\xff\xff\0\0", b"\0\1\xff\xff"))
    return data[: at + 5] + size + data[at + 9 :]


def jpeg_of_many_scans(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A progressive JPEG whose scans come thousands of times."""
    data = seeds["jpeg_progressive"]
    first = data.find(b"\xff\xda")
    scans = data[first:-2]
    return data[:first] + scans * min(3000, 1_500_000 // len(scans)) + b"\xff\xd9"


def gif_of_many_frames(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A GIF of 60,000 pixels a side whose pictures are a pixel each, ten thousand of them."""
    frame = b"\x2c" + bytes(4) + b"\1\0\1\0\0" + b"\2\2\x44\1\0"
    side = chance.choice((100, 60_000))
    return (
        b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(6) + frame * 10_000 + b";"
    )


def webp_of_all_sizes(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """An animated WebP on a canvas of 2**24 pixels a side."""
    body = (
        b"WEBPVP8X"
        + struct.pack("<I", 10)
        + b"\2\0\0\0"
        + b"\xff" * 6
        + seeds["webp_animated"][30:]
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff_of_all_sizes(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A TIFF of two billion pixels, or with a directory that comes after itself."""
    side = chance.choice((60_000, 2**31 - 1, 10_000))
    wide = [
        (256, 4, 1, side),
        (257, 4, 1, side),
        (258, 3, 1, 8),
        (259, 3, 1, chance.choice((1, 8, 5))),
    ]
    tags = [
        *wide,
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 4, 1, side),
        (279, 4, 1, 2**31),
    ]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 8)


def bmp_of_all_sizes(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A BMP whose header says anything of its size, depth, packing and colours."""
    width, height = (chance.choice((0, 1, -1, -(2**31), 2**31 - 1, 60_000)) for _ in range(2))
    depth, packing = chance.choice((0, 1, 4, 8, 16, 24, 32)), chance.choice((0, 1, 2, 3, 4, 5))
    head = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, depth, packing, 2**32 - 1, 0, 0, 2**32 - 1, 0
    )
    return b"BM" + struct.pack("<IHHI", 2**32 - 1, 0, 0, 54) + head + bytes(200)


def mov_that_refers(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A QuickTime file whose samples lie in another file or at an address."""
    data = seeds["mov_hevc"]
    at = data.find(b"dref") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    target = chance.choice((f"file://{CANARY}", ADDRESS, CANARY)).encode() + b"\0"
    if chance.random() < 0.5:
        entry = _box(b"url ", bytes(4), target)
    else:
        alias = bytes(150) + struct.pack(">HH", 2, len(target)) + target + struct.pack(">H", 0xFFFF)
        entry = _box(b"alis", bytes(4), alias)
    new = _full(b"dref", struct.pack(">I", 1), entry)
    fitted = new.ljust(size, b"\0") if len(new) <= size else new
    return data[:at] + fitted + data[at + size :]


def movie_that_refers(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A QuickTime reference movie."""
    target = chance.choice((ADDRESS, f"file://{CANARY}")).encode() + b"\0"
    refers = _full(b"rdrf", b"url ", struct.pack(">I", len(target)), target)
    return _box(b"ftyp", b"qt  ", bytes(4)) + _box(b"moov", _box(b"rmra", _box(b"rmda", refers)))


def packed_movie(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A QuickTime header that is 200 MB once it is unpacked."""
    packed = zlib.compress(bytes(50_000_000), 9)
    header = _box(b"dcom", b"zlib") + _box(b"cmvd", struct.pack(">I", 200_000_000), packed)
    return _box(b"ftyp", b"qt  ", bytes(4)) + _box(b"moov", _box(b"cmov", header))


def endless_movie(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """An MP4 whose tables say that one sample comes billions of times, for centuries."""
    data = bytearray(seeds["mp4_h264"])
    for kind, entry in ((b"stts", 8), (b"stsc", 8), (b"stsz", 8), (b"mdhd", 12), (b"mvhd", 16)):
        at = data.find(kind)
        if chance.random() < 0.6:
            data[at + entry + 4 : at + entry + 8] = b"\x7f\xff\xff\xff"
    return bytes(data)


def _element(name: str, body: bytes) -> bytes:
    return bytes.fromhex(name) + struct.pack(">Q", len(body) | 1 << 56) + body


def packed_matroska(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A Matroska file whose frames are bombs, with links to other files and attachments."""
    packing = _element(
        "6d80",
        _element("6240", _element("5033", b"\0") + _element("5034", _element("4254", b"\0"))),
    )
    size = _element("e0", _element("b0", b"\0\x10") + _element("ba", b"\0\x10"))
    track = _element(
        "ae",
        _element("d7", b"\1") + _element("83", b"\1") + _element("86", b"V_MJPEG") + size + packing,
    )
    block = _element("a3", b"\x81\0\0\x80" + zlib.compress(bytes(40_000_000), 9))
    linked = _element("3cb923", b"x" * 16) + _element("3c83ab", CANARY.encode())
    attached = _element(
        "61a7", _element("466e", b"../../" + CANARY.encode()) + _element("465c", seeds["mkv_h264"])
    )
    parts = (
        _element("1549a966", linked),
        _element("1654ae6b", track),
        _element("1941a469", attached),
    )
    cluster = _element("1f43b675", _element("e7", b"\0") + block * 3)
    return _element("1a45dfa3", _element("4282", b"matroska")) + _element(
        "18538067", b"".join(parts) + cluster
    )


def asf_that_refers(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """An ASF header with a script that opens an address, and sizes that lie."""
    script = bytes.fromhex("301afb1e620bd011a39b00a0c90348f6")
    words = "URL".encode("utf-16-le") + ADDRESS.encode("utf-16-le")
    body = bytes(16) + struct.pack("<HH", 1, 1) + words
    data = seeds["wmv"]
    return data[:30] + script + struct.pack("<Q", 24 + len(body)) + body + data[30:]


def png_and_zip(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A PNG with a ZIP behind it."""
    return seeds["png"] + zipped(chance, seeds)


def mp4_and_page(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """An MP4 that is a web page too."""
    page = f"<html><script>location='{ADDRESS}'</script><img src='{ADDRESS}'></html>".encode()
    return (
        _box(b"free", page) + seeds["mp4_h264"]
        if chance.random() < 0.5
        else seeds["mp4_h264"] + page
    )


def jpeg_and_pdf(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A JPEG with a PDF in a comment."""
    comment = b"%PDF-1.4\n1 0 obj<</OpenAction<</S/URI/URI(" + ADDRESS.encode() + b")>>>>endobj"
    return b"\xff\xd8\xff\xfe" + struct.pack(">H", 2 + len(comment)) + comment + seeds["jpeg"][2:]


def zipped(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A ZIP with names that climb, and a bomb."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../climbed", b"x")
        archive.writestr("bomb", bytes(5_000_000))
    return out.getvalue()


def tarred(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A TAR with a link out of it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, CANARY
        archive.addfile(link)
    return out.getvalue()


def gzipped(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A packed picture."""
    return gzip.compress(seeds["png"], mtime=0)


def matryoshka(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A file in a file in a file, as attachments, boxes of data or unknown chunks."""
    data = seeds[chance.choice(("jpeg", "mp4_h264", "webm_vp9"))]
    for _ in range(chance.choice((3, 30))):
        data = chance.choice(
            (
                lambda d: _box(b"mdat", d),
                lambda d: _element("ec", d),
                lambda d: b"RIFF" + struct.pack("<I", len(d) + 4) + b"AVI " + d,
            )
        )(data)
    return data


def motion_photo(chance: Random, seeds: Mapping[str, bytes]) -> bytes:
    """A JPEG with a broken film behind it."""
    film = seeds["mp4_h264"]
    return seeds["jpeg"] + film[: chance.randrange(40, len(film))]


_ENTITIES = (
    '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c SYSTEM "TARGET">]>'
)
FOREIGN: dict[str, tuple[str, Invent]] = {
    "hls": (
        ".mp4",
        _text(
            "#EXTM3U",
            "#EXT-X-TARGETDURATION:1",
            '#EXT-X-KEY:METHOD=AES-128,URI="TARGET"',
            "#EXTINF:1,",
            "TARGET",
            "#EXT-X-ENDLIST",
        ),
    ),
    "hls_ts": (".ts", _text("#EXTM3U", "#EXT-X-MEDIA-SEQUENCE:0", "#EXTINF:10.0,", "TARGET")),
    "hls_spaced": (".mkv", _text("", " ", "#EXTM3U", "#EXTINF:1,", "TARGET")),
    "m3u": (".mp4", _text("TARGET", "TARGET")),
    "ffconcat": (".mp4", _text("ffconcat version 1.0", "file 'TARGET'", "duration 1")),
    "concat": (".mkv", _text("file 'TARGET'", "file TARGET")),
    "sdp": (
        ".mp4",
        _text(
            "v=0",
            "o=- 0 0 IN IP4 127.0.0.1",
            "c=IN IP4 127.0.0.1",
            "t=0 0",
            "m=video 9 RTP/AVP 96",
            "a=rtpmap:96 H264/90000",
        ),
    ),
    "pls": (".avi", _text("[playlist]", "File1=TARGET", "NumberOfEntries=1")),
    "dash": (
        ".mp4",
        _text('<?xml version="1.0"?>', "<MPD><Period><BaseURL>TARGET</BaseURL></Period></MPD>"),
    ),
    "xspf": (
        ".mp4",
        _text(
            "<playlist><trackList><track><location>TARGET</location></track></trackList></playlist>"
        ),
    ),
    "asx": (".wmv", _text("<asx version='3'><entry><ref href='TARGET'/></entry></asx>")),
    "ram": (".mp4", _text("[Reference]", "Ref1=TARGET")),
    "avisynth": (".avi", _text("AVISource('TARGET')")),
    "vobsub": (
        ".mp4",
        _text("# VobSub index file, v7", "id: en, index: 0", "timestamp: 00:00:00:000, filepos: 0"),
    ),
    "svg": (".png", _text("<svg xmlns='http://www.w3.org/2000/svg'><image href='TARGET'/></svg>")),
    "svg_entities": (".jpg", _text("<?xml version='1.0'?>", _ENTITIES, "<svg>&b;&c;</svg>")),
    "html": (".mp4", _text("<!doctype html><video src='TARGET'></video>")),
    "postscript": (
        ".png",
        _text("%!PS-Adobe-3.0 EPSF-3.0", "%%BoundingBox: 0 0 9 9", "(TARGET) (r) file run"),
    ),
    "pdf": (".jpg", _text("%PDF-1.4", "1 0 obj<</S/URI/URI(TARGET)>>endobj")),
    "mvg": (
        ".png",
        _text("push graphic-context", "image over 0,0 0,0 'TARGET'", "pop graphic-context"),
    ),
    "python": (".png", _text("import os; os.system('touch ran')")),
    "zip": (".mp4", zipped),
    "tar": (".jpg", tarred),
    "gzip": (".png", gzipped),
    "png_bomb": (".png", png_bomb),
    "profile_bomb": (".png", profile_bomb),
    "jpeg_size": (".jpg", jpeg_of_all_sizes),
    "jpeg_scans": (".jpg", jpeg_of_many_scans),
    "gif_frames": (".gif", gif_of_many_frames),
    "webp_size": (".webp", webp_of_all_sizes),
    "tiff_size": (".tif", tiff_of_all_sizes),
    "bmp_size": (".bmp", bmp_of_all_sizes),
    "mov_reference": (".mov", mov_that_refers),
    "movie_reference": (".mov", movie_that_refers),
    "mov_bomb": (".mov", packed_movie),
    "mp4_endless": (".mp4", endless_movie),
    "mkv_bomb": (".mkv", packed_matroska),
    "asf_script": (".wmv", asf_that_refers),
    "png_zip": (".png", png_and_zip),
    "mp4_html": (".mp4", mp4_and_page),
    "jpeg_pdf": (".jpg", jpeg_and_pdf),
    "nested": (".mp4", matryoshka),
    "motion_photo": (".jpg", motion_photo),
}
