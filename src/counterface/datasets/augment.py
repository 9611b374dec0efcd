"""What a crop, or every frame of a clip alike, goes through in training: each step a switch.

A clip's frames share every random number: a detector of motion must not see the augmentation move.
Convention: frames are RGB uint8 (S, S, 3), all of one shape; chance comes from the generator given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.random import Generator
from pydantic import Field

from counterface.config import Record
from counterface.datasets.pairs.degrade import degrade
from counterface.datasets.pairs.self_blended import recolor
from counterface.media.recompress import recompress_jpeg
from counterface.types import Image

Step = Callable[[Image], Image]


class AugmentConfig(Record):
    """How often each change is made; 0 never."""

    flip: float = Field(0.5, ge=0, le=1, description="share of examples that are mirrored")
    rotate: float = Field(
        0.0, ge=0, le=180, description="largest angle by which a crop is turned, degrees"
    )
    grey: float = Field(0.0, ge=0, le=1, description="share of examples that lose their colour")
    shuffle_channels: float = Field(
        0.0, ge=0, le=1, description="share of examples whose colour channels are exchanged"
    )
    color: float = Field(
        0.0, ge=0, le=1, description="strength of the change of colour, which every example gets"
    )
    impurities: float = Field(
        0.0, ge=0, le=1, description="share of examples that get one of noise, blur, JPEG or spots"
    )
    degrade: float = Field(
        0.0,
        ge=0,
        le=1,
        description="strength of scaling, noise and real codecs, which every example goes through",
    )
    cutmix: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of examples that get a rectangle of another one; the label is mixed by "
        "area",
    )


def augment(frames: Sequence[Image], rng: Generator, config: AugmentConfig) -> list[Image]:
    """The frames after one shared chain of changes; `cutmix` is not among them.

    Args:
        frames: one crop, or those of a clip.
        rng: the only source of chance.
        config: which changes.
    """
    out = list(frames)
    for step in _steps(out[0].shape[0], rng, config):
        out = [step(frame) for frame in out]
    return degrade(out, rng, strength=config.degrade) if config.degrade else out


def cut_mix(
    frames: Sequence[Image], other: Sequence[Image], rng: Generator
) -> tuple[list[Image], float]:
    """The frames with the same rectangle of another clip in each, and the share of it.

    Yun et al. 2019, https://arxiv.org/abs/1905.04899: the share is uniform, the place too.

    Args:
        frames: frames of one example.
        other: frames of another, as many and as large.
        rng: the only source of chance.
    """
    height, width = frames[0].shape[:2]
    side = np.sqrt(rng.uniform())
    tall, wide = round(height * side), round(width * side)
    middle_y, middle_x = rng.integers(height), rng.integers(width)
    top, left = max(0, middle_y - tall // 2), max(0, middle_x - wide // 2)
    bottom, right = min(height, middle_y + tall // 2), min(width, middle_x + wide // 2)
    mixed = [frame.copy() for frame in frames]
    for frame, donor in zip(mixed, other, strict=True):
        frame[top:bottom, left:right] = donor[top:bottom, left:right]
    return mixed, float((bottom - top) * (right - left) / (height * width))


def _steps(size: int, rng: Generator, config: AugmentConfig) -> list[Step]:
    """The changes that chance chose, their numbers settled."""
    steps: list[Step] = []
    if rng.random() < config.flip:
        steps.append(lambda image: np.ascontiguousarray(image[:, ::-1]))
    if config.rotate:
        steps.append(_turn(size, float(rng.uniform(-config.rotate, config.rotate))))
    if config.color:
        seed = int(rng.integers(2**32))
        steps.append(lambda image: recolor(image, np.random.default_rng(seed), config.color))
    if rng.random() < config.shuffle_channels:
        order = rng.permutation(3)
        steps.append(lambda image: np.ascontiguousarray(image[..., order]))
    if rng.random() < config.grey:
        steps.append(_grey)
    if rng.random() < config.impurities:
        steps.append(_impurity(size, rng))
    return steps


def _grey(image: Image) -> Image:
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2).astype(np.uint8)


def _turn(size: int, degrees: float) -> Step:
    middle = (size - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), degrees, 1.0)

    def step(image: Image) -> Image:
        turned = cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(turned, dtype=np.uint8)

    return step


def _impurity(size: int, rng: Generator) -> Step:
    """One of noise, blur, JPEG and spots, at a random strength."""
    kind = int(rng.integers(4))
    if kind == 0:
        field = rng.standard_normal((size, size, 3), dtype=np.float32) * rng.uniform(2, 16)
        return lambda image: np.clip(image + field, 0, 255).astype(np.uint8)
    if kind == 1:
        sigma = float(rng.uniform(0.5, 2.0)) * size / 256
        return lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8)
    if kind == 2:
        quality = int(rng.integers(30, 91))
        return lambda image: recompress_jpeg(image, quality)
    count = int(rng.integers(1, 9))
    places = rng.integers(0, size, (count, 2))
    radii = rng.integers(1, max(2, size // 24) + 1, count)
    colors = rng.integers(0, 256, (count, 3))

    def spots(image: Image) -> Image:
        out = image.copy()
        for place, radius, color in zip(places, radii, colors, strict=True):
            cv2.circle(out, tuple(map(int, place)), int(radius), tuple(map(int, color)), -1)
        return out

    return spots
