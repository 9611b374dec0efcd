"""DeeperForensics-1.0: one swap model's clips, clean and under seven kinds of damage.

Jiang et al. 2020, https://arxiv.org/abs/2001.03024. `000_M101` is clip 000 of FaceForensics++ with
actor M101's face. The genuine half are those clips, which the authors do not hand out; name their
folder by the option `targets`. The actors' studio recordings are not meant as that half; they can
be taken in, and then the studio tells the classes apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from counterface.datasets.manifest import SPLITS, Entry
from counterface.datasets.readers.layout import FACE_SWAP, DatasetReader, Ties
from counterface.media.find_media import find_media

_SWAP = re.compile(r"(\d{3})_([MW]\d+)")


def swap_ties(stem: str) -> Ties | None:
    """Whose footage and faces `000_M101` shows; None for other names."""
    found = _SWAP.fullmatch(stem)
    return found and Ties(f"ff:{found[1]}", (f"ff:{found[1]}", f"deeper:{found[2]}"))


class DeeperForensics(DatasetReader):
    """Reads the variants that are there, with the authors' splits."""

    expected: ClassVar[str] = """\
DeeperForensics-1.0/
  manipulated_videos/end_to_end/000_M101.mp4      (and end_to_end_level_1, ...: those there are)
  lists/splits/train.txt, val.txt, test.txt       lines "000_M101.mp4"
  source_videos/M101/...                          (only with --set source_videos=true)
"""

    variant: str = Field(
        "", description="the one folder of manipulated_videos to take, as end_to_end"
    )
    targets: Path | None = Field(
        None, description="folder of the genuine FaceForensics++ clips 000.mp4 to 999.mp4"
    )
    source_videos: bool = Field(
        False, description="take the actors' studio recordings as genuine, too"
    )

    def entries(self, folder: Path) -> Iterator[Entry]:
        """The fakes of each variant, then what is genuine."""
        split_of = self._splits(folder)
        made = folder / "manipulated_videos"
        variants = sorted(p for p in made.glob(self.variant or "*") if p.is_dir())
        if not variants:
            raise self.wrong(folder, f"no folder manipulated_videos/{self.variant or '...'}")
        for variant in variants:
            for path in self.videos(variant):
                known = swap_ties(path.stem)
                if known is None:
                    raise self.wrong(variant, f"{path.name!r} is not named like 000_M101.mp4")
                split = split_of.get(path.stem, "")
                yield Entry(path, 1, FACE_SWAP, *known, "DF-VAE", variant.name, split)
        yield from self._genuine(folder, split_of)

    def _genuine(self, folder: Path, split_of: dict[str, str]) -> Iterator[Entry]:
        of_half = {half: split for name, split in split_of.items() for half in name.split("_")}
        for path in self.videos(self.targets) if self.targets else ():
            who = f"ff:{path.stem}"
            split = of_half.get(path.stem, "")
            yield Entry(path, 0, "youtube", who, (who,), compression="c23", split=split)
        if not self.source_videos:
            return
        actors = sorted(p for p in (folder / "source_videos").glob("*") if p.is_dir())
        if not actors:
            raise self.wrong(folder, "no actor's folder in 'source_videos'")
        for actor in actors:
            for path in find_media([actor]):
                clip, split = f"deeper:{path.stem}", of_half.get(actor.name, "")
                yield Entry(path, 0, "studio", clip, (f"deeper:{actor.name}",), split=split)

    def _splits(self, folder: Path) -> dict[str, str]:
        place = folder / "lists" / "splits"
        return {
            Path(line).stem: split
            for split in SPLITS
            for line in self.read_lines(place / f"{split}.txt")
        }
