"""Perceptual hashes, which are alike for pictures that look alike, and the registry of known fakes.

PDQ (Davis, Rosen and Meta, 2019, "The TMK+PDQF video-hashing algorithm and the PDQ image-hashing
algorithm", https://github.com/facebook/ThreatExchange), written anew on NumPy and OpenCV because
the usual package needs a compiler. It gives the same 256 bits on every picture with enough in it.

Traps: a swap changes a small part of a picture, so the untouched footage that it was made from
mostly matches too. A match says that a file looks like a registered one, never that it is a fake.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.errors import ProvenanceError, ShapeError
from counterface.project_files import reading, require_file
from counterface.provenance.watermark.working_size import without_bars
from counterface.types import Floats, Image

HASH_BYTES = 32
SAME_LOOK = 31  # bits of 256: PDQ's own threshold
MIN_QUALITY = 50  # of 100: PDQ's own; below it pictures of all sorts share a hash

_SIDE = 512  # every picture is brought to this square first, as the reference does
_SMALL = 64
_WAVES = 16
_STEP = _SIDE // _SMALL
_BAND = 4  # rows smoothed at a time
_BOX = _STEP // 2  # two passes of half a step each weigh like a tent over one step
_CROPS = (0.05, 0.10)  # registered too; each finds crops within 2 % of it
_CROPPED = 640  # pixels of the square that they are cut from
_CHUNK = 8192  # hashes compared at a time: their columns stay in a core's cache

_LUMA = np.array([[0.299, 0.587, 0.114]], dtype=np.float32)
_DATABASE, _INDEX = "known_fakes.sqlite", "known_fakes.hashes"
_FORMAT = 1  # of the database; another one is refused
_PATIENCE_S = 30.0  # how long a writer waits for another one
_RESTORE = "restore it from a copy, or delete it: the registry then begins anew"

Hashes = NDArray[np.uint8]  # (N, 32)


@dataclass(frozen=True, slots=True)
class ImageHash:
    """The look of a picture."""

    bits: bytes  # 32
    quality: int  # [0, 100]; PDQ's measure of the detail in the picture
    mirrored: bytes  # the hash of the mirror image

    @property
    def usable(self) -> bool:
        """Whether the picture has enough detail to be told from others."""
        return self.quality >= MIN_QUALITY


def hash_image(image: Image) -> ImageHash:
    """The PDQ hash of a picture and of its mirror image; 1 to 10 ms by its size.

    Args:
        image: RGB uint8 (H, W, 3), any size.

    Raises:
        ShapeError: another shape or type, or no pixels.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ShapeError(f"expected RGB uint8 (H, W, 3), got {image.dtype} {image.shape}")
    luma = cv2.transform(_squared(image, _SIDE).astype(np.float32), _LUMA)
    rows = _smooth(luma.reshape(_SIDE, _SIDE))
    small = _smooth(rows.T).T
    mirrored = _smooth(rows[:, ::-1].T).T
    return ImageHash(_bits(small), _quality(small), _bits(mirrored))


def hash_copies(image: Image) -> list[ImageHash]:
    """The hashes under which a picture is registered: whole, without bars, and cropped.

    A crop changes many bits of a hash, so likely crops are registered too: 5 and 10 per cent cut
    off width and height evenly, and off one side.

    Args:
        image: RGB uint8 (H, W, 3), any size.

    Raises:
        ShapeError: another shape or type, or no pixels.
    """
    hashes = hash_looks(image)
    # A hash is of a square, whatever the proportions; crops of this one cost a fifth.
    square = _squared(without_bars(image), _CROPPED)
    for share in _CROPS:
        cut = round(_CROPPED * share)
        half, rest = cut // 2, _CROPPED - cut
        crops = (
            square[half : half + rest, half : half + rest],
            square[cut:],
            square[:rest],
            square[:, cut:],
            square[:, :rest],
        )
        hashes += [hash_image(crop) for crop in crops]
    return hashes


def hash_looks(image: Image) -> list[ImageHash]:
    """The hashes by which a picture is looked up: whole and, where it has bars, without them."""
    inner = without_bars(image)
    return [hash_image(one) for one in ([image] if inner is image else [image, inner])]


def _squared(image: Image, side: int) -> Image:
    """The picture squeezed or stretched to a square."""
    way = cv2.INTER_AREA if min(image.shape[:2]) >= side else cv2.INTER_LINEAR
    square = cv2.resize(np.ascontiguousarray(image), (side, side), interpolation=way)
    return np.asarray(square, dtype=np.uint8)


