"""Grain, blur and losses do what their numbers say, and sharpening raises what it should."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from actors import draw_actor

from counterface.errors import ConfigError
from counterface.swap.merge.degrade import (
    add_grain,
    blur_along,
    degrade_face,
    grain_seed,
    lower_resolution,
    smooth_away,
)
from counterface.swap.merge.settings import MergeSettings
from counterface.swap.merge.sharpen import sharpen_image
from counterface.types import Image

GREY = np.full((64, 96, 3), 128, np.uint8)


def portrait() -> Image:
    return draw_actor(3, size=160).image


def detail(image: Image) -> float:
    return float(cv2.Laplacian(image, cv2.CV_32F).std())


def test_nothing_is_done_by_default() -> None:
    image = portrait()
    assert degrade_face(image, MergeSettings(), np.float32([20, 0])) is image


def test_grain_has_its_strength_and_is_grey() -> None:
    noisy = add_grain(GREY, 6.0, seed=1).astype(float)
    assert noisy.std() == pytest.approx(6.0, rel=0.05)
    assert np.ptp(noisy, axis=2).max() == 0


def test_grain_is_the_frames_own() -> None:
    image = portrait()
    other = image.copy()
    other[0, 0] += 1
    assert grain_seed(image) == grain_seed(image.copy())
    assert grain_seed(image) != grain_seed(other)


def test_a_moving_point_becomes_a_line_along_its_way() -> None:
    image = np.zeros((65, 65, 3), np.uint8)
    image[32, 32] = 255
    line = blur_along(image, np.float32([12, 6]))[..., 0].astype(float)
    rows, columns = np.mgrid[:65, :65] - 32.0
    weight = line / line.sum()
    assert abs((weight * rows).sum()) < 0.3
    assert abs((weight * columns).sum()) < 0.3  # it stays in its place
    spread = np.array(
        [
            [(weight * columns**2).sum(), (weight * columns * rows).sum()],
            [(weight * columns * rows).sum(), (weight * rows**2).sum()],
        ]
    )
    values, vectors = np.linalg.eigh(spread)
    assert abs(vectors[:, 1] @ [12, 6]) / np.hypot(12, 6) > 0.99
    assert values[1] == pytest.approx(np.hypot(12, 6) ** 2 / 12, rel=0.25)  # of a uniform line
    assert values[0] < 1.0


def test_standing_still_blurs_nothing() -> None:
    image = portrait()
    assert blur_along(image, np.float32([0.2, 0.1])) is image
    settings = MergeSettings(motion_blur=50)
    assert degrade_face(image, settings, None) is image


def test_motion_blur_goes_with_the_shutter() -> None:
    image = portrait()
    way = np.float32([16, 0])
    sharpness = [
        detail(degrade_face(image, MergeSettings(motion_blur=share), way))
        for share in (0, 25, 50, 100)
    ]
    assert sharpness == sorted(sharpness, reverse=True)


@pytest.mark.parametrize("how", ["area", "bicubic"])
def test_resolution_takes_detail_away_and_nothing_else(how: str) -> None:
    image = portrait()
    low = lower_resolution(image, 0.4, how)
    assert low.shape == image.shape
    assert detail(low) < 0.7 * detail(image)
    assert np.abs(low.mean(axis=(0, 1)) - image.mean(axis=(0, 1))).max() < 1
    blurred = [cv2.GaussianBlur(i.astype(np.float32), (0, 0), 4) for i in (image, low)]
    assert np.abs(blurred[0] - blurred[1]).mean() < 1  # in the same place
    assert detail(lower_resolution(image, 0.4, "area")) < detail(
        lower_resolution(image, 0.4, "bicubic")
    )


def test_denoising_takes_grain_and_leaves_edges() -> None:
    image = np.full((64, 64, 3), 60, np.uint8)
    image[:, 32:] = 190
    noisy = add_grain(image, 5.0, seed=2)
    clean = smooth_away(noisy, 30.0).astype(float)
    assert clean[:, :28].std() < 0.6 * noisy[:, :28].std()
    assert clean[:, 33].mean() - clean[:, 30].mean() > 120


def test_jpeg_losses_grow_as_the_quality_falls() -> None:
    image = portrait()
    errors = [
        np.abs(degrade_face(image, MergeSettings(jpeg_quality=q)).astype(float) - image).mean()
        for q in (100, 90, 50, 10)
    ]
    assert errors[0] == 0
    assert errors == sorted(errors)


@pytest.mark.parametrize("kind", ["box", "gaussian", "unsharp"])
def test_sharpening_raises_detail_with_its_amount_and_keeps_the_mean(kind: str) -> None:
    image = cv2.GaussianBlur(portrait(), (0, 0), 1.5)
    sharp = [sharpen_image(image, kind, amount, 1.5) for amount in (0.0, 0.5, 1.0)]
    assert np.array_equal(sharp[0], image)
    assert detail(image) < detail(sharp[1]) < detail(sharp[2])
    assert abs(float(sharp[2].mean()) - float(image.mean())) < 1.0


def test_unsharp_leaves_grain_alone() -> None:
    grain = add_grain(GREY, 1.0, seed=3)
    assert detail(sharpen_image(grain, "gaussian", 1.0, 1.5)) > 1.5 * detail(grain)
    assert detail(sharpen_image(grain, "unsharp", 1.0, 1.5)) < 1.02 * detail(grain)


def test_an_unknown_sharpening_is_an_error() -> None:
    with pytest.raises(ConfigError, match="sobel"):
        sharpen_image(GREY, "sobel", 1.0, 1.0)
