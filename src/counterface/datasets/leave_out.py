"""What may be learnt from when a method, a family or an origin is to be judged as never met.

A method is left out together with whoever and whatever its files show and with the collection that
published it: a detector that knew the actor, the clip or the repository's codec would be judged on
that. People and footage of one hop are enough here (`linked_groups` follows all): a third file that
shares nothing with the judged ones may stay.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from counterface.datasets.manifest import Entry, of_split
from counterface.datasets.split import fold_groups, linked_groups
from counterface.errors import ConfigError

PLENTY = 12  # files of a maker or origin, of which some may be held back from what is learnt
LARGE = 60  # files of an origin that count where folds are made equal; judging looks at few more
LeaveOut = Literal["method", "family", "origin"]


@dataclass(frozen=True)
class Unit:
    """What is left out: one method, family of methods, or origin."""

    by: LeaveOut
    name: str


def unit_of(entry: Entry, by: LeaveOut) -> str:
    """The entry's method, family or origin; "" for a genuine file unless origins are asked for.

    The method is the column `generator`; where that is empty, the family (`method`) stands for it.
    """
    if by == "origin":
        return entry.origin
    if not entry.label:
        return ""
    return entry.method if by == "family" else entry.generator or entry.method


def list_units(entries: Iterable[Entry], by: LeaveOut) -> list[Unit]:
    """All units of the entries, by name.

    Raises:
        ConfigError: no file says what its method, family or origin is.
    """
    names = {unit_of(entry, by) for entry in entries} - {""}
    if not names:
        columns = {"method": "generator (or method)", "family": "method", "origin": "origin"}
        raise ConfigError(f"no file has the column {columns[by]}; fill it in to leave a {by} out")
    return [Unit(by, name) for name in sorted(names)]


def judged_part(entries: Iterable[Entry], unit: Unit) -> list[Entry]:
    """The unit's own files, and genuine files of the footage that they show (their twins)."""
    entries = list(entries)
    own = [entry for entry in entries if unit_of(entry, unit.by) == unit.name]
    footage = {entry.source for entry in own} - {""}
    paths = {entry.path for entry in own}
    return [
        entry
        for entry in entries
        if entry.path in paths or (not entry.label and entry.source in footage)
    ]


def training_part(entries: Iterable[Entry], unit: Unit) -> list[Entry]:
    """The entries that share neither the unit nor a person, footage or origin with its files."""
    entries = list(entries)
    return _apart(entries, judged_part(entries, unit))


