"""Controls on drawn crops: what is covered is gone, and what is made equal is equal."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from counterface.detect.generalisation.controls import (
    blur,
    equal_blur,
    equalise,
    face_part,
    file_controls,
    ring_only,
    sharpness,
)
from counterface.types import Image


def textured(seed: int, side: int = 96) -> Image:
    field = np.random.default_rng(seed).uniform(0, 255, (side, side, 3)).astype(np.float32)
    return np.clip((cv2.GaussianBlur(field, (0, 0), 1.0) - 128) * 3 + 128, 0, 255).astype(np.uint8)


def test_nothing_of_the_face_is_left_in_the_ring_and_all_of_the_corners_is():
    crop, other = textured(0), textured(1)
    inside = face_part(96, "whole_face")[..., None] > 0
    swapped = np.where(inside, other, crop)
    covered, covered_swap = ring_only(crop), ring_only(swapped)
    assert np.array_equal(covered, covered_swap)  # a swap within the face cannot be seen
    assert np.array_equal(covered[:12, :12], crop[:12, :12])
    assert not np.array_equal(covered, ring_only(other))
    assert sharpness(covered) < sharpness(crop) - 2  # no detail is invented


def test_a_crop_is_blurred_to_the_sharpness_of_its_twin():
    sharp = np.stack([textured(0), textured(1)])
    soft = np.stack([blur(crop, 1.7) for crop in sharp])
    wanted = float(np.mean([sharpness(crop) for crop in soft]))
    assert equal_blur(sharp, wanted) == pytest.approx(1.7, abs=0.05)
    assert equal_blur(soft, sharpness(sharp[0])) == 0.0  # a soft one is left as it is
    # a smooth outside does not count
    inside = face_part(96, "whole_face")[..., None] > 0
    edge = np.where(inside, sharp[0], 128).astype(np.uint8)
    assert sharpness(edge) == pytest.approx(sharpness(sharp[0]), abs=0.3)


def test_both_classes_lose_what_size_and_coding_told():
    small = cv2.resize(textured(0, 64), (224, 224), interpolation=cv2.INTER_CUBIC)
    large = textured(0, 224)
    before = abs(sharpness(large) - sharpness(np.asarray(small)))
    assert equalise(large).shape == large.shape
    assert abs(sharpness(equalise(large)) - sharpness(equalise(np.asarray(small)))) < before


def test_controls_rise_with_what_their_names_say():
    crops = np.stack([textured(0)])
    facts = {"width": 100, "height": 100, "size": 10_000, "frames": 1}
    base = file_controls(crops, "whole_face", **facts)
    assert file_controls(crops, "whole_face", **(facts | {"width": 50}))["small"] > base["small"]
    few = file_controls(crops, "whole_face", **(facts | {"size": 500}))
    assert few["few_bytes"] > base["few_bytes"]
    more = file_controls(crops, "whole_face", **(facts | {"frames": 10}))
    assert more["few_bytes"] > base["few_bytes"]  # of ten frames each has a tenth
    soft = file_controls(np.stack([blur(crops[0], 2)]), "whole_face", **facts)
    assert soft["soft"] > base["soft"]
