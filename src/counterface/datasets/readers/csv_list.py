"""A CSV that a person wrote, with the columns of the manifest or with others that are named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator

from counterface.datasets.manifest import (
    ENTRIES,
    Entry,
    entries_of_rows,
    read_manifest,
    read_rows,
)
from counterface.datasets.readers.layout import DatasetReader, without_start
from counterface.errors import ConfigError
from counterface.spreadsheet import bare_cell
from counterface.wording import unknown_name


class CsvList(DatasetReader):
    """Reads a CSV file, or the one of that name in a folder."""

    expected: ClassVar[str] = """\
FOLDER/                          or the CSV file itself
  labels.csv                     file,label,method,source,identities,split
                                 real/a.mp4,real,footage,a,ann,train
                                 fake/b.mp4,fake,face_swap,a,ann;bob,train
                                 (file and label are needed; label: real, fake, 0 or 1 = fake;
                                  any column of the manifest may be there, under another name
                                  with --set columns.method=NAME)
"""

    name: str = Field("labels.csv", description="name of the list in the folder")
    strip: str = Field("", description="leading part of the list's paths to ignore")
    columns: dict[str, str] = Field(
        {}, description="columns that the list names otherwise, as columns.source=pair"
    )
    only: dict[str, str] = Field(
        {}, description="rows to take, as only.label=real,fake: a column and the cells wanted in it"
    )
    labels: dict[str, str] = Field(
        {}, description="meaning of further labels of the list, as labels.restored=fake"
    )
    prefix: str = Field("", description="prefix for the names of footage and people, as myset:")

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(columns) - set(ENTRIES.schema.names))
        if unknown:
            raise ValueError(unknown_name("column", unknown[0], ENTRIES.schema.names))
        return columns

    def entries(self, folder: Path) -> Iterator[Entry]:
        """An entry for each line that is taken."""
        path = folder if folder.is_file() else folder / self.name
        if not path.is_file():
            raise self.wrong(folder, f"no file {self.name!r}")
        for entry in self._listed(path):
            mask = None if entry.mask is None else self._found(entry.mask, path.parent)
            yield replace(
                entry,
                path=self._found(entry.path, path.parent),
                mask=mask,
                source=self.prefix + entry.source if entry.source else "",
                identities=tuple(self.prefix + name for name in entry.identities),
            )

    def _listed(self, path: Path) -> list[Entry]:
        if not (self.columns or self.only or self.labels):
            return read_manifest(path)
        rows = read_rows(path)
        self._check_columns(path, rows)
        taken = [
            (number, self._renamed(row)) for number, row in enumerate(rows, 2) if self._wanted(row)
        ]
        if not taken:
            raise ConfigError(f"{path}: no row has {self._said()}; it has {len(rows)} rows")
        return entries_of_rows(taken, path)

    def _check_columns(self, path: Path, rows: list[dict[str, str]]) -> None:
        """Check that each column that is named or needed is there."""
        there = list(rows[0]) if rows else []
        wanted = {**self._places(there), **{name: name for name in self.only}}
        absent = sorted({c for c in wanted.values() if c not in there})
        absent += [name for name in ("path", "label") if name not in wanted]
        if absent:
            raise ConfigError(f"{path}: lacks the columns {absent}; it has {there[:16]}")

    def _places(self, there: list[str]) -> dict[str, str]:
        """The list's column of each column of the manifest."""
        taken = set(self.columns.values())
        plain = {name: name for name in ENTRIES.schema.names if name in there and name not in taken}
        old = {"path": "file", "source": "group"}
        plain |= {name: other for name, other in old.items() if other in there}
        return plain | self.columns

    def _renamed(self, row: dict[str, str]) -> dict[str, Any]:
        cells = {
            name: bare_cell(row[column] or "") for name, column in self._places(list(row)).items()
        }
        word = cells["label"].strip()
        return cells | {"label": self.labels.get(word, word)}

    def _wanted(self, row: dict[str, str]) -> bool:
        return all(
            (row[name] or "").strip() in {cell.strip() for cell in cells.split(",")}
            for name, cells in self.only.items()
        )

    def _said(self) -> str:
        return " and ".join(f"{name} {cells}" for name, cells in self.only.items()) or "a file"

    def _found(self, path: Path, folder: Path) -> Path:
        """Where a file of the list lies, once the start of its path is stripped."""
        name = path.relative_to(folder) if path.is_relative_to(folder) else path
        return folder / without_start(str(name), self.strip) if self.strip else path
