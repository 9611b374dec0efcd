"""Minted twins of drawn faces: same shape, changed inside the mask alone, as sharp, repeatable."""

from __future__ import annotations

from typing import get_args

import cv2
import numpy as np
import pytest
from drawn_samples import head_sample
from numpy.random import Generator

from counterface.datasets.pairs.paste_masks import FACE_MASKS, PART_MASKS, eye_distance, mouth_box
from counterface.datasets.pairs.self_blended import FaceSample
from counterface.datasets.twins.layers import Family, keep_colors, redraw
from counterface.datasets.twins.mesh import triangulate, warp_mesh
from counterface.datasets.twins.mint import FAMILIES, Twin, cut_view, mint, shrink, treat_alike
from counterface.datasets.twins.sharpness import (
    MOST_MEAN,
    SOFTER,
    inner_part,
    keep_guard,
    log_sharpness,
    measure_guard,
)
from counterface.types import Image


class Soft:
    """A decoder that blurs and shifts colours, as small ones do."""

    def __init__(self, name: str, sigma: float) -> None:
        self.name, self.sigma = name, sigma

    def redraw(self, image: Image, rng: Generator) -> Image:
        drawn = cv2.GaussianBlur(image, (0, 0), self.sigma).astype(np.int16) + 6
        return np.clip(drawn, 0, 255).astype(np.uint8)


BANK = [Soft("one", 0.7), Soft("two", 1.0)]


def wide_face(identity: int = 1, yaw: float = 0.0) -> FaceSample:
    """A drawn face in a picture that is no square."""
    face = head_sample(identity, 220, yaw)
    return FaceSample(np.ascontiguousarray(face.image[:200]), face.landmarks)


def mint_one(family: Family, seed: int) -> Twin | None:
    return mint(
        wide_face(),
        np.random.default_rng(seed),
        shares={family: 1.0},
        decoders=BANK,
        driver=lambda rng: head_sample(2, 160, yaw=12).landmarks,
        moment=lambda rng: wide_face(1, yaw=8),
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_twin_differs_inside_its_mask_alone_and_is_repeatable(family: Family):
    found = [(seed, twin) for seed in range(6) if (twin := mint_one(family, seed)) is not None]
    assert len(found) >= 3
    for seed, twin in found[:3]:
        assert twin.family == family
        assert twin.real.shape == twin.fake.shape
        assert twin.real.shape[0] <= 200
        assert twin.mask.shape == twin.real.shape[:2]
        assert eye_distance(twin.landmarks) >= 29
        assert 0 <= twin.mask.min() <= twin.mask.max() <= 1 + 1e-6
        changed = (twin.real != twin.fake).any(axis=2)
        assert changed.any()
        assert not changed[twin.mask < 1 / 512].any()
        again = mint_one(family, seed)
        assert again is not None
        assert np.array_equal(again.fake, twin.fake)
        assert np.array_equal(again.real, twin.real)


def test_makers_are_named_and_need_their_sources():
    for seed in range(8):
        twin = mint_one("reenact", seed)
        assert twin is None or twin.maker.startswith("warp+")
        twin = mint_one("pasted", seed)
        assert twin is None or set(twin.maker.split("+")) <= {"one", "two"}
    twin = mint(
        wide_face(), np.random.default_rng(1), shares={"reenact": 9, "redrawn": 1}, decoders=BANK
    )
    assert twin is not None
    assert twin.family == "redrawn"  # nobody drives
    assert set(FAMILIES) == set(get_args(Family))


def test_fakes_of_a_soft_decoder_are_as_sharp_as_their_twins():
    apart = []
    for seed in range(24):
        twin = mint_one("pasted", seed)
        if twin is not None:
            inside = inner_part(twin.mask)
            apart.append(log_sharpness(twin.fake, inside) - log_sharpness(twin.real, inside))
    assert len(apart) >= 20
    assert abs(np.mean(apart)) < 0.08
    assert 0.2 < np.mean(np.array(apart) < 0) < 0.8
    plain = wide_face().image
    everywhere = np.ones(plain.shape[:2], np.float32)
    drawn = BANK[0].redraw(plain, np.random.default_rng(0))
    assert log_sharpness(drawn, everywhere) - log_sharpness(plain, everywhere) < -0.3


def test_the_guard_drops_what_makes_fakes_softer_and_no_more():
    rng = np.random.default_rng(0)
    good = rng.normal(0, 0.1, 60).tolist()
    assert keep_guard(good) == list(range(60))
    mixed = [*good, *[-0.6] * 25]
    kept = keep_guard(mixed)
    figures = measure_guard([mixed[place] for place in kept])
    assert figures.kept
    assert abs(figures.mean) <= MOST_MEAN
    assert SOFTER[0] <= figures.softer <= SOFTER[1]
    assert len(kept) >= 60
    assert set(range(60)) - set(kept) == set() or len(kept) > 70
    assert not measure_guard([-0.5] * 10).kept
    assert not measure_guard([0.01] * 9 + [-0.01]).kept


@pytest.mark.parametrize("name", [*FACE_MASKS, *PART_MASKS, "mouth_box"])
def test_masks_lie_on_the_face_and_turn_with_it(name: str):
    face = head_sample(1, 200)
    make = {**FACE_MASKS, **PART_MASKS}[name][0] if name != "mouth_box" else mouth_box
    for seed in range(3):
        mask = make(face.landmarks, (200, 200), np.random.default_rng(seed))
        assert mask.shape == (200, 200)
        assert mask.max() > 0.9
        assert mask[:4].max() < 0.2  # the corners of a head crop are far from the face
        rows, columns = np.nonzero(mask > 0.5)
        centre = np.array([columns.mean(), rows.mean()])
        assert np.linalg.norm(centre - face.landmarks.mean(axis=0)) < eye_distance(face.landmarks)


def test_a_mesh_moves_points_and_keeps_the_border():
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 255, (90, 120, 3), dtype=np.uint8), (0, 0), 3)
    points = rng.uniform(20, 70, (30, 2)).astype(np.float32)
    same = warp_mesh(image, points, points)
    assert np.abs(same.astype(int) - image).max() <= 1
    onto = points + np.array([6, 3], np.float32)
    moved = warp_mesh(image, points, onto)
    middle = points.mean(axis=0).astype(int)
    x, y = middle
    before = image[y - 8 : y + 8, x - 8 : x + 8].astype(int)
    after = moved[y - 5 : y + 11, x - 2 : x + 14].astype(int)
    assert np.abs(before - after).mean() < 4
    assert np.array_equal(moved[0, 0], image[0, 0])


