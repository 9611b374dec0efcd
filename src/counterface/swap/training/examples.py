"""Two or more people's facesets as endless training examples, each a pure function of its index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, TypedDict

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from counterface.config import Record
from counterface.errors import TrainingError
from counterface.faces.align import compose, template_points
from counterface.faces.landmarks import LEFT_EYE, MIRRORED, MOUTH, RIGHT_EYE
from counterface.faces.mask import fill_convex, hull_points
from counterface.faceset.store import Faceset
from counterface.registry import COLOR_TRANSFERS
from counterface.swap.merge.settings import ColorTransfer, HullKind
from counterface.swap.training.crop_store import CropStore, Picture, PictureCache
from counterface.swap.training.order import EvenOrder, ShuffledOrder, pair_of
from counterface.swap.training.retouch import jitter_lab, shift_hsv, spread_contrast
from counterface.swap.training.warp import (
    Matrix,
    Warp,
    cell_warp,
    grid_warp,
    invert,
    landmark_warp,
    move_points,
    nearest,
    no_warp,
    random_move,
    reduce_picture,
    sample_input,
    sample_target,
    scale_of,
)
from counterface.types import Floats, Image, Mask

WarpKind = Literal["grid", "cell", "landmarks", "none"]
MaskKind = Literal[HullKind, "faceset", "none"]

NEAR = 10  # landmark sets of the other person that the landmark warp chooses among, as dfaker
PART_GROWTH = 1 / 32  # of the side: how far eyes and mouth are widened, as DeepFaceLab


class Side(TypedDict):
    """One person's half of an example: float32 arrays, RGB and masks in [0, 1]."""

    warped: Floats  # (3, in, in): the model's input
    target: Floats  # (3, out, out)
    mask: Floats  # (1, out, out): what counts, as it lies in the target
    eyes: Floats  # (1, out, out)
    mouth: Floats  # (1, out, out)
    identity: np.int64


class Recipe(NamedTuple):
    """The random moves that a warp's authors put before it."""

    rotation: float
    zoom: float
    shift: float
    flip: float


CELL_RECIPE, USUAL_RECIPE = Recipe(10.0, 0.15, 0.05, 0.4), Recipe(10.0, 0.05, 0.05, 0.5)


class ExamplesConfig(Record):
    """How examples are made of crops."""

    warp: WarpKind = Field(
        "grid",
        description="how the input is bent against the target: grid (deepfakes/faceswap), cell "
        "(DeepFaceLab), landmarks (toward a similar face of the other person, "
        "dfaker), none (for the last, sharpening phase)",
    )
    rotation: float | None = Field(
        None, ge=0, le=180, description="largest rotation, degrees; unset: 10, as in all recipes"
    )
    zoom: float | None = Field(
        None,
        ge=0,
        le=1,
        description="size of the zoom, from 1 / (1 + zoom) to 1 + zoom; unset: 0.15 for 'cell', "
        "else 0.05",
    )
    shift: float | None = Field(
        None, ge=0, le=0.5, description="largest shift, share of the side; unset: 0.05"
    )
    flip: float | None = Field(
        None,
        ge=0,
        le=1,
        description="chance of mirroring, on a side that is mirrored at all; unset: 0.4 for "
        "'cell', else 0.5",
    )
    random_source_flip: bool = Field(
        False, description="mirror source crops at random, which loses a face's asymmetry"
    )
    random_target_flip: bool = Field(True, description="mirror target crops at random")
    hsv_power: float = Field(
        0.0,
        ge=0,
        le=1,
        description="strength of the change of hue, saturation and value: at most half of this "
        "share of their range; DeepFaceLab allows 0 to 0.3",
    )
    lightness_jitter: float = Field(
        0.0, ge=0, le=1, description="largest change of L of LAB, as a share; faceswap: 0.3"
    )
    color_jitter: float = Field(
        0.0, ge=0, le=1, description="largest change of a and b of LAB, as a share; faceswap: 0.08"
    )
    clahe: float = Field(
        0.0, ge=0, le=1, description="chance of local contrast equalisation; faceswap: 0.5"
    )
    color_transfer: ColorTransfer = Field(
        "none",
        description="how a source crop's colours are moved toward those of a random target crop: "
        "none, average, rct, lct, mkl, histogram, idt, sot, mix",
    )
    color_transfer_at: Literal["load", "item"] = Field(
        "load",
        description="load: one target crop for each source crop, computed once while the cache "
        "holds it; item: another target crop each time",
    )
    even_yaw: bool = Field(
        False, description="draw evenly over 128 bins of yaw instead of over crops"
    )
    mask: MaskKind = Field(
        "whole",
        description="region that counts: a hull of the landmarks, faceset (the mask file of a "
        "crop, or whole where it has none), or none (everything)",
    )
    mask_feather: float = Field(
        0.02, ge=0, le=0.25, description="softness of the mask's edge: sigma, share of the side"
    )
    blur_outside_mask: bool = Field(
        False, description="blur what lies outside the mask, sigma 1/128 of the side, at least 1 px"
    )
    max_blur: float = Field(
        1.0, ge=0, le=1, description="leave out crops with a higher blur measure; 1 keeps all"
    )
    cache_mb: float = Field(512.0, ge=0, description="memory for decoded crops, MiB a process")

    def recipe(self) -> Recipe:
        """The moves before the warp: those that are set, else those of the warp's authors."""
        own = CELL_RECIPE if self.warp == "cell" else USUAL_RECIPE
        given = {name: getattr(self, name) for name in Recipe._fields}
        return own._replace(**{name: value for name, value in given.items() if value is not None})


