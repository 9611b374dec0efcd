"""Crops and their masks, changed by chance, as examples of a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.learn.segment.occluders import KINDS, occlude
from counterface.types import Floats, Image, Mask

LEAST_SCALE = 0.05


class Augment(Record):
    """How examples are changed by chance."""

    flip: bool = Field(True, description="mirror half of the examples")
    turn: float = Field(20.0, ge=0, le=180, description="largest turn, degrees")
    scale: float = Field(1.25, ge=1, le=3, description="largest change of scale, a factor")
    shift: float = Field(0.08, ge=0, le=0.5, description="largest shift, share of the side")
    warp: float = Field(0.02, ge=0, le=0.2, description="elastic warp, share of the side")
    colour: float = Field(0.25, ge=0, le=1, description="change of brightness, contrast and hue")
    blur: float = Field(0.35, ge=0, le=1, description="share of examples that are blurred")
    wear: float = Field(0.4, ge=0, le=1, description="share that are reduced, noisy or JPEG")
    background: float = Field(
        0.2, ge=0, le=1, description="share whose surroundings are those of another crop"
    )
    occlude: float = Field(
        0.3, ge=0, le=1, description="share with drawn hands, glasses, hair and the like over them"
    )


@dataclass(frozen=True, eq=False)
class Labelled:
    """Crops with masks."""

    pictures: Sequence[Image]  # RGB uint8 (S, S, 3)
    masks: Sequence[Image]  # uint8 (S, S), 255 = face
    template: str
    share: float = 1.0  # side of the template in a picture, of the picture's
    odds: Floats | None = None  # (N,) how often each is drawn; None: evenly


class SegmentExamples:
    """Examples by number: RGB float32 (3, size, size) in [0, 1], and mask (1, size, size)."""

    def __init__(self, labelled: Labelled, size: int, augment: Augment, seed: int) -> None:
        """Take the crops.

        Args:
            labelled: at least one.
            size: side of the examples, pixels.
            augment: how they are changed.
            seed: of all chance.
        """
        self._labelled, self._size, self._augment, self._seed = labelled, size, augment, seed
        odds = labelled.odds
        self._odds = None if odds is None else np.cumsum(odds) / np.sum(odds)

    def __getitem__(self, index: int) -> tuple[Floats, Floats]:
        """The example of a number, whatever was asked for before."""
        rng = np.random.default_rng((self._seed, index))
        given, augment = self._labelled, self._augment
        number = self._draw(rng)
        picture = given.pictures[number]
        mask: Mask = given.masks[number].astype(np.float32) / np.float32(255)
        other = given.pictures[self._draw(rng)]
        if rng.random() < augment.background:
            picture = on_background(picture, mask, other, rng)
        if rng.random() < augment.occlude:
            for _ in range(1 + int(rng.random() < 0.25)):
                kind = [*KINDS][rng.integers(len(KINDS))]
                picture, mask = occlude(
                    picture, mask, rng, kind, given.template, given.share, other
                )
        picture, mask = moved(picture, mask, self._size, given.share, augment, rng)
        picture = worn(picture, augment, rng)
        image = np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32)
        return image / np.float32(255), mask[None]

    def _draw(self, rng: np.random.Generator) -> int:
        if self._odds is None:
            return int(rng.integers(len(self._labelled.pictures)))
        return min(int(np.searchsorted(self._odds, rng.random())), len(self._odds) - 1)


def on_background(picture: Image, mask: Mask, other: Image, rng: np.random.Generator) -> Image:
    """The face of a crop, a rim round it included, before another picture.

    Args:
        picture: RGB uint8 (S, S, 3).
        mask: (S, S) where the face is.
        other: RGB uint8, of any size.
        rng: chooses rim and place.
    """
    side = len(picture)
    rim = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.03, 0.1)) * side)
    alpha = np.clip(rim * 4, 0, 1)[..., None]
    ground = np.roll(cv2.resize(other, (side, side)), int(rng.integers(side)), axis=1)
    return np.asarray(picture * alpha + ground * (1 - alpha)).astype(np.uint8)


def moved(
    picture: Image,
    mask: Mask,
    size: int,
    share: float,
    augment: Augment,
    rng: np.random.Generator,
) -> tuple[Image, Mask]:
    """Picture and mask mirrored, turned, scaled, shifted and warped alike, of side `size`."""
    side = len(picture)
    scale = size / (side * share) * augment.scale ** rng.uniform(-1, 1)
    turn = np.radians(rng.uniform(-1, 1) * rng.random() * augment.turn)  # most are small
    shift = rng.uniform(-1, 1, 2) * augment.shift * size
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if augment.flip and rng.random() < 0.5:
        matrix = matrix @ np.diag([-1.0, 1.0])
    back = np.linalg.inv(matrix)
    line = np.arange(size, dtype=np.float32) - (size - 1) / 2
    x, y = line[None] - np.float32(shift[0]), line[:, None] - np.float32(shift[1])
    columns = back[0, 0] * x + back[0, 1] * y + (side - 1) / 2
    rows = back[1, 0] * x + back[1, 1] * y + (side - 1) / 2
    if augment.warp:
        knots = rng.normal(0, augment.warp * side * share * 0.5, (5, 5, 2)).astype(np.float32)
        bend = cv2.resize(knots, (size, size), interpolation=cv2.INTER_CUBIC)
        columns, rows = columns + bend[..., 0], rows + bend[..., 1]
    columns, rows = columns.astype(np.float32), rows.astype(np.float32)
    if scale < 0.6:  # bilinear sampling would alias
        soft = 0.4 / scale
        picture = cv2.GaussianBlur(picture, (0, 0), soft)
        mask = cv2.GaussianBlur(mask, (0, 0), soft)
    edge = cv2.BORDER_REFLECT_101
    seen = cv2.remap(picture, columns, rows, cv2.INTER_LINEAR, borderMode=edge)
    cover = cv2.remap(mask, columns, rows, cv2.INTER_LINEAR, borderMode=edge)
    return np.asarray(seen), np.asarray(np.clip(cover, 0, 1), np.float32)


def worn(picture: Image, augment: Augment, rng: np.random.Generator) -> Image:
    """The picture in other light, and perhaps blurred, reduced, noisy or compressed."""
    strength = augment.colour
    seen: Any = picture.astype(np.float32)
    if strength:
        gamma = np.exp(rng.normal(0, strength))
        seen = 255 * (seen / 255) ** gamma
        seen = (
            seen * np.exp(rng.normal(0, strength * 0.35, 3)) * np.exp(rng.normal(0, strength * 0.6))
        )
        middle = seen.mean()
        seen = (seen - middle) * np.exp(rng.normal(0, strength)) + middle
        grey = seen.mean(axis=2, keepdims=True)
        seen = grey + (seen - grey) * (
            0 if rng.random() < 0.05 else rng.uniform(1 - 2 * strength, 1 + 2 * strength)
        )
        if rng.random() < 0.3:  # light from a side
            side = len(seen)
            slope = np.linspace(-1, 1, side, dtype=np.float32) * rng.normal(0, 2 * strength)
            seen = seen * np.exp(
                slope[None, :, None] if rng.random() < 0.7 else slope[:, None, None]
            )
    if rng.random() < augment.blur:
        seen = cv2.GaussianBlur(seen, (0, 0), float(rng.uniform(0.4, 2.2)))
    if rng.random() < augment.wear:
        if rng.random() < 0.5:
            small = max(16, int(len(seen) * rng.uniform(0.25, 0.8)))
            reduced = cv2.resize(seen, (small, small), interpolation=cv2.INTER_AREA)
            seen = cv2.resize(reduced, seen.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        if rng.random() < 0.5:
            seen = seen + rng.normal(0, rng.uniform(1, 12), seen.shape)
        if rng.random() < 0.6:
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))]
            whole = np.clip(seen, 0, 255).astype(np.uint8)
            seen = cv2.imdecode(cv2.imencode(".jpg", whole, quality)[1], cv2.IMREAD_COLOR)
    return np.asarray(np.clip(seen, 0, 255), np.uint8)
