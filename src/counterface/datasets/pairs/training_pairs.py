"""Endless (real, fake) crop pairs for a detector, each a pure function of its index.

A pair is made at the size that the face has in its footage, treated alike in both halves (colour,
scaling, noise, codec), and only then brought to the detector's size: as at scan time, where crops
are cut from footage that was compressed before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field, model_validator

from counterface.config import Record
from counterface.datasets.pairs.degrade import degrade
from counterface.datasets.pairs.self_blended import (
    BlendedPair,
    FaceSample,
    Kind,
    Remake,
    blend,
    blend_mask,
    color_matrix,
    make_pair,
    match_colors,
    resample,
)
from counterface.errors import TrainingError
from counterface.faces.align import (
    crop_matrix,
    matrix_scale,
    umeyama,
    warp_image,
    warp_points,
)
from counterface.faces.landmarks import MIRRORED
from counterface.faces.mask import hull_mask
from counterface.types import Floats, Image

Item = TypeVar("Item", covariant=True)


class Numbered(Protocol[Item]):
    """Items by number."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, index: int) -> Item:
        """One of them."""
        ...


Bank = Numbered[FaceSample]  # faces with room around them
# real and fake of one moment; both carry the real one's landmarks, each in its own pixels
PairBank = Numbered[tuple[FaceSample, FaceSample]]


class PairConfig(Record):
    """How training pairs are made."""

    template: str = Field("whole_face", description="alignment of the detector's crops")
    size: int = Field(224, ge=64, description="side of the detector's crops, pixels")
    cells: int = Field(14, ge=1, description="cells along a side of the mask that is learnt")
    self_blended: float = Field(0.4, ge=0, description="share of self-blended pseudo-fakes")
    swapped_in: float = Field(0.15, ge=0, description="share of swapped-in pseudo-fakes")
    remade: float = Field(0.45, ge=0, description="share of re-made pseudo-fakes")
    pairs: float = Field(
        0.0, ge=0, le=1, description="share of pairs of genuine and manipulated footage"
    )
    synthetic: float = Field(
        0.0, ge=0, le=1, description="share of pairs with a wholly generated face"
    )
    strength: float = Field(
        1.0, ge=0, le=1, description="strength of the degradation that both classes go through"
    )
    seed: int = Field(0, ge=0, description="seed; another one gives other pairs")

    @model_validator(mode="after")
    def _shares_add_up(self) -> PairConfig:
        named = self.pairs + self.synthetic
        if named > 1 + 1e-9:
            raise ValueError(f"pairs and synthetic are shares of all; their sum is {named:.2f}")
        if named < 1 and not self.self_blended + self.swapped_in + self.remade:
            raise ValueError(
                "self_blended, swapped_in and remade are all 0, but pairs and synthetic leave "
                f"{1 - named:.2f} to them"
            )
        return self


@dataclass(frozen=True)
class Sources:
    """Where the faces come from; banks may be empty where their share is zero.

    A bank is drawn with the square root of its size, so that one large set does not drown the
    small ones; a clip of footage is a bank of its own.
    """

    real: Sequence[Bank]
    pairs: Sequence[PairBank] = ()
    synthetic: Sequence[tuple[Bank, Bank]] = ()  # generated faces, and real ones of their kind
    remake: Remake = resample


