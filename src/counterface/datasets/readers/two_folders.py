"""Two folders of pictures or videos, one a class, whatever their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from counterface.datasets.manifest import Entry
from counterface.datasets.readers.layout import DatasetReader
from counterface.media.find_media import find_media

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


class TwoFolders(DatasetReader):
    """Reads all media below the folders named by the options `real` and `fake`."""

    expected: ClassVar[str] = """\
FOLDER/
  real/a.jpg                     any depth; other names: --set real=NAME --set fake=NAME
  fake/b.jpg
or, with a split:
  train/real/a.jpg, train/fake/b.jpg, val/... (valid, validation), test/...
"""

    real: str = Field("real", description="name of the folder of genuine files")
    fake: str = Field("fake", description="name of the folder of fakes")
    method: str = Field("", description="family of the fakes, as face_swap or gan")
    generator: str = Field("", description="the program or model that made the fakes")
    compression: str = Field("", description="compression of all files")
    licence: str = Field("", description="licence of all files")

    def entries(self, folder: Path) -> Iterator[Entry]:
        """The genuine files, then the fakes, split by split where there are splits."""
        if not folder.is_dir():
            raise self.wrong(folder, "it is no folder")
        inner = {p.name: p for p in sorted(folder.iterdir()) if p.name.lower() in _SPLITS}
        parts = {"": folder} if (folder / self.real).is_dir() else inner
        if not parts:
            raise self.wrong(folder, f"no folders {self.real!r} and {self.fake!r}")
        for split, part in parts.items():
            for label, name in enumerate((self.real, self.fake)):
                media = find_media([part / name]) if (part / name).is_dir() else []
                if not media or media == [part / name]:
                    raise self.wrong(part, f"no folder {name!r} with pictures or videos")
                for path in media:
                    yield Entry(
                        path,
                        label,
                        method=self.method if label else "",
                        generator=self.generator if label else "",
                        compression=self.compression,
                        split=_SPLITS.get(split.lower(), ""),
                        licence=self.licence,
                    )
