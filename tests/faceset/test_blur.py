"""The blur measure grows with blur, whatever the brightness, and stays in [0, 1]."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from actors import draw_actor

from counterface.faceset.blur import measure_blur


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return draw_actor(1, size=160).image


def test_more_blur_measures_more(face: np.ndarray):
    measures = [measure_blur(face)]
    measures += [measure_blur(cv2.GaussianBlur(face, (0, 0), s)) for s in (0.7, 1.5, 3, 6)]
    assert measures == sorted(measures)
    assert measures[-1] - measures[0] > 0.2


def test_brightness_hardly_matters(face: np.ndarray):
    dark = (face // 2).astype(np.uint8)
    assert measure_blur(dark) == pytest.approx(measure_blur(face), abs=0.08)


def test_blur_along_one_axis_counts(face: np.ndarray):
    smeared = cv2.blur(face, (1, 15))
    assert measure_blur(smeared) > measure_blur(face) + 0.1
    assert measure_blur(smeared) == pytest.approx(
        measure_blur(np.ascontiguousarray(smeared.transpose(1, 0, 2))), abs=1e-5
    )


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_picture_is_all_blur(value: int):
    assert measure_blur(np.full((32, 32, 3), value, np.uint8)) == 1.0


def test_noise_is_no_blur():
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    assert 0 <= measure_blur(noise) < 0.2
