"""A faceset on disk: a folder of crops that a person can browse and prune, and their records.

    folder/
      clip_1a2b3c4d_0000012_0.jpg   crops: source name, start of its SHA-256, frame, face
      faceset.parquet               one row for each crop (see `row.py`)
      faceset.json                  format, template, size, rights, sources (see `header.py`)
      .extract/, .lock              only while work is unfinished (see `commits.py`)

A row whose file was deleted is gone. A picture without a row is an error that says how to adopt it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from counterface.errors import FacesetError, MediaError, RightsError, ShapeError
from counterface.faces.align import template_points
from counterface.faceset.commits import commit_files, drop_commits, read_commits, recover
from counterface.faceset.header import (
    HEADER_FILE,
    RESTORE,
    ROWS_FILE,
    Header,
    SourceRecord,
    migrate,
    read_plain_header,
    write_header,
)
from counterface.faceset.row import ROWS, Row, fit_rows, table_to_rows
from counterface.files import locked, refuse_links
from counterface.media import sandbox
from counterface.media.image import IMAGE_SUFFIXES
from counterface.project_files import read_parquet, reading
from counterface.provenance.rights import Rights
from counterface.table import write_table
from counterface.types import Crop, Image

MAX_NAMED = 5  # file names listed in an error; the rest is counted


@dataclass(frozen=True, slots=True)
class Faceset:
    """An open faceset; a value, so reading it again shows what others have written since."""

    folder: Path
    header: Header
    rows: tuple[Row, ...]  # crops that exist, by source, frame, face
    gone: int  # rows whose crop was deleted; dropped with the next write
    strays: tuple[str, ...]  # pictures without a row; empty unless `open(allow_strays=True)`

    @classmethod
    def create(
        cls, folder: Path, template: str, size: int, rights: Rights | None = None
    ) -> Faceset:
        """A new, empty faceset.

        Raises:
            FacesetError: the folder already holds one, or pictures, or cannot be written.
            ShapeError: no template of that name.
        """
        template_points(template, size)
        if (folder / HEADER_FILE).exists():
            raise FacesetError(f"{folder} already is a faceset; open it or choose another folder")
        if folder.is_dir() and (pictures := _pictures(folder)):
            raise FacesetError(
                f"{folder} is not a faceset but holds {len(pictures)} pictures "
                f"({_listed(pictures)}); choose an empty folder"
            )
        with locked(folder, FacesetError):
            header = Header(template=template, size=size, rights=rights)
            _write_table(folder, ROWS.schema.empty_table())
            write_header(folder, header)
        return cls(folder, header, (), 0, ())

    @classmethod
    def open(cls, folder: Path, *, allow_strays: bool = False) -> Faceset:
        """The faceset in a folder, work of an unfinished extraction included.

        Args:
            folder: what `create` or `counterface faceset extract` made.
            allow_strays: list pictures without a row in `strays` instead of refusing.

        Raises:
            FacesetError: no faceset, damaged, of a newer format, or pictures without a row.
        """
        header, table, present = _collect(folder)
        rows = table_to_rows(table, str(folder / ROWS_FILE))
        strays = tuple(sorted(present - {row.file for row in rows}))
        if strays and not allow_strays:
            tables = _listed([ROWS_FILE, *(path.name for path in commit_files(folder))])
            raise FacesetError(
                f"{folder}: {len(strays)} pictures have no row in {tables} ({_listed(strays)}); "
                f"delete them, or take them in with 'counterface faceset adopt {folder}'"
            )
        kept = sorted((row for row in rows if row.file in present), key=_order)
        return cls(folder, header, tuple(kept), len(rows) - len(kept), strays)

    @property
    def content_sha256(self) -> str:
        """The SHA-256 over the hashes of its sources, the same wherever it lies.

        Deleted crops do not change it, another source does.
        """
        read = {source.sha256 for source in self.header.sources}
        sources = sorted(read | {row.source_sha256 for row in self.rows})
        return hashlib.sha256("\n".join(sources).encode()).hexdigest()

    def __len__(self) -> int:
        """The number of crops."""
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        """The rows, by source, frame, face."""
        return iter(self.rows)

    def read_each(self, rows: Iterable[Row]) -> Iterator[tuple[Row, Image | str]]:
        """Each row with its crop, RGB uint8 (size, size, 3), or why that cannot be read."""
        for row in rows:
            try:
                yield row, self.read(row).image
            except (FacesetError, MediaError) as error:
                yield row, str(error)

    def require_outside(self, out: Path) -> None:
        """Refuse a place at which files would be taken for the faceset's.

        Raises:
            FacesetError: it lies in the folder of the faceset.
        """
        if out.resolve().is_relative_to(self.folder.resolve()):
            raise FacesetError(f"{out} lies in the faceset; name a folder outside of {self.folder}")

    def read(self, row: Row) -> Crop:
        """The crop of a row, RGB uint8 (size, size, 3).

        Raises:
            FacesetError: the picture has another size than the faceset says.
            MediaError: it cannot be read.
        """
        image, side = sandbox.read_image(self.folder / row.file), self.header.size
        if image.shape != (side, side, 3):
            raise FacesetError(
                f"{self.folder / row.file} is {image.shape[1]}x{image.shape[0]}, but the crops of "
                f"this faceset are {side}x{side}; delete it or restore it"
            )
        return Crop(
            image,
            row.frame_to_crop,
            self.header.template,
            row.face,
            row.frame_index,
            row.pts,
            (row.frame_height, row.frame_width),
        )

    def rights_of(self, row: Row) -> Rights | None:
        """The rights record of a crop: its own, or the faceset's."""
        return row.rights or self.header.rights

    def require_rights(self) -> tuple[Rights, ...]:
        """All rights records of the crops, each once; every making job needs them.

        One, but where facesets of several records were merged.

        Raises:
            RightsError: a crop has none; the text says how to add one.
        """
        found = dict.fromkeys(map(self.rights_of, self.rows)) or {self.header.rights: None}
        records = tuple(record for record in found if record is not None)
        if len(records) == len(found):
            return records
        if records:
            without = [row.file for row in self.rows if self.rights_of(row) is None]
            raise RightsError(
                f"{self.folder}: {len(without)} of {len(self.rows)} crops have no rights record "
                f"({_listed(without)}), so nothing may be made from it; give the faceset that they "
                "came from one by 'counterface faceset rights' and merge again, or delete them"
            )
        raise RightsError(
            f"{self.folder} carries no rights record, so nothing may be made from it; add one: "
            f"counterface faceset rights {self.folder} --shown WHO "
            "--basis consent|licence|research|synthetic --reference WHERE_IT_IS_WRITTEN_DOWN"
        )

    def require_template(self, template: str, size: int) -> None:
        """Refuse crops that are not aligned as a model needs them.

        Raises:
            ShapeError: they are not.
        """
        have = (self.header.template, self.header.size)
        if have != (template, size):
            raise ShapeError(
                f"{self.folder} holds {have[0]!r} crops of {have[1]} px, the model needs "
                f"{template!r} of {size} px; extract with --template {template} --size {size}"
            )


