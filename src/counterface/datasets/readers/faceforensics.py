"""FaceForensics++ with FaceShifter, and the DeepFakeDetection actors that lie in the same tree.

Rossler et al. 2019, https://arxiv.org/abs/1901.08971. A manipulated clip is named after the
footage that it changes and the clip that the face came from: `000_003`. A clip's number stands for
its person. Of the actors, `01_02__walking__ABCDEFGH` is actor 01's footage with 02's face.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

from pydantic import Field

from counterface.datasets.manifest import SPLITS, Entry
from counterface.datasets.readers.layout import FACE_SWAP, REENACTMENT, DatasetReader, Ties

COMPRESSIONS = ("c0", "raw", "c23", "c40")
ACTORS = "DeepFakeDetection"  # the folder of Google's and Jigsaw's swaps of paid actors
FAMILIES = {
    "Deepfakes": FACE_SWAP,
    "Face2Face": REENACTMENT,
    "FaceSwap": FACE_SWAP,
    "NeuralTextures": REENACTMENT,
    "FaceShifter": FACE_SWAP,
    ACTORS: FACE_SWAP,
}
FRAMES = ("frames", "images")  # of clips, as DeepfakeBench and the authors' script call them
_NUMBERS = re.compile(r"(\d{3})(?:_(\d{3}))?")
_ACTOR_NAME = re.compile(r"(\d\d)(?:_(\d\d))?__(.+?)(?:__([A-Za-z0-9]{8}))?")


def number_ties(stem: str) -> Ties | None:
    """Whose footage and faces a clip named `000` or `000_003` shows; None for other names."""
    found = _NUMBERS.fullmatch(stem)
    return found and Ties(f"ff:{found[1]}", tuple(f"ff:{n}" for n in found.groups() if n))


def actor_ties(stem: str) -> Ties | None:
    """Whose footage `01__scene` or `01_02__scene__ABCDEFGH` shows, and whose faces; else None."""
    found = _ACTOR_NAME.fullmatch(stem)
    people = found and tuple(f"dfd:{number}" for number in found.groups()[:2] if number)
    return found and Ties(f"dfd:{found[1]}__{found[3]}", people or ())


class FaceForensics(DatasetReader):
    """Reads originals, all methods and compressions that are there, and the official splits."""

    expected: ClassVar[str] = """\
FaceForensics++/
  original_sequences/
    youtube/c23/videos/000.mp4                    (c0, raw, c23, c40: those there are)
    actors/c23/videos/01__walking.mp4             (where DeepFakeDetection is there)
  manipulated_sequences/
    Deepfakes/c23/videos/000_003.mp4              (Face2Face, FaceSwap, NeuralTextures,
    Deepfakes/masks/videos/000_003.mp4             FaceShifter, DeepFakeDetection)
  splits/train.json, val.json, test.json          [["000", "003"], ...]; or beside the folders
or frames in place of videos:
    Deepfakes/c23/frames/000_003/0000.png         (or images/; masks/000_003/0000.png beside it)
