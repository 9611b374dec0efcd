"""The registry of known fakes: files that were made here, and the look of their pictures.

Traps: a swap changes a small part of a picture, so the untouched footage that it was made from
mostly matches too. A match says that a file looks like a registered one, never that it is a fake.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from counterface.errors import ProvenanceError
from counterface.project_files import reading, require_file
from counterface.provenance.fingerprint.pdq import HASH_BYTES, ImageHash, hash_looks
from counterface.provenance.fingerprint.search import (
    GROWTH,
    TABLES_FROM,
    Hashes,
    Tables,
    find_alike,
    write_tables,
)
from counterface.provenance.fingerprint.vote import Vote, count_votes
from counterface.types import Image

_DATABASE, _INDEX = "known_fakes.sqlite", "known_fakes.hashes"
_TABLES = "known_fakes.tables"
_FORMAT = 1  # of the database
LISTED = 2  # its format once a list was imported: tables say which, and older programs refuse it
_NAMED = "name:"  # in the place of a SHA-256, before the SHA-256 of the name
_PATIENCE_S = 30.0  # how long a writer waits for another one
_ASKED = 500  # rows asked for at a time
_RESTORE = "restore it from a copy, or delete it: the registry then begins anew"


@dataclass(frozen=True, slots=True)
class KnownFake:
    """A registered file; entries are files, never persons."""

    sha256: str | None  # None where an imported list does not say it
    name: str
    when: datetime  # of registration, UTC
    kind: Literal["image", "video"]
    record: str | None  # path of its record at that time
    list: str | None = None  # name of the list that it was imported from; None: made here


@dataclass(frozen=True, slots=True)
class KnownFakeMatch:
    """The registered file that most of some pictures look like."""

    fake: KnownFake
    distance: int  # bits of 256 that differ between the two nearest pictures
    pts: Fraction | None  # of the nearest registered frame, seconds; None for an image
    mirrored: bool  # most pictures look like the mirror image of the registered ones
    images_matched: int  # pictures that look like one of this file
    images_compared: int  # pictures with enough detail


class KnownFakes:
    """The local registry: files, and the look of their pictures.

    The database is the truth. The index beside it repeats the hashes, 32 bytes each in the order of
    their rows, so that a search need not read the database, and the tables of a large registry
    spare it most of the hashes; both may be deleted. Many processes may use the registry at once,
    and a crash loses only the file that was being added.
    """

    def __init__(self, folder: Path) -> None:
        """Name the files of the registry; none is opened or made yet.

        Args:
            folder: the user's private folder, `home_dir()`.
        """
        self.database = folder / _DATABASE
        self.index = folder / _INDEX
        self.tables = folder / _TABLES

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

        A file that is known already gets the new name, time and record, and keeps its pictures; one
        that only a list named gets these besides.
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
        with self.open_for_writing() as database:
            known = database.execute("SELECT id FROM files WHERE sha256 = ?", (sha256,)).fetchone()
            if known:
                update = "UPDATE files SET name = ?, added = ?, kind = ?, record = ? WHERE id = ?"
                database.execute(update, (name, stamp, kind, where, *known))
                new = _unlist(database, *known)
            else:
                row = (sha256, name, stamp, kind, where)
                insert = "INSERT INTO files (sha256, name, added, kind, record) VALUES (?,?,?,?,?)"
                known = (database.execute(insert, row).lastrowid,)
                new = True
            if new:
                database.executemany(
                    "INSERT INTO pictures (file, pts, hash, quality) VALUES (?, ?, ?, ?)",
                    [
                        (*known, None if pts is None else str(pts), one.bits, one.quality)
                        for one, pts in looks
                    ],
                )
            count = database.execute("SELECT COUNT(*) FROM pictures WHERE file = ?", known)
            pictures = int(count.fetchone()[0])
        self.extend_index()
        return pictures

    def find_file(self, sha256: str) -> KnownFake | None:
        """The registered file of this SHA-256, if there is one.

        Raises:
            ProvenanceError: the registry cannot be read.
        """
        with self.open_for_reading() as database:
            return next(_files(database, "WHERE sha256 = ?", sha256), None) if database else None

    def entries(self) -> list[KnownFake]:
        """All registered files, newest first.

        Raises:
            ProvenanceError: the registry cannot be read.
        """
        with self.open_for_reading() as database:
            return list(_files(database, "ORDER BY added DESC")) if database else []

    def match(self, images: Iterable[Image]) -> KnownFakeMatch | None:
        """The registered file that most of the pictures, or their mirror images, look like.

        One picture is matched with the nearest registered one. Of more than three, two must look
        like the same file. Nothing is made where there is no registry. Among a million hashes, a
        picture and its mirror image take about 4 ms on one core, and twelve frames 15 ms.

        Args:
            images: RGB uint8 (H, W, 3): one picture, or frames of a video.

        Raises:
            ShapeError: a picture has another shape or type.
            ProvenanceError: the registry cannot be read.
        """
        return self.match_looks([hash_looks(image) for image in images])

    def match_looks(self, pictures: Iterable[Sequence[ImageHash]]) -> KnownFakeMatch | None:
        """As `match`, for the hashes of each picture.

        Raises:
            ProvenanceError: the registry cannot be read.
        """
        usable = [[one for one in looks if one.usable] for looks in pictures]
        compared = [looks for looks in usable if looks]
        with self.open_for_reading() as database:
            if database is None or not compared:
                return None
            found = self._vote(database, compared)
            if found is None:
                return None
            vote, pts = found
            return KnownFakeMatch(
                fake=next(_files(database, "WHERE id = ?", vote.file)),
                distance=vote.distance,
                pts=None if pts is None else Fraction(pts),
                mirrored=vote.mirrored,
                images_matched=vote.pictures,
                images_compared=len(compared),
            )

    def _vote(
        self, database: sqlite3.Connection, pictures: Sequence[Sequence[ImageHash]]
    ) -> tuple[Vote, str | None] | None:
        """The vote of the pictures, and the time of the nearest registered one.

        If the index differs from the database, the database alone is searched.
        """
        numbered = [(n, one) for n, looks in enumerate(pictures) for one in looks]
        bits = [one.bits for _, one in numbered] + [one.mirrored for _, one in numbered]
        wanted = np.frombuffer(b"".join(bits), np.uint8).reshape(-1, HASH_BYTES)
        of_picture = np.array([n for n, _ in numbered] * 2, np.intp)
        mirrored = np.arange(len(wanted)) >= len(numbered)
        known, tables = self._indexed(database)
        for _ in range(2):
            hits = find_alike(known, wanted, tables)
            rows = hits.known.tolist()
            stored = _stored(database, rows)
            if all(row in stored and stored[row][0] == known[row].tobytes() for row in set(rows)):
                files = np.array([stored[row][1] for row in rows], np.intp)
                vote = count_votes(hits, files, of_picture, mirrored)
                return None if vote is None else (vote, stored[vote.row][2])
            known, tables = _hashes_after(database, 0), None
        raise sqlite3.DatabaseError("its rows are not in order")

    def _indexed(self, database: sqlite3.Connection) -> tuple[Hashes, Tables | None]:
        """All hashes, row n for picture n + 1, and the tables of the first ones if they fit.

        The hashes are those of the index, and those that it lacks.
        """
        count = _count(database)
        rows = min(count, self.index.stat().st_size // HASH_BYTES if self.index.exists() else 0)
        if rows == 0:
            return _hashes_after(database, 0), None
        known: Hashes = np.asarray(np.memmap(self.index, np.uint8, "r", shape=(rows, HASH_BYTES)))
        if not _is_copy(database, known):
            return _hashes_after(database, 0), None
        if rows < count:
            known = np.vstack([known, _hashes_after(database, rows)])
        return known, Tables.open(self.tables, known) if count >= TABLES_FROM else None

    def extend_index(self) -> None:
        """Bring the index up to the rows of the database; one process does it at a time.

        Raises:
            ProvenanceError: it cannot be written.
        """
        with (
            self.open_for_writing() as database
        ):  # a transaction of its own: the rows are safe by now
            self._extend_index(database)
            self._extend_tables()

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

    def _extend_tables(self) -> None:
        """Write the tables anew where too many hashes of the index came after them."""
        rows = self.index.stat().st_size // HASH_BYTES
        if rows < TABLES_FROM:
            return
        known = np.asarray(np.memmap(self.index, np.uint8, "r", shape=(rows, HASH_BYTES)))
        tables = Tables.open(self.tables, known)
        if tables is None or rows - tables.rows > max(TABLES_FROM, rows // GROWTH):
            del tables
            write_tables(self.tables, known)

    @contextmanager
    def open_for_writing(self) -> Iterator[sqlite3.Connection]:
        """The database, made if need be, in a transaction that is all or nothing.

        Raises:
            ProvenanceError: it cannot be written.
        """
        with reading(self.database, ProvenanceError, _RESTORE, what="cannot be written"):
            self.database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._connected() as database:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = FULL")
                database.execute("BEGIN IMMEDIATE")
                with database:  # commits, or takes everything back
                    if _prepare(database):
                        for copy in (self.index, self.tables):  # of a database that is gone
                            copy.unlink(missing_ok=True)
                    yield database

    @contextmanager
    def open_for_reading(self) -> Iterator[sqlite3.Connection | None]:
        """The database, or None where there is none.

        Raises:
            ProvenanceError: it cannot be read.
        """
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
    if version > LISTED:
        raise ProvenanceError(
            f"the registry of known fakes has format {version}, this version of Counterface reads "
            f"up to {LISTED}; update Counterface"
        )
    return version


def _hashes_after(database: sqlite3.Connection, row: int) -> Hashes:
    found = database.execute("SELECT hash FROM pictures WHERE id > ? ORDER BY id", (row,))
    joined = b"".join(bits for (bits,) in found)
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, HASH_BYTES)


def _unlist(database: sqlite3.Connection, file: int) -> bool:
    """Whether only a list knew the file, which is this machine's own from now on."""
    if _format(database) != LISTED:
        return False
    return database.execute("DELETE FROM imported WHERE file = ?", (file,)).rowcount > 0


