"""The registry of known fakes as a CSV list, and lists of hashes from elsewhere.

A row is a picture: `sha256,name,kind,when,pts,hash,quality`, of which only `hash` must be there: 64
hexadecimal digits, as all PDQ tools write them. A file without pictures has one row with no hash.

Traps: a list is hostile input, and nobody vouches for what it says. Its rows are read one by one,
and a wrong one is left out by name; what it names is never taken for made on this machine.
"""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

from counterface.errors import ProvenanceError
from counterface.files import replacing
from counterface.project_files import reading, require_file
from counterface.provenance.fingerprint.pdq import MIN_QUALITY
from counterface.provenance.fingerprint.registry import (
    LISTED,
    KnownFakes,
    file_sha256_of,
    key_of_name,
)
from counterface.spreadsheet import bare_cell, guard_cell
from counterface.types import Progress

COLUMNS = ("sha256", "name", "kind", "when", "pts", "hash", "quality")
_BARE = ("hash", "quality", "name")  # of a list without names of columns: the order of PDQ's hasher
_SEPARATORS = ",;\t"
_BATCH = 5000  # rows of a transaction
_LONGEST = 65_536  # bytes of a line
_NAMED = 100  # wrong rows that are kept
_HEX = re.compile("[0-9a-fA-F]{64}")
_SECONDS = re.compile(r"-?\d{1,18}(/0*[1-9]\d{0,17}|\.\d{1,18})?")
_PICTURE = """INSERT INTO pictures (file, pts, hash, quality) SELECT :file, :pts, :hash, :quality
WHERE NOT EXISTS (SELECT 1 FROM pictures WHERE file = :file AND hash = :hash AND pts IS :pts)"""


@dataclass(frozen=True, slots=True)
class WrongRow:
    """A row that was left out."""

    line: int  # from 1
    reason: str


@dataclass(frozen=True, slots=True)
class ListImport:
    """What became of the rows of a list."""

    files: int  # entries that are new in the registry
    hashes: int  # hashes that are new
    known: int  # hashes that were there already, or are of files made here
    flat: int  # hashes of pictures with too little detail, which are not kept
    wrong: int  # rows that were left out
    wrong_rows: tuple[WrongRow, ...]  # the first 100 of them


class _Row(NamedTuple):
    """A row as the database takes it."""

    key: str
    name: str
    kind: str
    when: str
    pts: str | None
    hash: bytes | None
    quality: int


def export_known_fakes(registry: KnownFakes, path: Path) -> int:
    """The number of hashes written to a CSV file, in the order in which they were registered.

    Paths of records are not written, and a hash that a file has twice is written once.

    Args:
        registry: what is written.
        path: the file; it is replaced in one step.

    Raises:
        ProvenanceError: there is no registry, it cannot be read, or the file cannot be written.
    """
    with registry.open_for_reading() as database:
        if database is None:
            raise ProvenanceError(
                f"{registry.database}: there is no registry of known fakes yet, so there is "
                "nothing to export; it begins with the first file that is made or imported"
            )
        with (
            replacing(path, ProvenanceError) as made,
            made.open("w", encoding="utf-8", newline="") as file,
        ):
            return _write_rows(file, database)


def import_known_fakes(
    registry: KnownFakes, path: Path, progress: Progress | None = None
) -> ListImport:
    """What became of the rows of a CSV list, whose hashes and files are added to the registry.

    Rows are stored some thousand at a time. After a kill the same call goes on: what is known
    already is passed over. A file that was made here stays as it is, and its rows count as known.
    Rows without the SHA-256 of a file are joined by their name, by default that of the list.

    Args:
        registry: where to add them.
        path: CSV in UTF-8 with a column `hash`, or without names of columns.
        progress: told the number of rows.

    Raises:
        ProvenanceError: the list cannot be read or has no column `hash`, or the registry cannot
            be written.
    """
    done = ListImport(0, 0, 0, 0, 0, ())
    rows = _read_rows(path, datetime.now(UTC).isoformat())
    count = 0
    while batch := list(islice(rows, _BATCH)):
        good = [row for row in batch if isinstance(row, _Row)]
        wrong = [row for row in batch if isinstance(row, WrongRow)]
        with registry.open_for_writing() as database:
            files, added = _add(database, good, path.name)
        flat = sum(row.hash is not None and row.quality < MIN_QUALITY for row in good)
        given = sum(row.hash is not None for row in good)
        done = ListImport(
            files=done.files + files,
            hashes=done.hashes + added,
            known=done.known + given - flat - added,
            flat=done.flat + flat,
            wrong=done.wrong + len(wrong),
            wrong_rows=(*done.wrong_rows, *wrong)[:_NAMED],
        )
        count += len(batch)
        if progress:
            progress(count, None, path.name)
    if count:  # of a run that was killed before this, too
        registry.extend_index()
    return done


def _write_rows(file: TextIO, database: sqlite3.Connection) -> int:
    """Write every picture, and every file without one; the number of pictures."""
    rows = csv.writer(file)
    rows.writerow(COLUMNS)
    query = """SELECT files.id, sha256, name, kind, added, pts, hash, quality FROM files
        LEFT JOIN pictures ON pictures.file = files.id ORDER BY files.id, pictures.id"""
    last, seen, count = None, set[tuple[str | None, bytes]](), 0
    for number, key, name, kind, when, pts, bits, quality in database.execute(query):
        if number != last:
            last = number
            seen.clear()
        if (pts, bits) in seen:
            continue
        seen.add((pts, bits))
        count += bits is not None
        look = ("", "", "") if bits is None else (pts or "", bits.hex(), str(quality))
        cells = (file_sha256_of(key) or "", _one_line(name), kind, when, *look)
        rows.writerow([guard_cell(cell) for cell in cells])
    return count