def open_or_create(folder: Path, template: str, size: int, rights: Rights | None = None) -> Faceset:
    """The faceset in a folder, made there if absent, for crops of this template and size.

    Args:
        folder: a faceset, or a folder that is empty or absent.
        template: template of the crops.
        size: size of the crops, pixels.
        rights: rights record of a new one; a faceset that is there keeps its own.

    Raises:
        FacesetError: it holds other crops, or cannot be used.
    """
    if not (folder / HEADER_FILE).exists():
        return Faceset.create(folder, template, size, rights)
    found = Faceset.open(folder)
    if (found.header.template, found.header.size) != (template, size):
        raise FacesetError(
            f"{folder} holds {found.header.template!r} crops of {found.header.size} px, asked for "
            f"are {template!r} of {size} px; choose another folder"
        )
    return found


def save(faceset: Faceset) -> None:
    """Write this header and these rows into the folder. Call with the lock held."""
    _write_table(faceset.folder, ROWS.to_arrow(faceset.rows))
    write_header(faceset.folder, faceset.header)


def merge(folder: Path) -> None:
    """Put all finished work into the faceset's own files, and drop the rows of deleted crops.

    Call with the lock held.

    Raises:
        FacesetError: the faceset is damaged, or the folder cannot be written.
    """
    recover(folder)
    header, table, present = _collect(folder)
    there = pa.array([name in present for name in table["file"].to_pylist()], pa.bool_())
    _write_table(folder, table.filter(there))
    write_header(folder, header)
    drop_commits(folder)


