"""Celeb-DF, versions 1 and 2: celebrities' interviews and swaps among them.

Li et al. 2020, https://arxiv.org/abs/1909.12962. In its list of test videos **1 means real**, the
inverse of our labels; labels are taken from the folders, and the list must agree with them.
A fake `id0_id1_0005` is person 0's clip 5 with person 1's face. Celebrities are swapped with many
others, so the data set's own split shares people between training and test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from counterface.datasets.manifest import Entry
from counterface.datasets.readers.layout import FACE_SWAP, DatasetReader, Ties

REAL = "1"  # in the list
FAKES = "Celeb-synthesis"
TEST_LIST = "List_of_testing_videos.txt"
_NAME = re.compile(r"(?:(id\d+)_)?(?:(id\d+)_)?(\d+)")
_PARTS = {  # folder -> number of people that a name tells, method
    "Celeb-real": (1, "celebrity"),
    "YouTube-real": (0, "youtube"),
    FAKES: (2, FACE_SWAP),
}


def celebrity_ties(stem: str) -> Ties | None:
    """Whose footage and faces `id0_0005`, `id0_id1_0005` or `00012` shows; None for others."""
    found = _NAME.fullmatch(stem)
    if found is None:
        return None
    people = tuple(f"celeb_df:{name}" for name in found.groups()[:2] if name)
    return Ties(f"celeb_df:{found[1] or 'youtube'}_{found[3]}", people)


class CelebDf(DatasetReader):
    """Reads both versions, which differ in nothing but their number of videos."""

    expected: ClassVar[str] = """\
Celeb-DF-v2/
  Celeb-real/id0_0005.mp4
  YouTube-real/00012.mp4
  Celeb-synthesis/id0_id1_0005.mp4
  List_of_testing_videos.txt         lines "1 Celeb-real/id0_0005.mp4"; 1 = real, 0 = fake
"""

    official_split: bool = Field(
        True, description="listed videos are test, others train; false: no split, no list needed"
    )

    def entries(self, folder: Path) -> Iterator[Entry]:
        """The three folders, one after the other."""
        listed = self._listed(folder) if self.official_split else set()
        for part in _PARTS:
            for path in self.videos(folder / part):
                held_back = f"{part}/{path.name}" in listed
                yield self._entry(path, "test" if held_back else "train")
        for name in sorted(listed):
            if not (folder / name).is_file():  # `read` says so
                yield self._entry(folder / name, "test")

    def _entry(self, path: Path, split: str) -> Entry:
        part, known = path.parent.name, celebrity_ties(path.stem)
        people, method = _PARTS[part]
        if known is None or len(known.identities) != people:
            raise self.wrong(path.parent, f"'{part}/{path.name}' is not named as expected")
        fake = part == FAKES
        generator = "celeb_df" if fake else ""
        split = split if self.official_split else ""
        return Entry(path, int(fake), method, *known, generator, split=split)

    def _listed(self, folder: Path) -> set[str]:
        """The test videos, once each line's label is that of its folder."""
        if not (folder / TEST_LIST).is_file():
            raise self.wrong(
                folder,
                f"{TEST_LIST} is not there; fetch it, or do without the authors' split: "
                "--set official_split=false",
            )
        names: set[str] = set()
        for line in self.read_lines(folder / TEST_LIST):
            flag, _, name = line.partition(" ")
            name = name.strip()
            if flag not in ("0", "1") or Path(name).parent.as_posix() not in _PARTS:
                raise self.wrong(folder, f"{TEST_LIST}: line {line!r} is not '1 Folder/name.mp4'")
            label = 0 if flag == REAL else 1
            if label != int(name.startswith(f"{FAKES}/")):
                raise self.wrong(
                    folder,
                    f"{TEST_LIST}: line {line!r} contradicts its folder; in the authors' list 1 "
                    "means real, this one seems to have been turned round",
                )
            names.add(name)
        return names
