"""Hostile media files: every one is a seed, a mutation and a number, and can be made again.

`MUTATIONS` is the one table. A mutation takes the content of a seed and a source of chance, and
gives other content; those of a structure say which seeds have it. `FOREIGN` (in
`hostile_inventions`) are files that no seed is needed for; they stand in the plan as seeds of their
own. `plan` spreads a number of files evenly over all pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from hostile_inventions import FOREIGN
from hostile_seeds import SEEDS
from hostile_structures import (
    Piece,
    boxes,
    elements,
    jpeg_segments,
    jumbf,
    png_chunk,
    png_chunks,
    riff_chunks,
    tiff_fields,
    with_right_checksums,
)

Make = Callable[[bytes, Random], bytes]
Walk = Callable[[bytes], Iterator[Piece]]
_SIZES = (0, 1, 2, 7, 8, 9, 127, 255, 32767, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_WIDE = (*_SIZES, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


@dataclass(frozen=True)
class HostileFile:
    """One file of the plan, by which it can be made again."""

    seed: str
    mutation: str
    number: int

    @property
    def name(self) -> str:
        """The file's name, which says how it is made; `odd_name` gives it one of another kind."""
        suffix = SEEDS[self.seed][0] if self.seed in SEEDS else FOREIGN[self.seed][0]
        if self.mutation == "other_suffix":
            suffix = _chance(self).choice(sorted({s for s, _ in SEEDS.values()}))
        if self.mutation == "odd_name":
            return f"{_chance(self).choice(ODD_NAMES)}{self.number}{suffix}"
        return f"{self.seed}-{self.mutation}-{self.number}{suffix}"


ODD_NAMES = (
    *("-i ", "--html ", "concat:a|", "http:", "data:,", "%d", "%(x)s{x}", "new\nline", "\x1b[31m"),
    *("\udcff\udcfe", "\u202egpj.", "a" * 200, "'\"`$(id)", "<script>", "..", " ", "é\u0301", "\t"),
)


def _chance(file: HostileFile) -> Random:
    return Random(f"{file.seed}/{file.mutation}/{file.number}")


def make(file: HostileFile, seeds: Mapping[str, bytes]) -> bytes:
    """The content of a hostile file.

    Args:
        file: which.
        seeds: the content of the seeds.
    """
    chance = _chance(file)
    if file.seed in FOREIGN:
        data = FOREIGN[file.seed][1](chance, seeds)
        return MUTATIONS[file.mutation](data, chance) if file.mutation != "whole" else data
    data = seeds[file.seed]
    if file.mutation in MIXTURES:
        other = seeds[chance.choice(sorted(seeds))]
        return MIXTURES[file.mutation](data, other, chance)
    return MUTATIONS[file.mutation](data, chance)


