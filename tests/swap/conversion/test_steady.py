"""Flicker shrinks on a face that moves, and what really changes leaves no ghost."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from actors import Expression, draw_actor

from counterface.errors import ConfigError, ShapeError
from counterface.faces.align import crop_matrix, warp_image
from counterface.swap.conversion.steady import SteadyFaces, SteadyMasks
from counterface.types import Image, Mask, Pose

SIZE = 128


def crop(identity: int, pose: Pose, expression: Expression) -> Image:
    actor = draw_actor(identity, pose, expression, size=192)
    return warp_image(actor.image, crop_matrix(actor.landmarks, "whole_face", SIZE), SIZE)


def sequence(identity: int, frames: range = range(12), jump: bool = False) -> list[Image]:
    """Crops of a head that turns and speaks; with `jump`, the mouth opens at once at 6."""
    out = []
    for index in frames:
        open_ = (0.9 if index >= 6 else 0.0) if jump else 0.3 + 0.3 * np.sin(0.5 * index)
        pose = Pose(-12 + 2.0 * index, 3 * np.sin(0.4 * index), 0)
        out.append(crop(identity, pose, Expression(mouth_open=float(open_))))
    return out


@pytest.fixture(scope="module")
def target() -> list[Image]:
    return sequence(2)


@pytest.fixture(scope="module")
def clean() -> list[Image]:
    return sequence(1)


def trembling(images: Sequence[Image]) -> list[Image]:
    """The images, each brighter and darker in other places by some grey levels."""
    rng = np.random.default_rng(0)
    out = []
    for image in images:
        coarse = rng.normal(0, 6, (8, 8, 3)).astype(np.float32)
        field = cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
        out.append(np.clip(image + field, 0, 255).astype(np.uint8))
    return out


def steady(images: Sequence[Image], target: Sequence[Image], alpha: float = 0.5) -> list[Image]:
    faces = SteadyFaces(alpha)
    return [faces.blend(0, *pair) for pair in zip(images, target, strict=True)]


def error(images: Sequence[Image], truth: Sequence[Image], part: slice = slice(None)) -> float:
    pairs = list(zip(images, truth, strict=True))[4:]
    return float(np.mean([np.abs(a[part].astype(float) - b[part]).mean() for a, b in pairs]))


def test_flicker_shrinks_on_a_moving_face(clean: list[Image], target: list[Image]) -> None:
    shaken = trembling(clean)
    assert error(steady(shaken, target), clean) < 0.8 * error(shaken, clean)
    faces = SteadyFaces(0.5)
    for pair in zip(shaken, target, strict=True):
        faces.blend(0, *pair)
    assert faces.flicker is not None
    assert faces.flicker.after < 0.65 * faces.flicker.before
    assert faces.flicker.before > 3


def test_motion_is_no_flicker(clean: list[Image], target: list[Image]) -> None:
    faces, shaken = SteadyFaces(0.5), SteadyFaces(0.5)
    for image, other, crop_ in zip(clean, trembling(clean), target, strict=True):
        faces.blend(0, image, crop_)
        shaken.blend(0, other, crop_)
    assert faces.flicker is not None
    assert shaken.flicker is not None
    assert faces.flicker.before < 0.4 * shaken.flicker.before


def test_what_moves_stays_sharp_and_in_its_place(clean: list[Image], target: list[Image]) -> None:
    out = steady(clean, target)
    naive = [clean[0]]
    for image in clean[1:]:
        naive.append(cv2.addWeighted(naive[-1], 0.5, image, 0.5, 0))
    assert error(out, clean) < 0.5 * error(naive, clean)
    sharp = [cv2.Laplacian(i[40:110, 30:100], cv2.CV_32F).std() for i in (out[9], clean[9])]
    assert sharp[0] > 0.85 * sharp[1]


def test_a_mouth_that_opens_at_once_leaves_no_ghost() -> None:
    frames = range(4, 7)
    generated, target = sequence(1, frames, jump=True), sequence(2, frames, jump=True)
    out = steady(generated, target)
    mouth = slice(75, 115), slice(40, 90)
    ghost = np.abs(out[2][mouth].astype(float) - generated[2][mouth]).mean()
    change = np.abs(generated[2][mouth].astype(float) - generated[1][mouth]).mean()
    assert change > 8
    assert ghost < 0.15 * change


def test_a_cut_is_not_blended_over(clean: list[Image], target: list[Image]) -> None:
    faces = SteadyFaces(0.7)
    faces.blend(0, clean[0], target[0])
    other, room = crop(7, Pose(15, 0, 0), Expression()), crop(8, Pose(15, 0, 0), Expression())
    out = faces.blend(0, other, room)
    changed = np.abs(out.astype(float) - other).mean()
    assert changed < 0.1 * np.abs(clean[0].astype(float) - other).mean()


def test_tracks_are_kept_apart(clean: list[Image], target: list[Image]) -> None:
    shaken = trembling(clean)
    faces = SteadyFaces(0.5)
    assert faces.flicker is None
    assert faces.blend(1, shaken[0], target[0]) is shaken[0]
    assert faces.blend(2, shaken[1], target[1]) is shaken[1]
    assert not np.array_equal(faces.blend(1, shaken[2], target[2]), shaken[2])
    half = cv2.resize(shaken[4], (64, 64), interpolation=cv2.INTER_AREA)
    assert faces.blend(1, half, target[4]) is half  # another size: nothing to blend with


def test_without_alpha_nothing_changes(clean: list[Image], target: list[Image]) -> None:
    shaken = trembling(clean)
    for out, given in zip(steady(shaken, target, alpha=0.0), shaken, strict=True):
        assert np.array_equal(out, given)


def test_wrong_values_are_errors() -> None:
    with pytest.raises(ConfigError, match=r"1\.0"):
        SteadyFaces(1.0)
    with pytest.raises(ShapeError, match=r"\(64, 32, 3\)"):
        SteadyFaces().blend(0, np.zeros((64, 64, 3), np.uint8), np.zeros((64, 32, 3), np.uint8))


def masks_of(images: Sequence[Image]) -> list[Mask]:
    """Where the pictures are bright, as a mask that goes with what it shows."""
    return [image.mean(axis=2, dtype=np.float32) / 255 for image in images]


def test_a_trembling_mask_is_steadied_on_a_moving_face(target: list[Image]) -> None:
    rng = np.random.default_rng(0)
    whole = masks_of(target)
    shaken = [mask + rng.normal(0, 0.1, mask.shape).astype(np.float32) for mask in whole]
    masks = SteadyMasks(0.6)
    out = [masks.blend(0, *pair) for pair in zip(shaken, target, strict=True)]
    assert all(mask.dtype == np.float32 for mask in out)
    errors = [np.mean(np.abs(np.stack(some) - whole)[4:]) for some in (out, shaken)]
    assert errors[0] < 0.75 * errors[1]


def test_a_hand_that_comes_in_is_left_out_at_once(target: list[Image]) -> None:
    open_, hidden = np.ones((SIZE, SIZE), np.float32), np.ones((SIZE, SIZE), np.float32)
    hidden[60:100, 20:70] = 0
    hand = target[4].copy()
    hand[60:100, 20:70] = (90, 60, 200)
    masks = SteadyMasks(0.6)
    masks.blend(0, open_, target[3])
    assert masks.blend(0, hidden, hand)[66:94, 26:64].max() < 0.05


def test_a_mask_of_another_size_or_no_crop_is_refused(target: list[Image]) -> None:
    masks = SteadyMasks()
    with pytest.raises(ShapeError, match=r"expected a mask \(128, 128\), got \(64, 64\)"):
        masks.blend(0, np.ones((64, 64), np.float32), target[0])
    with pytest.raises(ShapeError, match="square RGB crops"):
        masks.blend(0, np.ones((128, 64), np.float32), target[0][:, :64])
    with pytest.raises(ConfigError, match="alpha"):
        SteadyMasks(1.0)
