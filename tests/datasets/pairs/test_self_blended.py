"""Pseudo-fakes: changed inside their mask, untouched outside, the same for the same seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from drawn_samples import head_sample
from numpy.random import Generator

from counterface.datasets.pairs.self_blended import (
    BlendedPair,
    FaceSample,
    Kind,
    blend,
    blend_mask,
    color_matrix,
    make_pair,
    match_colors,
    recolor,
    resample,
    swap_in,
)
from counterface.faces.mask import hull_mask

FACE, DONOR = head_sample(1, 160), head_sample(2, 160)
UNSEEN = 1 / 512  # a share below which 255 levels of difference round to none
KINDS: tuple[Kind, ...] = ("self_blended", "swapped_in", "remade")


def chance(seed: int) -> Generator:
    return np.random.default_rng(seed)


def pair_of(kind: Kind, seed: int) -> BlendedPair:
    return make_pair(FACE, chance(seed), weights={kind: 1.0}, donor=lambda rng: DONOR)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_outside_the_mask_real_and_fake_are_equal(kind: Kind, seed: int):
    pair = pair_of(kind, seed)
    assert pair.kind == kind
    outside = pair.mask < UNSEEN
    assert outside.mean() > 0.2  # the corners are never blended
    assert np.array_equal(pair.real[outside], pair.fake[outside])


@pytest.mark.parametrize("kind", KINDS)
def test_inside_the_mask_the_fake_differs(kind: Kind):
    for seed in range(8):
        pair = pair_of(kind, seed)
        inside = pair.mask > 0.2
        assert inside.any()
        assert np.abs(pair.real[inside].astype(int) - pair.fake[inside]).mean() > 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(kind: Kind):
    one, two, other = pair_of(kind, 5), pair_of(kind, 5), pair_of(kind, 6)
    assert np.array_equal(one.fake, two.fake)
    assert np.array_equal(one.mask, two.mask)
    assert not np.array_equal(one.fake, other.fake)


@pytest.mark.parametrize("kind", KINDS)
def test_neither_face_nor_donor_is_changed(kind: Kind):
    before = FACE.image.copy(), FACE.landmarks.copy(), DONOR.image.copy(), DONOR.landmarks.copy()
    for seed in range(4):
        pair_of(kind, seed)
    after = FACE.image, FACE.landmarks, DONOR.image, DONOR.landmarks
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_recoloured_target_is_the_real_sample_half_the_time():
    restyled = [not np.array_equal(pair_of("self_blended", s).real, FACE.image) for s in range(60)]
    assert 0.25 < np.mean(restyled) < 0.75


def test_kinds_are_drawn_by_their_weights_and_need_no_sum_of_one():
    weights: dict[Kind, float] = {"self_blended": 3.0, "swapped_in": 0.0, "remade": 1.0}
    drawn = Counter(
        make_pair(FACE, chance(s), weights=weights, donor=lambda rng: DONOR).kind for s in range(80)
    )
    assert set(drawn) == {"self_blended", "remade"}
    assert 0.6 < drawn["self_blended"] / 80 < 0.9


def test_without_a_donor_nothing_is_swapped_in():
    weights: dict[Kind, float] = {"self_blended": 0.1, "swapped_in": 100.0, "remade": 0.1}
    assert all(
        make_pair(FACE, chance(seed), weights=weights).kind != "swapped_in" for seed in range(12)
    )


def test_a_swapped_in_face_has_the_donors_features():
    black = FaceSample(DONOR.image.copy(), DONOR.landmarks)
    spot = np.round(DONOR.landmarks[30]).astype(int)  # a mark on the donor's nose
    black.image[spot[1] - 4 : spot[1] + 5, spot[0] - 4 : spot[0] + 5] = (255, 0, 0)
    seed = next(s for s in range(50) if _covers_nose(swap_in(FACE, black, chance(s))))
    pair = swap_in(FACE, black, chance(seed))
    x, y = np.round(FACE.landmarks[30]).astype(int)
    red = pair.fake[y - 2 : y + 3, x - 2 : x + 3].astype(int)
    assert (red[..., 0] - red[..., 1]).mean() > 100  # it lies on the target's nose
    assert np.array_equal(pair.real, FACE.image)


def _covers_nose(pair: BlendedPair) -> bool:
    x, y = np.round(FACE.landmarks[30]).astype(int)
    return bool(pair.mask[y, x] > 0.98)


def test_no_mask_vanishes_however_small_its_hull():
    for seed in range(400):
        mask = blend_mask(FACE.landmarks, (160, 160), chance(seed), strong=True)
        assert mask.max() > 0.8, seed  # an empty one would call an untouched face fake


def test_blend_has_known_answers():
    source, target = np.full((4, 4, 3), 200, np.uint8), np.full((4, 4, 3), 100, np.uint8)
    for share, wanted in ((0.0, 100), (0.25, 125), (0.5, 150), (1.0, 200)):
        assert (blend(source, target, np.full((4, 4), share, np.float32)) == wanted).all()
    assert (blend(target, source, np.ones((4, 4), np.float32)) == 100).all()


def test_a_strong_mask_reaches_1_and_lies_on_the_face():
    hull = hull_mask(FACE.landmarks, (160, 160), "whole") > 0
    for seed in range(20):
        mask = blend_mask(FACE.landmarks, (160, 160), chance(seed), strong=True)
        assert mask.shape == (160, 160)
        assert mask.dtype == np.float32
        assert mask.min() >= 0
        assert 0.8 < mask.max() <= 1.0001
        assert (
            mask[hull].sum() > 0.45 * mask.sum()
        )  # the square of a face swapper is twice as large


def test_a_weak_mask_has_a_peak_of_the_papers_ratios():
    peaks = [
        float(blend_mask(FACE.landmarks, (160, 160), chance(s)).max().round(2)) for s in range(40)
    ]
    near = [min((0.25, 0.5, 0.75, 1.0), key=lambda ratio: abs(ratio - peak)) for peak in peaks]
    assert all(abs(p - n) < 0.06 for p, n in zip(peaks, near, strict=True))
    assert set(near) == {0.25, 0.5, 0.75, 1.0}
    assert near.count(1.0) > 10  # half of the draws


def test_a_face_of_few_pixels_still_gives_a_finite_mask():
    tiny = FACE.landmarks * 0.02
    for seed in range(10):
        mask = blend_mask(tiny, (64, 64), chance(seed))
        assert np.isfinite(mask).all()
        assert mask.max() <= 1.0001


def test_matched_colours_have_the_references_mean_and_deviation():
    rng = chance(0)
    image = np.clip(rng.normal(90, 15, (80, 80, 3)), 0, 255).astype(np.uint8)
    reference = np.clip(rng.normal([120, 140, 100], 20, (80, 80, 3)), 0, 255).astype(np.uint8)
    where = np.zeros((80, 80), bool)
    where[10:60, 20:70] = True
    got = match_colors(image, reference, where, 1.0)
    assert np.allclose(got[where].mean(axis=0), reference[where].mean(axis=0), atol=0.6)
    assert np.allclose(got[where].std(axis=0), reference[where].std(axis=0), atol=0.6)
    assert np.array_equal(match_colors(image, reference, where, 0.0), image)
    half = match_colors(image, reference, where, 0.5)[where].mean(axis=0)
    between = (image[where].mean(axis=0) + reference[where].mean(axis=0)) / 2
    assert np.allclose(half, between, atol=0.6)


def test_a_colour_matrix_of_strength_0_changes_nothing():
    assert np.allclose(color_matrix(chance(1), 0.0), np.eye(3, 4), atol=1e-6)
    assert np.array_equal(recolor(FACE.image, chance(1), 0.0), FACE.image)


def test_a_colour_matrix_turns_grey_into_an_even_colour():
    grey = np.repeat(np.arange(60, 180, dtype=np.float32)[:, None], 3, axis=1)
    for seed in range(10):
        matrix = color_matrix(chance(seed), 1.0)
        moved = grey @ matrix[:, :3].T + matrix[:, 3]
        casts = moved - moved.mean(axis=1, keepdims=True)
        assert np.allclose(casts, casts[0], atol=1e-3)  # saturation and hue leave grey alone
        assert 0.84 < (moved[-1] - moved[0]).mean() / 119 < 1.16  # the contrast


def test_resampling_takes_detail_away_and_keeps_size_and_colour():
    def detail(image: np.ndarray) -> float:
        return float(np.abs(np.diff(image.astype(float), axis=1)).mean())

    for seed in range(12):
        got = resample(FACE.image, FACE.landmarks, chance(seed))
        assert got.shape == FACE.image.shape
        assert got.dtype == np.uint8
        assert detail(got) < detail(FACE.image)
        assert abs(got.mean() - FACE.image.mean()) < 6


def test_an_odd_side_can_be_resampled_and_blended():
    face = head_sample(3, 161)
    for seed in range(12):
        for kind in KINDS:
            pair = make_pair(
                FaceSample(face.image, face.landmarks), chance(seed), weights={kind: 1.0},
                donor=lambda rng: DONOR,
            )  # fmt: skip
            assert pair.fake.shape == (161, 161, 3)
