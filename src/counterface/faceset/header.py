"""`faceset.json`: format version, alignment, rights record, and which sources have been read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from counterface import __version__
from counterface.config import Record
from counterface.errors import FacesetError
from counterface.faces.align import outside_share
from counterface.files import write_bytes
from counterface.project_files import read_json, reading
from counterface.provenance.rights import Rights

FORMAT = 3
OUTSIDE_TOLD = 0.1  # share of a crop outside its frame from which on it is told
HEADER_FILE = "faceset.json"
ROWS_FILE = "faceset.parquet"
RESTORE = "restore it from a copy, or extract the faces again"

# A migration lifts a faceset by one format: the header's plain values and the table of rows of
# format n, as they were read, to those of format n + 1. They run in memory whenever an older
# faceset is opened; the files on disk change with the next write.
Migration = Callable[[dict[str, Any], pa.Table], tuple[dict[str, Any], pa.Table]]


def _add_outside(values: dict[str, Any], table: pa.Table) -> tuple[dict[str, Any], pa.Table]:
    """The values of format 2, which knows what share of each crop lies outside its frame."""
    size, names = values["size"], ("frame_to_crop", "frame_width", "frame_height")
    if "outside" in table.column_names:  # written, but the write of the header was cut off
        return values, table
    if not set(names) <= set(table.column_names):  # told with all that is missing, by the reader
        return values, table
    columns = (table[name].to_pylist() for name in names)
    shares = [
        outside_share(np.array(matrix, np.float32).reshape(2, 3), size, width, height)
        for matrix, width, height in zip(*columns, strict=True)
    ]
    return values, table.append_column("outside", pa.array(shares, pa.float32()))


def _add_order(values: dict[str, Any], table: pa.Table) -> tuple[dict[str, Any], pa.Table]:
    """The values of format 3: its columns for order, group, former name and rights may lack."""
    return values, table


MIGRATIONS: dict[int, Migration] = {1: _add_outside, 2: _add_order}

OptionValues = dict[str, int | float | str | bool | None]


class SourceRecord(Record):
    """How far one source file has been read, and with what settings."""

    name: str = Field(description="name of the file at extraction")
    sha256: str
    options: OptionValues = Field(description="the settings that decide which crops come out")
    next_frame: int = Field(0, ge=0, description="index of the next frame; those below it are done")
    frames: int = Field(0, ge=0, description="frames looked at")
    frames_with_face: int = Field(0, ge=0, description="number of those frames that gave a crop")
    crops: int = Field(0, ge=0, description="crops written, pruned ones included")
    partly_outside: int = Field(
        0, ge=0, description="number of those crops of which a tenth or more is grey"
    )
    left_out: int = Field(0, ge=0, description="faces too far outside their frames for a crop")
    done: bool = False
    error: str | None = Field(
        None, description="why the file gave no more, where it could not be read"
    )


class Header(Record):
    """What `faceset.json` holds."""

    format: int = FORMAT
    tool: str = f"counterface {__version__}"
    template: str
    size: int = Field(ge=1, le=16_384, description="crop side, pixels")
    rights: Rights | None = None
    sources: tuple[SourceRecord, ...] = ()
    sorted_by: str | None = Field(None, description="measure of the last sorting")
    grouped_by: str | None = Field(None, description="what the groups are of")

    def source(self, sha256: str) -> SourceRecord | None:
        """The record of a source file, by its hash."""
        return next((s for s in self.sources if s.sha256 == sha256), None)

    def with_source(self, record: SourceRecord) -> Header:
        """This header with one source's record added or replaced."""
        kept = {s.sha256: s for s in self.sources} | {record.sha256: record}
        return self.model_copy(update={"sources": tuple(kept.values())})


def read_plain_header(folder: Path) -> dict[str, Any]:
    """The values of `faceset.json` as they lie on disk, before any migration.

    Raises:
        FacesetError: no faceset, not JSON, or written by a newer Counterface.
    """
    path = folder / HEADER_FILE
    if not os.path.lexists(path):
        raise FacesetError(
            f"{folder} is not a faceset (no {HEADER_FILE}); "
            "make one with 'counterface faceset extract VIDEO_OR_FOLDER OUT'"
        )
    values = read_json(path, FacesetError, RESTORE)
    version = values.get("format") if isinstance(values, dict) else None
    if type(version) is not int:  # True would pass for 1
        raise FacesetError(f"{path} names no format version (got {version!r}); {RESTORE}")
    if version > FORMAT:
        raise FacesetError(
            f"{path} has format {version}, this Counterface reads up to {FORMAT}; update it"
        )
    return dict(values)


def migrate(values: dict[str, Any], table: pa.Table, where: Path) -> tuple[Header, pa.Table]:
    """The header and rows lifted to the current format.

    Raises:
        FacesetError: a step is missing, or the result is no valid header.
    """
    while (version := values["format"]) < FORMAT:
        step = MIGRATIONS.get(version)
        if step is None:
            raise FacesetError(
                f"{where / HEADER_FILE} has format {version}, and there is no way to format "
                f"{version + 1}; extract it again"
            )
        lifting = f"cannot be lifted from format {version} together with {ROWS_FILE}"
        with reading(where / HEADER_FILE, FacesetError, RESTORE, what=lifting):
            values, table = step(values, table)
        values["format"] = version + 1
    with reading(where / HEADER_FILE, FacesetError, RESTORE, model=Header):
        return Header.model_validate(values), table


def write_header(folder: Path, header: Header) -> None:
    """Write the header into `faceset.json`, whole or not at all.

    Raises:
        FacesetError: the folder cannot be written.
    """
    text = json.dumps(header.model_dump(mode="json"), indent=2)
    write_bytes(folder / HEADER_FILE, (text + "\n").encode(), FacesetError)
