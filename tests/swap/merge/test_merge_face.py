"""A face goes back to exactly where it came from, and only the masked pixels change."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn_swaps import draw_swap, psnr

from counterface.errors import ShapeError, SwapError
from counterface.faces.align import matrix_scale, warp_image
from counterface.swap.merge.merge_face import merge_face, resize_matrix, warp_into
from counterface.swap.merge.settings import MergeSettings
from counterface.types import Image, Pose

PLAIN = MergeSettings(color_transfer="none")
POSES = [Pose(0, 0, 0), Pose(18, 5, 20), Pose(-20, -8, -35)]


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("blend", ["overlay", "seamless", "raw"])
def test_the_unchanged_crop_merged_back_is_all_but_invisible(pose: Pose, blend: str) -> None:
    drawn = draw_swap(2, 2, size=256, pose=pose)
    merged = merge_face(
        drawn.target.image, drawn.swapped, PLAIN.model_copy(update={"blend": blend})
    )
    assert psnr(merged.frame, drawn.target.image, merged.mask > 0.5) > 38
    outside = merged.mask == 0
    assert np.array_equal(merged.frame[outside], drawn.target.image[outside])
    assert 0.02 < merged.mask.mean() < 0.6


@pytest.mark.parametrize("size", [64, 128, 224, 512])
def test_no_size_of_crop_shifts_the_face(size: int) -> None:
    """Half a pixel of a 64 px crop is over a pixel of the frame."""
    drawn = draw_swap(2, 2, size=size, eyes=40, pose=Pose(10, 0, 12))
    frame = drawn.target.image
    merged = merge_face(frame, drawn.swapped, PLAIN)
    assert np.abs(shift_between(frame, merged.frame, merged.mask > 0.9)).max() < 0.03
    moved = np.roll(merged.frame, 1, axis=1)  # the measure itself would see a pixel
    assert shift_between(frame, moved, merged.mask > 0.95)[0] < -0.5


def shift_between(image: Image, other: Image, where: np.ndarray) -> np.ndarray:
    """xy pixels by which `other` is to be moved onto `image`, by least squares on gradients."""
    grey = [
        cv2.GaussianBlur(i.astype(np.float32).mean(axis=2), (0, 0), 1.0) for i in (image, other)
    ]
    slope_y, slope_x = np.gradient(grey[1])
    slopes = np.stack([slope_x[where], slope_y[where]], axis=1)
    return -np.linalg.lstsq(slopes, (grey[0] - grey[1])[where], rcond=None)[0]


@pytest.mark.parametrize("pose", POSES)
def test_another_actors_face_lands_where_the_target_was(pose: Pose) -> None:
    drawn = draw_swap(1, 2, size=256, pose=pose)
    merged = merge_face(drawn.target.image, drawn.swapped, PLAIN)
    core = merged.mask > 0.95
    assert core.sum() > 2000
    # what shows is the source's picture, not the target's nor a mirrored one
    mirrored = merge_face(
        drawn.target.image,
        replace(drawn.swapped, image=np.ascontiguousarray(drawn.swapped.image[:, ::-1])),
        PLAIN,
    )
    right = psnr(merged.frame, drawn.source.image, core)
    assert right > psnr(drawn.target.image, drawn.source.image, core) + 5
    assert right > psnr(mirrored.frame, drawn.source.image, core) + 2


def test_a_large_crop_of_a_small_face_does_not_alias() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255  # finer than the frame can show: only grey is right
    matrix = np.array([[9, 0, 0], [0, 9, 0]], np.float32)
    small = warp_into(stripes, matrix, (56, 56)).astype(int)
    assert np.abs(small[4:-4, 4:-4] - 128).max() < 20


def test_a_matrix_at_another_size_points_at_the_same_place() -> None:
    drawn = draw_swap(2, 2, size=128)
    matrix = resize_matrix(drawn.swapped.frame_to_crop, 128, 64)
    assert matrix_scale(matrix) == pytest.approx(
        matrix_scale(drawn.swapped.frame_to_crop) / 2, rel=1e-5
    )
    half = cv2.resize(drawn.swapped.image, (64, 64), interpolation=cv2.INTER_AREA)
    assert psnr(warp_image(drawn.target.image, matrix, 64), half) > 30


def test_face_scale_grows_the_face_about_its_middle() -> None:
    drawn = draw_swap(1, 2, pose=Pose(0, 0, 15))
    masks = [
        merge_face(
            drawn.target.image, drawn.swapped, PLAIN.model_copy(update={"face_scale": scale})
        ).mask
        for scale in (100.0, 120.0)
    ]
    assert masks[1].sum() / masks[0].sum() == pytest.approx(1.44, rel=0.03)
    middle = drawn.target.landmarks[17:].mean(axis=0)
    for mask in masks:
        assert mask[round(float(middle[1])), round(float(middle[0]))] > 0.9


def test_a_face_half_outside_the_frame_is_merged_as_far_as_it_is_seen() -> None:
    for centre in ((4.0, 110.0), (160.0, 4.0), (318.0, 230.0)):
        drawn = draw_swap(2, 2, size=256, centre=centre)
        for blend in ("overlay", "seamless"):
            merged = merge_face(
                drawn.target.image, drawn.swapped, PLAIN.model_copy(update={"blend": blend})
            )
            assert merged.mask.max() > 0.5
            assert psnr(merged.frame, drawn.target.image, merged.mask > 0.5) > 33


def test_a_face_outside_the_frame_leaves_it_and_says_so() -> None:
    drawn = draw_swap()
    moved = replace(
        drawn.swapped, frame_to_crop=drawn.swapped.frame_to_crop + np.float32([0, 0, 9000])
    )
    merged = merge_face(drawn.target.image, moved, PLAIN)
    assert np.array_equal(merged.frame, drawn.target.image)
    assert not merged.mask.any()
    assert "outside" in merged.note


@pytest.mark.parametrize("blend", ["overlay", "seamless"])
def test_an_empty_mask_leaves_the_frame_and_says_so(blend: str) -> None:
    drawn = draw_swap()
    empty = replace(drawn.swapped, mask=np.zeros((128, 128), np.float32))
    settings = MergeSettings(mask="learned", blend=blend)
    merged = merge_face(drawn.target.image, empty, settings)
    assert np.array_equal(merged.frame, drawn.target.image)
    assert "empty" in merged.note


def test_a_mask_that_is_not_there_is_an_error() -> None:
    drawn = draw_swap()
    for kind in ("learned", "learned_x_hull", "faceset"):
        with pytest.raises(SwapError, match=kind):
            merge_face(drawn.target.image, drawn.swapped, MergeSettings(mask=kind))


def test_a_face_that_is_no_square_is_an_error() -> None:
    drawn = draw_swap()
    with pytest.raises(ShapeError, match=r"\(100, 128, 3\)"):
        merge_face(
            drawn.target.image, replace(drawn.swapped, image=drawn.swapped.image[:100]), PLAIN
        )


def test_the_frame_given_is_not_changed() -> None:
    drawn = draw_swap()
    before = drawn.target.image.copy()
    face = drawn.swapped.image.copy()
    merge_face(drawn.target.image, drawn.swapped, MergeSettings(noise=5, sharpen="box"))
    assert np.array_equal(before, drawn.target.image)
    assert np.array_equal(face, drawn.swapped.image)


def test_colour_transfer_brings_the_face_to_the_targets_colours() -> None:
    drawn = draw_swap(1, 2, size=128)
    plain = merge_face(drawn.target.image, drawn.swapped, PLAIN)
    core = plain.mask > 0.95
    goal = drawn.target.image[core].mean(axis=0)

    def off(**changes: object) -> float:
        settings = MergeSettings.model_validate(PLAIN.model_dump() | changes)
        merged = merge_face(drawn.target.image, drawn.swapped, settings)
        return float(np.abs(merged.frame[core].mean(axis=0) - goal).mean())

    far = off()
    assert far > 15
    assert off(color_transfer="rct") < 0.3 * far
    assert 0.3 * far < off(color_transfer="rct", color_strength=50) < 0.8 * far
    assert off(color_transfer="rct", color_strength=0) == far


def test_degrading_stays_under_the_mask() -> None:
    drawn = draw_swap(1, 2)
    plain = merge_face(drawn.target.image, drawn.swapped, PLAIN)
    settings = MergeSettings(
        color_transfer="none",
        noise=8.0,
        jpeg_quality=40,
        resolution=50.0,
        sharpen="unsharp",
        motion_blur=50.0,
    )
    merged = merge_face(drawn.target.image, drawn.swapped, settings, np.float32([9, 2]))
    assert np.array_equal(merged.mask, plain.mask)
    assert np.array_equal(merged.frame[plain.mask == 0], drawn.target.image[plain.mask == 0])
    assert psnr(merged.frame, plain.frame, plain.mask > 0.9) < 32
    again = merge_face(drawn.target.image, drawn.swapped, settings, np.float32([9, 2]))
    assert np.array_equal(merged.frame, again.frame)