def _count(database: sqlite3.Connection) -> int:
    """The number of pictures; none is ever taken out, so it is that of the last one."""
    return int(database.execute("SELECT IFNULL(MAX(id), 0) FROM pictures").fetchone()[0])


def _stored(
    database: sqlite3.Connection, rows: Iterable[int]
) -> dict[int, tuple[bytes, int, str | None]]:
    """Hash, file and time of pictures, by their rows in the index."""
    found: dict[int, tuple[bytes, int, str | None]] = {}
    numbers = [row + 1 for row in sorted(set(rows))]
    for start in range(0, len(numbers), _ASKED):
        some = numbers[start : start + _ASKED]
        places = ",".join("?" * len(some))
        query = f"SELECT id, hash, file, pts FROM pictures WHERE id IN ({places})"
        for number, bits, file, pts in database.execute(query, some):
            found[number - 1] = bits, file, pts
    return found


def _is_copy(database: sqlite3.Connection, known: Hashes) -> bool:
    """Whether the first, the middle and the last hash are those of the database."""
    stored = "SELECT hash FROM pictures WHERE id = ?"
    return all(
        database.execute(stored, (row + 1,)).fetchone() == (known[row].tobytes(),)
        for row in (0, len(known) // 2, len(known) - 1)
    )


def file_sha256_of(key: str) -> str | None:
    """The SHA-256 that the database knows a file by; None for what a list names without it."""
    return None if key.startswith(_NAMED) else key


def key_of_name(name: str) -> str:
    """What the database knows a file by whose SHA-256 a list does not say."""
    return f"{_NAMED}{hashlib.sha256(name.encode()).hexdigest()}"


def _files(database: sqlite3.Connection, rest: str, *values: object) -> Iterator[KnownFake]:
    """The registered files that the rest of a query selects."""
    listed = "(SELECT list FROM imported WHERE file = files.id)"
    source = listed if _format(database) == LISTED else "NULL"
    query = f"SELECT sha256, name, added, kind, record, {source} FROM files {rest}"
    for key, name, added, kind, record, source in database.execute(query, values):
        when = datetime.fromisoformat(added)
        yield KnownFake(file_sha256_of(key), name, when, kind, record, source)