def plan(count: int, number: int = 0) -> list[HostileFile]:
    """That many files, spread evenly over the pairs of seeds and mutations, in mixed order.

    Args:
        count: how many.
        number: from which number of each pair on: another gives other files.
    """
    pairs = [(seed, name) for seed in SEEDS for name in mutations_of(seed)]
    pairs += [(name, kind) for name in FOREIGN for kind in ("whole", "flip_bits", "cut_short")]
    rounds = -(-count // len(pairs))
    files = [HostileFile(*pair, number + n) for n in range(rounds) for pair in pairs]
    Random(number).shuffle(files)
    return files[:count]


def mutations_of(seed: str) -> Sequence[str]:
    """The names of the mutations that a seed can have."""
    own = [name for name, seeds in STRUCTURES.items() if _has(seed, seeds)]
    return [*ANY, *MIXTURES, *own]


def _has(seed: str, words: Sequence[str]) -> bool:
    return not set(seed.split("_")).isdisjoint(words)


def flip_bits(data: bytes, chance: Random) -> bytes:
    """One to 64 bits are the other way, half of the times in the first kilobyte."""
    changed = bytearray(data)
    reach = len(data) if chance.random() < 0.5 else min(1024, len(data))
    for _ in range(chance.choice((1, 2, 8, 64))):
        changed[chance.randrange(reach)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def add_noise(data: bytes, chance: Random) -> bytes:
    """One byte of each hundred is another."""
    changed = bytearray(data)
    for _ in range(max(1, len(data) // 100)):
        changed[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(changed)


def set_numbers(data: bytes, chance: Random) -> bytes:
    """One to four numbers of 2, 4 or 8 bytes are extreme, mostly near the beginning."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        width = chance.choice((2, 4, 4, 8))
        value = chance.choice(_WIDE) % (1 << 8 * width)
        reach = min(len(data), chance.choice((256, 2048, 10**9)))
        at = chance.randrange(max(1, reach - width))
        changed[at : at + width] = value.to_bytes(width, chance.choice(("big", "little")))
    return bytes(changed)


def cut_short(data: bytes, chance: Random) -> bytes:
    """The end is missing."""
    return data[: chance.randrange(1, len(data))]


def cut_out(data: bytes, chance: Random) -> bytes:
    """A part in the middle is missing."""
    start = chance.randrange(len(data))
    return data[:start] + data[start + chance.randrange(1, 2 + len(data) // 4) :]


def repeat(data: bytes, chance: Random) -> bytes:
    """A part is there up to a thousand times, at most a megabyte of it."""
    start = chance.randrange(len(data))
    part = data[start : start + chance.choice((1, 16, 188, 1000, 20_000))]
    times = min(chance.choice((2, 10, 1000)), 1_000_000 // len(part))
    return data[:start] + part * times + data[start:]


def exchange(data: bytes, chance: Random) -> bytes:
    """Two parts have each other's place."""
    a, b, c = sorted(chance.randrange(len(data)) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def blank(data: bytes, chance: Random) -> bytes:
    """A part is all zeros or all ones, as of a disk with holes."""
    start = chance.randrange(len(data))
    part = data[start : start + chance.choice((4, 64, 4096))]
    return data[:start] + chance.choice((b"\0", b"\xff")) * len(part) + data[start + len(part) :]


def first_bytes(data: bytes, chance: Random) -> bytes:
    """Nothing, one byte, or a few."""
    return data[: chance.choice((0, 1, 2, 3, 4, 8, 12, 16, 32))]


def unchanged(data: bytes, chance: Random) -> bytes:
    """The file itself, under an odd name or another suffix."""
    return data


def splice(data: bytes, other: bytes, chance: Random) -> bytes:
    """The beginning of one file and the end of another."""
    return data[: chance.randrange(1, len(data))] + other[chance.randrange(len(other)) :]


def insert(data: bytes, other: bytes, chance: Random) -> bytes:
    """A whole file within another, or behind it."""
    at = chance.choice((len(data), chance.randrange(1, len(data))))
    return data[:at] + other + data[at:]


def lie_of_length(walk: Walk, order: str) -> Make:
    """A mutation that makes one length or two wrong."""

    def change(data: bytes, chance: Random) -> bytes:
        changed = bytearray(data)
        pieces = list(walk(data))
        for _ in range(chance.randint(1, 2) if pieces else 0):
            piece = chance.choice(pieces)
            width = piece.size_bytes
            true = int.from_bytes(data[piece.size_at : piece.size_at + width], order)  # type: ignore[arg-type]
            near = (true - 1, true + 1, true // 2, true * 2, true + 1000)
            value = chance.choice((*_SIZES, *near)) % (1 << 8 * width)
            changed[piece.size_at : piece.size_at + width] = value.to_bytes(width, order)  # type: ignore[arg-type]
        return bytes(changed)

    return change


def lie_in_body(walk: Walk, order: str, head: int = 64) -> Make:
    """A mutation that sets extreme numbers in the beginning of the bodies: counts, sizes, times."""

    def change(data: bytes, chance: Random) -> bytes:
        changed = bytearray(data)
        pieces = [p for p in walk(data) if p.end - p.body >= 4 and p.end - p.start < len(data) // 2]
        for _ in range(chance.randint(1, 3) if pieces else 0):
            piece = chance.choice(pieces)
            width = chance.choice((1, 2, 4, 4))
            room = max(1, min(head, piece.end - piece.body - width + 1))
            at = piece.body + chance.randrange(room)
            value = chance.choice(_SIZES) % (1 << 8 * width)
            changed[at : at + width] = value.to_bytes(width, order)  # type: ignore[arg-type]
        return bytes(changed)

    return change


def rearrange(walk: Walk) -> Make:
    """A mutation that takes whole pieces away, repeats them, moves them, or nests them."""

    def change(data: bytes, chance: Random) -> bytes:
        pieces = list(walk(data))
        if not pieces:
            return data
        one, two = chance.choice(pieces), chance.choice(pieces)
        part = data[one.start : one.end]
        kind = chance.randrange(4)
        if kind == 0:
            return data[: one.start] + data[one.end :]
        if kind == 1:
            times = max(1, min(500, 500_000 // max(1, len(part))))
            return data[: one.end] + part * times + data[one.end :]
        if kind == 2:
            return data[: two.start] + part + data[two.start :]
        return data[: one.body] + part * 3 + data[one.body :]

    return change


def nest_boxes(data: bytes, chance: Random) -> bytes:
    """Boxes within boxes, thousands deep, of a kind that holds others, before all others."""
    kind, depth = chance.choice((b"moov", b"trak", b"meta", b"udta", b"moof", b"jumb")), 5000
    nested = b"".join((8 * (depth - n)).to_bytes(4, "big") + kind for n in range(depth))
    place = next((p for p in boxes(data) if p.kind in (b"ftyp", b"styp")), None)
    at = place.end if place else 0
    return data[:at] + nested + data[at:]


_TABLES = frozenset(
    b"stts stsc stsz stco co64 ctts stss elst trun tfhd tfdt iloc ipma infe ispe sidx tfra stsd "
    b"dref mvhd mdhd tkhd hdlr avcC hvcC av1C esds colr pixi sgpd sbgp irot".split()
)


def lie_in_tables(data: bytes, chance: Random) -> bytes:
    """Counts and entries of the tables of samples and items are extreme."""
    return lie_in_body(lambda d: (p for p in boxes(d) if p.kind in _TABLES), "big", 40)(
        data, chance
    )


def checked(make_lie: Make) -> Make:
    """The same with the checksums of a PNG made right again."""
    return lambda data, chance: with_right_checksums(make_lie(data, chance))


def insert_png_chunk(data: bytes, chance: Random) -> bytes:
    """A chunk of odd content and right checksum behind the header of a PNG."""
    kind = chance.choice(
        (
            b"IHDR",
            b"PLTE",
            b"tRNS",
            b"iCCP",
            b"zTXt",
            b"iTXt",
            b"eXIf",
            b"acTL",
            b"fcTL",
            b"caBX",
            b"IEND",
        )
    )
    import zlib

    bomb = zlib.compress(bytes(3_000_000), 9)
    bodies = (
        b"",
        b"\0",
        b"a\0\0" + bomb,
        b"a\0\1\0\0\0" + bomb,
        b"\xff" * 26,
        chance.randbytes(300),
    )
    return (
        data[:33] + png_chunk(kind, chance.choice(bodies)) * chance.choice((1, 2, 1000)) + data[33:]
    )


def lie_of_elements(data: bytes, chance: Random) -> bytes:
    """One or two sizes of EBML elements are unknown, too large or too small; widths stay."""
    changed = bytearray(data)
    pieces = list(elements(data))
    for _ in range(chance.randint(1, 2)):
        piece = chance.choice(pieces)
        width, most = piece.size_bytes, (1 << 7 * piece.size_bytes) - 1
        true = piece.end - piece.body
        value = chance.choice((0, 1, true + 1, max(0, true - 1), true * 2, most - 1, most)) & most
        word = (value | 1 << 7 * width).to_bytes(width, "big")
        changed[piece.size_at : piece.body] = word
    return bytes(changed)


def lie_of_fields(data: bytes, chance: Random) -> bytes:
    """Kind, count or offset of an entry of TIFF or EXIF is extreme, or leads in a circle."""
    changed = bytearray(data)
    fields = list(tiff_fields(data))
    for _ in range(chance.randint(1, 3) if fields else 0):
        field = chance.choice(fields)
        at, width = chance.choice(((0, 2), (2, 2), (4, 4), (8, 4), (8, 4)))
        value = chance.choice((*_SIZES, 8)) % (1 << 8 * width)
        changed[field.at + at : field.at + at + width] = value.to_bytes(width, field.order)  # type: ignore[arg-type]
    return bytes(changed)


def mix_packets(data: bytes, chance: Random) -> bytes:
    """Packets of a transport stream are lost, repeated, out of order or of another stream."""
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(packets))
        kind = chance.randrange(4)
        if kind == 0 and len(packets) > 1:
            del packets[at]
        elif kind == 1:
            packets[at:at] = [packets[at]] * chance.choice((1, 50))
        elif kind == 2:
            packets.insert(chance.randrange(len(packets)), packets.pop(at))
        else:
            head = bytearray(packets[at])
            head[1:4] = chance.randbytes(3)
            packets[at] = bytes(head)
    return b"".join(packets)


def _set_be(data: bytes, at: int, width: int, chance: Random, order: str = "big") -> bytes:
    value = chance.choice(_SIZES) % (1 << 8 * width)
    return data[:at] + value.to_bytes(width, order) + data[at + width :]  # type: ignore[arg-type]


def lie_of_head(data: bytes, chance: Random) -> bytes:
    """A number in the first 60 bytes of a BMP, GIF, WAV or the like is extreme."""
    for _ in range(chance.randint(1, 2)):
        data = _set_be(data, chance.randrange(2, 58), chance.choice((1, 2, 4)), chance, "little")
    return data


ANY: dict[str, Make] = {
    "flip_bits": flip_bits,
    "add_noise": add_noise,
    "set_numbers": set_numbers,
    "cut_short": cut_short,
    "cut_out": cut_out,
    "repeat": repeat,
    "exchange": exchange,
    "blank": blank,
    "first_bytes": first_bytes,
    "odd_name": unchanged,
    "other_suffix": unchanged,
}
MIXTURES: dict[str, Callable[[bytes, bytes, Random], bytes]] = {"splice": splice, "insert": insert}
_ISO = ("mp4", "mov", "m4a", "heic", "avif")
_RIFF = ("avi", "wav", "webp")
_OWN: dict[str, tuple[Sequence[str], Make]] = {
    "box_length": (_ISO, lie_of_length(boxes, "big")),
    "box_body": (_ISO, lie_in_body(boxes, "big")),
    "box_tables": (_ISO, lie_in_tables),
    "box_order": (_ISO, rearrange(boxes)),
    "box_depth": (_ISO, nest_boxes),
    "chunk_length": (_RIFF, lie_of_length(riff_chunks, "little")),
    "chunk_body": (_RIFF, lie_in_body(riff_chunks, "little")),
    "chunk_order": (_RIFF, rearrange(riff_chunks)),
    "png_length": (("png",), lie_of_length(png_chunks, "big")),
    "png_body": (("png",), checked(lie_in_body(png_chunks, "big", 32))),
    "png_order": (("png",), rearrange(png_chunks)),
    "png_chunk": (("png",), insert_png_chunk),
    "segment_length": (("jpeg", "mjpeg"), lie_of_length(jpeg_segments, "big")),
    "segment_body": (("jpeg", "mjpeg"), lie_in_body(jpeg_segments, "big", 300)),
    "segment_order": (("jpeg", "mjpeg"), rearrange(jpeg_segments)),
    "element_size": (("webm", "mkv"), lie_of_elements),
    "element_body": (("webm", "mkv"), lie_in_body(elements, "big", 16)),
    "element_order": (("webm", "mkv"), rearrange(elements)),
    "exif_field": (("jpeg", "webp", "tiff"), lie_of_fields),
    "packets": (("ts",), mix_packets),
    "head": (("bmp", "gif", "wav", "flv", "wmv", "opus", "flac", "mp3"), lie_of_head),
    "jumbf_length": (("signed",), lie_of_length(jumbf, "big")),
    "jumbf_body": (("signed",), lie_in_body(jumbf, "big", 200)),
    "jumbf_order": (("signed",), rearrange(jumbf)),
}
STRUCTURES = {name: seeds for name, (seeds, _) in _OWN.items()}
MUTATIONS: dict[str, Make] = {**ANY, **{name: change for name, (_, change) in _OWN.items()}}
