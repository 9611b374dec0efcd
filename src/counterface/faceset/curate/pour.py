"""Whole facesets into one file and back, and several into one: crops are copied byte for byte.

A pack is one Parquet file: the columns of the rows, the bytes of each crop, of its mask and of the
mask's polygons, and the header in the file's metadata. What is poured goes into the faceset in
commits, so a kill leaves a whole one and the same command goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from counterface.config import Record
from counterface.errors import FacesetError
from counterface.faceset.commits import CommitWriter
from counterface.faceset.curate.carry import (
    MOST_BYTES,
    MaskFiles,
    is_mask_name,
    read_mask_files,
    write_mask_files,
)
from counterface.faceset.curate.relocate import free_name, opened
from counterface.faceset.header import FORMAT, Header, SourceRecord, migrate
from counterface.faceset.row import ROWS, Row, is_crop_name, table_to_rows
from counterface.faceset.store import Faceset, open_or_create
from counterface.files import replacing
from counterface.project_files import (
    MOST_ROWS,
    parse_json,
    read_bytes,
    reading,
    require_file,
    require_text,
)
from counterface.provenance.rights import Rights
from counterface.types import Progress

BATCH = 256  # crops in memory at a time
_ABOUT = b"counterface"
_BYTES = ("crop_bytes", "mask_bytes", "polygons_bytes")  # earlier packs lack the last
_SCHEMA = pa.schema([*ROWS.schema, *(pa.field(name, pa.binary()) for name in _BYTES)])
_ADVICE = "pack the faceset again"


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    """A crop on its way."""

    row: Row
    crop: bytes
    mask: MaskFiles | None

    def parts(self) -> tuple[bytes, bytes | None, bytes | None]:
        """The content of its files, as `_BYTES` names them."""
        return (self.crop, *((self.mask.mask, self.mask.polygons) if self.mask else (None, None)))


class Poured(Record):
    """What is in a pack or a faceset, after crops were copied into it."""

    path: str
    crops: int = Field(description="crops that it holds now")
    added: int = Field(description="crops that were copied")
    known: int = Field(description="crops that it held already, by source, frame and face")


def pack(folder: Path, out: Path, progress: Progress | None = None) -> Poured:
    """Write a faceset into one Parquet file, whole or not at all; the trash stays behind.

    Args:
        folder: the faceset.
        out: the file; replaced if it exists.
        progress: called as (crops done, crops, name).

    Raises:
        FacesetError: no faceset, a crop cannot be read, or the file cannot be written.
    """
    faceset = Faceset.open(folder)
    about = json.dumps(faceset.header.model_dump(mode="json")).encode()
    schema = _SCHEMA.with_metadata({_ABOUT: about})
    with (
        replacing(out, FacesetError) as made,
        pq.ParquetWriter(made, schema, compression="zstd") as file,
    ):
        for start in range(0, len(faceset), BATCH):
            items = [_load(faceset, row) for row in faceset.rows[start : start + BATCH]]
            table = ROWS.to_arrow([item.row for item in items])
            columns = zip(*(item.parts() for item in items), strict=True)
            for name, parts in zip(_BYTES, columns, strict=True):
                table = table.append_column(name, pa.array(list(parts), pa.binary()))
            file.write_table(table.cast(schema))
            _tell(progress, start + len(items), len(faceset), out.name)
    return Poured(path=str(out), crops=len(faceset), added=len(faceset), known=0)


def unpack(file: Path, out: Path, progress: Progress | None = None) -> Poured:
    """Write the crops of a pack into a faceset, which is made if absent.

    Args:
        file: what `pack` wrote.
        out: a new folder, or one into which the same pack was begun to be written.
        progress: called as (crops done, crops, name).

    Raises:
        FacesetError: no pack, damaged, of a newer format, or the folder cannot be used.
    """
    with reading(file, FacesetError, _ADVICE):
        require_file(file)
        packed = pq.ParquetFile(file, pre_buffer=False)
    with packed:
        header = _packed_header(file, packed)
        target = open_or_create(out, header.template, header.size, header.rights)
        if target.header.rights != header.rights:
            raise FacesetError(
                f"{out} has another rights record than the faceset in {file}; choose a new folder"
            )
        items = _packed_items(file, packed)
        return _pour(items, packed.metadata.num_rows, out, header.sources, progress)


def merge_facesets(folders: Sequence[Path], out: Path, progress: Progress | None = None) -> Poured:
    """Copy the crops of facesets into one, which is made if absent; each keeps its rights record.

    Where all have the same record it is the new faceset's; else each row says its own. A crop that
    is there already, by source, frame and face, is not copied again.

    Args:
        folders: facesets of one template and size; they are not changed.
        out: a new folder, or a faceset to add to.
        progress: called as (crops done, crops, name).

    Raises:
        FacesetError: templates or sizes differ, one is the other, crops without a rights record
            would come under that of `out`, or a folder cannot be read or written.
    """
    parts = [Faceset.open(folder) for folder in folders]
    if not parts or any(folder.resolve() == out.resolve() for folder in folders):
        raise FacesetError(f"name the facesets that go into {out}, and not {out} itself")
    first = parts[0].header
    for part in parts:
        if (part.header.template, part.header.size) != (first.template, first.size):
            raise FacesetError(
                f"{part.folder} holds {part.header.template!r} crops of {part.header.size} px, "
                f"{parts[0].folder} {first.template!r} of {first.size} px; extract one of them anew"
            )
    records = {part.rights_of(row) for part in parts for row in part}
    common = records.pop() if len(records) == 1 else None
    own = open_or_create(out, first.template, first.size, common).header.rights
    for part in parts:
        if own is not None and any(part.rights_of(row) is None for row in part):
            raise FacesetError(
                f"{part.folder} has no rights record, and would come under that of {out}; give it "
                f"one by 'counterface faceset rights {part.folder}', or choose a new folder"
            )
    items = (
        replace(item, row=_with_record(item.row, part.rights_of(item.row), own))
        for part in parts
        for item in (_load(part, row) for row in part)
    )
    sources = [record for part in parts for record in part.header.sources]
    return _pour(items, sum(map(len, parts)), out, sources, progress)


def _with_record(row: Row, record: Rights | None, own: Rights | None) -> Row:
    """The row as it stands in another faceset: what sorting wrote is of the old one."""
    rights = None if record == own else record
    return replace(row, rights=rights, place=None, group=None)


def _pour(
    items: Iterable[_Item],
    total: int,
    out: Path,
    sources: Sequence[SourceRecord],
    progress: Progress | None,
) -> Poured:
    """Add crops to a faceset, and last the records of their sources."""
    added = waiting = 0
    with opened(out) as target:
        known = {row.key for row in target}
        taken = {row.file for row in target}
        with CommitWriter(out, quality=95) as writer:
            for done, item in enumerate(items, 1):
                if item.row.key not in known:
                    row = replace(item.row, file=free_name(item.row.file, taken))
                    known.add(row.key)
                    taken.add(row.file)
                    writer.add_file(_with_mask(out, row, item.mask), item.crop)
                    added, waiting = added + 1, waiting + 1
                if waiting == BATCH:
                    writer.commit(())
                    waiting = 0
                _tell(progress, done, total, item.row.file)
            writer.commit(sources)
    with opened(out) as target:
        crops = len(target)
    return Poured(path=str(out), crops=crops, added=added, known=total - added)


def _with_mask(out: Path, row: Row, mask: MaskFiles | None) -> Row:
    """The row once its mask is written, under a name that is free."""
    if row.mask is None or mask is None:
        return replace(row, mask=None)
    return replace(row, mask=write_mask_files(out, row.mask, mask))


def _load(faceset: Faceset, row: Row) -> _Item:
    path = faceset.folder / row.file
    with reading(path, FacesetError):
        crop = read_bytes(path, MOST_BYTES)
    return _Item(row, crop, read_mask_files(faceset.folder, row))


def _packed_header(file: Path, packed: Any) -> Header:
    with reading(file, FacesetError, _ADVICE, what="is no packed faceset"):
        values = parse_json((packed.schema_arrow.metadata or {})[_ABOUT])
        if not isinstance(values, dict) or not isinstance(values.get("format"), int):
            raise ValueError("it names no format")
        if values["format"] > FORMAT or packed.metadata.num_rows > MOST_ROWS:
            raise ValueError(
                f"format {values['format']} with {packed.metadata.num_rows} rows; format {FORMAT} "
                f"and {MOST_ROWS} rows are the most that are read"
            )
        return migrate(dict(values), ROWS.schema.empty_table(), file)[0]


def _packed_items(file: Path, packed: Any) -> Iterator[_Item]:
    batches = packed.iter_batches(BATCH, use_threads=False)
    while True:
        with reading(file, FacesetError, _ADVICE):
            batch = next(batches, None)
            if batch is None:
                return
            table = pa.Table.from_batches([batch])
            table.validate(full=True)
            require_text(table)
            for name in _BYTES:
                if name not in table.column_names and name != "crop_bytes":
                    table = table.append_column(name, pa.nulls(len(table), pa.binary()))
            parts = zip(*(table[name].to_pylist() for name in _BYTES), strict=True)
        for row, (crop, mask, polygons) in zip(table_to_rows(table, str(file)), parts, strict=True):
            if not is_crop_name(row.file) or not crop or not _may_name(row.mask):
                raise FacesetError(f"{file}: {row.file!r} is no crop of a faceset; {_ADVICE}")
            yield _Item(row, crop, MaskFiles(mask, polygons) if mask else None)


def _may_name(mask: str | None) -> bool:
    return mask is None or is_mask_name(mask)


def _tell(progress: Progress | None, done: int, total: int, name: str) -> None:
    if progress:
        progress(done, total, name)
