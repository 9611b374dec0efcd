"""Work that is done but not yet part of `faceset.parquet`: small commits in `.extract/`.

A commit is one Parquet file: its rows, and in its metadata how far each source has got. Crops of a
commit are written into `.extract/pending/` first, then the commit, then the crops move to their
place. Whatever the moment a job is killed, a crop in the faceset's folder has a row, a row's crop
is in the folder or in `pending/`, and the work of a commit that was never written leaves no trace.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from counterface.errors import FacesetError
from counterface.faceset.header import FORMAT, SourceRecord, write_file
from counterface.faceset.row import Row, rows_to_table, table_to_rows

WORK_FOLDER = ".extract"
LOCK_FILE = ".lock"
_KEY = b"counterface"


@dataclass(frozen=True)
class Commit:
    """Rows and source records that were written together."""

    rows: tuple[Row, ...]
    sources: tuple[SourceRecord, ...]


def write_commit(
    folder: Path,
    commit: Commit,
    crops: Sequence[tuple[str, bytes]],
    pool: Executor | None = None,
) -> None:
    """Nothing; rows, records and crops are in the faceset, all or none.

    Args:
        folder: the faceset.
        commit: the rows, one for each crop, and the records of their sources.
        crops: (file name, content) pairs.
        pool: writes the crops, where given: waiting for the disk is most of the time.

    Raises:
        FacesetError: the folder cannot be written.
    """
    pending = folder / WORK_FOLDER / "pending"
    try:
        pending.mkdir(parents=True, exist_ok=True)
        jobs = [(pending / name, data) for name, data in crops]
        list((pool.map if pool else map)(_write_durable, jobs))
        write_file(_next_commit(folder), _to_parquet(commit))
        for name, _ in crops:
            (pending / name).replace(folder / name)
    except OSError as error:
        raise FacesetError(f"{folder} cannot be written: {error.strerror or error}") from error


def read_commits(folder: Path) -> list[Commit]:
    """The commits that wait to be merged, oldest first.

    Raises:
        FacesetError: one cannot be read.
    """
    found = []
    for path in _commit_files(folder):
        try:
            table = pq.read_table(path)
            about = json.loads((table.schema.metadata or {})[_KEY])
            sources = tuple(SourceRecord.model_validate(record) for record in about["sources"])
        except FileNotFoundError:  # merged by a running job since the folder was listed
            continue
        except (OSError, pa.ArrowException, ValueError, KeyError) as error:
            raise FacesetError(
                f"{path} cannot be read: {error}; delete it, and the crops that "
                "'counterface faceset verify' then names, and extract again"
            ) from error
        if about["format"] != FORMAT:
            raise FacesetError(
                f"{path} has format {about['format']}, this Counterface writes {FORMAT}; "
                "finish the extraction with the version that began it"
            )
        found.append(Commit(tuple(table_to_rows(table, str(path))), sources))
    return found


def recover(folder: Path) -> None:
    """Nothing; crops of a commit that a killed job left in `pending/` are in place, others gone.

    Call with the lock held.
    """
    pending = folder / WORK_FOLDER / "pending"
    if not pending.is_dir():
        return
    known = {row.file for commit in read_commits(folder) for row in commit.rows}
    for path in pending.iterdir():
        if path.name in known:
            path.replace(folder / path.name)
        else:
            path.unlink()


def drop_commits(folder: Path) -> None:
    """Nothing; call when all rows and records of the commits are in the faceset's own files."""
    for path in _commit_files(folder):
        path.unlink()
    shutil.rmtree(folder / WORK_FOLDER, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The faceset for one writer; the operating system frees the lock when the process dies.

    Raises:
        FacesetError: another process writes to the faceset, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / LOCK_FILE).open("a+b")
    except OSError as error:
        raise FacesetError(f"{folder} cannot be written: {error.strerror or error}") from error
    with handle:
        try:
            _lock(handle.fileno())
        except OSError as error:
            raise FacesetError(
                f"{folder} is being written by another process; wait for it, or choose another"
            ) from error
        yield


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _commit_files(folder: Path) -> list[Path]:
    return sorted((folder / WORK_FOLDER).glob("commit-*.parquet"))


def _next_commit(folder: Path) -> Path:
    last = _commit_files(folder)[-1:]
    number = int(last[0].stem.split("-")[1]) + 1 if last else 0
    return folder / WORK_FOLDER / f"commit-{number:09d}.parquet"


def _to_parquet(commit: Commit) -> bytes:
    sources = [record.model_dump(mode="json") for record in commit.sources]
    about = json.dumps({"format": FORMAT, "sources": sources})
    table = rows_to_table(commit.rows)
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({_KEY: about.encode()}), sink)
    return bytes(sink.getvalue())


def _write_durable(job: tuple[Path, bytes]) -> None:
    path, data = job
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
