"""Sampling: every crop once a round, and the place in the order decides alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from footage import SIZE, fill

from counterface.errors import FacesetError, ShapeError
from counterface.faceset.sample import FacesetSampler, stack_crops
from counterface.faceset.store import Faceset

NAMES = tuple(f"{i}.jpg" for i in range(7))


@pytest.fixture
def faceset(tmp_path: Path) -> Faceset:
    return fill(tmp_path / "f", NAMES)


def pixels(sampler: FacesetSampler, indices: range | list[int]) -> list[int]:
    return [int(sampler[i].image.astype(int).sum()) for i in indices]


def test_each_round_shows_every_crop_once_in_another_order(faceset: Faceset):
    sampler = FacesetSampler([faceset], seed=1)
    rounds = [pixels(sampler, range(7 * r, 7 * r + 7)) for r in range(3)]
    assert all(sorted(r) == sorted(rounds[0]) for r in rounds)
    assert len(set(rounds[0])) == 7
    assert rounds[0] != rounds[1]


def test_the_crop_at_an_index_does_not_depend_on_what_was_read_before(faceset: Faceset):
    indices = [20, 3, 9, 3, 0, 13]
    forward = FacesetSampler([faceset], seed=5)
    known = dict(zip(range(21), pixels(forward, range(21)), strict=True))
    jumping = FacesetSampler([faceset], seed=5)
    assert pixels(jumping, indices) == [known[i] for i in indices]


def test_another_seed_is_another_order(faceset: Faceset):
    orders = {tuple(pixels(FacesetSampler([faceset], seed=s), range(7))) for s in range(4)}
    assert len(orders) > 1


def test_blurred_crops_can_be_left_out_and_none_left_is_an_error(faceset: Faceset):
    assert len(FacesetSampler([faceset], max_blur=0.3)) == 7
    with pytest.raises(FacesetError, match="blur up to"):
        FacesetSampler([faceset], max_blur=0.1)


def test_facesets_of_two_alignments_do_not_mix(faceset: Faceset, tmp_path: Path):
    other = Faceset.create(tmp_path / "g", "head", SIZE)
    with pytest.raises(ShapeError, match="head"):
        FacesetSampler([faceset, other])


def test_a_negative_index_is_refused(faceset: Faceset):
    with pytest.raises(IndexError):
        FacesetSampler([faceset])[-1]


def test_stacked_crops_are_channels_first_in_zero_to_one(faceset: Faceset):
    crops = [faceset.read(row) for row in faceset.rows[:2]]
    batch = stack_crops(crops)
    assert batch.shape == (2, 3, SIZE, SIZE)
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch[1, 2] * 255, crops[1].image[..., 2], atol=1e-4)


def test_stacking_nothing_is_a_shape_error():
    with pytest.raises(ShapeError):
        stack_crops([])