def _add(database: sqlite3.Connection, rows: Sequence[_Row], source: str) -> tuple[int, int]:
    """Add rows in the caller's transaction; the number of new files and of new pictures."""
    if not rows:
        return 0, 0
    database.execute(
        "CREATE TABLE IF NOT EXISTS imported "
        "(file INTEGER PRIMARY KEY REFERENCES files (id), list TEXT NOT NULL)"
    )
    database.execute("CREATE INDEX IF NOT EXISTS hashes_of_file ON pictures (file, hash)")
    database.execute(f"PRAGMA user_version = {LISTED}")
    numbers: dict[str, int | None] = {}  # None: a file made here, of which a list can tell nothing
    files = pictures = 0
    for row in rows:
        keep = row.hash is not None and row.quality >= MIN_QUALITY
        if not keep and file_sha256_of(row.key) is None:
            continue  # nothing could ever be found by it
        if row.key not in numbers:
            query = "SELECT (SELECT file FROM imported WHERE file = id) FROM files WHERE sha256 = ?"
            known = database.execute(query, (row.key,)).fetchone()
            if known is None:
                insert = "INSERT INTO files (sha256, name, added, kind) VALUES (?, ?, ?, ?)"
                new = database.execute(insert, (row.key, row.name, row.when, row.kind))
                known = (new.lastrowid,)
                database.execute("INSERT INTO imported VALUES (?, ?)", (*known, source))
                files += 1
            numbers[row.key] = known[0]
        if keep and (file := numbers[row.key]) is not None:
            values = row._asdict() | {"file": file}
            pictures += database.execute(_PICTURE, values).rowcount
    return files, pictures


def _read_rows(path: Path, now: str) -> Iterator[_Row | WrongRow]:
    """The rows of a list, each with the reason where it is wrong."""
    with reading(path, ProvenanceError, what="not a readable CSV"):
        require_file(path)
        with path.open("rb") as file:
            lines = enumerate(_lines(file), start=1)
            head = next(lines, (1, b""))[1].removeprefix(b"\xef\xbb\xbf").decode("utf-8")
            separator = max(_SEPARATORS, key=head.count)
            names = [cell.strip().lower() for cell in _cells(head, separator)]
            if names and _HEX.fullmatch(names[0]):
                names = list(_BARE)
                yield _read_row(head.encode(), 1, separator, names, path.name, now)
            elif "hash" not in names:
                raise ProvenanceError(
                    f"{path}: no column is named 'hash' in its first line, {head[:80]!r}; "
                    "name the column of PDQ hashes so"
                )
            for number, line in lines:
                if line.strip():
                    yield _read_row(line, number, separator, names, path.name, now)


def _lines(file: io.BufferedReader) -> Iterator[bytes]:
    """The lines of a file; the rest of one that is too long is passed over."""
    while line := file.readline(_LONGEST):
        end = line
        while len(end) == _LONGEST and not end.endswith(b"\n"):
            end = file.readline(_LONGEST)
        yield line


def _read_row(
    line: bytes, number: int, separator: str, names: Sequence[str], source: str, now: str
) -> _Row | WrongRow:
    try:
        if len(line) == _LONGEST:
            raise ValueError(f"it has more than {_LONGEST} bytes")
        cells = _cells(line.decode("utf-8"), separator)
        row = {name: bare_cell(cell).strip() for name, cell in zip(names, cells, strict=False)}
        return _row({name: row.get(name, "") for name in COLUMNS}, source, now)
    except (ValueError, csv.Error) as error:
        return WrongRow(number, " ".join(str(error).split())[:200])


def _row(cells: dict[str, str], source: str, now: str) -> _Row:
    """A row of the database.

    Raises:
        ValueError: a cell cannot be read.
    """
    digest, bits, name, pts = (cells[key] for key in ("sha256", "hash", "name", "pts"))
    for key in ("sha256", "hash"):
        if cells[key] and not _HEX.fullmatch(cells[key]):
            raise ValueError(f"{key} {cells[key][:80]!r} is not 64 hexadecimal digits")
    if not bits and not digest:
        raise ValueError("it has no hash")
    if pts and not _SECONDS.fullmatch(pts):
        raise ValueError(f"pts {pts[:40]!r} is no number of seconds, such as 1.5 or 3/2")
    kind = cells["kind"] or ("video" if pts else "image")
    if kind not in ("image", "video"):
        raise ValueError(f"kind {kind[:40]!r} is neither image nor video")
    quality = cells["quality"] or str(MIN_QUALITY)  # lists without it hold what is worth comparing
    if not re.fullmatch(r"\d{1,3}", quality) or int(quality) > 100:
        raise ValueError(f"quality {quality[:40]!r} is no whole number from 0 to 100")
    when = datetime.fromisoformat(cells["when"] or now)
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    if not digest:  # a list from elsewhere: folders in a name may be those of a person
        name = re.split(r"[\\/]", name)[-1]
    name = _one_line(name or source)[:1000]
    return _Row(
        key=digest.lower() or key_of_name(name),
        name=name,
        kind=kind,
        when=when.astimezone(UTC).isoformat(),
        pts=str(Fraction(pts)) if pts else None,
        hash=bytes.fromhex(bits) if bits else None,
        quality=int(quality),
    )


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line.rstrip("\r\n")], delimiter=separator, strict=True), [])


def _one_line(name: str) -> str:
    """The name without line breaks and other controls, which would end or hide a row."""
    return "".join(char if char.isprintable() else " " for char in name)
