"""Leaving out a method, family or origin: nothing that could be remembered is on both sides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterface.datasets.leave_out import (
    Unit,
    draw_evenly,
    fold_splits,
    judged_part,
    leave_out_folds,
    list_units,
    met_paths,
    training_part,
    unit_of,
)
from counterface.datasets.manifest import Entry, of_split
from counterface.errors import ConfigError

NAMES = st.sampled_from(["", "a", "b", "c", "d"])


@st.composite
def entry_lists(draw: st.DrawFn) -> list[Entry]:
    """Up to 24 files with few people, footage and origins, so that much is shared."""
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, 1), NAMES, NAMES, NAMES, st.lists(NAMES, max_size=2), NAMES),
            min_size=1,
            max_size=24,
        )
    )
    return [
        Entry(
            Path(f"{number}.mp4"),
            label,
            method=f"family {family}" if family else "",
            generator=maker,
            source=source,
            identities=tuple(name for name in people if name),
            origin=origin,
        )
        for number, (label, family, maker, source, people, origin) in enumerate(rows)
    ]


def shared(one: list[Entry], other: list[Entry]) -> set[str]:
    """Files, people, footage and origins on both sides."""

    def named(entries: list[Entry]) -> set[str]:
        found = {f"path {e.path}" for e in entries}
        found |= {f"who {name}" for e in entries for name in e.identities}
        found |= {f"footage {e.source}" for e in entries if e.source}
        return found | {f"origin {e.origin}" for e in entries if e.origin}

    return named(one) & named(other)


@given(entry_lists(), st.sampled_from(["method", "family", "origin"]))
def test_no_person_footage_origin_or_unit_is_on_both_sides(entries, by):
    try:
        units = list_units(entries, by)
    except ConfigError:
        assert not any(unit_of(e, by) for e in entries)
        return
    for unit in units:
        judged, learnt = judged_part(entries, unit), training_part(entries, unit)
        assert any(unit_of(e, by) == unit.name for e in judged)
        assert not shared(judged, learnt)
        assert unit.name not in {unit_of(e, by) for e in learnt}


@given(entry_lists(), st.integers(2, 4))
def test_folds_hold_every_method_once_and_learn_from_nothing_of_theirs(entries, folds):
    methods = {unit_of(e, "method") for e in entries} - {""}
    if len(methods) < folds:
        with pytest.raises(ConfigError):
            leave_out_folds(entries, folds)
        return
    found = leave_out_folds(entries, folds)
    assert sorted(name for names, _ in found for name in names) == sorted(methods)
    for names, learnt in found:
        assert names
        judged = [e for name in names for e in judged_part(entries, Unit("method", name))]
        assert not shared(judged, learnt)


def test_what_shares_nothing_stays():
    fake = Entry(Path("fake"), 1, "swap", "clip 1", ("ann", "bob"), "roop", origin="repo")
    twin = Entry(Path("twin"), 0, "real", "clip 1", ("ann",), origin="other")
    ties = [
        Entry(Path("same person"), 0, "real", "clip 2", ("bob",)),
        Entry(Path("same repository"), 1, "swap", "clip 3", generator="simswap", origin="repo"),
        Entry(Path("origin of the twin"), 1, "swap", "clip 4", generator="fsgan", origin="other"),
        Entry(Path("same method"), 1, "swap", "clip 5", generator="roop"),
    ]
    free = [
        Entry(Path("other swap"), 1, "swap", "clip 6", ("eve",), "ghost", origin="third"),
        Entry(Path("genuine"), 0, "real", "clip 7", origin="third"),
    ]
    entries = [fake, twin, *ties, *free]
    assert training_part(entries, Unit("method", "roop")) == free
    assert judged_part(entries, Unit("method", "roop")) == [fake, twin, ties[3]]
    left = training_part(entries, Unit("family", "swap"))
    assert all(not entry.label for entry in left)


def test_a_list_without_the_column_is_refused():
    with pytest.raises(ConfigError, match="no file has the column origin"):
        list_units([Entry(Path("a"), 1, "swap")], "origin")
    assert list_units([Entry(Path("a"), 1, "swap")], "method") == [Unit("method", "swap")]


def test_the_methods_of_a_family_are_dealt_over_the_folds():
    entries = [
        Entry(
            Path(f"{family}{number}"), 1, family, f"{family}{number}", generator=f"{family}{number}"
        )
        for family, count in (("swap", 8), ("lipsync", 4), ("reenact", 2))
        for number in range(count)
    ]
    found = [names for names, _ in leave_out_folds(entries, 4)]
    for family, most in (("swap", 2), ("lipsync", 1), ("reenact", 1)):
        counts = [sum(name.startswith(family) for name in names) for names in found]
        assert max(counts) == most
    assert {len(names) for names in found} <= {3, 4}


@given(entry_lists(), st.integers(2, 3))
def test_a_split_fold_shares_nothing_between_its_sides_and_every_genuine_file_is_judged(
    entries: list[Entry], folds: int
):
    minted = [replace(e, path=Path(f"minted/{e.path}"), split="train") for e in entries if e.label]
    shut = Entry(Path("shut.mp4"), 0, split="test")
    if len(list_units(entries, "method") if any(unit_of(e, "method") for e in entries) else ()) < 2:
        return
    folds = min(folds, len(list_units(entries, "method")))
    found = fold_splits([*entries, *minted, shut], folds)
    assert len(found) == folds
    paths = {entry.path for entry in entries if not entry.label or unit_of(entry, "method")}
    assert {e.path for part in found for e in of_split(part, "val")} == paths
    for part in found:
        judged, learnt = of_split(part, "val"), of_split(part, "train")
        assert not {name for name in shared(judged, learnt) if not name.startswith("origin")}
        met = met_paths(part)
        makers = {unit_of(e, "method") for e in judged if e.label and e.path not in met}
        own = [e for e in learnt if e.path.parts[0] != "minted"]
        assert not makers & {unit_of(e, "method") for e in own if e.label}


def test_genuine_files_are_judged_where_their_whole_origin_is_unknown_if_there_are_enough():
    fakes = [Entry(Path(f"{m}.png"), 1, "swap", generator=m) for m in ("a", "b")]
    many = [Entry(Path(f"{i}.png"), 0, "real", origin=f"repo {i % 4}") for i in range(40)]
    for part in fold_splits([*fakes, *many], 2):
        judged, learnt = of_split(part, "val"), of_split(part, "train")
        strangers = [e for e in judged if e.path not in met_paths(part)]
        assert len(strangers) == 21
        assert not {e.origin for e in strangers} & {e.origin for e in learnt} - {""}
    one = [replace(entry, origin="repo") for entry in many]
    for part in fold_splits([*fakes, *one], 2):
        judged = of_split(part, "val")
        assert len([e for e in judged if e.path not in met_paths(part)]) == 1  # the fake


def test_new_files_of_known_makers_are_judged_too_and_only_where_their_makers_are_learnt():
    fakes = [
        Entry(Path(f"{m}{i}.png"), 1, "swap", source=f"{m}{i}", generator=m)
        for m in ("a", "b")
        for i in range(16)
    ]
    many = [Entry(Path(f"{i}.png"), 0, "real", origin=f"repo {i % 4}") for i in range(80)]
    for part, maker in zip(fold_splits([*fakes, *many], 2), ("b", "a"), strict=True):
        met = met_paths(part)
        assert {e.generator for e in part if e.path in met and e.label} == {maker}
        assert sum(e.path in met and e.label for e in part) == 8
        assert {e.generator for e in of_split(part, "train") if e.label} == {maker}
        assert sum(e.path in met and not e.label for e in part) == 20


def test_makers_that_are_learnt_elsewhere_are_known_and_their_genuine_sources_are_not():
    judged = [
        Entry(Path("known"), 1, "gan", "a", generator="stylegan", split="val"),
        Entry(Path("stranger"), 1, "gan", "b", generator="attgan", split="val"),
        Entry(Path("unnamed"), 1, source="c", split="val"),
        Entry(Path("genuine"), 0, "real", "d", origin="ffhq", split="val"),
    ]
    elsewhere = [
        Entry(Path("other"), 1, "gan", "e", generator="stylegan"),
        Entry(Path("other unnamed"), 1, source="f"),
        Entry(Path("other genuine"), 0, "real", "g", origin="ffhq"),
    ]
    assert met_paths(judged) == set()
    assert met_paths(judged, elsewhere) == {Path("known")}


def test_of_each_maker_and_origin_as_many_are_drawn_even_over_the_list():
    entries = [Entry(Path(f"{i}.png"), 0, origin="large") for i in range(100)]
    entries += [Entry(Path(f"s{i}.png"), 0, origin="small") for i in range(3)]
    drawn = draw_evenly(entries, 10)
    assert [e.path.name for e in drawn[:3]] == ["0.png", "10.png", "20.png"]
    assert sum(e.origin == "small" for e in drawn) == 3
    assert len(drawn) == 13