class SwapExamples:
    """`examples[i]`: one crop of each of two people, bent, beside its target and masks.

    Each person's crops come in shuffled rounds: every crop once a round. Two people: `source` is
    the first, `target` the second. More: two different ones, such that in every N examples each
    person is once the source and once the target.

    What a half holds is in `Side`.
    """

    def __init__(
        self,
        identities: Sequence[Sequence[Faceset]],
        config: ExamplesConfig,
        template: str,
        in_size: int,
        out_size: int,
        seed: int = 0,
    ) -> None:
        """Choose the crops; none is read yet.

        Args:
            identities: the facesets of each person, all with a rights record, of the model's
                template or a wider one; sizes may differ.
            template: alignment of the model's frame.
            in_size: side of the model's input, pixels.
            out_size: side of its output, pixels.
            seed: another seed gives another order and other augmentation.

        Raises:
            FacesetError: no crop of a person is sharp enough.
            RightsError: a faceset without a rights record.
            ShapeError: no such template, or crops that show less than it does.
            TrainingError: fewer than two people.
        """
        if len(identities) < 2 or not all(identities):
            counts = [len(facesets) for facesets in identities]
            raise TrainingError(f"expected facesets of two or more people, got counts {counts}")
        template_points(template, out_size)
        self.config, self.template = config, template
        self.in_size, self.out_size, self.seed = in_size, out_size, seed
        side, masks = max(in_size, out_size), config.mask == "faceset"
        self.stores = [CropStore(f, template, side, config.max_blur, masks) for f in identities]
        self.orders = [self._order(number) for number in range(len(self.stores))]
        self._cache = PictureCache(config.cache_mb)
        self._neighbours: dict[tuple[int, int, int], NDArray[np.intp]] = {}

    def __getitem__(self, index: int) -> dict[str, Side]:
        """The example of an index, whatever was asked for before: `source` and `target`.

        Raises:
            IndexError: the index is negative.
            TrainingError: too many crops cannot be read.
        """
        if index < 0:
            raise IndexError(f"index {index} is negative; examples have a start but no end")
        (source, target), place = pair_of(index, len(self.stores), self.seed)
        return {
            "source": self._draw(0, source, target, index, place),
            "target": self._draw(1, target, source, index, place),
        }

    def plain(self, identity: int, index: int) -> Side:
        """A crop as it is, `warped` too: for previews.

        Indices from 0 spread over the yaw of the faceset, whatever their number.

        Raises:
            IndexError: no such identity, or a negative index.
            TrainingError: too many crops cannot be read.
        """
        if index < 0 or not 0 <= identity < len(self.stores):
            raise IndexError(f"no crop {index} of identity {identity} of {len(self.stores)}")
        store = self.stores[identity]
        golden = (np.sqrt(5) - 1) / 2  # multiples of it, modulo 1, leave no gap for long
        place = int((0.5 + index * golden) % 1 * len(store))
        _, picture = self._picture(identity, int(store.by_yaw[place]))
        return self._side(picture, picture.image, identity, np.eye(2, 3), False, no_warp())

    def _order(self, number: int) -> EvenOrder | ShuffledOrder:
        store, key = self.stores[number], (self.seed, number)
        if self.config.even_yaw:
            return EvenOrder(store.yaws, key)
        return ShuffledOrder(len(store), key)

    def _picture(self, identity: int, number: int) -> tuple[int, Picture]:
        return self._cache.get((identity, number), lambda: self._load(identity, number))

    def _load(self, identity: int, number: int) -> tuple[int, Picture]:
        found, picture = self.stores[identity].read(number)
        if self.config.blur_outside_mask:
            image = _blur_outside(picture, self._mask_in(picture), self.out_size)
            picture = replace(picture, image=image)
        return found, picture

    def _draw(self, role: int, identity: int, other: int, index: int, place: int) -> Side:
        """One side of an example; `role` 0 is the source."""
        rng = np.random.default_rng((self.seed, index, role))
        number = self.orders[identity].at(role if len(self.stores) > 2 else 0, place)
        number, picture = self._picture(identity, number)
        recipe = self.config.recipe()
        flips = (self.config.random_source_flip, self.config.random_target_flip)[role]
        move, mirrored = random_move(
            rng, recipe.rotation, recipe.zoom, recipe.shift, recipe.flip if flips else 0.0
        )
        warp = self._warp(identity, number, other, move, rng)
        image = picture.image
        if role == 0 and self.config.color_transfer != "none":
            image = self._recolored(identity, number, picture, other, rng)
        image = self._retouch(image, rng)
        return self._side(picture, image, identity, move, mirrored, warp)

    def _warp(self, identity: int, number: int, other: int, move: Matrix, rng: Generator) -> Warp:
        """The input's warp; a landmark warp is bent as the face was moved."""
        if self.config.warp == "landmarks":
            near = self._near(identity, number, other)
            chosen = int(near[rng.integers(len(near))])
            pair = (self.stores[identity].landmarks(number), self.stores[other].landmarks(chosen))
            return landmark_warp(*(move_points(points, move) for points in pair))
        if self.config.warp == "none":
            return no_warp()
        return grid_warp(rng) if self.config.warp == "grid" else cell_warp(rng)

    def _near(self, identity: int, number: int, other: int) -> NDArray[np.intp]:
        """Crops of the other person whose landmarks lie nearest."""
        key = (identity, number, other)
        if key not in self._neighbours:
            own = self.stores[identity].landmarks(number)
            numbers, theirs = self.stores[other].some_landmarks
            self._neighbours[key] = numbers[nearest(own, theirs, NEAR)]
        return self._neighbours[key]

    def _recolored(
        self, identity: int, number: int, picture: Picture, other: int, rng: Generator
    ) -> Image:
        """The source crop in the colours of a random crop of the other person."""

        def transfer(rng: Generator) -> Image:
            _, like = self._picture(other, int(rng.integers(len(self.stores[other]))))
            masks = [self._mask_in(one) for one in (picture, like)]
            move_colors = COLOR_TRANSFERS.load(self.config.color_transfer)
            return np.asarray(move_colors(picture.image, like.image, *masks), dtype=np.uint8)

        if self.config.color_transfer_at == "item":
            return transfer(rng)
        fixed = np.random.default_rng((self.seed, identity, number, other))

        def make() -> tuple[int, Picture]:
            return number, replace(picture, image=transfer(fixed), mask=None)

        return self._cache.get((identity, number, other), make)[1].image

    def _retouch(self, image: Image, rng: Generator) -> Image:
        config = self.config
        if config.hsv_power:
            image = shift_hsv(image, config.hsv_power, rng)
        if config.lightness_jitter or config.color_jitter:
            image = jitter_lab(image, config.lightness_jitter, config.color_jitter, rng)
        if config.clahe and rng.random() < config.clahe:
            image = spread_contrast(image)
        return image

    def _side(
        self,
        picture: Picture,
        image: Image,
        identity: int,
        move: Matrix,
        mirrored: bool,
        warp: Warp,
    ) -> Side:
        """The arrays of one side; nothing in here is random."""
        size = self.out_size
        moved_to_picture = compose(picture.frame_to_picture, invert(move))
        moved = move_points(picture.landmarks, compose(warp.frame_to_target, move))
        landmarks = moved * size - 0.5
        if mirrored:
            landmarks = landmarks[MIRRORED]
        small, frame_to_small = reduce_picture(image, picture.frame_to_picture, self.in_size)
        moved_to_small = compose(frame_to_small, invert(move))
        warped = sample_input(small, warp, moved_to_small, self.in_size)
        target = sample_target(image, warp, moved_to_picture, size)
        given = picture.mask
        if given is not None:
            given = sample_target(given, warp, moved_to_picture, size)
        grow = PART_GROWTH * size
        eyes = [fill_convex(landmarks[eye], (size, size), grow) for eye in (LEFT_EYE, RIGHT_EYE)]
        return {
            "warped": _to_planes(warped),
            "target": _to_planes(target),
            "mask": self._mask(landmarks, given, size)[None],
            "eyes": np.maximum(*eyes)[None],
            "mouth": fill_convex(landmarks[MOUTH], (size, size), grow)[None],
            "identity": np.int64(identity),
        }

    def _mask(self, landmarks: Floats, given: Mask | None, size: int) -> Mask:
        """The mask of a target: landmarks in its pixels, `given` what a mask file says."""
        mask = _region(self.config.mask, landmarks, given, (size, size))
        feather = self.config.mask_feather * size
        if feather and self.config.mask != "none":
            mask = cv2.GaussianBlur(mask, (0, 0), feather)
        return np.asarray(mask, dtype=np.float32)

    def _mask_in(self, picture: Picture) -> Mask:
        """The mask over a whole picture, hard-edged."""
        landmarks = move_points(picture.landmarks, picture.frame_to_picture)
        return _region(self.config.mask, landmarks, picture.mask, picture.image.shape[:2])


