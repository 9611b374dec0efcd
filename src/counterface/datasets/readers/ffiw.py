"""FFIW-10K: clips with several faces, of which some are swapped; masks say which.

Zhou et al. 2021, https://arxiv.org/abs/2103.04570. Folder names are the authors' view: `source`
is the genuine footage, `target` what was made from it. People are not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from counterface.datasets.manifest import SPLITS, Entry
from counterface.datasets.readers.layout import FACE_SWAP, DatasetReader


class Ffiw(DatasetReader):
    """Reads the splits that are there; a fake and the clip of the same name share footage."""

    expected: ClassVar[str] = """\
FFIW10K-v1-release/
  source/train/videos/a.mp4          genuine; train, val and test as far as they are there,
  target/train/videos/a.mp4          manipulated;   with or without a folder 'videos'
  target_mask/train/videos/a.mp4     (where there is one)
"""

    def entries(self, folder: Path) -> Iterator[Entry]:
        """The genuine, then the manipulated clips."""
        for part, label in (("source", 0), ("target", 1)):
            splits = [split for split in SPLITS if (folder / part / split).is_dir()]
            if not splits:
                raise self.wrong(folder, f"no folder {part}/train, {part}/val or {part}/test")
            for split in splits:
                for path in self.videos(_inner(folder / part / split)):
                    mask = _inner(folder / "target_mask" / split) / path.name
                    yield Entry(
                        path,
                        label,
                        method=FACE_SWAP if label else "youtube",
                        source=f"ffiw:{split}/{path.stem}",
                        generator="ffiw" if label else "",
                        split=split,
                        mask=mask if label and mask.is_file() else None,
                    )


def _inner(folder: Path) -> Path:
    inner = folder / "videos"
    return inner if inner.is_dir() else folder
