"""Degradation: one chain for both halves of a pair, and none of it at strength 0."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_samples import head_sample

from counterface.datasets.pairs.degrade import degrade
from counterface.types import Image

FACE = head_sample(1, 128).image
OTHER = head_sample(2, 128).image
SEEDS = range(40)  # enough that every step of the chain is drawn


def after(images: list[Image], seed: int, strength: float = 1.0) -> list[Image]:
    return degrade(images, np.random.default_rng(seed), strength=strength)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_images_get_the_same_treatment(seed: int):
    one, two = after([FACE, FACE], seed)
    assert np.array_equal(one, two)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_image_is_treated_alike_whatever_its_company(seed: int):
    alone, beside = after([FACE], seed), after([OTHER, FACE], seed)
    assert np.array_equal(alone[0], beside[1])


def test_strength_0_leaves_the_images():
    for seed in SEEDS:
        assert np.array_equal(after([FACE], seed, 0.0)[0], FACE)


def test_the_training_strength_changes_most_images_and_leaves_some():
    changed = [not np.array_equal(after([FACE], seed)[0], FACE) for seed in range(80)]
    # no rescale, blur, smoothing, noise nor codec: 0.75 * 0.85 * 0.9 * 0.8 * 0.25 = 11 %
    assert 0.75 < np.mean(changed) < 0.99


def test_images_are_not_changed_in_place():
    before = FACE.copy()
    for seed in SEEDS:
        assert all(i.shape == FACE.shape and i.dtype == np.uint8 for i in after([FACE], seed))
    assert np.array_equal(FACE, before)


def test_the_face_stays_recognisable_and_in_place():
    rows = np.arange(16, 112)
    for seed in SEEDS:
        (image,) = after([FACE], seed)
        grey, was = image.mean(axis=2)[rows], FACE.mean(axis=2)[rows]
        shifts = [np.abs(np.roll(grey, s, axis=1) - was)[:, 8:-8].mean() for s in (-3, 0, 3)]
        assert shifts[1] == min(shifts)
        assert shifts[1] < 12
