"""VidTIMIT, people reading sentences, and DeepfakeTIMIT, swaps among 32 of them.

Sanderson and Lovell 2009 (https://conradsanderson.id.au/vidtimit); Korshunov and Marcel 2018,
https://arxiv.org/abs/1812.08685. A swap `fadg0/sa1-video-fram1` is fadg0's sentence sa1 with
fram1's face; people and sentences have the same names in both, so the two belong in one manifest.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from counterface.datasets.manifest import Entry
from counterface.datasets.readers.layout import FACE_SWAP, DatasetReader, Ties
from counterface.media.find_media import VIDEO_SUFFIXES, find_media

QUALITIES = {"lower_quality": "lq", "higher_quality": "hq"}


class VidTimit(DatasetReader):
    """Reads sequences of pictures as they are handed out, or videos made of them."""

    expected: ClassVar[str] = """\
VidTIMIT/
  fadg0/video/sa1/001            pictures (JPEG without a suffix), or fadg0/video/sa1.avi
  fadg0/audio/sa1.wav            (not read)
"""

    every: int = Field(1, ge=1, description="take every n-th picture of a sequence")

    def entries(self, folder: Path) -> Iterator[Entry]:
        """Each person's sequences; all are genuine."""
        people = sorted(path.parent for path in folder.glob("*/video") if path.is_dir())
        if not people:
            raise self.wrong(folder, "no folder PERSON/video")
        for person in people:
            sequences = sorted((person / "video").iterdir())
            if not sequences:
                raise self.wrong(person / "video", "no sequence in it")
            for sequence in sequences:
                for path in self._files(sequence):
                    clip = f"vidtimit:{person.name}/{sequence.stem}"
                    yield Entry(path, 0, "sentences", clip, (f"vidtimit:{person.name}",))

    def _files(self, sequence: Path) -> list[Path]:
        if sequence.is_dir():
            hidden = sorted(p for p in sequence.iterdir() if not p.name.startswith("."))
            return hidden[:: self.every]
        return [sequence] if sequence.suffix.lower() in VIDEO_SUFFIXES else []


class DeepfakeTimit(DatasetReader):
    """Reads both qualities; all are fakes, the genuine half is VidTIMIT."""

    expected: ClassVar[str] = """\
DeepfakeTIMIT/
  lower_quality/fadg0/sa1-video-fram1.avi
  higher_quality/fadg0/sa1-video-fram1.avi       (either may be absent)
"""

    def entries(self, folder: Path) -> Iterator[Entry]:
        """Each quality's clips."""
        there = [name for name in QUALITIES if (folder / name).is_dir()]
        if not there:
            raise self.wrong(folder, "no folder lower_quality or higher_quality")
        for quality in there:
            media = find_media([folder / quality])
            clips = [path for path in media if path.parent.parent == folder / quality]
            if not clips:
                raise self.wrong(folder / quality, "no PERSON/SENTENCE-video-PERSON.avi in it")
            for path in clips:
                sentence, _, giver = path.stem.partition("-video-")
                if not giver:
                    raise self.wrong(path.parent, f"{path.name!r} is not named as expected")
                person = f"vidtimit:{path.parent.name}"
                known = Ties(f"{person}/{sentence}", (person, f"vidtimit:{giver}"))
                yield Entry(path, 1, FACE_SWAP, *known, "faceswap-GAN", QUALITIES[quality])
