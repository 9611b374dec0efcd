"""UADFV: 49 clips and a swap of each, all with one celebrity's face.

Yang, Li and Lyu 2019, https://arxiv.org/abs/1811.00661. Everything is linked by that one face: as
a tie it would make the set one group, so only the footage is. Do not train on a part of it and
test on another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from counterface.datasets.manifest import Entry
from counterface.datasets.readers.layout import FACE_SWAP, DatasetReader, Ties

_NAME = re.compile(r"(\d+)(?:_fake)?")


def clip_ties(stem: str) -> Ties | None:
    """Whose footage `0000` or `0000_fake` shows; None for other names."""
    found = _NAME.fullmatch(stem)
    return found and Ties(f"uadfv:{found[1]}", (f"uadfv:{found[1]}",))


class Uadfv(DatasetReader):
    """Reads both folders; there is no official split."""

    expected: ClassVar[str] = """\
UADFV/
  real/0000.mp4
  fake/0000_fake.mp4
"""

    def entries(self, folder: Path) -> Iterator[Entry]:
        """The genuine clips, then their swaps."""
        for label, part in enumerate(("real", "fake")):
            for path in self.videos(folder / part):
                known = clip_ties(path.stem)
                if known is None or path.stem.endswith("_fake") != bool(label):
                    raise self.wrong(folder, f"'{part}/{path.name}' is not named as expected")
                method, generator = (FACE_SWAP, "FakeApp") if label else ("youtube", "")
                yield Entry(path, label, method, *known, generator)