def _region(kind: str, landmarks: Floats, given: Mask | None, shape: tuple[int, ...]) -> Mask:
    height, width = shape[:2]
    if kind == "none":
        return np.ones((height, width), np.float32)
    if kind == "faceset":
        if given is not None:
            return given
        kind = "whole"
    return fill_convex(hull_points(landmarks, kind), (height, width))


def _blur_outside(picture: Picture, mask: Mask, out_size: int) -> Image:
    """The picture, its outside blurred without letting the inside bleed out."""
    pixels = scale_of(picture.frame_to_picture)  # of the picture, in the frame
    sigma = max(1.0, out_size / 128) * pixels / out_size
    outside = (1 - mask)[..., None]
    spread = cv2.GaussianBlur(picture.image * outside, (0, 0), sigma)
    weight = np.maximum(cv2.GaussianBlur(1 - mask, (0, 0), sigma)[..., None], 1e-3)
    mixed = picture.image * (1 - outside) + spread / weight * outside
    return np.asarray(np.clip(mixed + 0.5, 0, 255), dtype=np.uint8)


def _to_planes(image: Image) -> Floats:
    """RGB uint8 (H, W, 3) as float32 (3, H, W) in [0, 1]."""
    planes = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)
    planes *= np.float32(1 / 255)
    return planes
