"""Pseudo-fakes made from real faces alone: self-blended, swapped in, and re-made.

Self-blended images: Shiohara and Yamasaki 2022 (https://arxiv.org/abs/2204.08376). Ours works on
small noise fields and one colour matrix, so that a pair costs a third of the plain version, and
adds two kinds. *Swapped in*: another person's face with similar landmarks, colour-matched, as in
Face X-ray (Li et al. 2020, https://arxiv.org/abs/1912.13458). *Re-made*: the face after an
up-sampling path or an autoencoder, colour kept and edge soft, as a well-merged swap leaves it.

Convention: a `FaceSample` is a generous RGB uint8 crop with (68, 2) landmarks in its pixels. Every
function takes a `numpy.random.Generator`; the same state gives the same pixels. No torch in here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from counterface.datasets.pairs.degrade import reduce_and_enlarge
from counterface.datasets.pairs.paste_masks import FACE_MASKS, PART_MASKS, draw_mask
from counterface.datasets.twins.sharpness import sharpen
from counterface.faces.align import umeyama
from counterface.faces.landmarks import INNER
from counterface.faces.mask import hull_mask
from counterface.types import Floats, Image, Mask

Kind = Literal["self_blended", "swapped_in", "remade"]
Remake = Callable[[Image, Floats, Generator], Image]  # image, landmarks -> the image, re-made


@dataclass(frozen=True, slots=True, eq=False)
class FaceSample:
    """One face with room around it."""

    image: Image
    landmarks: Floats  # (68, 2) pixels of the image
    scale: float = 1.0  # pixels of this image for each pixel of the footage it was cut from


@dataclass(frozen=True, slots=True, eq=False)
class BlendedPair:
    """A real crop, a fake made from it, and where they differ."""

    real: Image
    fake: Image
    mask: Mask  # share of foreign pixels, [0, 1]
    kind: str


# how often each hull is blended, after the 68-point variants of the paper; the mouth alone imitates
# lip-sync edits
_HULLS = ("whole", "whole", "no_forehead", "no_forehead", "inner", "lower", "upper", "mouth")
_RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)  # of the blend, as in the paper
_PASTED = 0.4  # share of masks as face swappers and lip-sync programs paste by


def self_blend(face: FaceSample, rng: Generator) -> BlendedPair:
    """The face blended with a shifted, re-coloured or re-scaled copy of itself.

    One of the two copies is changed; the unchanged outside of a changed target is part of the real
    sample too, so no colour or sharpness alone tells the classes apart.
    """
    source, target, mask = self_blend_parts(face, rng)
    return BlendedPair(target, blend(source, target, mask), mask, "self_blended")


def self_blend_parts(face: FaceSample, rng: Generator) -> tuple[Image, Image, Mask]:
    """What `self_blend` lays over what, and where: source, target, mask."""
    image = face.image
    changed = _restyle(image, rng)
    source, target = (changed, image) if rng.random() < 0.5 else (image, changed)
    mask = blend_mask(face.landmarks, image.shape[:2], rng)
    size = image.shape[1::-1]
    span = float(np.ptp(face.landmarks[:, 0]))
    zoom = rng.uniform(0.95, 1.05)
    centre = face.landmarks.mean(axis=0)
    shift = centre - zoom * centre + span * rng.uniform([-0.03, -0.015], [0.03, 0.015])
    move = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]], dtype=np.float32)
    source = cv2.warpAffine(source, move, size, borderMode=cv2.BORDER_REFLECT_101)
    mask = cv2.warpAffine(mask, move, size)
    return np.asarray(source, np.uint8), target, np.asarray(mask, np.float32)


def swap_in(face: FaceSample, donor: FaceSample, rng: Generator) -> BlendedPair:
    """The donor's face in place of the target's, its colours moved toward the target's."""
    size = face.image.shape[0]
    onto = umeyama(donor.landmarks[INNER], face.landmarks[INNER])
    source = cv2.warpAffine(donor.image, onto, (size, size), borderMode=cv2.BORDER_REFLECT_101)
    hull = hull_mask(face.landmarks, face.image.shape[:2], "inner") > 0
    source = match_colors(source, face.image, hull, float(rng.uniform(0.6, 1.0)))
    mask = blend_mask(face.landmarks, face.image.shape[:2], rng, strong=True)
    return BlendedPair(face.image, blend(source, face.image, mask), mask, "swapped_in")