def test_triangles_cover_the_points_once():
    points = np.array([(0, 0), (50, 0), (50, 50), (0, 50), (25, 25), (25, 25)], float)
    triangles = triangulate(points, (51, 51))
    area = sum(abs(np.linalg.det(np.column_stack([points[t], np.ones(3)]))) / 2 for t in triangles)
    assert area == pytest.approx(2500)


def test_a_view_is_never_enlarged_and_keeps_the_points_on_the_face():
    face = head_sample(1, 600)
    view = cut_view(face, np.random.default_rng(2))
    assert view is not None
    assert max(view.image.shape[:2]) <= 384
    assert view.landmarks.min() >= 0
    small = head_sample(1, 90)
    kept = cut_view(FaceSample(small.image, small.landmarks), np.random.default_rng(2))
    assert kept is None or max(kept.image.shape[:2]) <= 90
    half = shrink(face, 0.5)
    assert half.image.shape[:2] == (300, 300)
    assert np.allclose((face.landmarks + 0.5) / 2 - 0.5, half.landmarks, atol=1e-3)


def test_both_twins_are_sharpened_and_compressed_alike():
    for seed in range(6):
        twin = mint_one("pasted", seed)
        if twin is None:
            continue
        done = treat_alike(twin, np.random.default_rng(seed))
        assert done.real.shape == done.fake.shape
        assert done.mask.shape == done.real.shape[:2]
        changed = np.abs(done.real.astype(int) - done.fake).max(axis=2)
        assert changed[done.mask == 0].mean() < 3  # H.264 carries a little over the edge


def test_two_decoders_in_a_row_are_both_named():
    image = head_sample(1, 48).image
    names = {redraw(image, BANK, np.random.default_rng(seed))[1] for seed in range(60)}
    assert {"one", "two"} < names
    assert names & {"one+two", "two+one"}


def test_broad_shifts_of_colour_are_taken_back_and_texture_is_not():
    image = head_sample(1, 128).image
    grain = np.random.default_rng(1).integers(-20, 21, image.shape)
    drawn = np.clip(image.astype(int) * 0.9 + 12 + grain, 0, 255).astype(np.uint8)
    back = keep_colors(drawn, image, 1.0)
    apart = [np.abs((a.astype(float) - image).mean(axis=(0, 1))).max() for a in (drawn, back)]
    assert apart[1] < 0.2 * apart[0]
    assert np.std(back.astype(float) - image) > 0.7 * np.std(grain)
    assert np.array_equal(keep_colors(drawn, image, 0.0), drawn)
