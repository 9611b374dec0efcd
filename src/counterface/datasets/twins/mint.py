"""A genuine picture to a pair of twins: the picture, and a fake as sharp as it.

twin = mint(face, np.random.default_rng(0), shares={"pasted": 1.0}, decoders=open_bank(folder))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator

from counterface.datasets.pairs.paste_masks import eye_distance
from counterface.datasets.pairs.self_blended import FaceSample, blend
from counterface.datasets.twins.layers import (
    Family,
    Layer,
    Redraws,
    blend_over_itself,
    borrow_mouth,
    paste_redrawn,
    redraw_mouth,
    redraw_whole,
    reenact,
)
from counterface.datasets.twins.sharpness import (
    CENTRE,
    CLOSE,
    SPREAD,
    blur,
    inner_part,
    log_sharpness,
    match_contrast,
    reach,
    sharpen,
)
from counterface.media.recompress import recompress_h264
from counterface.types import Floats, Image, Mask

FAMILIES: tuple[Family, ...] = ("redrawn", "pasted", "mouth", "reenact", "self_blended")
LEAST_EYES, SMALLEST = 20.0, 30.0  # pixels between the eyes: of what is used; of what is shrunk
_MOST_BLUR, _MOST_SHARPENING = 1.6, 2.5
_FINE = 0.7  # sigma of the sharpening, pixels: a wider one raises broad contrast as well
_DROPPED = 4 * CLOSE  # a pair that stays further from the wanted sharpness is no twin

Driver = Callable[[Generator], Floats]  # landmarks (68, 2) of another moment or person
Moment = Callable[[Generator], FaceSample | None]  # the same person at another moment


@dataclass(frozen=True, slots=True, eq=False)
class Twin:
    """A genuine picture and a fake made from it, treated alike."""

    real: Image
    fake: Image
    mask: Mask  # share of foreign pixels, [0, 1]
    landmarks: Floats  # (68, 2), of both pictures
    family: Family
    maker: str  # decoders by name, joined by "+"
    how: str  # the mask by name


def cut_view(face: FaceSample, rng: Generator) -> FaceSample | None:
    """The picture cut about the head and made smaller, never larger; None where a face is small.

    The longest side comes to 192 to 384 pixels, or stays below.
    """
    unit = eye_distance(face.landmarks)
    if unit < LEAST_EYES:
        return None
    height, width = face.image.shape[:2]
    middle = face.landmarks.mean(axis=0) + rng.normal(0, 0.25 * unit, 2)
    reach_x, reach_y = rng.uniform(2.2, 4.2, 2) * unit
    left, top = max(0, int(middle[0] - reach_x)), max(0, int(middle[1] - reach_y))
    right, bottom = min(width, int(middle[0] + reach_x)), min(height, int(middle[1] + reach_y))
    image = face.image[top:bottom, left:right]
    factor = min(1.0, float(rng.uniform(192, 384)) / max(image.shape[:2]))
    factor = max(factor, min(1.0, 1.2 * SMALLEST / unit))
    points = face.landmarks - np.array([left, top], np.float32)
    return shrink(FaceSample(np.ascontiguousarray(image), points, face.scale), factor)


def shrink(face: FaceSample, factor: float) -> FaceSample:
    """The picture made smaller by area averaging, its landmarks with it."""
    if factor >= 1:
        return face
    height, width = face.image.shape[:2]
    size = (max(16, round(width * factor)), max(16, round(height * factor)))
    image = np.asarray(cv2.resize(face.image, size, interpolation=cv2.INTER_AREA), np.uint8)
    ratio = np.array([size[0] / width, size[1] / height], np.float32)
    points = ((face.landmarks + 0.5) * ratio - 0.5).astype(np.float32)
    return FaceSample(image, points, face.scale * factor)


def mint(
    face: FaceSample,
    rng: Generator,
    *,
    shares: Mapping[Family, float],
    decoders: Sequence[Redraws],
    driver: Driver | None = None,
    moment: Moment | None = None,
) -> Twin | None:
    """A pair of twins of a family drawn by lot; None where no fake of like sharpness came about.

    Args:
        face: the genuine picture.
        rng: the only source of chance.
        shares: share of each family; they need not sum to one.
        decoders: decoders of the bank.
        driver: whose landmarks move the face; without one there is no `reenact`.
        moment: the same person at another moment, for half of the `mouth` fakes.
    """
    names = [name for name in FAMILIES if shares.get(name, 0) and (driver or name != "reenact")]
    weights = np.array([shares[name] for name in names])
    family = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    layer = _layer(family, face, rng, decoders, driver, moment)
    layer, landmarks = _smaller(layer, face.landmarks, rng)
    matched = match_sharpness(layer, rng)
    if matched is None:
        return None
    real, fake = matched
    return Twin(real, fake, layer.mask, landmarks, family, layer.maker, layer.how)


def _layer(
    family: Family,
    face: FaceSample,
    rng: Generator,
    decoders: Sequence[Redraws],
    driver: Driver | None,
    moment: Moment | None,
) -> Layer:
    if family == "redrawn":
        return redraw_whole(face, rng, decoders)
    if family == "pasted":
        return paste_redrawn(face, rng, decoders)
    if family == "reenact" and driver is not None:
        return reenact(face, driver(rng), rng, decoders)
    if family == "mouth":
        other = moment(rng) if moment is not None and rng.random() < 0.5 else None
        if other is not None:
            return borrow_mouth(face, other, rng, decoders)
        return redraw_mouth(face, rng, decoders)
    return blend_over_itself(face, rng)


def _smaller(layer: Layer, landmarks: Floats, rng: Generator) -> tuple[Layer, Floats]:
    """Layer and landmarks at 0.4 to 1 of their size; two in five keep theirs.

    Sharpness is matched afterwards: what is fine enough to be lost would not count.
    """
    factor = max(float(rng.uniform(0.4, 1.0)), min(1.0, SMALLEST / eye_distance(landmarks)))
    if factor >= 1 or rng.random() < 0.4:
        return layer, landmarks
    target = shrink(FaceSample(layer.target, landmarks), factor)
    size = target.image.shape[1::-1]
    image = cv2.resize(layer.image, size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(layer.mask, size, interpolation=cv2.INTER_AREA)
    small = replace(
        layer,
        target=target.image,
        image=np.asarray(image, np.uint8),
        mask=np.asarray(mask, np.float32),
    )
    return small, target.landmarks


def match_sharpness(layer: Layer, rng: Generator) -> tuple[Image, Image] | None:
    """The genuine picture and the fake, about equally sharp inside; None where that fails.

    The fake is softened or sharpened to a difference drawn from a normal distribution about 0. A
    fake that stays softer gets a genuine picture a little out of focus, which it is pasted on too,
    so the two still differ by the layer alone. Contrast is brought to the genuine picture's.
    """
    wanted = CENTRE + float(np.clip(rng.normal(0, SPREAD), -2 * SPREAD, 2 * SPREAD))
    inside = inner_part(layer.mask)
    columns, rows = np.nonzero(inside.any(axis=0))[0], np.nonzero(inside.any(axis=1))[0]
    if not len(rows):
        return None
    room = 8
    part = (
        slice(max(0, int(rows[0]) - room), int(rows[-1]) + room),
        slice(max(0, int(columns[0]) - room), int(columns[-1]) + room),
    )
    within, mask = inside[part], layer.mask[part]
    target, image = layer.target[part], layer.image[part]
    gain = float(np.exp(rng.normal(0, 0.03)))

    def changed(softness: float, amount: float) -> Image:
        return match_contrast(_refined(image, softness, amount), target, within, gain)

    def difference(image: Image, target: Image) -> float:
        made = log_sharpness(blend(image, target, mask), within)
        return made - log_sharpness(target, within)

    softness = amount = focus = 0.0
    plain = difference(changed(0, 0), target)
    if plain > wanted + CLOSE:
        softness = reach(lambda sigma: -difference(changed(sigma, 0), target), -wanted, _MOST_BLUR)
    elif plain < wanted - CLOSE:
        amount = reach(lambda a: difference(changed(0, a), target), wanted, _MOST_SHARPENING)
        sharp = changed(0, amount)
        if difference(sharp, target) < wanted - CLOSE:
            focus = reach(lambda s: difference(sharp, blur(target, s)), wanted, _MOST_BLUR)
    drawn = match_contrast(_refined(layer.image, softness, amount), layer.target, inside, gain)
    real = blur(layer.target, focus)
    fake = blend(drawn, real, layer.mask)
    apart = log_sharpness(fake, inside) - log_sharpness(real, inside)
    return (real, fake) if abs(apart - wanted) <= _DROPPED else None


def _refined(image: Image, softness: float, amount: float) -> Image:
    """The image blurred by a sigma, or sharpened by an amount."""
    return sharpen(image, amount, _FINE) if amount else blur(image, softness)


def treat_alike(twin: Twin, rng: Generator) -> Twin:
    """Three in ten pairs sharpened, a third after H.264: both pictures by the same numbers.

    Sharpening alone must not tell a fake: it is often what made it as sharp as its twin.
    """
    images = [twin.real, twin.fake]
    if rng.random() < 0.3:
        amount = float(rng.uniform(0.2, 1.2))
        images = [sharpen(image, amount) for image in images]
    if rng.random() < 0.33:
        crf = int(rng.integers(18, 33))
        images = [recompress_h264([image], crf)[-1] for image in images]
    return replace(twin, real=images[0], fake=images[1])