def remake_face(face: FaceSample, rng: Generator, remake: Remake) -> BlendedPair:
    """The face after `remake`, colours mostly restored and edges soft: only texture tells."""
    source = remake(face.image, face.landmarks, rng)
    hull = hull_mask(face.landmarks, face.image.shape[:2], "inner") > 0
    if rng.random() < 0.8:
        source = match_colors(source, face.image, hull, 1.0)
    if rng.random() < 0.35:
        source = recolor(source, rng, 0.5)
    if rng.random() < 0.4:  # mergers sharpen what the network blurred
        source = _sharpen(source, rng)
    mask = blend_mask(face.landmarks, face.image.shape[:2], rng, strong=True)
    return BlendedPair(face.image, blend(source, face.image, mask), mask, "remade")


def resample(image: Image, landmarks: Floats, rng: Generator) -> Image:
    """A `Remake` without a network: fewer pixels and back, with a decoder's grid or smoothing."""
    size = image.shape[0]
    span = float(np.ptp(landmarks[:, 0]))
    small = max(16, round(size * min(0.9, rng.uniform(48, 128) / span)))
    shrink = rng.choice([cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC])
    grow = rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4])
    low = cv2.resize(image, (small, small), interpolation=int(shrink))
    style = rng.integers(4)
    if style == 0:
        low = cv2.bilateralFilter(low, 5, float(rng.uniform(10, 40)), 2.0)
    elif style == 1:
        low = cv2.medianBlur(low, 3)
    out = cv2.resize(low, (size, size), interpolation=int(grow))
    if style == 2:  # depth-to-space leaves a fixed gain for each pixel of a 2x2 cell
        gain = 1 + rng.normal(0, 0.02, (2, 2)).astype(np.float32)
        grid = np.tile(gain, (size // 2 + 1, size // 2 + 1))[:size, :size, None]
        out = np.clip(out * grid, 0, 255).astype(np.uint8)
    return np.asarray(out, dtype=np.uint8)


def blend(source: Image, target: Image, mask: Mask) -> Image:
    """`mask` of the source over the target, RGB uint8 (H, W, 3)."""
    foreign = source.astype(np.float32) - target
    mixed = target + foreign * mask[..., None]
    return np.asarray(np.clip(mixed + 0.5, 0, 255), dtype=np.uint8)


def match_colors(
    image: Image, reference: Image, where: NDArray[np.bool_], strength: float
) -> Image:
    """The image with each channel's mean and deviation under `where` moved to the reference's.

    Args:
        image: RGB uint8 (H, W, 3).
        reference: RGB uint8 (H, W, 3).
        where: bool (H, W), the pixels that are measured in both.
        strength: 0 leaves the image, 1 matches fully.
    """
    mask = where.astype(np.uint8)
    mean, deviation = cv2.meanStdDev(image, mask=mask)
    mean_to, deviation_to = cv2.meanStdDev(reference, mask=mask)
    gain = np.clip(deviation_to / np.maximum(deviation, 1.0), 0.5, 2.0)
    gain = 1 + strength * (gain - 1)
    shift = mean + strength * (mean_to - mean) - gain * mean
    matrix = np.hstack([np.diag(gain[:, 0]), shift])
    return np.asarray(cv2.transform(image, matrix), dtype=np.uint8)


def color_matrix(rng: Generator, strength: float) -> Floats:
    """One random (3, 4) matrix for shift, brightness, contrast, saturation and hue."""
    contrast = 1 + strength * rng.uniform(-0.15, 0.15)
    saturation = 1 + strength * rng.uniform(-0.3, 0.3)
    hue = strength * rng.uniform(-0.12, 0.12)  # radians about the grey axis
    grey = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = grey + saturation * (np.cos(hue) * (np.eye(3) - grey) + np.sin(hue) * cross)
    shift = 127.5 * (1 - contrast) + strength * (rng.uniform(-16, 16) + rng.uniform(-10, 10, 3))
    return np.hstack([contrast * turn, np.reshape(shift, (3, 1))]).astype(np.float32)


def recolor(image: Image, rng: Generator, strength: float = 1.0) -> Image:
    """The image after one random colour matrix: shift, brightness, contrast, saturation, hue."""
    return np.asarray(cv2.transform(image, color_matrix(rng, strength)), dtype=np.uint8)


def _sharpen(image: Image, rng: Generator) -> Image:
    amount = float(rng.uniform(0.3, 1.2))
    return sharpen(image, amount, float(rng.uniform(0.7, 1.6)))


def _soften(image: Image, rng: Generator) -> Image:
    height, width = image.shape[:2]
    share = rng.uniform(1.3, 3.0)
    small = (round(width / share), round(height / share))
    way = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR
    return reduce_and_enlarge(image, small, way)


def _restyle(image: Image, rng: Generator) -> Image:
    """The copy with other colours (often) and another sharpness (half the time)."""
    out = recolor(image, rng) if rng.random() < 0.8 else image
    style = rng.random()
    if style < 0.3:
        return _soften(out, rng)
    return _sharpen(out, rng) if style < 0.55 else out


def blend_mask(
    landmarks: Floats, shape: tuple[int, int], rng: Generator, *, strong: bool = False
) -> Mask:
    """A bent and softened hull, or, two times in five, a mask that programs in use paste by.

    Args:
        landmarks: (68, 2) pixels.
        shape: (H, W) of the mask.
        rng: the only source of chance.
        strong: blend fully rather than by a share.
    """
    if rng.random() < _PASTED:
        mask, _ = draw_mask({**FACE_MASKS, **PART_MASKS}, landmarks, shape, rng)
    else:
        mask = _bent_hull(landmarks, shape, rng)
    peak = max(float(mask.max()), 1e-6)  # a face outside the picture has no mask
    ratio = 1.0 if strong else _RATIOS[rng.integers(len(_RATIOS))]
    return np.asarray(mask * (ratio / peak), dtype=np.float32)


def _bent_hull(landmarks: Floats, shape: tuple[int, int], rng: Generator) -> Mask:
    """A hull, bent by a coarse noise field and softened twice, at half size and back."""
    height, width = (side // 2 for side in shape)
    kind = _HULLS[rng.integers(len(_HULLS))]
    jitter = rng.normal(0, 0.008 * np.ptp(landmarks[:, 0]), landmarks.shape)
    mask = hull_mask(((landmarks + jitter) / 2).astype(np.float32), (height, width), kind)
    reach = float(rng.uniform(0.0, 0.06)) * width
    field = cv2.resize(
        rng.uniform(-reach, reach, (6, 6, 2)).astype(np.float32),
        (width, height),
        interpolation=cv2.INTER_CUBIC,
    )
    grid = np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)
    mask = cv2.remap(mask, grid + field, None, cv2.INTER_LINEAR)
    unit = width / 128  # the paper's 5..25 pixels were for larger crops
    mask = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.7, 4.0)) * unit)
    if rng.random() < 0.5:  # erode half of them; the blur may have left a small hull below 1
        mask[mask < 0.97 * float(mask.max())] = 0.0
    mask = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.7, 4.5)) * unit)
    full = cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(full, dtype=np.float32)


def make_pair(
    face: FaceSample,
    rng: Generator,
    *,
    weights: dict[Kind, float],
    donor: Callable[[Generator], FaceSample] | None = None,
    remake: Remake = resample,
) -> BlendedPair:
    """A real and a fake crop of one face, of a kind drawn by `weights`.

    Args:
        face: the face; its image becomes the real sample.
        rng: the only source of chance.
        weights: share of each kind; they need not sum to one.
        donor: another person with similar landmarks; without one, no face is swapped in.
        remake: what re-makes a face, see `resample`.
    """
    kinds = [kind for kind in weights if donor is not None or kind != "swapped_in"]
    shares = np.array([weights[kind] for kind in kinds])
    kind = kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]
    if kind == "swapped_in" and donor is not None:
        return swap_in(face, donor(rng), rng)
    return remake_face(face, rng, remake) if kind == "remade" else self_blend(face, rng)
