"""Pasting, cloning and the seam measure on pictures whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from actors import draw_actor

from counterface.errors import ShapeError
from counterface.faces.blend import (
    Region,
    clone_seamlessly,
    colour_seam,
    crop_region,
    mask_region,
    paste,
    shift_matrix,
)
from counterface.types import Image, Mask


def disc(size: int = 128, radius: int = 40, soft: float = 0.0) -> Mask:
    mask = np.zeros((size, size), np.float32)
    cv2.circle(mask, (size // 2, size // 2), radius, 1.0, -1)
    return cv2.GaussianBlur(mask, (0, 0), soft) if soft else mask


def portrait(size: int = 128) -> Image:
    return draw_actor(1, size=size).image


def brighter(image: Image, levels: int) -> Image:
    return cv2.add(image, np.full_like(image, levels))


def test_a_paste_takes_the_face_under_the_mask_and_the_frame_elsewhere() -> None:
    rng = np.random.default_rng(0)
    face, frame = rng.integers(0, 256, (2, 128, 128, 3), np.uint8)
    mask = disc()
    out = paste(face, frame, mask)
    assert np.array_equal(out[mask == 1], face[mask == 1])
    assert np.array_equal(out[mask == 0], frame[mask == 0])


def test_half_a_mask_gives_the_mean() -> None:
    face, frame = np.full((2, 8, 8, 3), 100, np.uint8)
    frame[:] = 200
    assert np.abs(paste(face, frame, np.full((8, 8), 0.5, np.float32)).astype(int) - 150).max() <= 1


@pytest.mark.parametrize("blend", [paste, clone_seamlessly])
def test_sizes_must_agree(blend: object) -> None:
    with pytest.raises(ShapeError, match=r"\(64, 64\)"):
        blend(portrait(), portrait(), disc(64))  # type: ignore[operator]


def test_cloning_a_picture_into_itself_moves_nothing() -> None:
    image = portrait()
    for mask in (disc(), disc(radius=41), disc(soft=5.0)):
        out = clone_seamlessly(image, image, mask).astype(int)
        assert np.abs(out - image).max() <= 2


def test_cloning_takes_the_frames_colours_and_the_faces_detail() -> None:
    image = portrait()
    frame = np.full_like(image, 90)
    frame[..., 0] = 120
    mask = disc()
    out = clone_seamlessly(np.clip(image, 60, 200), np.clip(image, 60, 200), mask)
    assert np.array_equal(out[mask == 0], np.clip(image, 60, 200)[mask == 0])
    shifted = clone_seamlessly(brighter(np.clip(image, 60, 200), 30), np.clip(image, 60, 200), mask)
    assert np.abs(shifted.astype(int) - np.clip(image, 60, 200)).mean() < 1.0
    flat = clone_seamlessly(np.full_like(frame, 200), frame, mask)
    assert np.abs(flat.astype(int) - frame).max() <= 2


@pytest.mark.parametrize("corner", [(0, 0), (127, 0), (64, 127)])
def test_a_mask_at_the_border_is_cloned_in_place(corner: tuple[int, int]) -> None:
    image = np.clip(portrait(), 60, 200)
    mask = np.zeros((128, 128), np.float32)
    cv2.circle(mask, corner, 50, 1.0, -1)
    out = clone_seamlessly(image, image, mask).astype(int)
    assert np.abs(out - image).max() <= 2
    everywhere = clone_seamlessly(image, image, np.ones((128, 128), np.float32)).astype(int)
    assert np.abs(everywhere - image).max() <= 2


def test_an_empty_mask_clones_nothing() -> None:
    image = portrait()
    out = clone_seamlessly(brighter(image, 50), image, np.zeros((128, 128), np.float32))
    assert np.array_equal(out, image)


def test_the_seam_grows_with_the_colour_step_and_shrinks_with_a_clone() -> None:
    frame = np.clip(portrait(), 60, 180)
    mask = disc(soft=2.0)
    seams = [
        colour_seam(paste(brighter(frame, step), frame, mask), mask) for step in (0, 10, 30, 60)
    ]
    assert seams == sorted(seams)
    assert seams[3] > seams[0] + 8
    soft = disc(soft=6.0)  # a soft edge hides no wrong colour
    assert colour_seam(paste(brighter(frame, 60), frame, soft), soft) > seams[0] + 8
    cloned = clone_seamlessly(brighter(frame, 60), frame, mask)
    assert colour_seam(cloned, mask) < seams[0] + 1


def test_the_seam_of_a_known_step() -> None:
    image = np.full((128, 128, 3), 100, np.uint8)
    mask = disc()
    assert colour_seam(image, mask) == pytest.approx(0, abs=1e-3)
    image[mask == 1] = 200
    lab = cv2.cvtColor(np.array([[[100] * 3, [200] * 3]], np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    assert colour_seam(image, mask) == pytest.approx(float(abs(lab[1, 0] - lab[0, 0])), rel=0.02)


def test_a_mask_without_an_edge_has_no_seam() -> None:
    for level in (0.0, 1.0):
        assert colour_seam(portrait(), np.full((128, 128), level, np.float32)) == 0.0
    half = np.zeros((128, 128), np.float32)
    half[:, :64] = 1  # the picture's border is no edge of the mask
    image = np.full((128, 128, 3), 100, np.uint8)
    assert colour_seam(image, half) == pytest.approx(0, abs=1e-3)


def test_a_crop_covers_the_window_that_its_matrix_says() -> None:
    matrix = np.array([[0.5, 0, -10], [0, 0.5, -20]], np.float32)  # crop pixel 0 = frame 20, 40
    region = crop_region(matrix, 32, (200, 300))
    assert region is not None
    assert region.x0 <= 19
    assert region.x1 >= 83
    assert region.y0 <= 39
    assert region.x1 - region.x0 <= 68
    assert crop_region(matrix, 32, (30, 300)) is None  # below the frame
    wide = crop_region(matrix, 32, (200, 300), grid=16)
    assert wide is not None
    assert (wide.x0 % 16, wide.y0 % 16) == (0, 0)
    shifted = shift_matrix(matrix, Region(20, 40, 80, 100))
    assert np.allclose(shifted @ [0, 0, 1], [0, 0])


def test_the_window_of_a_mask_holds_all_of_it() -> None:
    mask = np.zeros((100, 80), np.float32)
    mask[33:51, 17:79] = 0.7
    assert mask_region(mask) == Region(17, 33, 79, 51)
    assert mask_region(mask, 16) == Region(16, 32, 80, 64)
    assert mask_region(np.zeros((10, 10), np.float32)) is None
    assert Region(1, 2, 3, 4).within(Region(10, 20, 30, 40)) == Region(11, 22, 13, 24)
