"""Numbers over methods: how fakes stand to genuine files of like quality and to their own twins.

The unit is the method: each has one weight, whether it made 3 files or 300. A fake's place among
the genuine files of like quality is a share in [0, 1]; the mean over a method's fakes is its AUC
against them. A *twin* is the genuine file of the same footage: there the content cancels out, but
not what re-drawing does to sharpness, so that twins made equally sharp stand beside them.

All functions are pure. Intervals are two-level bootstraps: methods are drawn, then their files;
the genuine files stay as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from counterface.config import Record
from counterface.datasets.manifest import Entry
from counterface.detect.evaluation.measure import Estimate

Array = NDArray[np.float64]
Pair = tuple[int, int]  # a fake and its genuine twin, by their places in a list of files
LIKE = 1.5  # times larger or smaller may a face be in a file of like quality
LEAST = 10  # genuine files that a fake is held against; nearest in size where fewer are alike
ENOUGH = 5  # fakes of a method, before it has an AUC of its own
ROUNDS = 2000
ALARMS = 0.05  # share of genuine files above the line that a find is counted from


@dataclass(frozen=True)
class JudgedFile:
    """A labelled file, and what of its quality is compared."""

    entry: Entry
    face_px: float  # between the eyes, in pixels of the file
    still: bool  # a picture, no clip


class FakeResult(Record):
    """One fake among genuine files; what could not be measured is null."""

    path: str
    method: str
    family: str
    above: float | None = Field(
        description="share of the genuine files of like quality that score lower"
    )
    found: float | None = Field(
        description="1 if it scores above 95 % of them, else 0; a mean over the fits"
    )
    twins: float | None = Field(None, description="share of its genuine twins that score lower")
    equal: float | None = Field(None, description="the same with the twins made equally sharp")


class MethodRow(Record):
    """One method."""

    name: str
    family: str
    fakes: int
    scored: int
    auc: float | None = Field(
        description="AUC of the method; null with fewer than five scored fakes"
    )
    found: float = Field(
        description="number of fakes that score above 95 % of the genuine files of like quality"
    )
    twins: float | None = Field(
        description="mean share of genuine twins that score lower than a fake"
    )
    equal: float | None = Field(description="the same with the twins made equally sharp")
    with_twins: int = Field(description="number of fakes that have twins")


class Summary(Record):
    """All methods, or those of a family; each method has one weight."""

    name: str
    methods: int
    fakes: int
    auc: Estimate | None
    twins: Estimate | None
    equal: Estimate | None
    twin_methods: int = Field(description="number of methods with twins")
    ranked: int = Field(description="number of methods with five scored fakes or more")
    worst_quarter: float | None = Field(description="mean AUC of the worst quarter of those")
    below_chance: int = Field(description="number of those with an AUC under 0.5")


class AlarmRow(Record):
    """Genuine files of one origin."""

    origin: str
    files: int
    called: float | None = Field(
        description="share of files called fake at the detector's own line"
    )
    beyond: float | None = Field(
        description="share of files above the line that 5 % of the other origins' files pass"
    )


def like_genuine(files: Sequence[JudgedFile], fake: int, reals: Sequence[int]) -> NDArray[np.intp]:
    """The genuine files that a fake is held against.

    Pictures against pictures, clips against clips, with faces at most 1.5 times larger or smaller;
    where that leaves fewer than ten, the ten of the kind with the nearest size of face; where there
    are not ten of the kind, all of them; where there is none, all genuine files.
    """
    mine = files[fake]
    kind = [r for r in reals if files[r].still == mine.still] or list(reals)
    away = np.array([abs(np.log(max(files[r].face_px, 1) / max(mine.face_px, 1))) for r in kind])
    order = np.argsort(away, kind="stable")
    count = max(int((away <= np.log(LIKE) + 1e-9).sum()), min(LEAST, len(kind)))
    return np.array(kind, np.intp)[order[:count]]


def find_twins(entries: Sequence[Entry]) -> list[Pair]:
    """Each fake with each genuine file of its footage, of the same person where that is known."""
    reals: dict[str, list[int]] = defaultdict(list)
    for index, entry in enumerate(entries):
        if not entry.label and entry.source:
            reals[entry.source].append(index)
    pairs = []
    for index, entry in enumerate(entries):
        twins = reals.get(entry.source, []) if entry.label else []
        same = [t for t in twins if set(entries[t].identities) & set(entry.identities)]
        pairs += [(index, twin) for twin in same or twins]
    return pairs


def place_fakes(
    files: Sequence[JudgedFile],
    scores: Array,
    equal: Mapping[Pair, tuple[float, float]] | None = None,
    *,
    fakes: Iterable[int] | None = None,
    reals: Iterable[int] | None = None,
) -> list[FakeResult]:
    """Where each fake stands.

    Args:
        files: labelled files.
        scores: (N,) the higher the more fake; NaN where there is none.
        equal: scores of twins made equally sharp: of the fake, of the genuine file.
        fakes: those that are placed; all where None.
        reals: genuine files that they are held against; all where None.
    """
    entries = [file.entry for file in files]
    chosen = range(len(files)) if fakes is None else fakes
    pool = range(len(files)) if reals is None else reals
    known = [i for i in pool if not entries[i].label and np.isfinite(scores[i])]
    twins: dict[int, list[int]] = defaultdict(list)
    for fake, twin in find_twins(entries):
        twins[fake].append(twin)
    found = []
    for i in chosen:
        if not entries[i].label:
            continue
        above = beyond = None
        if known and np.isfinite(scores[i]):
            others = scores[like_genuine(files, i, known)]
            above = _share_below(scores[i], others)
            beyond = float(scores[i] > np.quantile(others, 1 - ALARMS))
        plain = [(scores[i], scores[t]) for t in twins[i]]
        sharp = [equal[i, t] for t in twins[i] if (i, t) in equal] if equal else []
        found.append(
            FakeResult(
                path=str(entries[i].path),
                method=entries[i].generator or entries[i].method or "not known",
                family=entries[i].method or "not known",
                above=above,
                found=beyond,
                twins=_wins(plain),
                equal=_wins(sharp),
            )
        )
    return found


def merge_folds(folds: Sequence[Sequence[FakeResult]]) -> list[FakeResult]:
    """The means over several fits that judged the same fakes against other genuine files."""
    merged = []
    for parts in zip(*folds, strict=True):
        means = {
            name: _mean([getattr(part, name) for part in parts])
            for name in ("above", "found", "twins", "equal")
        }
        merged.append(parts[0].model_copy(update=means))
    return merged


def tabulate(results: Iterable[FakeResult]) -> tuple[MethodRow, ...]:
    """A row a method, by family and name."""
    rows = []
    for (family, name), part in sorted(_by_method(results).items()):
        scored = [r for r in part if r.above is not None]
        paired = [r for r in part if r.twins is not None]
        rows.append(
            MethodRow(
                name=name,
                family=family,
                fakes=len(part),
                scored=len(scored),
                auc=_mean([r.above for r in scored]) if len(scored) >= ENOUGH else None,
                found=float(sum(r.found or 0 for r in scored)),
                twins=_mean([r.twins for r in paired]),
                equal=_mean([r.equal for r in part]),
                with_twins=len(paired),
            )
        )
    return tuple(rows)


def summarise(results: Sequence[FakeResult], *, rounds: int = ROUNDS) -> tuple[Summary, ...]:
    """A summary of all methods, then one of each family that has any."""
    families = sorted({r.family for r in results})
    groups = [("all", list(results))]
    groups += [(name, [r for r in results if r.family == name]) for name in families]
    return tuple(_summary(name, part, rounds) for name, part in groups)


def count_alarms(
    files: Sequence[JudgedFile], scores: Array, line: float | None = None
) -> tuple[AlarmRow, ...]:
    """Genuine files that would be called fake, by origin.

    Each origin is held against a line that is set without it: the one which 5 % of the other
    origins' genuine files pass, each origin with the same weight.

    Args:
        files: labelled files.
        scores: (N,) of each; NaN where there is none.
        line: line of the detector file, in units of the scores; None where it has none.
    """
    by_origin: dict[str, list[float]] = defaultdict(list)
    for file, score in zip(files, scores, strict=True):
        if not file.entry.label and np.isfinite(score):
            by_origin[file.entry.origin or "not known"].append(float(score))
    rows = []
    for origin, own in sorted(by_origin.items()):
        others = [part for name, part in by_origin.items() if name != origin]
        outer = _line_of(others) if others else None
        rows.append(
            AlarmRow(
                origin=origin,
                files=len(own),
                called=None if line is None else float(np.mean(np.array(own) >= line)),
                beyond=None if outer is None else float(np.mean(np.array(own) > outer)),
            )
        )
    return tuple(rows)


def compare_results(
    first: Sequence[FakeResult], second: Sequence[FakeResult], *, rounds: int = ROUNDS
) -> dict[str, Estimate]:
    """How much higher the first stands by AUC, twins and equally sharp twins; paired by fake."""
    other = {r.path: r for r in second}
    found = {}
    for name, field in (("auc", "above"), ("twins", "twins"), ("equal", "equal")):
        gaps: dict[tuple[str, str], list[float]] = defaultdict(list)
        for result in first:
            mine = getattr(result, field)
            theirs = getattr(other[result.path], field) if result.path in other else None
            if mine is not None and theirs is not None:
                gaps[result.family, result.method].append(mine - theirs)
        number = two_level_mean(list(gaps.values()), rounds=rounds)
        if number is not None:
            found[name] = number
    return found


def two_level_mean(
    methods: Sequence[Sequence[float]], *, rounds: int = ROUNDS, seed: int = 0
) -> Estimate | None:
    """The mean over methods of their items' means, with its 95 % interval; None without any.

    Methods are drawn with replacement, then each one's items. One method alone has no interval.
    """
    values = [np.array(part, np.float64) for part in methods if len(part)]
    if not values:
        return None
    mean = float(np.mean([part.mean() for part in values]))
    if len(values) < 2:
        return Estimate(value=mean)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(values), size=(rounds, len(values)))
    drawn = np.zeros(chosen.shape)
    for number, part in enumerate(values):
        here = chosen == number
        items = rng.integers(len(part), size=(int(here.sum()), len(part)))
        drawn[here] = part[items].mean(axis=1)
    low, high = np.quantile(drawn.mean(axis=1), [0.025, 0.975])
    return Estimate(value=mean, low=float(low), high=float(high))


def _summary(name: str, part: Sequence[FakeResult], rounds: int) -> Summary:
    def number(field: str) -> Estimate | None:
        values = [
            [v for r in method if (v := getattr(r, field)) is not None]
            for method in _by_method(part).values()
        ]
        return two_level_mean(values, rounds=rounds)

    rows = tabulate(part)
    ranked = sorted(row.auc for row in rows if row.auc is not None)
    quarter = ranked[: -(-len(ranked) // 4)]
    return Summary(
        name=name,
        methods=len(rows),
        fakes=len(part),
        auc=number("above"),
        twins=number("twins"),
        equal=number("equal"),
        twin_methods=sum(row.with_twins > 0 for row in rows),
        ranked=len(ranked),
        worst_quarter=float(np.mean(quarter)) if quarter else None,
        below_chance=sum(auc < 0.5 for auc in ranked),
    )


def _by_method(results: Iterable[FakeResult]) -> dict[tuple[str, str], list[FakeResult]]:
    found: dict[tuple[str, str], list[FakeResult]] = defaultdict(list)
    for result in results:
        found[result.family, result.method].append(result)
    return found


def _share_below(score: float, others: Array) -> float:
    """The share of the others that lies below, with ties as halves."""
    return float((others < score).mean() + (others == score).mean() / 2)


def _wins(pairs: Sequence[tuple[float, float]]) -> float | None:
    known = [(a > b) + (a == b) / 2 for a, b in pairs if np.isfinite(a) and np.isfinite(b)]
    return float(np.mean(known)) if known else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _line_of(parts: Sequence[Sequence[float]]) -> float:
    """The score that 5 % of all parts together lie above, each part with the same weight."""
    values = np.concatenate([np.array(part) for part in parts])
    weights = np.concatenate([np.full(len(part), 1 / len(part)) for part in parts])
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    at = min(int(np.searchsorted(reached, 1 - ALARMS - 1e-9)), len(order) - 1)
    return float(values[order[at]])