def distances(known: Hashes, wanted: Hashes) -> tuple[NDArray[np.intp], NDArray[np.uint16]]:
    """The nearest known hash of each wanted one: its row, and the bits that differ.

    Args:
        known: (N, 32), N >= 1.
        wanted: (M, 32).
    """
    targets = np.ascontiguousarray(wanted).view(np.uint64)  # (M, 4)
    row = np.zeros(len(wanted), dtype=np.intp)
    least = np.full(len(wanted), 257, dtype=np.uint16)
    for start in range(0, len(known), _CHUNK):
        words = np.ascontiguousarray(known[start : start + _CHUNK]).view(np.uint64)
        columns = np.ascontiguousarray(words.T)  # (4, chunk)
        for number, target in enumerate(targets):
            differ = np.bitwise_count(columns[0] ^ target[0]).astype(np.uint16)
            for column, word in zip(columns[1:], target[1:], strict=True):
                differ += np.bitwise_count(column ^ word)
            at = int(differ.argmin())
            if differ[at] < least[number]:
                row[number], least[number] = start + at, differ[at]
    return row, least


@cache
def _tent() -> Floats:
    """The weights (64, 512) that smooth 512 pixels by two boxes and keep every eighth.

    A box is the mean of a pixel, the one before and the two after; at the ends, of fewer.
    """
    place = np.arange(_SIDE)
    ahead = place[None, :] - place[:, None]
    box = ((ahead > -_BOX // 2) & (ahead <= _BOX // 2)).astype(np.float64)
    box /= box.sum(axis=1, keepdims=True)
    return np.asarray((box @ box)[_STEP // 2 :: _STEP], dtype=np.float32)


def _smooth(luma: Floats) -> Floats:
    """`_tent() @ luma` for luma (512, N), four rows at a time from the pixels that they weigh.

    That is a fifth of the work, and too little for BLAS to share between threads, which would spin.
    """
    rows = []
    for first in range(0, _SMALL, _BAND):
        near = slice(max(0, _STEP * (first - 1)), _STEP * (first + _BAND + 1))
        rows.append(_tent()[first : first + _BAND, near] @ luma[near])
    return np.concatenate(rows)


@cache
def _cosines() -> Floats:
    """The 16 lowest waves over 64 pixels, without the constant one, (16, 64)."""
    phase = np.arange(1, _WAVES + 1)[:, None] * (2 * np.arange(_SMALL) + 1)
    return np.asarray(np.cos(np.pi * phase / (2 * _SMALL)), dtype=np.float32)


def _bits(small: Floats) -> bytes:
    """A bit for each of the 256 lowest waves but the constant ones; 1 above their median."""
    spectrum = (_cosines() @ small @ _cosines().T).ravel()
    median = np.sort(spectrum)[spectrum.size // 2 - 1]  # the lower of the two in the middle
    return np.packbits((spectrum > median)[::-1]).tobytes()  # PDQ writes the last bit first


def _quality(small: Floats) -> int:
    """PDQ's measure of the change from pixel to pixel, [0, 100]."""
    steps = [np.diff(small, axis=axis) * np.float32(100 / 255) for axis in (0, 1)]
    total = sum(int(np.abs(np.trunc(step)).sum()) for step in steps)
    return min(100, total // 90)


@dataclass(frozen=True, slots=True)
class KnownFake:
    """A registered file; entries are files, never persons."""

    sha256: str
    name: str
    when: datetime  # of registration, UTC
    kind: Literal["image", "video"]
    record: str | None  # path of its record at that time


@dataclass(frozen=True, slots=True)
class KnownFakeMatch:
    """The registered file that comes closest to some pictures."""

    fake: KnownFake
    distance: int  # bits of 256 that differ
    pts: Fraction | None  # of the registered frame, seconds; None for an image
    mirrored: bool  # the picture looks like the mirror image of the registered one
    images_matched: int  # pictures within the limit of any registered one
    images_compared: int  # pictures with enough detail


class KnownFakes:
    """The local registry: files, and the look of their pictures.

    The database is the truth. The index beside it repeats the hashes, 32 bytes each in the order of
    their rows, so that a search need not read the database; it may be deleted. Many processes may
    use the registry at once, and a crash loses only the file that was being added.
    """

    def __init__(self, folder: Path) -> None:
        """Name the files of the registry; none is opened or made yet.

        Args:
            folder: the user's private folder, `home_dir()`.
        """
        self.database = folder / _DATABASE
        self.index = folder / _INDEX

    def add(
        self,
        sha256: str,
        name: str,
        hashes: Sequence[tuple[ImageHash, Fraction | None]],
        *,
        kind: Literal["image", "video"],
        when: datetime | None = None,
        record: Path | str | None = None,
    ) -> int:
        """The number of pictures in the registry for this file, which is added or updated.

        A file that is known already gets the new name, time and record, and keeps its pictures.
        Pictures with too little detail are left out; the file itself is registered even so.

        Args:
            sha256: SHA-256 of the file, hexadecimal.
            name: the name that people know it by.
            hashes: hashes of its pictures, with their times in seconds (None for an image).
            kind: kind of the file.
            when: time of registration; now by default.
            record: path of its record.

        Raises:
            ProvenanceError: the registry cannot be written or is damaged.
        """
        looks = [(one, pts) for one, pts in hashes if one.usable]  # reads the pictures
        stamp = (when or datetime.now(UTC)).astimezone(UTC).isoformat()
        where = None if record is None else str(record)
        with self._writing() as database:
            known = database.execute("SELECT id FROM files WHERE sha256 = ?", (sha256,)).fetchone()
            if known:
                update = "UPDATE files SET name = ?, added = ?, kind = ?, record = ? WHERE id = ?"
                database.execute(update, (name, stamp, kind, where, *known))
            else:
                row = (sha256, name, stamp, kind, where)
                insert = "INSERT INTO files (sha256, name, added, kind, record) VALUES (?,?,?,?,?)"
                known = (database.execute(insert, row).lastrowid,)
                database.executemany(
                    "INSERT INTO pictures (file, pts, hash, quality) VALUES (?, ?, ?, ?)",
                    [
                        (*known, None if pts is None else str(pts), one.bits, one.quality)
                        for one, pts in looks
                    ],
                )
            count = database.execute("SELECT COUNT(*) FROM pictures WHERE file = ?", known)
            pictures = int(count.fetchone()[0])
        with self._writing() as database:  # after the rows are safe; one process at a time
            self._extend_index(database)
        return pictures

    def find_file(self, sha256: str) -> KnownFake | None:
        """The registered file of this SHA-256, if there is one.

        Raises:
            ProvenanceError: the registry cannot be read.
        """
        with self._reading() as database:
            return next(_files(database, "WHERE sha256 = ?", sha256), None) if database else None

    def entries(self) -> list[KnownFake]:
        """All registered files, newest first.

        Raises:
            ProvenanceError: the registry cannot be read.
        """
        with self._reading() as database:
            return list(_files(database, "ORDER BY added DESC")) if database else []

    def match(self, images: Iterable[Image]) -> KnownFakeMatch | None:
        """The registered file that comes closest to one of the pictures or its mirror image.

        Nothing is made where there is no registry. Among a million hashes, a picture and its mirror
        image take about 6 ms on one core, and twelve frames together 0.13 s.

        Args:
            images: RGB uint8 (H, W, 3): one picture, or frames of a video.

        Raises:
            ShapeError: a picture has another shape or type.
            ProvenanceError: the registry cannot be read.
        """
        return self.match_hashes(one for image in images for one in hash_looks(image))

    def match_hashes(self, hashes: Iterable[ImageHash]) -> KnownFakeMatch | None:
        """As `match`, for hashes of pictures.

        Raises:
            ProvenanceError: the registry cannot be read.
        """
        wanted = [one for one in hashes if one.usable]
        with self._reading() as database:
            if database is None or not wanted:
                return None
            both = b"".join([one.bits for one in wanted] + [one.mirrored for one in wanted])
            nearest = _nearest(database, self._indexed(database), both)
            if nearest is None:
                return None
            bits, file, pts = nearest
            best = int(bits.argmin())
            if bits[best] > SAME_LOOK:
                return None
            return KnownFakeMatch(
                fake=next(_files(database, "WHERE id = ?", file)),
                distance=int(bits[best]),
                pts=None if pts is None else Fraction(pts),
                mirrored=best >= len(wanted),
                images_matched=int((bits.reshape(2, -1).min(axis=0) <= SAME_LOOK).sum()),
                images_compared=len(wanted),
            )

    def _indexed(self, database: sqlite3.Connection) -> Hashes:
        """All hashes, row n for picture n + 1: those of the index, and those that it lacks."""
        count = database.execute("SELECT COUNT(*) FROM pictures").fetchone()[0]
        rows = min(count, self.index.stat().st_size // HASH_BYTES if self.index.exists() else 0)
        if rows == 0:
            return _hashes_after(database, 0)
        indexed = np.memmap(self.index, np.uint8, "r", shape=(rows, HASH_BYTES))
        return indexed if rows == count else np.vstack([indexed, _hashes_after(database, rows)])

    def _extend_index(self, database: sqlite3.Connection) -> None:
        """Append the hashes that the index lacks.

        A half-written hash at its end is cut off. An index whose last hash is not the one in the
        database is written anew.
        """
        with self.index.open("a+b") as file:
            whole = file.tell() // HASH_BYTES
            if whole:
                file.seek((whole - 1) * HASH_BYTES)
                end = file.read(HASH_BYTES)
                of_row = "SELECT 1 FROM pictures WHERE id = ? AND hash = ?"
                if database.execute(of_row, (whole, end)).fetchone() is None:
                    whole = 0
            file.truncate(whole * HASH_BYTES)
            file.write(_hashes_after(database, whole).tobytes())
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """The database, made if need be, in a transaction that is all or nothing."""
        with reading(self.database, ProvenanceError, _RESTORE, what="cannot be written"):
            self.database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._connected() as database:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = FULL")
                database.execute("BEGIN IMMEDIATE")
                with database:  # commits, or takes everything back
                    if _prepare(database):
                        self.index.unlink(missing_ok=True)  # of a database that is gone
                    yield database

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """The database, or None where there is none."""
        if not self.database.exists():
            yield None
            return
        with reading(self.database, ProvenanceError, _RESTORE):
            require_file(self.database)
            with self._connected() as database:
                # Without a format it was made by a process that then died.
                yield database if _format(database) else None

    def _connected(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self.database, timeout=_PATIENCE_S, isolation_level=None))


def _prepare(database: sqlite3.Connection) -> bool:
    """Whether the database is new; its tables are then made."""
    if _format(database):
        return False
    database.execute(
        "CREATE TABLE files (id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, "
        "name TEXT NOT NULL, added TEXT NOT NULL, kind TEXT NOT NULL, record TEXT)"
    )
    database.execute(
        "CREATE TABLE pictures (id INTEGER PRIMARY KEY, "
        "file INTEGER NOT NULL REFERENCES files (id), pts TEXT, "
        "hash BLOB NOT NULL CHECK (length(hash) = 32), quality INTEGER NOT NULL)"
    )
    database.execute("CREATE INDEX pictures_of_file ON pictures (file)")
    database.execute(f"PRAGMA user_version = {_FORMAT}")
    return True


def _format(database: sqlite3.Connection) -> int:
    """The format of the database; 0 if it has no tables yet."""
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version > _FORMAT:
        raise ProvenanceError(
            f"the registry of known fakes has format {version}, this version of Counterface reads "
            f"{_FORMAT}; update Counterface"
        )
    return version


def _hashes_after(database: sqlite3.Connection, row: int) -> Hashes:
    found = database.execute("SELECT hash FROM pictures WHERE id > ? ORDER BY id", (row,))
    joined = b"".join(bits for (bits,) in found)
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, HASH_BYTES)


def _nearest(
    database: sqlite3.Connection, known: Hashes, wanted: bytes
) -> tuple[NDArray[np.uint16], int, str | None] | None:
    """The distance of each wanted hash, and file and time of the nearest picture.

    If the index differs from the database, the database alone is searched.
    """
    for _ in range(2):
        if not len(known):
            return None
        rows, bits = distances(known, np.frombuffer(wanted, np.uint8).reshape(-1, HASH_BYTES))
        row = int(rows[bits.argmin()])
        look = "SELECT hash, file, pts FROM pictures WHERE id = ?"
        stored, file, pts = database.execute(look, (row + 1,)).fetchone()
        if stored == known[row].tobytes():
            return bits, file, pts
        known = _hashes_after(database, 0)
    raise sqlite3.DatabaseError("its rows are not in order")


def _files(database: sqlite3.Connection, rest: str, *values: object) -> Iterator[KnownFake]:
    """The registered files that the rest of a query selects."""
    query = f"SELECT sha256, name, added, kind, record FROM files {rest}"
    for sha256, name, added, kind, record in database.execute(query, values):
        yield KnownFake(sha256, name, datetime.fromisoformat(added), kind, record)
