"""What is pasted over a genuine picture, and where: one function a family of fakes.

*redrawn*: the whole picture by a decoder, as generators draw it. *pasted*: the face by a decoder at
the size that swappers work at, pasted as they paste. *mouth*: a lip-sync program's box, or a mouth
of another moment. *reenact*: the face moved by somebody's landmarks and drawn again.
*self_blended*: the face over itself, see `pairs/self_blended.py`.

Convention: a `FaceSample`'s image is RGB uint8 (H, W, 3) with (68, 2) landmarks in its pixels; the
same state of the generator gives the same pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.random import Generator

from counterface.datasets.pairs.degrade import reduce_and_enlarge
from counterface.datasets.pairs.paste_masks import (
    FACE_MASKS,
    PART_MASKS,
    SPAN,
    draw_mask,
    eye_distance,
    face_box,
    mouth_box,
    soften,
    square_matrix,
)
from counterface.datasets.pairs.self_blended import FaceSample, self_blend_parts
from counterface.datasets.twins.mesh import warp_mesh
from counterface.datasets.twins.sharpness import sharpen
from counterface.faces.align import umeyama, warp_image, warp_points
from counterface.faces.landmarks import INNER, MOUTH
from counterface.faces.mask import hull_mask
from counterface.media.recompress import recompress_jpeg
from counterface.types import Floats, Image, Mask

Family = Literal["redrawn", "pasted", "mouth", "reenact", "self_blended"]
SIDES, SIDE_SHARES = (96, 112, 128, 160, 256), (0.1, 0.06, 0.6, 0.12, 0.12)  # of pasted crops
_MOUTH_SIDES, _MOUTH_SHARES = (96, 128, 256), (0.7, 0.15, 0.15)
_RESTORED = 256  # side at which a second decoder restores a face
_UPPER = slice(17, 48)  # brows, nose and eyes: what a mouth of another moment is aligned by


class Redraws(Protocol):
    """A decoder: see `decoders/bank.py`."""

    name: str

    def redraw(self, image: Image, rng: Generator) -> Image:
        """The picture as the decoder draws it, same shape."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """What is laid over a genuine picture."""

    target: Image  # the genuine picture, RGB uint8 (H, W, 3)
    image: Image  # of the same shape
    mask: Mask  # [0, 1], 1 = the layer
    family: Family
    maker: str  # the decoders by name, joined by "+"; "warp" or "blend" without one
    how: str  # the mask by name


def redraw(image: Image, decoders: Sequence[Redraws], rng: Generator) -> tuple[Image, str]:
    """The picture by a decoder drawn by lot, now and then by two in a row; and their names.

    Half or more of the broad shifts of colour, which small decoders make, are taken back.
    """
    first = decoders[int(rng.integers(len(decoders)))]
    drawn = first.redraw(image, rng)
    kept = float(rng.uniform(0.5, 1.0))
    if rng.random() >= 0.15 or len(decoders) < 2:
        return keep_colors(drawn, image, kept), first.name
    others = [decoder for decoder in decoders if decoder.name != first.name]
    second = others[int(rng.integers(len(others)))]
    between = rng.random()
    if between < 0.35:
        drawn = recompress_jpeg(drawn, int(rng.integers(70, 96)))
    elif between < 0.6:
        factor = float(rng.uniform(0.6, 0.95))
        small = max(8, round(image.shape[1] * factor)), max(8, round(image.shape[0] * factor))
        drawn = reduce_and_enlarge(drawn, small)
    drawn = keep_colors(second.redraw(drawn, rng), image, kept)
    return drawn, f"{first.name}+{second.name}"


def keep_colors(drawn: Image, image: Image, share: float) -> Image:
    """The drawn picture with a share of what is broad in its difference taken back.

    Broad is wider than about an eighth of the picture, so texture and edges stay the decoder's.

    Args:
        drawn: RGB uint8 (H, W, 3).
        image: what it was drawn from, same shape.
        share: 0 leaves the drawn picture, 1 takes all back.
    """
    height, width = image.shape[:2]
    size = (max(8, width // 4), max(8, height // 4))
    off = np.asarray(image, np.float32) - drawn
    broad = cv2.GaussianBlur(
        cv2.resize(off, size, interpolation=cv2.INTER_AREA), (0, 0), max(size) / 16
    )
    broad = cv2.resize(broad, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(drawn + share * broad + 0.5, 0, 255), dtype=np.uint8)


def redraw_whole(face: FaceSample, rng: Generator, decoders: Sequence[Redraws]) -> Layer:
    """The whole picture by the bank, up to half of the genuine picture mixed in again."""
    drawn, maker = redraw(face.image, decoders, rng)
    share = float(rng.uniform(0, 0.5))
    mixed = cv2.addWeighted(face.image, share, drawn, 1 - share, 0)
    everywhere = np.ones(face.image.shape[:2], np.float32)
    return Layer(face.image, np.asarray(mixed, np.uint8), everywhere, "redrawn", maker, "whole")


def paste_redrawn(face: FaceSample, rng: Generator, decoders: Sequence[Redraws]) -> Layer:
    """The face by the bank at 96 to 256 px, laid back as face swappers do it.

    The square of inswapper's crop (insightface's inswapper.py), mostly at its 128 px; points as
    another detector would set them; colours that drift, sharpening, and a second decoder at 256 px
    in the part of a face restorer.
    """
    native = SPAN * eye_distance(face.landmarks)
    side = _draw_side(native, rng)
    jitter = rng.normal(0, 0.012 * eye_distance(face.landmarks), face.landmarks.shape)
    to_crop = square_matrix((face.landmarks + jitter).astype(np.float32), side)
    drawn, maker = redraw(warp_image(face.image, to_crop, side), decoders, rng)
    if rng.random() < 0.5:
        gains = rng.uniform(0.94, 1.06, 3).astype(np.float32)
        drawn = np.clip(drawn * gains, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        drawn = sharpen(drawn, float(rng.uniform(0.2, 0.8)))
    if side < _RESTORED and native > 110 and rng.random() < 0.4:
        drawn, to_crop, restorer = _restore(drawn, to_crop, decoders, rng)
        maker = f"{maker}+{restorer}"
    image = lay_back(drawn, to_crop, face.image)
    if rng.random() < 0.05:
        cloned = _clone(image, face)
        if cloned is not None:
            return Layer(face.image, *cloned, "pasted", maker, "seamless_clone")
    mask, how = draw_mask(FACE_MASKS, face.landmarks, face.image.shape[:2], rng)
    return Layer(face.image, image, mask, "pasted", maker, how)


def redraw_mouth(face: FaceSample, rng: Generator, decoders: Sequence[Redraws]) -> Layer:
    """The detector's box by the bank at 96 px or more, pasted hard, as Wav2Lip does it."""
    image, maker = _redraw_box(face.image, face.landmarks, decoders, rng)
    mask = mouth_box(face.landmarks, face.image.shape[:2], rng)
    return Layer(face.image, image, mask, "mouth", maker, "mouth_box")


