"""Masks of every kind in the crop: their extent, edges, and that they move smoothly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drawn_swaps import draw_swap
from pydantic import ValidationError

from counterface.errors import ShapeError, SwapError
from counterface.faces.mask import MASK_KINDS
from counterface.swap.merge.mask import MASK_SIZE, choose_mask, face_size, shape_mask
from counterface.swap.merge.settings import MergeSettings
from counterface.types import Mask, Pose

FACE = 100.0  # pixels of the mask


def square(side: int = 60) -> Mask:
    mask = np.zeros((MASK_SIZE, MASK_SIZE), np.float32)
    low = (MASK_SIZE - side) // 2
    mask[low : low + side, low : low + side] = 1
    return mask


def bare(**changes: Any) -> MergeSettings:
    return MergeSettings.model_validate({"erode": 0, "blur": 0, "edge": 0} | changes)


def choose(settings: MergeSettings, **masks: Mask) -> Mask:
    drawn = draw_swap(pose=Pose(10, 0, 8))
    swapped = drawn.swapped
    return choose_mask(settings, swapped.landmarks, swapped.frame_to_crop, 128, masks)


@pytest.mark.parametrize("kind", MASK_KINDS)
def test_every_hull_lies_in_the_crop_where_the_face_is(kind: str) -> None:
    mask = choose(bare(hull=kind))
    assert mask.shape == (MASK_SIZE, MASK_SIZE)
    assert 0.01 < mask.mean() < 0.8
    assert mask.max() == 1


def test_the_hull_is_the_same_at_any_size_of_crop() -> None:
    masks = []
    for size in (64, 256):
        swapped = draw_swap(size=size, pose=Pose(10, 0, 8)).swapped
        masks.append(choose_mask(bare(), swapped.landmarks, swapped.frame_to_crop, size, {}))
    assert np.abs(masks[0] - masks[1]).mean() < 0.002


def test_a_hull_follows_landmarks_that_move_by_a_part_of_a_pixel() -> None:
    swapped = draw_swap().swapped
    moved = [swapped.landmarks + np.float32([step, 0]) for step in (0.0, 0.4)]
    masks = [choose_mask(bare(), points, swapped.frame_to_crop, 128, {}) for points in moved]
    widths = [mask[64] for mask in masks]
    centres = [float((row * np.arange(MASK_SIZE)).sum() / row.sum()) for row in widths]
    assert 0.1 < centres[1] - centres[0] < 0.7


@pytest.mark.parametrize(
    "kinds", ["learned_x_hull", "segmented_x_made", "segmented_x_hull_x_learned"]
)
def test_a_product_is_inside_each(kinds: str) -> None:
    masks = {"learned": square(70), "segmented": np.roll(square(70), 9, axis=1)}
    masks["made"] = np.roll(square(70), 9, axis=0)
    product = choose(bare(mask=kinds), **masks)
    parts = [choose(bare(mask=kind), **masks) for kind in kinds.split("_x_")]
    assert np.allclose(product, np.prod(parts, axis=0), atol=1e-6)
    assert 0 < product.sum() < min(part.sum() for part in parts)


@pytest.mark.parametrize("kind", ["learned", "segmented", "made", "hull_x_made", "faceset"])
def test_a_mask_that_is_not_there_is_said(kind: str) -> None:
    with pytest.raises(SwapError, match=rf"mask '{kind}': .*use 'hull'"):
        choose(bare(mask=kind))


@pytest.mark.parametrize(
    ("kind", "words"),
    [("hul", "hul"), ("hull_x_none", "none"), ("hull_x_hull", "twice")],
)
def test_a_kind_that_is_none_is_refused(kind: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MergeSettings(mask=kind)


def test_a_learned_masks_faint_noise_is_nothing() -> None:
    faint = np.full((64, 64), 0.03, np.float32)
    assert not choose(bare(mask="learned"), learned=faint).any()
    assert (choose(bare(mask="learned"), learned=1 - faint) == 1).all()


def test_given_masks_are_taken_as_they_are() -> None:
    given = np.zeros((64, 64), np.float32)
    given[16:48, 8:56] = 1
    mask = choose(bare(mask="faceset"), faceset=given)
    assert mask.mean() == pytest.approx(given.mean(), rel=0.02)
    with pytest.raises(ShapeError, match=r"\(32, 64\)"):
        choose(bare(mask="faceset"), faceset=given[:32])


def test_the_size_of_a_face_is_2_7_eye_distances_whatever_its_pose_in_the_picture() -> None:
    for roll in (0, 30):
        swapped = draw_swap(eyes=40, size=200, pose=Pose(0, 0, roll), template="whole_face").swapped
        # whole_face spans 3.3 eye distances
        assert face_size(swapped.landmarks, swapped.frame_to_crop) == pytest.approx(
            200 * 2.7 / 3.3, rel=1e-3
        )


@pytest.mark.parametrize("percent", [-8.0, -2.5, 2.0, 3.5, 10.0])
def test_eroding_by_a_percentage_moves_every_side_by_it(percent: float) -> None:
    mask = shape_mask(square(60), bare(erode=percent), FACE)
    side = mask[MASK_SIZE // 2].sum()
    assert side == pytest.approx(60 - 2 * percent, abs=0.02)


def test_erosion_glides_with_its_percentage() -> None:
    areas = [
        shape_mask(square(), bare(erode=percent), FACE).sum() for percent in np.arange(0, 6, 0.25)
    ]
    steps = -np.diff(areas)
    assert (steps > 0).all()
    assert steps.max() < 1.6 * steps.min()  # no jump where a whole pixel is reached


def test_blur_widens_the_edge_and_keeps_its_place() -> None:
    for percent in (5.0, 10.0, 20.0):
        row = shape_mask(square(80), bare(blur=percent), FACE)[MASK_SIZE // 2]
        soft = ((row > 0.07) & (row < 0.93))[: MASK_SIZE // 2].sum()
        assert soft == pytest.approx(percent, abs=2.0)
        assert row.sum() == pytest.approx(80, rel=0.02)


def test_the_mask_fades_to_nothing_at_the_crops_border() -> None:
    full = np.ones((MASK_SIZE, MASK_SIZE), np.float32)
    mask = shape_mask(full, bare(edge=10), FACE)
    for border in (mask[0], mask[-1], mask[:, 0], mask[:, -1]):
        assert not border.any()
    assert np.abs(np.diff(mask, axis=0)).max() < 0.15
    assert mask[14:-14, 14:-14].min() == 1
    assert (shape_mask(full, bare(edge=0, blur=20, erode=10), FACE) > 0.999).all()


def test_a_cut_takes_its_side_only() -> None:
    full = np.ones((MASK_SIZE, MASK_SIZE), np.float32)
    mask = shape_mask(full, bare(cut_top=25.0), FACE)
    assert not mask[:32].any()
    assert (mask[32:] == 1).all()
    mask = shape_mask(full, bare(cut_left=12.5, cut_right=50.0), FACE)
    assert mask.sum() == pytest.approx(MASK_SIZE**2 * 0.375)
    assert not shape_mask(full, bare(cut_top=60.0, cut_bottom=60.0), FACE).any()


def test_opacity_scales_the_mask() -> None:
    assert shape_mask(square(), bare(opacity=40.0), FACE).max() == pytest.approx(0.4)
