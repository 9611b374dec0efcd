"""Sides of units: shares are met, given sides are kept, the same seed gives the same sides."""

from __future__ import annotations

import numpy as np

from counterface.datasets.partition import NOWHERE, partition

SHARES = [0.8, 0.1, 0.1]


def counts(items: dict[tuple[int, ...], list[int]], sides: np.ndarray) -> np.ndarray:
    """(3, strata) of the items whose units lie on one side."""
    found = np.zeros((3, len(next(iter(items.values())))), int)
    for needed, amounts in items.items():
        homes = {int(sides[unit]) for unit in needed}
        if len(homes) == 1 and homes != {NOWHERE}:
            found[homes.pop()] += amounts
    return found


def test_every_stratum_is_shared_out_as_the_whole():
    rng = np.random.default_rng(0)
    items = {(unit,): [int(rng.integers(1, 6)), int(rng.integers(0, 20))] for unit in range(60)}
    found = counts(items, partition(items, 60, SHARES))
    shares = found / found.sum(axis=0)
    assert np.abs(shares - np.array(SHARES)[:, None]).max() < 0.02


def test_large_units_that_only_fit_one_way_are_placed_so():
    sizes = [50, 30, 10, 5, 5]  # 80 = 50 + 30, 10 = 10, 10 = 5 + 5
    items = {(unit,): [size] for unit, size in enumerate(sizes)}
    assert sorted(counts(items, partition(items, 5, SHARES)).ravel()) == [10, 10, 80]


def test_an_item_lies_on_a_side_only_with_all_its_units():
    ring = {(unit, (unit + 1) % 20): [1] for unit in range(20)}
    alone = {(unit,): [1] for unit in range(20)}
    sides = partition(ring | alone, 20, [0.5, 0.5])
    crossing = sum(sides[a] != sides[b] for a, b in ring)
    assert crossing <= 4  # at random it would be 10; two is the least with both sides filled
    assert {0, 1} == set(sides.tolist())


def test_given_sides_stay_and_others_fill_up_around_them():
    items = {(unit,): [1] for unit in range(20)}
    fixed = {0: 2, 1: 2, 2: NOWHERE}
    sides = partition(items, 20, SHARES, fixed=fixed)
    assert [sides[0], sides[1], sides[2]] == [2, 2, NOWHERE]
    assert (sides == 2).sum() == 2


def test_a_share_of_nothing_gets_nothing():
    items = {(unit,): [1] for unit in range(7)}
    assert set(partition(items, 7, [0.7, 0.0, 0.3]).tolist()) == {0, 2}


def test_the_seed_decides():
    items = {(unit,): [1] for unit in range(40)}
    one = partition(items, 40, SHARES, seed=1)
    assert np.array_equal(one, partition(items, 40, SHARES, seed=1))
    assert not np.array_equal(one, partition(items, 40, SHARES, seed=2))


def test_a_crowd_of_units_is_placed_by_filling_alone():
    items = {(unit,): [unit % 2, 1 - unit % 2] for unit in range(3000)}
    found = counts(items, partition(items, 3000, SHARES))
    assert np.abs(found - 1500 * np.array(SHARES)[:, None]).max() <= 1
