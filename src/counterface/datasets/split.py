"""Splits and folds that part neither people nor footage.

A fake shares its footage with the genuine clip and its face with the clips of who gave it. A
detector that was trained on one and tested on the other may know the person instead of the
manipulation; so groups are the connected parts of the graph of entries, people and footage.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, Self

from pydantic import Field, model_validator

from counterface.config import Record
from counterface.datasets.manifest import LABELS, SPLITS, Entry
from counterface.datasets.partition import NOWHERE, partition
from counterface.errors import ConfigError


class SplitConfig(Record):
    """How a data set is split."""

    train: float = Field(0.8, ge=0, le=1, description="share of the entries for training")
    val: float = Field(
        0.1,
        ge=0,
        le=1,
        description="share for validation, by which weights and thresholds are chosen",
    )
    test: float = Field(0.1, ge=0, le=1, description="share for the final measurement")
    seed: int = Field(0, ge=0, description="seed; another one gives another split")
    keep: bool = Field(
        False, description="keep the splits that entries already have; place only the others"
    )
    drop_crossing: bool = Field(
        False,
        description="place people apart even if they were swapped; leave out the fakes between "
        "two sides",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"`train`, `val` and `test` must sum to 1, not {total:g}")
        return self


class Leak(Record):
    """A person or footage that is in more than one split."""

    kind: Literal["identity", "source"]
    name: str
    splits: dict[str, int]  # entries of each


class StratumSplit(Record):
    """How the entries of one label and method were shared out."""

    label: str
    method: str
    splits: dict[str, int]
    left_out: int
    off: float  # largest distance of a split's share to its aim, [0, 1]


class SplitReport(Record):
    """What a split came to."""

    entries: int
    groups: int  # that were not parted; with `drop_crossing` people with their footage
    largest_group: int  # entries; a fake between two people counts half for each
    shares: dict[str, float]  # of the entries that are in a split
    strata: tuple[StratumSplit, ...]
    left_out: int
    leaks: int  # people and footage in two splits; only kept splits can have any


def split_entries(
    entries: Sequence[Entry], config: SplitConfig | None = None
) -> tuple[list[Entry], SplitReport]:
    """The entries with their splits, in the same order, and how near the aims they are.

    People and footage are never parted. Within that, each label and method is shared out as the
    whole is. An entry that fits nowhere has the empty split.

    Raises:
        ConfigError: a split stays without real or without fake entries, or one linked group is
            too large for the shares.
    """
    config = config or SplitConfig()
    units, items, needs = _units(entries, config.drop_crossing)
    shares = [config.train, config.val, config.test]
    fixed = _fixed(entries, needs) if config.keep else {}
    sides = partition(items, units, shares, fixed=fixed, seed=config.seed)
    done = []
    for entry, needed in zip(entries, needs, strict=True):
        homes = {int(sides[unit]) for unit in needed}
        home = homes.pop() if len(homes) == 1 else NOWHERE
        placed = "" if home == NOWHERE else SPLITS[home]
        done.append(replace(entry, split=entry.split if config.keep and entry.split else placed))
    sizes = [0.0] * units
    for needed, amounts in items.items():
        for unit in needed:
            sizes[unit] += sum(amounts) / len(needed)
    report = _report(done, shares, units, round(max(sizes, default=0)))
    _check_possible(done, shares, report, config)
    return done, report


def find_leaks(entries: Iterable[Entry]) -> tuple[Leak, ...]:
    """The people and footage in more than one split; entries of no split do not count."""
    seen: dict[tuple[Literal["identity", "source"], str], Counter[str]] = defaultdict(Counter)
    for entry in entries:
        if entry.split:
            for who in set(entry.identities):
                seen["identity", who][entry.split] += 1
            if entry.source:
                seen["source", entry.source][entry.split] += 1
    return tuple(
        Leak(kind=kind, name=name, splits=dict(splits))
        for (kind, name), splits in sorted(seen.items())
        if len(splits) > 1
    )


def linked_groups(entries: Sequence[Entry]) -> list[str]:
    """The group of each entry: entries that share a person or footage, however indirectly.

    Named after its smallest tie (`identity:ann`); an entry that has none is its own group.
    """
    ties = [_ties(entry) for entry in entries]
    roots = _Roots()
    for first, *rest in ties:
        for other in rest:
            roots.join(first, other)
    return [roots.of(tie[0]) for tie in ties]


class _Roots:
    """Names that were joined have one root, the smallest of them."""

    def __init__(self) -> None:
        self.parent: dict[str, str] = {}

    def of(self, name: str) -> str:
        while self.parent.setdefault(name, name) != name:
            self.parent[name] = name = self.parent[self.parent[name]]
        return name

    def join(self, one: str, other: str) -> None:
        low, high = sorted((self.of(one), self.of(other)))
        self.parent[high] = low


def _ties(entry: Entry) -> list[str]:
    people = [f"identity:{name}" for name in entry.identities]
    footage = [f"source:{entry.source}"] if entry.source else []
    return people + footage or [f"path:{entry.path}"]


def fold_groups(groups: Sequence[str], folds: int) -> list[int]:
    """The fold of each item; items of one group share it and folds are about equally large.

    Args:
        groups: (N,) the group of each item.
        folds: how many.

    Raises:
        ConfigError: fewer groups than folds.
    """
    sizes = Counter(groups)
    if len(sizes) < folds:
        raise ConfigError(f"{len(sizes)} groups cannot fill {folds} folds")
    filled = [0] * folds
    fold_of = {}
    for group, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        fold_of[group] = filled.index(min(filled))
        filled[fold_of[group]] += size
    return [fold_of[group] for group in groups]


Needs = list[tuple[int, ...]]  # of each entry: the units that must lie on one side for it


def _units(
    entries: Sequence[Entry], parted: bool
) -> tuple[int, dict[tuple[int, ...], list[int]], Needs]:
    """How many units, the items of each set of units by stratum, and each entry's units."""
    names = _parted_units(entries) if parted else [(name,) for name in linked_groups(entries)]
    number = {name: at for at, name in enumerate(sorted({n for found in names for n in found}))}
    needs = [tuple(sorted(number[name] for name in found)) for found in names]
    strata = {key: at for at, key in enumerate(sorted({_stratum(entry) for entry in entries}))}
    items: dict[tuple[int, ...], list[int]] = defaultdict(lambda: [0] * len(strata))
    for entry, needed in zip(entries, needs, strict=True):
        items[needed][strata[_stratum(entry)]] += 1
    return len(number), dict(sorted(items.items())), needs