def borrow_mouth(
    face: FaceSample, other: FaceSample, rng: Generator, decoders: Sequence[Redraws]
) -> Layer:
    """The mouth of another moment of the same person, fitted to the present jaw.

    Half the time drawn again by the bank.
    """
    height, width = face.image.shape[:2]
    onto = umeyama(other.landmarks[_UPPER], face.landmarks[_UPPER])
    moved = cv2.warpAffine(other.image, onto, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    points = warp_points(other.landmarks, onto)
    wanted = face.landmarks.copy()
    wanted[MOUTH] = points[MOUTH]
    image, maker = warp_mesh(np.asarray(moved, np.uint8), points, wanted), "warp"
    if rng.random() < 0.5 and decoders:
        image, drawn_by = _redraw_box(image, face.landmarks, decoders, rng)
        maker = f"warp+{drawn_by}"
    parts = {name: PART_MASKS[name] for name in ("lower_face", "mouth")}
    mask, how = draw_mask(parts, face.landmarks, (height, width), rng)
    return Layer(face.image, image, mask, "mouth", maker, how)


def reenact(face: FaceSample, driver: Floats, rng: Generator, decoders: Sequence[Redraws]) -> Layer:
    """The face moved towards a driver's landmarks, the whole head drawn again, the ground kept.

    Args:
        face: the only picture that a program of this kind has.
        driver: (68, 2) landmarks of another moment or person, in pixels of any picture.
        rng: the only source of chance.
        decoders: decoders of the bank.
    """
    height, width = face.image.shape[:2]
    unit = eye_distance(face.landmarks)
    aligned = warp_points(driver, umeyama(driver[INNER], face.landmarks[INNER]))
    move = (aligned - face.landmarks) * float(rng.uniform(0.5, 1.0))
    farthest = float(np.abs(move).max())
    move *= min(1.0, 0.3 * unit / max(farthest, 1e-6))  # further, triangles fold over
    middle = face.landmarks.mean(axis=0)
    angle, zoom = np.deg2rad(rng.normal(0, 3)), float(rng.uniform(0.97, 1.03))
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wanted = (face.landmarks + move - middle) @ turn.T + middle + rng.normal(0, 0.05 * unit, 2)
    around = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = middle + 2.6 * unit * np.column_stack([np.cos(around), np.sin(around)])
    start = np.concatenate([face.landmarks, ring]).astype(np.float32)
    image = warp_mesh(face.image, start, np.concatenate([wanted, ring]).astype(np.float32))
    left, top, right, bottom = _head_box(face, rng)
    side = int(rng.choice((160, 192, 256)))
    box = _at_side(image[top:bottom, left:right], side)
    drawn, maker = redraw(box, decoders, rng)
    image = image.copy()
    image[top:bottom, left:right] = _resize(drawn, (right - left, bottom - top))
    mask = np.zeros((height, width), np.float32)
    mask[top:bottom, left:right] = 1
    # no soft edge where the head leaves the picture: pad before the Gaussian
    sigma = float(rng.uniform(0.02, 0.06)) * (right - left)
    room = 3 * int(np.ceil(sigma))
    inner = np.pad(mask, room, mode="edge")
    inner = soften(cv2.erode(inner, np.ones((2 * (room // 3) + 1,) * 2, np.uint8)), sigma)
    mask = np.ascontiguousarray(inner[room : room + height, room : room + width])
    return Layer(face.image, image, mask, "reenact", f"warp+{maker}", "head_box")


def blend_over_itself(face: FaceSample, rng: Generator) -> Layer:
    """The face over itself, shifted, re-coloured or re-scaled; no decoder."""
    source, target, mask = self_blend_parts(face, rng)
    return Layer(target, source, mask, "self_blended", "blend", "hull_or_paste")


def _draw_side(native: float, rng: Generator) -> int:
    """The side of a pasted crop: not far above the face's own, nor below half of it."""
    sides = np.array(SIDES)
    fits = (sides <= max(1.6 * native, SIDES[1])) & (sides >= min(native / 2.2, SIDES[-1]))
    shares = np.array(SIDE_SHARES) * fits
    return int(rng.choice(sides, p=shares / shares.sum()))


def _resize(image: Image, size: tuple[int, int]) -> Image:
    """The picture at (width, height): by area where smaller, else bilinear."""
    smaller = size[0] < image.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=how), dtype=np.uint8)


def _at_side(image: Image, side: int) -> Image:
    """The picture with its longer side `side` pixels long, but never enlarged."""
    height, width = image.shape[:2]
    factor = min(1.0, side / max(height, width))
    return _resize(image, (max(16, round(width * factor)), max(16, round(height * factor))))


def _restore(
    drawn: Image, to_crop: Floats, decoders: Sequence[Redraws], rng: Generator
) -> tuple[Image, Floats, str]:
    """The crop enlarged to 256 px and drawn again, with its matrix and who restored it."""
    factor = _RESTORED / drawn.shape[0]
    large = cv2.resize(drawn, (_RESTORED, _RESTORED), interpolation=cv2.INTER_CUBIC)
    restorer = decoders[int(rng.integers(len(decoders)))]
    share = float(rng.uniform(0.5, 1.0))
    restored = keep_colors(restorer.redraw(large, rng), large, 1.0)
    mixed = cv2.addWeighted(restored, share, large, 1 - share, 0)
    matrix = factor * to_crop + [[0, 0, (factor - 1) / 2]] * 2
    return np.asarray(mixed, np.uint8), matrix.astype(np.float32), restorer.name


def lay_back(drawn: Image, to_crop: Floats, image: Image) -> Image:
    """The crop in its place, bilinear; its edge is continued outside."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = image.shape[1::-1]
    back = cv2.warpAffine(drawn, to_crop, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(back, dtype=np.uint8)


def _redraw_box(
    image: Image, landmarks: Floats, decoders: Sequence[Redraws], rng: Generator
) -> tuple[Image, str]:
    """The picture with its face box squeezed to a square, drawn by the bank, and stretched back."""
    side = int(rng.choice(_MOUTH_SIDES, p=_MOUTH_SHARES))
    left, top, right, bottom = face_box(landmarks, image.shape[:2])
    square = _resize(image[top:bottom, left:right], (side, side))
    drawn, maker = redraw(square, decoders, rng)
    out = image.copy()
    out[top:bottom, left:right] = _resize(drawn, (right - left, bottom - top))
    return out, maker


def _head_box(face: FaceSample, rng: Generator) -> tuple[int, int, int, int]:
    """An upright box about the head inside the picture, xyxy."""
    height, width = face.image.shape[:2]
    reach = float(rng.uniform(2.0, 2.6)) * eye_distance(face.landmarks)
    x, y = face.landmarks[27:31].mean(axis=0)
    left, top = max(0, round(float(x) - reach)), max(0, round(float(y) - reach))
    return left, top, min(width, round(float(x) + reach)), min(height, round(float(y) + reach))


def _clone(image: Image, face: FaceSample) -> tuple[Image, Mask] | None:
    """The layer joined by Poisson's equation under the face's hull; None at a picture's edge."""
    shape = face.image.shape[:2]
    mask = hull_mask(face.landmarks, shape, "no_forehead")
    rows, columns = np.nonzero(mask)
    if not len(rows) or rows.min() < 2 or columns.min() < 2:
        return None
    if rows.max() > shape[0] - 3 or columns.max() > shape[1] - 3:
        return None
    centre = (int(columns.min() + columns.max()) // 2, int(rows.min() + rows.max()) // 2)
    inside = (mask * 255).astype(np.uint8)
    cloned = cv2.seamlessClone(image, face.image, inside, centre, cv2.NORMAL_CLONE)
    return np.asarray(cloned, np.uint8), mask
