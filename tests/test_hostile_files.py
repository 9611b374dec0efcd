"""Hostile files are made again from their names, and every structure is found where it is."""

from __future__ import annotations

import pytest
from hostile_files import MUTATIONS, STRUCTURES, HostileFile, make, mutations_of, plan
from hostile_inventions import FOREIGN
from hostile_seeds import SEEDS, all_seeds

UNSIGNED = tuple(name for name in SEEDS if not name.startswith("signed"))  # those need keys


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return all_seeds(tmp_path_factory.mktemp("seeds"), UNSIGNED)


def test_a_plan_gives_every_pair_in_turn_and_no_file_twice():
    files = plan(2000)
    pairs = {(file.seed, file.mutation) for file in files}
    assert len(set(files)) == 2000
    assert {seed for seed, _ in pairs} == {*SEEDS, *FOREIGN}
    assert {mutation for _, mutation in pairs} >= set(MUTATIONS)
    assert plan(50) == plan(50)
    assert set(plan(50)).isdisjoint(plan(50, number=100))


def test_a_file_is_made_again_from_its_name(seeds: dict[str, bytes]):
    for file in plan(300):
        if file.seed in seeds or file.seed in FOREIGN:
            assert make(file, seeds) == make(file, dict(reversed(seeds.items()))), file


@pytest.mark.parametrize("seed", UNSIGNED)
def test_each_structure_is_found_in_the_seeds_that_have_it(seed: str, seeds: dict[str, bytes]):
    for mutation in set(mutations_of(seed)) & set(STRUCTURES):
        numbers = range(12)  # some lies are the truth
        assert any(make(HostileFile(seed, mutation, n), seeds) != seeds[seed] for n in numbers)