"""

    compression: str = Field("", description="the one compression to take: c0, raw, c23 or c40")
    official_splits: bool = Field(True, description="split as the authors' lists of pairs say")

    def entries(self, folder: Path) -> Iterator[Entry]:
        """Originals, then each method's clips."""
        originals, made = folder / "original_sequences", folder / "manipulated_sequences"
        for part in (originals, made):
            if not part.is_dir():
                raise self.wrong(folder, f"no folder {part.name!r}")
        split_of = self._splits(folder) if self.official_splits else {}
        methods = sorted(path.name for path in made.iterdir() if path.is_dir())
        strange = [name for name in methods if name not in FAMILIES]
        if strange or not methods:
            raise self.wrong(made, f"{strange or 'no folders'}: no methods of FaceForensics++")
        numbered = [made / name for name in methods if name != ACTORS]
        folders = [originals / "youtube", *numbered] if numbered else []
        if ACTORS in methods:
            folders += [originals / "actors", made / ACTORS]
        for part in folders:
            yield from _clips(self, part, self.compression, split_of)

    def _splits(self, folder: Path) -> dict[str, str]:
        """The split of each number and of each pair of numbers, both ways round."""
        place = folder / "splits" if (folder / "splits").is_dir() else folder
        if not any((place / f"{split}.json").is_file() for split in SPLITS):
            raise self.wrong(
                place,
                "none of train.json, val.json, test.json; copy them from the authors' "
                "repository, or do without: --set official_splits=false",
            )
        split_of: dict[str, str] = {}
        for split in SPLITS:
            for pair in self.read_json(place / f"{split}.json"):
                if not (isinstance(pair, list) and len(pair) == 2):
                    raise self.wrong(place, f"{split}.json holds {pair!r}, not pairs of numbers")
                one, other = map(str, pair)
                split_of |= dict.fromkeys((one, other, f"{one}_{other}", f"{other}_{one}"), split)
        return split_of


class Dfd(DatasetReader):
    """Reads the DeepFakeDetection actors alone (Google and Jigsaw, 2019); it has no splits."""

    expected: ClassVar[str] = """\
DFD/
  original_sequences/actors/c23/videos/01__walking.mp4       (c0, raw, c23, c40: those there are)
  manipulated_sequences/DeepFakeDetection/c23/videos/01_02__walking__ABCDEFGH.mp4
"""

    compression: str = Field("", description="the one compression to take: c0, raw, c23 or c40")

    def entries(self, folder: Path) -> Iterator[Entry]:
        """Genuine clips, then swaps."""
        for part in ("original_sequences/actors", f"manipulated_sequences/{ACTORS}"):
            if not (folder / part).is_dir():
                raise self.wrong(folder, f"no folder {part!r}")
            yield from _clips(self, folder / part, self.compression, {})


def _clips(
    reader: DatasetReader, folder: Path, compression: str, split_of: dict[str, str]
) -> Iterator[Entry]:
    """The clips of one folder: genuine ones, or the fakes of a method."""
    name, fake = folder.name, folder.name in FAMILIES
    ties, form = number_ties, "000_003" if fake else "000"
    if name in (ACTORS, "actors"):
        ties, form = actor_ties, "01_02__scene__ABCDEFGH" if fake else "01__scene"
    for file in _files(reader, folder, compression):
        known = ties(file.clip)
        if known is None or len(known.identities) != 1 + fake:
            raise reader.wrong(file.path.parent, f"clip {file.clip!r} is not named like {form}")
        yield Entry(
            *(file.path, int(fake), FAMILIES.get(name, name), *known, name if fake else ""),
            compression=file.compression,
            split=split_of.get(file.clip, ""),
            mask=file.mask,
        )


class _File(NamedTuple):
    path: Path
    clip: str  # name of the clip that it is, or is a frame of
    compression: str
    mask: Path | None


def _files(reader: DatasetReader, folder: Path, compression: str) -> Iterator[_File]:
    """Each clip, or each frame where a level holds frames and no videos, with its mask."""
    wanted = (compression,) if compression else COMPRESSIONS
    there = [name for name in wanted if (folder / name).is_dir()]
    if not there:
        raise reader.wrong(folder, f"no folder {' or '.join(wanted)} of {folder.name}")
    for level in there:
        inner = folder / level
        frames = next((inner / name for name in FRAMES if (inner / name).is_dir()), None)
        if frames is None or (inner / "videos").is_dir():
            for path in reader.videos(inner / "videos"):
                yield _File(path, path.stem, level, _if_there(folder / "masks/videos" / path.name))
            continue
        for clip in sorted(path for path in frames.iterdir() if path.is_dir()):
            for path in reader.videos(clip):
                mask = _if_there(inner / "masks" / clip.name / path.name)
                yield _File(path, clip.name, level, mask)


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None
