"""Fakes beside their genuine twins, each pair a pure function of its index.

Many methods teach more than many items of one (Chen et al. 2025, https://arxiv.org/abs/2510.16320),
and a fake must differ from its twin by the maker's touch alone. So a family is drawn first, then
a method of it, then a person, then a frame; the twin is the same frame of the genuine footage, cut
by the same matrix (`store_faces` with `twins`). A fake without such a twin gets a genuine face of
about its size, and both are brought to one sharpness. Both halves then meet the same shift,
colours, scaling, noise and codec.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from pydantic import Field

from counterface.config import Record
from counterface.datasets.labelled_faces import FaceClip, FacePool
from counterface.datasets.pairs.degrade import degrade, reduce_and_enlarge
from counterface.datasets.pairs.self_blended import recolor
from counterface.errors import TrainingError
from counterface.faces.align import matrix_scale
from counterface.faceset.row import Row
from counterface.types import Image

ALIKE = 0.5  # natural log of the ratio of two faces' sizes; tried a few times, not insisted on
SMALLEST = 48  # pixels that a crop is brought down to at most, so that two are equally sharp


class TwinConfig(Record):
    """How fakes are drawn, and what both halves of a pair go through."""

    families: dict[str, float] = Field(
        {}, description="share of each family (the manifest's `method`); empty = all alike"
    )
    strength: float = Field(
        0.6, ge=0, le=1, description="strength of scaling, blur, noise and codecs"
    )
    color: float = Field(0.5, ge=0, le=1, description="strength of the colour change")
    shift: int = Field(10, ge=0, le=64, description="largest shift of a crop, pixels at full size")
    levelled: float = Field(
        0.8,
        ge=0,
        le=1,
        description="share of the pairs of different footage that are made equally sharp",
    )


class TwinFaces:
    """`twins[i]`: images uint8 (2, S, S, 3), genuine then fake; masks float32 (2, 1, 1).

    The mask says of the whole crop that it is genuine (0) or fake (1).
    """

    def __init__(
        self, pool: FacePool, clips: Sequence[FaceClip], config: TwinConfig, seed: int = 0
    ) -> None:
        """Settle who stands beside whom.

        Args:
            pool: where the crops are from; of single frames.
            clips: those that are trained on.
            config: shares and changes.
            seed: another seed gives other pairs.

        Raises:
            TrainingError: clips of several frames, a class without crops, or a family that is not
                there.
        """
        if pool.frames > 1:
            raise TrainingError(
                f"twins are single crops, the store's clips have {pool.frames} frames; train a "
                "detector of clips on labelled faces, without data.twins"
            )
        self.pool, self.config, self.seed = pool, config, seed
        self._genuine: dict[str, list[FaceClip]] = defaultdict(list)  # by kind of footage
        self._of_source: dict[str, list[FaceClip]] = defaultdict(list)
        self._twins: dict[tuple[str, int, int, int], FaceClip] = {}
        self._fakes: dict[str, dict[str, dict[str, list[FaceClip]]]] = {}
        self._crops = Counter(clip.entry for clip in clips)
        for clip in clips:
            self._file(clip)
        self.families = self._shares()

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The pair of an index, whatever was asked for before."""
        rng = np.random.default_rng((self.seed, index))
        fake = self._draw(rng)
        real, twin = self._beside(fake, rng)
        images = [self.pool.read(real)[0], self.pool.read(fake)[0]]
        if not twin and rng.random() < self.config.levelled:
            side = min(self._side(real), self._side(fake), images[0].shape[0])
            images = [soften(image, side * float(rng.uniform(0.55, 1.0))) for image in images]
        return {
            "images": np.stack(self._treat(images, rng)),
            "masks": np.array([0, 1], np.float32)[:, None, None],
        }

    def _file(self, clip: FaceClip) -> None:
        entry, row = self.pool.entries[clip.entry], clip.rows[0]
        if entry.label == 0:
            self._genuine[self._footage(clip)].append(clip)
            if entry.source:
                self._of_source[entry.source].append(clip)
                self._twins[_place(entry.source, row)] = clip
            return
        people = entry.identities[0] if entry.identities else entry.source or str(entry.path)
        maker = entry.generator or entry.method
        methods = self._fakes.setdefault(entry.method, {})
        methods.setdefault(maker, {}).setdefault(people, []).append(clip)

    def _shares(self) -> dict[str, float]:
        wanted = self.config.families or dict.fromkeys(sorted(self._fakes), 1.0)
        missing = [name for name in wanted if name not in self._fakes]
        if missing or not self._genuine:
            raise TrainingError(
                f"no crop of {'fakes of ' + ', '.join(missing) if missing else 'genuine faces'} to "
                f"train on; families in the manifest's column 'method': {sorted(self._fakes)}"
            )
        total = sum(wanted.values())
        return {name: share / total for name, share in wanted.items() if share}

    def _draw(self, rng: Generator) -> FaceClip:
        """Family, method, person, crop: each evenly among those of the one before."""
        names = list(self.families)
        family = self._fakes[names[rng.choice(len(names), p=list(self.families.values()))]]
        people = list(family.values())[rng.integers(len(family))]
        crops = list(people.values())[rng.integers(len(people))]
        return crops[rng.integers(len(crops))]

    def _beside(self, fake: FaceClip, rng: Generator) -> tuple[FaceClip, bool]:
        """A genuine crop, and whether it is the very frame that the fake was made from."""
        source, row = self.pool.entries[fake.entry].source, fake.rows[0]
        twin = self._twins.get(_place(source, row)) if source else None
        if twin is not None:
            return twin, True
        own = self._of_source.get(source, []) if source else []
        if own and rng.random() < 0.7:
            return own[rng.integers(len(own))], False
        pool = self._genuine.get(self._footage(fake)) or next(iter(self._genuine.values()))
        found = pool[rng.integers(len(pool))]
        for _ in range(8):
            if abs(np.log(self._side(found) / self._side(fake))) < ALIKE:
                break
            found = pool[rng.integers(len(pool))]
        return found, False

    def _footage(self, clip: FaceClip) -> str:
        return "video" if self._crops[clip.entry] > 1 else "picture"

    def _side(self, clip: FaceClip) -> float:
        """The side of a crop in pixels of the frame that it was cut from."""
        return float(self.pool.store.header.size / matrix_scale(clip.rows[0].frame_to_crop))

    def _treat(self, images: list[Image], rng: Generator) -> list[Image]:
        """Both halves after one and the same chain."""
        if rng.random() < 0.5:
            images = [image[:, ::-1] for image in images]
        most = self.config.shift
        right, down = rng.integers(-most, most + 1, 2)
        images = [_moved(image, int(right), int(down), most) for image in images]
        if self.config.color:
            seed = int(rng.integers(2**32))
            images = [
                recolor(image, np.random.default_rng(seed), self.config.color) for image in images
            ]
        return degrade(images, rng, strength=self.config.strength)


def _place(source: str, row: Row) -> tuple[str, int, int, int]:
    return source, row.frame_index, row.frame_height, row.frame_width


def soften(image: Image, side: float) -> Image:
    """A crop as sharp as one of `side` pixels, at the size that it had."""
    small = max(SMALLEST, round(side))
    return image if small >= image.shape[0] else reduce_and_enlarge(image, (small, small))


def _moved(image: Image, right: int, down: int, most: int) -> Image:
    """The picture moved by whole pixels, mirrored at its border."""
    height, width = image.shape[:2]
    wide = np.pad(image, ((most, most), (most, most), (0, 0)), "reflect")
    top, left = most + down, most + right
    return np.ascontiguousarray(wide[top : top + height, left : left + width])
