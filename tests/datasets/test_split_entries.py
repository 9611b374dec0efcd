"""Splits: nothing leaks, nothing is lost, shares are met, given splits are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from counterface.datasets.manifest import Entry
from counterface.datasets.split import SplitConfig, find_leaks, linked_groups, split_entries
from counterface.errors import ConfigError

NAMES = st.integers(0, 60).map(str)
TIES = st.tuples(
    st.integers(0, 1),
    st.sampled_from(["swap", "gan", ""]),
    st.one_of(st.just(""), NAMES),
    st.lists(NAMES, max_size=2, unique=True),
)


def entries_of(ties: list[tuple[int, str, str, list[str]]]) -> list[Entry]:
    return [
        Entry(Path(f"{at:03}"), label, method, source, tuple(people))
        for at, (label, method, source, people) in enumerate(ties)
    ]


def clique(people: int, clips: int = 2) -> list[Entry]:
    """Everybody's clips, and everybody's clips with everybody else's face."""
    real = [
        Entry(Path(f"r{i}_{c}"), 0, "film", f"{i}_{c}", (f"p{i}",))
        for i in range(people)
        for c in range(clips)
    ]
    fake = [
        Entry(Path(f"f{i}_{j}_{c}"), 1, "swap", f"{i}_{c}", (f"p{i}", f"p{j}"))
        for i in range(people)
        for j in range(people)
        for c in range(clips)
        if i != j
    ]
    return real + fake


def pairs(count: int) -> list[Entry]:
    """People swapped with one other each, as in FaceForensics++."""
    real = [Entry(Path(f"r{i}"), 0, "film", f"{i}", (f"p{i}",)) for i in range(2 * count)]
    fake = [
        Entry(Path(f"f{m}{i}"), 1, m, f"{i}", (f"p{i}", f"p{i ^ 1}"))
        for i in range(2 * count)
        for m in ("one", "two")
    ]
    return real + fake


@given(st.lists(TIES, min_size=6, max_size=30), st.integers(0, 3), st.booleans())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_leaks_and_nothing_is_lost(ties: list, seed: int, drop: bool):
    free = [Entry(Path(f"free{at}"), at % 2) for at in range(12)]
    entries = entries_of(ties) + free
    config = SplitConfig(train=0.6, val=0.2, test=0.2, seed=seed, drop_crossing=drop)
    try:
        done, report = split_entries(entries, config)
    except ConfigError:  # one group is larger than any share
        event("refused")
        return
    event("split")
    assert [replace(entry, split="") for entry in done] == entries
    assert find_leaks(done) == ()
    assert report.leaks == 0
    assert report.left_out == sum(entry.split == "" for entry in done)
    if not drop:
        assert report.left_out == 0
        homes: dict[str, set[str]] = {}
        for group, entry in zip(linked_groups(entries), done, strict=True):
            homes.setdefault(group, set()).add(entry.split)
        assert all(len(found) == 1 for found in homes.values())


@given(st.permutations(range(60)), st.integers(0, 2))
@settings(max_examples=5, deadline=None)
def test_the_seed_decides_and_the_order_of_entries_does_not(order: list[int], seed: int):
    entries = pairs(10)
    config = SplitConfig(seed=seed)
    there = {e.path: e.split for e in split_entries(entries, config)[0]}
    back = {e.path: e.split for e in split_entries([entries[at] for at in order], config)[0]}
    assert there == back


def test_another_seed_gives_another_split():
    splits = [[e.split for e in split_entries(pairs(10), SplitConfig(seed=s))[0]] for s in (0, 1)]
    assert splits[0] != splits[1]


def test_every_label_and_method_is_shared_out_as_asked():
    done, report = split_entries(pairs(50))
    assert {one.method: one.splits["train"] for one in report.strata} == {
        "film": 80,
        "one": 80,
        "two": 80,
    }
    assert max(one.off for one in report.strata) < 1e-9
    assert sum(entry.split == "test" for entry in done) == 30


def test_everybody_swapped_with_everybody_is_refused_with_the_size_and_a_way_out():
    entries = clique(10)
    with pytest.raises(ConfigError) as caught:
        split_entries(entries)
    said = str(caught.value)
    assert "has 200 of 200 entries" in said
    assert "val has no real" in said
    assert "--drop-crossing" in said


def test_crossing_fakes_are_left_out_and_the_rest_keeps_its_shares():
    done, report = split_entries(
        clique(12), SplitConfig(train=0.6, val=0.2, test=0.2, drop_crossing=True)
    )
    assert find_leaks(done) == ()
    people = {e.identities[0]: e.split for e in done if e.label == 0}
    for entry in done:
        homes = {people[who] for who in entry.identities}
        assert entry.split == (homes.pop() if len(homes) == 1 else "")
    assert all(entry.split for entry in done if entry.label == 0)
    assert 0 < report.left_out < 200
    assert min(report.shares.values()) > 0.08


def test_footage_without_its_genuine_clip_goes_with_the_person_all_its_fakes_share():
    entries = [entry for entry in clique(12) if entry.label]
    done, _ = split_entries(entries, SplitConfig(train=0.6, val=0.2, test=0.2, drop_crossing=True))
    assert find_leaks(done) == ()
    assert sum(entry.split != "" for entry in done) > 60


def test_one_group_larger_than_any_share_starves_the_others():
    giant = [Entry(Path(f"g{i}"), i % 2, source="one") for i in range(96)]
    rest = [Entry(Path(f"s{i}"), i % 2) for i in range(4)]
    with pytest.raises(ConfigError, match=r"val is 2\.0% of it.*has 96 of 100 .*ask for fewer"):
        split_entries(giant + rest)


def test_given_splits_are_kept_and_their_kin_goes_with_them():
    entries = pairs(20)
    official = [replace(e, split="test") if e.path.name in ("r0", "r1") else e for e in entries]
    done, report = split_entries(official, SplitConfig(keep=True))
    assert all(e.split == "test" for e in done if set(e.identities) & {"p0", "p1"})
    assert report.left_out == 0
    assert report.shares["test"] == pytest.approx(0.1)
    free, _ = split_entries(official, SplitConfig(seed=3))
    assert any(e.split != "test" for e in free if e.identities[0] == "p0")


def test_what_is_linked_to_two_given_splits_is_left_out_and_their_leak_is_counted():
    entries = pairs(20)
    given_splits = {"r0": "train", "r1": "test"}
    official = [replace(e, split=given_splits.get(e.path.name, "")) for e in entries]
    done, report = split_entries(official, SplitConfig(keep=True))
    assert {e.path.name: e.split for e in done if e.path.name in given_splits} == given_splits
    assert report.left_out == 4  # the fakes between the two
    assert report.leaks == 0
    kept, report = split_entries(
        [replace(e, split="train" if e.path.name == "fone0" else e.split) for e in official],
        SplitConfig(keep=True),
    )
    assert report.leaks == 1
    assert find_leaks(kept)[0].name == "p1"


def test_shares_that_do_not_sum_to_one_are_refused():
    with pytest.raises(ValidationError, match=r"must sum to 1, not 0\.9"):
        SplitConfig(train=0.7)


def test_a_split_that_is_not_asked_for_may_stay_empty():
    done, _ = split_entries(pairs(5), SplitConfig(train=0.8, val=0, test=0.2))
    assert {entry.split for entry in done} == {"train", "test"}
