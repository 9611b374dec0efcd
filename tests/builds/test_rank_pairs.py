"""Likeness goes by the person, not by how the head is turned; the matching is the best there is."""

from __future__ import annotations

from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pytest
from drawn_facesets import write_person

from counterface.builds.rank import Likeness, look_of, match_people, rank_pairs
from counterface.errors import FacesetError
from counterface.faceset.store import Faceset


def costs(people: int, seed: int) -> list[Likeness]:
    """Random distances between numbered people."""
    rng = np.random.default_rng(seed)
    names = [f"p{n:02d}" for n in range(people)]
    ranked = [Likeness(a, b, 0, 0, 0, float(rng.random())) for a, b in combinations(names, 2)]
    return sorted(ranked, key=lambda one: one.total)


def total(pairs: list[tuple[str, str]], ranked: list[Likeness]) -> float:
    cost = {(one.source, one.target): one.total for one in ranked}
    return sum(cost[pair] for pair in pairs)


@pytest.mark.parametrize("people", [2, 3, 6, 7])
def test_no_other_matching_is_better(people: int) -> None:
    for seed in range(5):
        ranked = costs(people, seed)
        names = sorted({n for one in ranked for n in (one.source, one.target)})
        best = min(
            total([(min(p), max(p)) for p in zip(order[::2], order[1::2], strict=False)], ranked)
            for order in permutations(names)
        )
        found = match_people(ranked)
        assert len(found) == people // 2
        assert len({name for pair in found for name in pair}) == 2 * (people // 2)
        assert total(found, ranked) == pytest.approx(best)


def test_eighteen_people_are_matched_at_once() -> None:
    ranked = costs(18, 0)
    pairs = match_people(ranked)
    assert len(pairs) == 9
    assert total(pairs, ranked) <= sum(one.total for one in ranked[:9]) + 2


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three people; two facesets of the first, one of which shows one side alone."""
    folder = tmp_path_factory.mktemp("faces")
    for name, identity in {"ann": 1, "ann_again": 1, "bob": 2, "cleo": 3}.items():
        write_person(folder / name, identity, 4)
    again = Faceset.open(folder / "ann_again")
    for row in again.rows[:2]:
        (folder / "ann_again" / row.file).unlink()
    return {path.name: path for path in folder.iterdir()}


def test_a_person_is_most_like_themselves_even_turned(folders: dict[str, Path]) -> None:
    ranked = rank_pairs({name: look_of(path) for name, path in folders.items()})
    assert {ranked[0].source, ranked[0].target} == {"ann", "ann_again"}
    by_shape = min(ranked, key=lambda one: one.shape)
    assert {by_shape.source, by_shape.target} == {"ann", "ann_again"}
    by_skin = min(ranked, key=lambda one: one.skin)
    assert {by_skin.source, by_skin.target} == {"ann", "ann_again"}
    apart = {frozenset((one.source, one.target)): one for one in ranked}
    assert apart[frozenset(("ann", "bob"))].pose < 0.5  # the same turns
    assert apart[frozenset(("ann", "ann_again"))].pose > 2  # half of them
    assert [one.total for one in ranked] == sorted(one.total for one in ranked)


def test_the_distances_of_drawn_people_are_plausible(folders: dict[str, Path]) -> None:
    ann, bob = look_of(folders["ann"]), look_of(folders["bob"])
    [one] = rank_pairs({"ann": ann, "bob": bob})
    assert 0.005 < one.shape < 0.5  # eye distances
    assert ann.shape[:, 0].mean() == pytest.approx(0, abs=1e-4)  # symmetric
    assert 20 < ann.skin[0] < 95  # L of LAB


def test_nobody_found_is_an_error(tmp_path: Path) -> None:
    Faceset.create(tmp_path / "none", "whole_face", 128)
    with pytest.raises(FacesetError, match="has no crops"):
        look_of(tmp_path / "none")
