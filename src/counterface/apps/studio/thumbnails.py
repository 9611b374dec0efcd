"""Small copies of pictures for pages of thousands, kept by content and never the user's bytes.

    state/thumbnails.db   JPEG by the SHA-256 of the picture it shows

Deleting the file loses nothing but time.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from counterface.errors import CounterfaceError
from counterface.files import file_sha256
from counterface.media import sandbox
from counterface.media.image import encode_image, shrink_image

SIDE = 128  # pixels of the longer side
QUALITY = 80
MOST_KEPT = 150_000  # thumbnails, 4 kB each
LIMITS = sandbox.Limits(file_mb=100, max_pixels=50_000_000, wall_s=30, cpu_s=20, threads=1)
WORKERS = 4  # threads at most: each waits for a decoder
_WAIT_S = 20.0  # for another process that writes


def thumbnails(state: Path, paths: Sequence[Path]) -> list[bytes | None]:
    """A JPEG of at most 128 x 128 pixels of each picture; None where it cannot be read.

    Args:
        state: folder of the studio's state, in which they are kept.
        paths: the pictures, decoded in a child process.
    """
    with _threads() as pool, closing(_opened(state)) as kept:
        keys = list(pool.map(_key, paths))
        known = _read(kept, [key for key in keys if key])
        missing = {
            key: path
            for key, path in zip(keys, paths, strict=True)
            if key is not None and key not in known
        }
        made = dict(zip(missing, pool.map(_make, missing.values()), strict=True))
        _write(kept, {key: data for key, data in made.items() if data is not None})
    return [None if key is None else known.get(key) or made.get(key) for key in keys]


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(min(WORKERS, os.cpu_count() or 1), "thumbnails") as pool:
        yield pool


def _key(path: Path) -> str | None:
    try:
        return file_sha256(path)
    except (CounterfaceError, OSError):
        return None


def _make(path: Path) -> bytes | None:
    try:
        image = sandbox.read_image(path, LIMITS)
    except CounterfaceError:
        return None
    return encode_image(shrink_image(image, SIDE), "JPEG", QUALITY)


def _opened(state: Path) -> sqlite3.Connection:
    kept = sqlite3.connect(state / "thumbnails.db", timeout=_WAIT_S)
    kept.execute("PRAGMA journal_mode=WAL")
    kept.execute("PRAGMA synchronous=OFF")
    kept.execute(
        "CREATE TABLE IF NOT EXISTS thumbnails "
        "(key TEXT PRIMARY KEY, seen REAL NOT NULL, data BLOB NOT NULL) WITHOUT ROWID"
    )
    return kept


def _read(kept: sqlite3.Connection, keys: list[str]) -> dict[str, bytes]:
    marks = ",".join("?" * len(keys))
    rows = kept.execute(f"SELECT key, data FROM thumbnails WHERE key IN ({marks})", keys)
    return dict(rows.fetchall())


def _write(kept: sqlite3.Connection, made: dict[str, bytes]) -> None:
    if not made:
        return
    with kept:
        now = time.time()
        rows = [(key, now, data) for key, data in made.items()]
        kept.executemany("INSERT OR REPLACE INTO thumbnails VALUES (?, ?, ?)", rows)
        (count,) = kept.execute("SELECT count(*) FROM thumbnails").fetchone()
        if count > MOST_KEPT:
            kept.execute(
                "DELETE FROM thumbnails WHERE key IN "
                "(SELECT key FROM thumbnails ORDER BY seen LIMIT ?)",
                (MOST_KEPT // 10,),
            )
