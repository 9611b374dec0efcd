"""A CSV that a person wrote, with the columns of the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from counterface.datasets.manifest import Entry, read_manifest
from counterface.datasets.readers.layout import DatasetReader


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

    def entries(self, folder: Path) -> Iterator[Entry]:
        """One for each line."""
        path = folder if folder.is_file() else folder / self.name
        if not path.is_file():
            raise self.wrong(folder, f"no file {self.name!r}")
        yield from read_manifest(path)
