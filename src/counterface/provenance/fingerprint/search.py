"""All known hashes within PDQ's threshold of some others: tables of pieces, or a pass over all.

Multi-index hashing (Norouzi, Punjani and Fleet, 2012, "Fast search in Hamming space with
multi-index hashing", https://www.cs.toronto.edu/~norouzi/research/papers/multi_index_hashing.pdf)
on NumPy. A hash is cut into 16 pieces of 16 bits. Of 31 bits that differ, no more than one lies in
some piece, so the hashes that share a piece with the one looked for, but for one bit at most, hold
all within 31 bits. That is 17 values in each of 16 tables, about four hashes of a thousand.

Traps: hashes that are much alike (frames of one still scene) fill few places of a table. Where
these are many, a pass over all hashes is quicker, and is what happens.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from counterface.errors import ProvenanceError
from counterface.files import replacing

SAME_LOOK = 31  # bits of 256: PDQ's own threshold, and the most that the tables can find
TABLES_FROM = 32_768  # hashes; a pass over fewer takes 0.2 ms, and needs no tables
GROWTH = 16  # tables are written anew once a 16th of their hashes has come after them

Hashes = NDArray[np.uint8]  # (N, 32)

_CHUNK = 8192  # hashes compared at a time: their columns stay in a core's cache
_PIECES, _VALUES = 16, 1 << 16
_NEAR = np.concatenate([[0], 1 << np.arange(16)]).astype(np.uint16)  # no bit, or one
_DEAR = 16  # a hash found by the tables costs as much as so many in a pass over all
_MAGIC = b"CFPDQ16\x01"
_HEAD = 64  # bytes: magic, number of hashes, SHA-256 of a sample of them, zeros
_SAMPLE = 64


class Hits(NamedTuple):
    """Pairs of a wanted and a known hash that are alike; in order of both."""

    wanted: NDArray[np.intp]  # (H,), rows of the wanted hashes
    known: NDArray[np.intp]  # (H,), rows of the known hashes
    bits: NDArray[np.uint16]  # (H,), bits that differ, [0, SAME_LOOK]


class Tables:
    """The rows of hashes by each of their pieces, mapped from a file."""

    def __init__(self, cells: NDArray[np.uint32]) -> None:
        """Take the tables as `write_tables` lays them out.

        Args:
            cells: (16, 65537 + N): for each piece the places at which its values begin and the
                last one ends, then the rows in order of their values.
        """
        self.rows = cells.shape[1] - _VALUES - 1
        self._cells = cells.ravel()
        self._starts = np.arange(_PIECES)[:, None] * cells.shape[1]

    @classmethod
    def open(cls, path: Path, known: Hashes) -> Self | None:
        """The tables of a file; None without a whole one that was made of the first known hashes.

        Raises:
            OSError: the file cannot be read.
        """
        if not path.is_file():
            return None
        with path.open("rb") as file:  # once: another process may put new tables in its place
            head = file.read(_HEAD)
            rows = int.from_bytes(head[8:16], "little")
            width = _VALUES + 1 + rows
            whole = os.fstat(file.fileno()).st_size == _HEAD + 4 * _PIECES * width
            if not whole or not 0 < rows <= len(known) or head != _head(known[:rows]):
                return None
            return cls(np.asarray(np.memmap(file, "<u4", "r", _HEAD, (_PIECES, width))))

    def near(self, wanted: NDArray[np.uint8]) -> NDArray[np.uint32] | None:
        """The rows of the hashes that may lie within 31 bits of one (32,), some several times.

        None where a pass over all hashes is quicker, or the tables are damaged.
        """
        values = self._starts + (wanted.view("<u2")[:, None] ^ _NEAR)
        first = self._cells.take(values).astype(np.int64)  # (16, 17)
        count = self._cells.take(values + 1) - first
        total = int(count.sum())
        if total * _DEAR > self.rows or count.min() < 0 or (first + count).max() > self.rows:
            return None
        first += self._starts + _VALUES + 1
        ends = count.ravel().cumsum()
        places = np.repeat(first.ravel() - ends + count.ravel(), count.ravel()) + np.arange(total)
        rows = self._cells.take(places)
        return None if total and int(rows.max()) >= self.rows else rows


def write_tables(path: Path, known: Hashes) -> None:
    """Write the tables of known hashes; 0.8 s and 68 MB on disk for a million of them.

    Args:
        path: the file; it is replaced in one step.
        known: (N, 32), N >= 1. The build takes 14 bytes of memory a hash besides.

    Raises:
        ProvenanceError: it cannot be written.
    """
    pieces = known.view("<u2")  # (N, 16)
    with replacing(path, ProvenanceError) as made, made.open("wb") as file:
        file.write(_head(known))
        for piece in range(_PIECES):
            values = np.ascontiguousarray(pieces[:, piece])
            ends = np.bincount(values, minlength=_VALUES).cumsum()
            file.write(np.concatenate([[0], ends]).astype("<u4").tobytes())
            file.write(values.argsort(kind="stable").astype("<u4").tobytes())


def find_alike(known: Hashes, wanted: Hashes, tables: Tables | None = None) -> Hits:
    """All pairs of a wanted and a known hash at most 31 bits apart; the tables change no result.

    Args:
        known: (N, 32).
        wanted: (M, 32).
        tables: of the first of the known hashes.
    """
    if tables is None:
        return _pass_over(known, wanted, np.arange(len(wanted)), 0)
    words, targets = _words(known), _words(wanted)
    parts, passed = [], []
    for number, target in enumerate(targets):
        rows = tables.near(wanted[number])
        if rows is None:
            passed.append(number)
            continue
        bits = np.bitwise_count(words.take(rows, axis=0) ^ target).sum(axis=1, dtype=np.uint16)
        close = bits <= SAME_LOOK
        alike, first = np.unique(rows[close], return_index=True)
        parts.append(_hits(number, alike, bits[close][first]))
    parts.append(_pass_over(known[: tables.rows], wanted, np.array(passed, np.intp), 0))
    parts.append(_pass_over(known[tables.rows :], wanted, np.arange(len(wanted)), tables.rows))
    return _joined(parts)


def _pass_over(known: Hashes, wanted: Hashes, numbers: NDArray[np.intp], row: int) -> Hits:
    """The pairs of some wanted hashes and all known ones, the first of which has this row."""
    targets = _words(wanted)
    parts = []
    for start in range(0, len(known) if len(numbers) else 0, _CHUNK):
        columns = np.ascontiguousarray(_words(known[start : start + _CHUNK]).T)  # (4, chunk)
        for number in numbers:
            target = targets[number]
            differ = np.bitwise_count(columns[0] ^ target[0]).astype(np.uint16)
            for column, word in zip(columns[1:], target[1:], strict=True):
                differ += np.bitwise_count(column ^ word)
            if differ.min() <= SAME_LOOK:
                close = np.flatnonzero(differ <= SAME_LOOK)
                parts.append(_hits(int(number), close + (row + start), differ[close]))
    return _joined(parts)


def _words(hashes: Hashes) -> NDArray[np.uint64]:
    """The same bits as (N, 4)."""
    return np.ascontiguousarray(hashes).view(np.uint64)


def _hits(number: int, rows: NDArray[np.integer], bits: NDArray[np.uint16]) -> Hits:
    return Hits(np.full(len(rows), number, np.intp), rows.astype(np.intp), bits)


def _joined(parts: list[Hits]) -> Hits:
    if not parts:
        return _hits(0, np.zeros(0, np.intp), np.zeros(0, np.uint16))
    wanted, known, bits = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((known, wanted))
    return Hits(wanted[order], known[order], bits[order])


def _head(known: Hashes) -> bytes:
    """What the file of tables begins with, 64 bytes: it tells whether they are of these hashes."""
    rows = np.linspace(0, len(known) - 1, _SAMPLE).astype(np.intp)
    sample = hashlib.sha256(np.ascontiguousarray(known[rows]).tobytes()).digest()
    return (_MAGIC + len(known).to_bytes(8, "little") + sample).ljust(_HEAD, b"\0")
