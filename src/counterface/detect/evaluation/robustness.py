"""How a detector does when its files were compressed, blurred, shrunk and so on once more.

Frames are decoded, changed, and only then looked at as in a scan, so that faces which are no longer
found count as such. The file on disk stays as it is, and so do the facts that its bytes carry: a
limit on compression (`Range.max_compression`) is not tripped by what is done here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from counterface.config import Record
from counterface.datasets.manifest import Entry
from counterface.datasets.split import linked_groups
from counterface.detect.evaluate import (
    DetectorFacts,
    EvaluateConfig,
    Opened,
    open_manifest,
    score_opened,
)
from counterface.detect.evaluation.cautions import find_cautions
from counterface.detect.evaluation.degradation import KINDS, STRENGTHS, Degradation
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.evaluation.measure import (
    Abstentions,
    Estimate,
    Numbers,
    count_abstentions,
    estimate,
    measure_files,
)
from counterface.detect.findings import Notice
from counterface.errors import ConfigError
from counterface.learn.metrics import Array, Index, auc
from counterface.types import Progress
from counterface.wording import unknown_name


class RobustnessConfig(EvaluateConfig):
    """Which damage is done, and to which files."""

    kinds: tuple[str, ...] = Field(
        tuple(KINDS), description=f"kinds of damage: {', '.join(KINDS)}", min_length=1
    )
    frames: int = Field(
        8, ge=1, le=100_000, description="frames of each video, spread evenly over its duration"
    )
    limit: int = Field(
        0,
        ge=0,
        description="files of each class, drawn over as many people and as much footage as "
        "possible; 0 = all",
    )
    seed: int = Field(0, description="seed for the choice of files and for the noise")

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown:
            raise ValueError(unknown_name("degradation", unknown[0], KINDS))
        return kinds


class Level(Record):
    """One kind of damage at one strength."""

    kind: str
    strength: int = Field(description="strength of the damage: 0 = none, 1 = mild, to 5 = strong")
    value: float | None = Field(description="amount of damage in the unit of its kind")
    unit: str
    numbers: Numbers
    abstentions: Abstentions
    lost: int = Field(description="files that have a score undamaged, and none at this strength")


class Robustness(Record):
    """A detector on the same files, as they are and damaged."""

    detector: DetectorFacts | None = None
    opened: Opened | None = None
    config: RobustnessConfig
    clean: Level
    levels: tuple[Level, ...]
    mean_auc: dict[str, Estimate] = Field(
        description="mean AUC by kind over its strengths, 'all' over all kinds, with paired "
        "intervals"
    )
    drop: dict[str, Estimate] = Field(description="AUC of the undamaged files minus those means")
    cautions: tuple[Notice, ...] = ()


def measure_robustness(
    manifest: Path,
    detector: str,
    config: RobustnessConfig | None = None,
    *,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> Robustness:
    """A detector's numbers on a manifest's files under each kind of damage, at five strengths.

    Raises:
        ConfigError: no files of both classes, or the opening cannot be logged.
        DetectorError: the detector cannot be used.
    """
    config = config or RobustnessConfig()
    facts = DetectorFacts.load(detector)
    items, opened, odd = open_manifest(manifest, config, "robustness", [facts], now)
    items = draw_files(items, config.limit, config.seed)
    if len({item.label for item in items}) < 2:
        raise ConfigError(f"{manifest}: robustness is the AUC under damage; it needs both classes")
    plan: list[Degradation | None] = [None]
    plan += [Degradation(kind, s, config.seed) for kind in config.kinds for s in STRENGTHS]
    found = []
    for turn, change in enumerate(plan):
        told = _part_of(progress, turn, len(plan), change.name if change else "as they are")
        found.append(score_opened(items, facts, config, told, change))
    threshold = facts.info.thresholds.likely_manipulated
    result = summarise_levels(plan, found, threshold, config)
    cautions = (*odd, *find_cautions(found[0], result.clean.numbers))
    return result.model_copy(update={"detector": facts, "opened": opened, "cautions": cautions})


def draw_files(items: Sequence[Entry], limit: int, seed: int) -> list[Entry]:
    """At most `limit` files of each class, in order, from as many people and footage as there are.

    Args:
        items: to draw from.
        limit: number of each class; 0 takes all.
        seed: seed of the drawing.
    """
    if not limit:
        return list(items)
    groups = linked_groups(items)
    taken: set[int] = set()
    for label in (0, 1):
        mine = [i for i, item in enumerate(items) if item.label == label]
        mixed = [mine[i] for i in np.random.default_rng((seed, label)).permutation(len(mine))]
        turn: defaultdict[str, int] = defaultdict(int)
        ranked: list[tuple[int, int, int]] = []
        for index in mixed:
            ranked.append((turn[groups[index]], len(ranked), index))
            turn[groups[index]] += 1
        taken |= {index for _, _, index in sorted(ranked)[:limit]}
    return [item for i, item in enumerate(items) if i in taken]


def summarise_levels(
    plan: Sequence[Degradation | None],
    scores: Sequence[Sequence[FileScore]],
    threshold: float,
    config: RobustnessConfig,
) -> Robustness:
    """The curves and their means from scores of the same files.

    Args:
        plan: what was done, None for nothing; the first is None.
        scores: scores of each, the same files in the same order.
        threshold: threshold of the detector file.
        config: settings of the run.
    """
    levels = [
        Level(
            kind=change.kind if change else "as they are",
            strength=change.strength if change else 0,
            value=change.value if change else None,
            unit=KINDS[change.kind].unit if change else "",
            numbers=measure_files(part, threshold, rounds=config.rounds),
            abstentions=count_abstentions(part),
            lost=sum(
                a.logit is not None and b.logit is None
                for a, b in zip(scores[0], part, strict=True)
            ),
        )
        for change, part in zip(plan, scores, strict=True)
    ]
    means, drops = _mean_aucs(plan, scores, config.rounds)
    return Robustness(
        config=config, clean=levels[0], levels=tuple(levels[1:]), mean_auc=means, drop=drops
    )


def _mean_aucs(
    plan: Sequence[Degradation | None], scores: Sequence[Sequence[FileScore]], rounds: int
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Mean AUC by kind and over all, and how far below the files as they are."""
    labels = np.array([s.label for s in scores[0]])
    logits = np.array([[np.nan if s.logit is None else s.logit for s in part] for part in scores])
    rows: dict[str, list[int]] = {"all": []}
    for row, change in enumerate(plan):
        if change is not None:
            rows["all"].append(row)
            rows.setdefault(change.kind, []).append(row)

    def measure(index: Index) -> Mapping[str, float]:
        areas = np.array([_auc_or_nan(labels[index], values) for values in logits[:, index]])
        means = {name: float(areas[mine].mean()) for name, mine in rows.items() if mine}
        drops = {f"drop.{name}": float(areas[0]) - mean for name, mean in means.items()}
        return means | drops

    numbers = estimate(measure, labels, [s.group for s in scores[0]], rounds)
    drop = {n.removeprefix("drop."): x for n, x in numbers.items() if n.startswith("drop.")}
    return {name: numbers[name] for name in drop}, drop


def _auc_or_nan(labels: NDArray[np.int64], logits: Array) -> float:
    known = np.isfinite(logits)
    truth = labels[known]
    return auc(truth, logits[known]) if 0 < truth.sum() < truth.size else float("nan")


def _part_of(progress: Progress | None, turn: int, turns: int, name: str) -> Progress:
    """The progress of one of several passes over the same files, told as that of all."""

    def told(done: int, total: int | None, file: str) -> None:
        if progress:
            each = total or 0
            progress(turn * each + done, turns * each, f"{name}: {file}")

    return told
