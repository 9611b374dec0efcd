"""The JSON lists of DeepfakeBench: frames of videos, by data set, class and split.

Yan et al. 2023, https://arxiv.org/abs/2307.01426. The same video may stand in several splits of
such a list (all of Celeb-DF is in `train`, its test videos as well); here a video is in one, the
most held back: test, then val. Frames are entries; those of one video share its name as footage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from counterface.datasets.manifest import Entry
from counterface.datasets.readers.celeb_df import celebrity_ties
from counterface.datasets.readers.deeper_forensics import swap_ties
from counterface.datasets.readers.faceforensics import actor_ties, number_ties
from counterface.datasets.readers.layout import DatasetReader, Ties, without_start
from counterface.datasets.readers.uadfv import clip_ties

_TIES: dict[str, Callable[[str], Ties | None]] = {  # by how a class is named
    "FF-": number_ties,
    "DFD_": actor_ties,
    "CelebDF": celebrity_ties,
    "DF_": swap_ties,
    "UADFV": clip_ties,
}
_HELD_BACK = ("test", "val", "train")  # the first that names a video has it


class _Video(NamedTuple):
    name: str
    compression: str
    frames: list[Any]
    label: str


def _is_real(name: str) -> bool:
    """Whether a class is that of genuine videos: `FF-real`, `CelebDFv1_real`, `UADFV_Real`."""
    return name.lower().endswith("real")


class DeepfakeBench(DatasetReader):
    """Reads one list, or all lists of a folder."""

    expected: ClassVar[str] = """\
FOLDER/                              or one such JSON file
  Celeb-DF-v1.json                   {"Celeb-DF-v1": {"CelebDFv1_real": {"train": {
                                       "id0_0000": {"label": "CelebDFv1_real",
                                                    "frames": ["Celeb-DF-v1/.../000.png"]}}}}}
  FF-DF.json                         (one level more, the compression: {"train": {"c23": {...}}})
  Celeb-DF-v1/...                    the frames, below this folder or below --set frames=FOLDER
"""

    frames: Path | None = Field(None, description="folder that the lists' paths start from")
    strip: str = Field("", description="leading part of the lists' paths to ignore")
    compression: str = Field("", description="the one compression to take, of lists with several")

    def entries(self, folder: Path) -> Iterator[Entry]:
        """The frames of each list's videos; real videos stand in several lists."""
        lists = [folder] if folder.is_file() else sorted(folder.glob("*.json"))
        if not lists:
            raise self.wrong(folder, "no JSON list")
        base = self.frames or (folder.parent if folder.is_file() else folder)
        for path in lists:
            yield from self._of_list(path, base)

    def _of_list(self, path: Path, base: Path) -> Iterator[Entry]:
        for dataset, classes in self._table(path, self.read_json(path)).items():
            for name, splits in self._table(path, classes).items():
                unknown = set(self._table(path, splits)) - set(_HELD_BACK)
                if unknown:
                    raise self.wrong(path.parent, f"{path.name}: splits {sorted(unknown)}")
                for split in _HELD_BACK:
                    for video in self._videos(path, splits.get(split, {})):
                        self._check_class(path, video, name)
                        yield from self._frames(video, dataset, name, split, base)

    def _check_class(self, path: Path, video: _Video, name: str) -> None:
        """Check that a video's own label, where it has one, agrees with its class."""
        if video.label and _is_real(video.label) != _is_real(name):
            raise self.wrong(
                path.parent,
                f"{path.name}: {video.name!r} of class {name!r} is labelled {video.label!r}",
            )

    def _frames(
        self, video: _Video, dataset: str, name: str, split: str, base: Path
    ) -> Iterator[Entry]:
        of_class = next((f for start, f in _TIES.items() if name.startswith(start)), None)
        known = of_class(video.name) if of_class else None
        known = known or Ties(f"{dataset}:{name}/{video.name}", ())
        fake = not _is_real(name)
        maker = name if fake else ""
        for frame in video.frames:
            path = base / without_start(str(frame), self.strip)
            yield Entry(path, int(fake), maker, *known, maker, video.compression, split)

    def _videos(self, path: Path, table: Any, compression: str = "") -> Iterator[_Video]:
        """Each video; a level of compressions may lie between."""
        if isinstance(self._table(path, table).get("frames"), list):
            return  # one nameless video: DFDC.json's `val`, whose videos are in `test` as well
        for name, facts in table.items():
            frames = self._table(path, facts).get("frames")
            if isinstance(frames, list):
                yield _Video(name, compression, frames, str(facts.get("label", "")))
            elif compression or "label" in facts:
                raise self.wrong(path.parent, f"{path.name}: {name!r} has no list of frames")
            elif self.compression in ("", name):
                yield from self._videos(path, facts, name)

    def _table(self, path: Path, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.wrong(path.parent, f"{path.name} holds {value!r:.60} in place of a table")
        return value
