"""Recompression: the shape stays, the loss is the codec's and grows with its setting."""

from __future__ import annotations

import numpy as np
import pytest
from actors import draw_actor
from drawn_samples import add_grain

from counterface.errors import ShapeError
from counterface.media.recompress import recompress_h264, recompress_jpeg
from counterface.types import Image


def picture(height: int = 96, width: int = 96) -> Image:
    return np.ascontiguousarray(add_grain(draw_actor(1, size=128).image, 0)[:height, :width])


def loss(before: Image, after: Image) -> float:
    return float(((before.astype(np.float64) - after) ** 2).mean())


@pytest.mark.parametrize("size", [(96, 96), (97, 96), (96, 95), (33, 71)])
def test_h264_keeps_the_shape_of_odd_sides_too(size: tuple[int, int]):
    image = picture(*size)
    (after,) = recompress_h264([image], 10)
    assert after.shape == image.shape
    assert after.dtype == np.uint8
    smooth = draw_actor(1, size=128).image[: size[0], : size[1]]
    (after,) = recompress_h264([smooth], 10)  # the picture lies where it lay
    assert loss(smooth, after) < 30


def test_h264_loses_more_at_a_higher_crf():
    image = picture()
    losses = [loss(image, recompress_h264([image], crf)[0]) for crf in (12, 22, 32, 42)]
    assert losses == sorted(losses)
    assert losses[-1] > 3 * losses[0]


def test_every_image_of_a_clip_comes_back_in_its_place():
    images = [np.full((64, 64, 3), level, np.uint8) for level in (20, 90, 160, 230)]
    after = recompress_h264(images, 20)
    assert [round(float(i.mean()), -1) for i in after] == [20, 90, 160, 230]


def test_a_predicted_frame_repeats_what_did_not_move():
    still = picture()
    after = recompress_h264([still, still], 35)
    assert loss(after[0], after[1]) < loss(still, after[0]) / 4


def test_h264_is_the_same_every_time():
    image = picture()
    one, two = recompress_h264([image], 28), recompress_h264([image], 28)
    assert np.array_equal(one[0], two[0])


def test_h264_needs_images_of_one_shape():
    with pytest.raises(ShapeError, match="one shape"):
        recompress_h264([], 20)
    with pytest.raises(ShapeError, match=r"\(96, 96, 3\).*\(64, 96, 3\)"):
        recompress_h264([picture(), picture(64)], 20)


def test_jpeg_loses_more_at_a_lower_quality_and_keeps_the_colours_apart():
    image = picture()
    losses = [loss(image, recompress_jpeg(image, quality)) for quality in (98, 80, 50, 20)]
    assert losses == sorted(losses)
    red = np.zeros((40, 41, 3), np.uint8)
    red[..., 0] = 200
    after = recompress_jpeg(red, 90)
    assert after.shape == red.shape
    assert np.abs(after.astype(int) - red).max() < 6  # red is still red, not blue
