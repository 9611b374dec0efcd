"""A CSV that a person wrote, with the columns of the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from counterface.datasets.manifest import Entry, read_manifest
from counterface.datasets.readers.layout import DatasetReader, without_start


class CsvList(DatasetReader):
    """Reads a CSV file, or the one of that name in a folder."""

    expected: ClassVar[str] = """\
FOLDER/                          or the CSV file itself
  labels.csv                     file,label,method,source,identities,split
                                 real/a.mp4,real,footage,a,ann,train
                                 fake/b.mp4,fake,face_swap,a,ann;bob,train
                                 (file and label are needed; label: real, fake, 0 or 1 = fake;
                                  any column of the manifest may be there)
"""

    name: str = Field("labels.csv", description="name of the list in the folder")
    strip: str = Field("", description="start of the list's paths that is not looked at")

    def entries(self, folder: Path) -> Iterator[Entry]:
        """One for each line."""
        path = folder if folder.is_file() else folder / self.name
        if not path.is_file():
            raise self.wrong(folder, f"no file {self.name!r}")
        for entry in read_manifest(path):
            mask = None if entry.mask is None else self._found(entry.mask, path.parent)
            yield replace(entry, path=self._found(entry.path, path.parent), mask=mask)

    def _found(self, path: Path, folder: Path) -> Path:
        """Where a file of the list lies, once the start of its path is stripped."""
        name = path.relative_to(folder) if path.is_relative_to(folder) else path
        return folder / without_start(str(name), self.strip) if self.strip else path