def _parted_units(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    """The units of each entry, where entries of one person link and those of more do not.

    Footage that only entries of several people show goes with a person whom all of them name.
    """
    roots = _Roots()
    shared: dict[str, set[str]] = {}
    told = {entry.source for entry in entries if len(set(entry.identities)) < 2}
    for entry in entries:
        first, *rest = _ties(entry)
        if len(set(entry.identities)) < 2:
            for other in rest:
                roots.join(first, other)
        elif entry.source and entry.source not in told:
            people = {f"identity:{name}" for name in entry.identities}
            shared[entry.source] = shared.get(entry.source, people) & people
    for source, people in shared.items():
        if people:
            roots.join(f"source:{source}", min(people))
    return [tuple(sorted({roots.of(tie) for tie in _ties(entry)})) for entry in entries]


def _stratum(entry: Entry) -> tuple[int, str]:
    return entry.label, entry.method


def _fixed(entries: Sequence[Entry], needs: Needs) -> dict[int, int]:
    """The side of each unit that given splits decide; nowhere, where they contradict."""
    given: dict[int, set[int]] = defaultdict(set)
    for entry, needed in zip(entries, needs, strict=True):
        for unit in needed:
            given[unit] |= {SPLITS.index(entry.split)} if entry.split else set()
    return {unit: min(s) if len(s) == 1 else NOWHERE for unit, s in given.items() if s}


def _report(
    entries: Sequence[Entry], shares: Sequence[float], groups: int, largest: int
) -> SplitReport:
    counts: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for entry in entries:
        counts[_stratum(entry)][entry.split] += 1
    strata = []
    for (label, method), found in sorted(counts.items()):
        placed = max(1, sum(found[split] for split in SPLITS))
        off = max(abs(found[s] / placed - aim) for s, aim in zip(SPLITS, shares, strict=True))
        strata.append(
            StratumSplit(
                label=LABELS[label],
                method=method,
                splits={split: found[split] for split in SPLITS},
                left_out=found[""],
                off=off,
            )
        )
    whole = {split: sum(one.splits[split] for one in strata) for split in SPLITS}
    left_out = sum(one.left_out for one in strata)
    return SplitReport(
        entries=len(entries),
        groups=groups,
        largest_group=largest,
        shares={split: whole[split] / max(1, len(entries) - left_out) for split in SPLITS},
        strata=tuple(strata),
        left_out=left_out,
        leaks=len(find_leaks(entries)),
    )


def _check_possible(
    entries: Sequence[Entry], shares: Sequence[float], report: SplitReport, config: SplitConfig
) -> None:
    """Check that every split that was asked for has what it needs.

    Raises:
        ConfigError: a split lacks a label, or is less than half of its share for the sake of one
            group that is larger than any share.
    """
    lacking = [
        f"{split} has no {LABELS[label]}"
        for split, aim in zip(SPLITS, shares, strict=True)
        for label in sorted({entry.label for entry in entries})
        if aim > 0 and not any(e.split == split and e.label == label for e in entries)
    ]
    asked = [(s, aim) for s, aim in zip(SPLITS, shares, strict=True) if aim > 0]
    giant = report.largest_group > max(shares) * len(entries)
    short = [f"{s} is {report.shares[s]:.1%} of it" for s, aim in asked if giant]
    starved = giant and any(report.shares[split] < aim / 2 for split, aim in asked)
    if not lacking and not starved:
        return
    crossing = any(len(set(entry.identities)) > 1 for entry in entries)
    way_out = (
        "'--drop-crossing' parts the people in it and leaves out the fakes between two sides"
        if crossing and not config.drop_crossing
        else "ask for fewer splits, as '--val 0', or for larger shares"
    )
    raise ConfigError(
        f"no such split without a leak: {', '.join(lacking or short)}; the largest of "
        f"{report.groups} groups that people and footage link has {report.largest_group} of "
        f"{len(entries)} entries; {way_out}"
    )
