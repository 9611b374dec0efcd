"""Groups that may not be parted, and folds that keep them together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from counterface.datasets.manifest import Entry
from counterface.datasets.split import fold_groups, linked_groups
from counterface.errors import ConfigError


def entry(name: str, source: str = "", *people: str) -> Entry:
    return Entry(Path(name), 0, source=source, identities=people)


def test_entries_are_linked_through_people_and_footage_however_indirectly():
    entries = [
        entry("a", "1", "ann"),
        entry("b", "1", "ann", "bob"),  # ann's footage, bob's face
        entry("c", "2", "bob"),
        entry("d", "3", "cid"),
        entry("e", "3"),  # the same footage, nobody named
        entry("f"),
    ]
    groups = linked_groups(entries)
    assert groups[0] == groups[1] == groups[2]
    assert groups[3] == groups[4]
    assert len(set(groups)) == 3
    assert linked_groups(entries[::-1]) == groups[::-1]


def test_a_person_and_a_clip_of_one_name_are_not_the_same():
    assert len(set(linked_groups([entry("a", "1"), entry("b", "", "1")]))) == 2


@pytest.mark.parametrize("folds", [1, 2, 3, 5])
def test_a_group_is_never_split_and_folds_are_balanced(folds: int):
    rng = np.random.default_rng(folds)
    groups = [f"g{rng.integers(30)}" for _ in range(200)]
    fold = fold_groups(groups, folds)
    homes: dict[str, set[int]] = {}
    for group, home in zip(groups, fold, strict=True):
        homes.setdefault(group, set()).add(home)
    assert all(len(found) == 1 for found in homes.values())
    counts = [fold.count(k) for k in range(folds)]
    largest = max(groups.count(g) for g in set(groups))
    assert max(counts) - min(counts) <= largest


def test_folds_do_not_depend_on_the_order_of_the_items():
    groups = ["a", "b", "b", "c", "d", "d", "d"]
    forth = dict(zip(groups, fold_groups(groups, 2), strict=True))
    back = dict(zip(groups[::-1], fold_groups(groups[::-1], 2), strict=True))
    assert forth == back


def test_every_fold_gets_a_group_or_the_request_is_refused():
    assert sorted(fold_groups(["a", "b", "c"], 3)) == [0, 1, 2]
    with pytest.raises(ConfigError, match="2 groups cannot fill 3 folds"):
        fold_groups(["a", "b", "b"], 3)
