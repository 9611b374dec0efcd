"""Random colours of a training crop."""

from __future__ import annotations

import cv2
import numpy as np
from actors import draw_actor

from counterface.swap.training.retouch import jitter_lab, shift_hsv, spread_contrast

IMAGE = draw_actor(2, size=96).image


def lab(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(float).mean(axis=(0, 1))


def test_no_strength_is_no_change_but_rounding() -> None:
    rng = np.random.default_rng(0)
    assert np.abs(shift_hsv(IMAGE, 0.0, rng).astype(int) - IMAGE).mean() < 1.5
    assert np.abs(jitter_lab(IMAGE, 0.0, 0.0, rng).astype(int) - IMAGE).mean() < 1.5


def test_lightness_goes_both_ways_within_its_limit() -> None:
    rng = np.random.default_rng(0)
    means = np.array([lab(jitter_lab(IMAGE, 0.3, 0.0, rng)) for _ in range(60)])
    start = lab(IMAGE)
    assert start[0] * 0.7 - 2 <= means[:, 0].min() < start[0] * 0.8
    assert start[0] + 10 < means[:, 0].max() <= start[0] + 0.3 * (255 - start[0]) + 2
    assert np.abs(means[:, 1:] - start[1:]).max() < 4  # gamut's edge


def test_tint_moves_alone() -> None:
    rng = np.random.default_rng(0)
    means = np.array([lab(jitter_lab(IMAGE, 0.0, 0.08, rng)) for _ in range(40)])
    start = lab(IMAGE)
    assert np.abs(means[:, 0] - start[0]).max() < 3
    assert means[:, 1].std() > 3


def test_hue_turns_and_brightness_moves() -> None:
    rng = np.random.default_rng(0)
    red = np.full((8, 8, 3), (200, 60, 60), np.uint8)
    turned = np.array([shift_hsv(red, 0.3, rng)[0, 0] for _ in range(80)]).astype(int)
    assert (turned[:, 1] > turned[:, 2] + 20).any()  # toward yellow
    assert (turned[:, 2] > turned[:, 1] + 20).any()  # toward magenta
    assert turned.max(axis=1).min() < 175
    assert turned.max(axis=1).max() > 225
    assert turned.max(axis=1).max() <= 200 + 0.15 * 255 + 2


def test_contrast_rises_where_it_is_low_and_tint_stays() -> None:
    dull = (IMAGE * 0.3 + 80).astype(np.uint8)
    out = spread_contrast(dull)
    assert out.std() > 1.2 * dull.std()
    assert np.abs(lab(out)[1:] - lab(dull)[1:]).max() < 2
