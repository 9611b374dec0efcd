"""Work that is done but not yet part of `faceset.parquet`: small commits in `.extract/`.

A commit is one Parquet file: its rows, and in its metadata how far each source has got. Crops of a
commit are written into `.extract/pending/` first, then the commit, then the crops move to their
place. Whatever the moment a job is killed, a crop in the faceset's folder has a row, a row's crop
is in the folder or in `pending/`, and the work of a commit that was never written leaves no trace.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from counterface.errors import FacesetError
from counterface.faceset.header import FORMAT, SourceRecord
from counterface.faceset.row import ROWS, Row, table_to_rows
from counterface.files import make_folder, refuse_links, sync
from counterface.media.image import encode_image
from counterface.project_files import read_parquet, reading, writing
from counterface.table import read_about, write_table
from counterface.types import Image

WORK_FOLDER = ".extract"
READ_FORMATS = (2, FORMAT)  # of a commit; what format 3 added may lack
WRITERS = 4  # threads that wait for the disk
_LOSSLESS = {".png": "PNG", ".webp": "WEBP"}


class CommitWriter:
    """Adds crops and their rows to a faceset, in commits. Use it in a `with` block, lock held."""

    def __init__(self, folder: Path, quality: int) -> None:
        """Prepare; nothing is written before the first `add`.

        Args:
            folder: the faceset.
            quality: quality of the JPEG files, 1 to 100; a row whose file ends in .png or .webp
                has no loss.
        """
        self.folder = folder
        self.quality = quality
        self.count = 0  # commits written
        self._pending = folder / WORK_FOLDER / "pending"
        self._rows: list[Row] = []
        self._writes: list[Future[None]] = []
        self._pool = ThreadPoolExecutor(WRITERS, thread_name_prefix="crop-writer")

    def __enter__(self) -> CommitWriter:
        """This writer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget what was added since the last commit."""
        self._pool.shutdown(cancel_futures=True)

    def add(self, row: Row, image: Image) -> None:
        """Begin to write a crop, which becomes part of the faceset with `commit`."""
        kind = _LOSSLESS.get(Path(row.file).suffix, "JPEG")
        self._submit(row, lambda: encode_image(image, kind, self.quality, lossless=True))

    def add_file(self, row: Row, data: bytes) -> None:
        """Begin to write a crop of which the file's bytes are known."""
        self._submit(row, lambda: data)

    def _submit(self, row: Row, encode: Callable[[], bytes]) -> None:
        if not self._rows:
            make_folder(self._pending, FacesetError)
        self._rows.append(row)
        self._writes.append(self._pool.submit(_write_crop, self._pending / row.file, encode))

    def commit(self, sources: Sequence[SourceRecord]) -> None:
        """Put all crops added so far, and the records of their sources, into the faceset.

        Raises:
            FacesetError: the folder cannot be written; nothing of this commit is in the faceset.
        """
        with writing(self.folder, FacesetError):
            for write in self._writes:
                write.result()
            write_commit(self.folder, self._rows, sources)
            for row in self._rows:
                (self._pending / row.file).replace(self.folder / row.file)
        self.count += 1
        self._rows, self._writes = [], []


def write_commit(folder: Path, rows: Sequence[Row], sources: Sequence[SourceRecord] = ()) -> None:
    """Write rows, and how far their sources were read, beside the faceset's own; lock held.

    A row counts from then on, once its crop is in the folder.

    Raises:
        FacesetError: the folder cannot be written.
    """
    make_folder(folder / WORK_FOLDER, FacesetError)
    records = [record.model_dump(mode="json") for record in sources]
    about = {"format": FORMAT, "sources": records}
    write_table(_next_commit(folder), ROWS.to_arrow(rows), FacesetError, about=about)


def read_commits(folder: Path) -> list[tuple[pa.Table, tuple[SourceRecord, ...]]]:
    """The rows and source records of each commit that waits to be merged, oldest first.

    Raises:
        FacesetError: one cannot be read.
    """
    found = []
    for path in commit_files(folder):
        try:
            found.append(_read_commit(path))
        except FacesetError as error:
            if not isinstance(error.__cause__, FileNotFoundError):  # merged by a running job since
                raise
    return found


def _read_commit(path: Path) -> tuple[pa.Table, tuple[SourceRecord, ...]]:
    advice = (
        "delete it, and the crops that 'counterface faceset verify' then names, and extract again"
    )
    table = read_parquet(path, FacesetError, advice)
    with reading(path, FacesetError, advice, model=SourceRecord):
        about = read_about(table)
        sources = tuple(SourceRecord.model_validate(record) for record in about["sources"])
        if about["format"] not in READ_FORMATS:
            raise FacesetError(
                f"{path} has format {about['format']}, this Counterface writes {FORMAT}; "
                "finish the extraction with the version that began it"
            )
        table = ROWS.fit(table).replace_schema_metadata(None)
    table_to_rows(table, str(path))  # once in one table, nobody knows which file was wrong
    return table, sources


def recover(folder: Path) -> None:
    """Put crops of commits that a killed job left in `pending/` in place; delete others there.

    Call with the lock held.
    """
    refuse_links(folder, FacesetError)
    pending = folder / WORK_FOLDER / "pending"
    if not pending.is_dir():
        return
    known = {name for table, _ in read_commits(folder) for name in table["file"].to_pylist()}
    for path in pending.iterdir():
        if path.name in known:
            path.replace(folder / path.name)
        else:
            path.unlink()


def drop_commits(folder: Path) -> None:
    """Delete the commits; call when all that they hold is in the faceset's own files."""
    for path in commit_files(folder):
        path.unlink()
    shutil.rmtree(folder / WORK_FOLDER, ignore_errors=True)


def commit_files(folder: Path) -> list[Path]:
    """The commits that wait to be merged, oldest first."""
    return sorted((folder / WORK_FOLDER).glob("commit-*.parquet"))


def _next_commit(folder: Path) -> Path:
    last = commit_files(folder)[-1:]
    number = int(last[0].stem.split("-")[1]) + 1 if last else 0
    return folder / WORK_FOLDER / f"commit-{number:09d}.parquet"


def _write_crop(path: Path, encode: Callable[[], bytes]) -> None:
    path.write_bytes(encode())
    sync(path)