def set_rights(folder: Path, rights: Rights) -> Faceset:
    """The faceset with this rights record in place of the one it had, if any.

    Raises:
        FacesetError: no faceset, another process writes to it, or it was merged of facesets with
            other records than one.
    """
    read_plain_header(folder)
    with locked(folder, FacesetError):
        merge(folder)
        faceset = Faceset.open(folder, allow_strays=True)
        own = {row.rights for row in faceset.rows if row.rights}
        if own:
            raise FacesetError(
                f"{folder} was merged, and its crops have {len(own)} rights records of their own, "
                "which one for all would hide; change them where they came from and merge again"
            )
        header = faceset.header
        write_header(folder, header.model_copy(update={"rights": rights}))
    return Faceset.open(folder, allow_strays=True)


def remove_source(folder: Path, sha256: str) -> None:
    """Delete the crops, rows and record of one source. Call with the lock held."""
    merge(folder)
    faceset = Faceset.open(folder, allow_strays=True)
    for row in faceset.rows:  # first: a row without a file is no error, a file without a row is
        if row.source_sha256 == sha256:
            (folder / row.file).unlink(missing_ok=True)
    sources = tuple(s for s in faceset.header.sources if s.sha256 != sha256)
    write_header(folder, faceset.header.model_copy(update={"sources": sources}))
    merge(folder)


def _collect(folder: Path) -> tuple[Header, pa.Table, set[str]]:
    """Header and rows with the commits taken in, and the names of the pictures that exist.

    In this order a job that writes meanwhile cannot make a crop look like one without a row: crops
    appear after their commit, and commits vanish after their rows are in the table.
    """
    read_plain_header(folder)  # says that this is no faceset, before the folder is listed
    refuse_links(folder, FacesetError)
    present = set(_pictures(folder))
    commits = read_commits(folder)
    header, table = migrate(read_plain_header(folder), _read_table(folder), folder)
    if commits:
        table = fit_rows(table, str(folder / ROWS_FILE))
        table = _last_of_each_file(pa.concat_tables([table, *(rows for rows, _ in commits)]))
    for _, sources in commits:
        for record in sources:
            header = header.with_source(_further(header.source(record.sha256), record))
    return header, table, present


def _last_of_each_file(table: pa.Table) -> pa.Table:
    last = {name: index for index, name in enumerate(table["file"].to_pylist())}
    return table.take(pa.array(list(last.values()), pa.int64()))


def _further(known: SourceRecord | None, new: SourceRecord) -> SourceRecord:
    """The record that got further: commits that were merged already may be read once more."""
    if known is None:
        return new
    return max(known, new, key=lambda record: (record.done, record.next_frame))


def _order(row: Row) -> tuple[str, str, int, int]:
    return row.source, row.source_sha256, row.frame_index, row.face_index


def _pictures(folder: Path) -> list[str]:
    with reading(folder, FacesetError, what="cannot be listed"), os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    ends = tuple(IMAGE_SUFFIXES)
    return sorted(
        name for name in names if name.lower().endswith(ends) and not name.startswith(".")
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def _read_table(folder: Path) -> pa.Table:
    path = folder / ROWS_FILE
    if not os.path.lexists(path):
        raise FacesetError(
            f"{folder} has {HEADER_FILE} but no {ROWS_FILE}; restore it from a copy, or delete "
            f"{HEADER_FILE} and extract again"
        )
    return read_parquet(path, FacesetError, RESTORE)


def _write_table(folder: Path, table: pa.Table) -> None:
    write_table(folder / ROWS_FILE, table, FacesetError, compression="zstd")