class TrainingPairs:
    """`pairs[i]`: images uint8 (2, S, S, 3), real then fake; masks float32 (2, cells, cells)."""

    def __init__(self, sources: Sources, config: PairConfig) -> None:
        """Check that each share has faces to draw from.

        Raises:
            TrainingError: a share without faces.
        """
        for name, share, banks in (
            ("real faces", 1.0, sources.real),
            ("pairs", config.pairs, sources.pairs),
            ("synthetic faces", config.synthetic, [s for two in sources.synthetic for s in two]),
        ):
            if share and (not banks or not all(len(bank) for bank in banks)):
                raise TrainingError(
                    f"the recipe asks for {name}, but a face set of them is empty or missing"
                )
        self.sources, self.config = sources, config
        self._weights: dict[Kind, float] = {
            "self_blended": config.self_blended,
            "swapped_in": config.swapped_in,
            "remade": config.remade,
        }

    def __getitem__(self, index: int) -> dict[str, NDArray[np.generic]]:
        """The pair of an index, whatever was asked for before."""
        rng = np.random.default_rng((self.config.seed, index))
        draw = rng.random()
        if draw < self.config.pairs:
            pair = self._footage_pair(rng)
        elif draw < self.config.pairs + self.config.synthetic:
            pair = self._synthetic_pair(rng)
        else:
            pair = self._pseudo_pair(rng)
        images = self._finish([pair.real, pair.fake], rng)
        size = (self.config.cells, self.config.cells)
        mask = np.minimum(cv2.resize(pair.mask, size, interpolation=cv2.INTER_AREA), 1)
        return {
            "images": np.stack(images),
            "masks": np.stack([np.zeros_like(mask), mask]).astype(np.float32),
        }

    def _pseudo_pair(self, rng: Generator) -> BlendedPair:
        face = _draw(self.sources.real, rng)
        view = self._view(face, rng)
        work = view.cut(face)

        def donor(rng: Generator) -> FaceSample:
            others = [_draw(self.sources.real, rng) for _ in range(4)]
            views = [self._frontal(other, view.side) for other in others]
            cuts = [view.points(other) for view, other in zip(views, others, strict=True)]
            best = int(np.argmin([np.abs(cut - work.landmarks).mean() for cut in cuts]))
            return views[best].cut(others[best])

        return make_pair(work, rng, weights=self._weights, donor=donor, remake=self.sources.remake)

    def _footage_pair(self, rng: Generator) -> BlendedPair:
        """Real and fake of one moment; half the time, part of the fake laid over the real."""
        bank = self.sources.pairs[_pick(self.sources.pairs, rng)]
        real, fake = bank[int(rng.integers(len(bank)))]
        view = self._view(real, rng)
        work = view.cut(real)
        fake_to_real = umeyama(fake.landmarks, real.landmarks)
        made = CropView(_compose(view.matrix, fake_to_real), view.side).cut(fake).image
        shape = work.image.shape[:2]
        hull = hull_mask(work.landmarks, shape, "whole")
        if rng.random() < 0.3:  # colour alone must not decide
            made = match_colors(made, work.image, hull > 0, 1.0)
        if rng.random() < 0.5:
            return BlendedPair(work.image, made, hull, "pair")
        mask = blend_mask(work.landmarks, shape, rng, strong=True)
        return BlendedPair(work.image, blend(made, work.image, mask), mask, "pair_blended")

    def _synthetic_pair(self, rng: Generator) -> BlendedPair:
        """Two unrelated faces, brought to one size."""
        made, real_kind = self.sources.synthetic[int(rng.integers(len(self.sources.synthetic)))]
        fake, real = _draw([made], rng), _draw([real_kind], rng)
        view = self._view(fake, rng)
        work = self._view(real, rng, view.side).cut(real)
        everything = np.ones((view.side, view.side), np.float32)
        return BlendedPair(work.image, view.cut(fake).image, everything, "synthetic")

    def _frontal(self, face: FaceSample, side: int) -> CropView:
        return CropView(crop_matrix(face.landmarks, self.config.template, side), side)

    def _view(self, face: FaceSample, rng: Generator, side: int | None = None) -> CropView:
        """The face's crop, jittered, at about the size that it has in the footage."""
        size = self.config.size
        if side is None:
            native = size / (matrix_scale(self._frontal(face, size).matrix) * face.scale)
            side = int(np.clip(native * rng.uniform(0.7, 1.15), 0.5 * size, 1.3 * size))
        angle, zoom = np.deg2rad(rng.normal(0, 4)), rng.uniform(0.9, 1.12)
        cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
        turn = np.array([[cos, -sin], [sin, cos]])
        if rng.random() < 0.5:
            turn = turn @ np.diag([-1.0, 1.0])
        middle = np.full(2, (side - 1) / 2)
        shift = middle - turn @ middle + side * rng.uniform(-0.035, 0.035, 2)
        jitter = np.column_stack([turn, shift]).astype(np.float32)
        return CropView(_compose(jitter, self._frontal(face, side).matrix), side)

    def _finish(self, images: list[Image], rng: Generator) -> list[Image]:
        """Both images after the same colours, the same degradation, at the detector's size."""
        if rng.random() < 0.6:
            matrix = color_matrix(rng, 1.0)
            images = [np.asarray(cv2.transform(i, matrix), dtype=np.uint8) for i in images]
        if rng.random() < 0.05:
            images = [
                np.repeat(cv2.cvtColor(i, cv2.COLOR_RGB2GRAY)[..., None], 3, 2) for i in images
            ]
        images = degrade(images, rng, strength=self.config.strength)
        size = (self.config.size, self.config.size)
        return [np.asarray(cv2.resize(i, size), dtype=np.uint8) for i in images]


@dataclass(frozen=True, slots=True, eq=False)
class CropView:
    """A square crop of a face sample."""

    matrix: Floats  # (2, 3), sample to crop
    side: int  # pixels

    def points(self, face: FaceSample) -> Floats:
        """The face's landmarks in the crop."""
        return warp_points(face.landmarks, self.matrix)

    def cut(self, face: FaceSample) -> FaceSample:
        """The crop; a mirrored one has its landmarks in iBUG order again."""
        points = self.points(face)
        if np.linalg.det(self.matrix[:, :2]) < 0:
            points = points[MIRRORED]
        scale = face.scale * matrix_scale(self.matrix)
        return FaceSample(warp_image(face.image, self.matrix, self.side), points, scale)


def _compose(after: Floats, before: Floats) -> Floats:
    """The (2, 3) matrix that does `before`, then `after`."""
    return np.asarray(after @ np.vstack([before, [0, 0, 1]]), dtype=np.float32)


def _pick(banks: Sequence[Numbered[Any]], rng: Generator) -> int:
    shares = np.sqrt([float(len(bank)) for bank in banks])
    return int(rng.choice(len(shares), p=shares / shares.sum()))


def _draw(banks: Sequence[Bank], rng: Generator) -> FaceSample:
    bank = banks[_pick(banks, rng)]
    return bank[int(rng.integers(len(bank)))]