def leave_out_folds(
    entries: Sequence[Entry], folds: int
) -> list[tuple[tuple[str, ...], list[Entry]]]:
    """Groups of methods, each with what may be learnt from when its methods are judged.

    The methods of a family are dealt over the groups, so that none is judged by what knew no method
    of its family. Of a family's methods those that share people, footage or an origin go to one
    group as far as that keeps groups about equally large: what they share is then left out once.

    Args:
        entries: all of them.
        folds: how many groups.

    Raises:
        ConfigError: fewer methods than folds.
    """
    units = list_units(entries, "method")
    if not 1 < folds <= len(units):
        raise ConfigError(f"{len(units)} methods make 2 to {len(units)} folds, not {folds}")
    own = {unit: [e for e in entries if unit_of(e, "method") == unit.name] for unit in units}
    families: dict[str, list[Unit]] = defaultdict(list)
    for unit in sorted(units, key=lambda u: (-len(own[u]), u.name)):
        families[own[unit][0].method].append(unit)
    groups: list[list[Unit]] = [[] for _ in range(folds)]
    ties: list[set[str]] = [set() for _ in range(folds)]
    for _, members in sorted(families.items()):
        counts = [0] * folds
        for unit in members:
            mine = set().union(*(_ties(entry) for entry in own[unit]))
            free = [i for i in range(folds) if counts[i] < -(-len(members) // folds)]
            best = min(free, key=lambda i: (-len(mine & ties[i]), counts[i], len(groups[i]), i))
            groups[best].append(unit)
            counts[best] += 1
            ties[best] |= mine
    _fill_empty(groups)
    found = []
    for group in groups:
        judged = [entry for unit in group for entry in judged_part(entries, unit)]
        names = tuple(sorted(unit.name for unit in group))
        found.append((names, _apart(entries, judged)))
    return found


def fold_splits(entries: Sequence[Entry], folds: int) -> list[list[Entry]]:
    """The entries with splits for each group of methods: `val` judges it, `train` is learnt from.

    The fakes of every method are judged in one fold, and each genuine file in one fold or more: in
    that of a method whose people, footage or origin it shares, else in one that it is dealt to. It
    is dealt with all of its origin where there are enough origins, so that it is judged as a source
    that was never met; else with all who share its people and footage.

    Of what is left, the files of makers and origins of a dozen files and more are dealt over the
    folds once more, with all who share their people or footage: a fold also judges its part of
    them, unless it would lose all fakes or all genuine files by it. They are new files of makers
    and origins that it knows, and `met_paths` names them.

    Args:
        entries: those of the split `train` are never judged, and learnt from in every fold in which
            they share no person and no footage with what is judged, nor an origin that is left out
            whole; those of `test` are in none.
        folds: how many groups; see `leave_out_folds`.

    Raises:
        ConfigError: fewer methods than folds.
    """
    given = [entry for entry in entries if entry.split == "train"]
    rest = [entry for entry in entries if entry.split not in ("train", "test")]
    parts = leave_out_folds(rest, folds)
    judged = [_judged_beside(rest, methods, learnt) for methods, learnt in parts]
    judged_paths = {entry.path for part in judged for entry in part}
    free = [e for e in rest if not e.label and e.path not in judged_paths]
    dealt, by_origin = _deal(free, judged)
    found = []
    for number, ((_, learnt), beside, mine) in enumerate(zip(parts, judged, dealt, strict=True)):
        shut = {entry.origin for entry in mine} - {""} if by_origin else set()
        free = [e for e in shares_nothing(learnt, [*beside, *mine]) if e.origin not in shut]
        held = _hold_back(free, number, folds)
        out = [*beside, *mine, *held]
        gone = {entry.origin for entry in out} - {entry.origin for entry in free} - {""}
        kept = [e for e in shares_nothing([*free, *given], out) if e.origin not in gone]
        splits = {entry.path: "train" for entry in kept}
        splits |= {e.path: "val" for e in out if not e.label or unit_of(e, "method")}
        found.append([replace(e, split=splits[e.path]) for e in entries if e.path in splits])
    return found


def _hold_back(free: Sequence[Entry], number: int, folds: int) -> list[Entry]:
    """A fold's part of files that share nothing with what it judges, of makers of many files."""
    sizes = Counter(_home(entry) for entry in free)
    groups = linked_groups(free)
    members: dict[str, list[Entry]] = defaultdict(list)
    for entry, group in zip(free, groups, strict=True):
        members[group].append(entry)
    plenty = {
        group
        for group, own in members.items()
        if all(sizes[_home(e)] >= PLENTY for e in [e for e in own if e.label] or own)
    }
    many = [(e, group) for e, group in zip(free, groups, strict=True) if group in plenty]
    names = [group for _, group in many]
    if len(set(names)) < folds:
        return []
    homes = fold_groups(names, folds)
    held = [entry for (entry, _), home in zip(many, homes, strict=True) if home == number]
    out = {entry.path for entry in held}
    kept = {entry.label for entry in free if entry.path not in out}
    return held if kept == {entry.label for entry in free} else []


def met_paths(entries: Iterable[Entry], fakes: Iterable[Entry] = ()) -> set[Path]:
    """The files of the split `val` whose maker (of genuine ones, whose origin) is learnt from.

    Args:
        entries: with their splits.
        fakes: fakes of further makers that are learnt from; genuine files among them say nothing.
    """
    entries = list(entries)
    further = [entry for entry in fakes if entry.label]
    learnt = {_home(e) for e in [*of_split(entries, "train"), *further]} - {(0, ""), (1, "")}
    return {entry.path for entry in of_split(entries, "val") if _home(entry) in learnt}


def _home(entry: Entry) -> tuple[int, str]:
    return entry.label, unit_of(entry, "method" if entry.label else "origin")


def _judged_beside(
    entries: Sequence[Entry], methods: Sequence[str], learnt: Sequence[Entry]
) -> list[Entry]:
    """The fakes of a group of methods, and the genuine files that share something with them."""
    kept = {entry.path for entry in learnt}
    return [
        entry
        for entry in entries
        if (unit_of(entry, "method") in methods if entry.label else entry.path not in kept)
    ]


def _deal(
    free: Sequence[Entry], beside: Sequence[Sequence[Entry]]
) -> tuple[list[list[Entry]], bool]:
    """Genuine files over the folds, and whether by whole origins.

    Origins go one by one, the largest first, to the fold that judges the fewest files, of which an
    origin has no more than `LARGE`. Else files that share people or footage go together.
    """
    folds, groups = len(beside), linked_groups(free)
    origins = [entry.origin or group for entry, group in zip(free, groups, strict=True)]
    sizes = Counter(origins)
    if by_origin := len(sizes) >= folds:
        filled = [_amount(entry.origin for entry in part if not entry.label) for part in beside]
        home_of = {}
        for origin in sorted(sizes, key=lambda name: (-sizes[name], name)):
            home_of[origin] = filled.index(min(filled))
            filled[home_of[origin]] += min(sizes[origin], LARGE)
        homes = [home_of[name] for name in origins]
    else:
        homes = fold_groups(groups, min(folds, len(set(groups)))) if free else []
    dealt = [[e for e, home in zip(free, homes, strict=True) if home == n] for n in range(folds)]
    return dealt, by_origin


def _amount(origins: Iterable[str]) -> int:
    return sum(min(count, LARGE) for count in Counter(origins).values())


def draw_evenly(entries: Sequence[Entry], limit: int) -> list[Entry]:
    """At most `limit` files of each maker in each origin, spread evenly over the list."""
    parts: dict[tuple[int, str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        parts[entry.label, entry.generator or entry.method, entry.origin].append(entry)
    return [e for part in parts.values() for e in part[:: max(1, -(-len(part) // limit))]]


def _fill_empty(groups: list[list[Unit]]) -> None:
    """Give each empty group the last method of the largest group."""
    for group in groups:
        if not group:
            group.append(max(groups, key=len).pop())


def shares_nothing(entries: Iterable[Entry], shut: Iterable[Entry]) -> list[Entry]:
    """The entries of which no person and no footage is in the shut ones, nor they themselves."""
    shut = list(shut)
    people = {name for entry in shut for name in entry.identities}
    footage = {entry.source for entry in shut} - {""}
    paths = {entry.path for entry in shut}
    return [
        entry
        for entry in entries
        if entry.path not in paths
        and entry.source not in footage
        and not people & set(entry.identities)
    ]


def _apart(entries: Sequence[Entry], judged: Sequence[Entry]) -> list[Entry]:
    """The entries that share nothing with the judged ones, methods and origins among it."""
    ties = set().union(*(_ties(entry) for entry in judged)) if judged else set()
    paths = {entry.path for entry in judged}
    return [e for e in entries if e.path not in paths and not ties & _ties(e)]


def _ties(entry: Entry) -> set[str]:
    """Everything that may not be on both sides, including the method of a fake."""
    maker = unit_of(entry, "method")
    named = {"method": maker, "source": entry.source, "origin": entry.origin}
    people = {f"identity:{name}" for name in entry.identities}
    return people | {f"{kind}:{name}" for kind, name in named.items() if name}
