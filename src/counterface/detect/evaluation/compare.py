"""Two detectors on the same files: is one better, or can the data not tell?

Both are measured on the files that both could score, and each resample draws the same groups for
both, so that what makes a file hard for both cancels out of the difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.detect.evaluate import (
    DetectorFacts,
    EvaluateConfig,
    Evaluation,
    Opened,
    open_manifest,
    score_opened,
)
from counterface.detect.evaluation.cautions import find_cautions
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.evaluation.measure import (
    ROUNDS,
    Estimate,
    estimate,
    measure_both,
    measure_files,
)
from counterface.detect.findings import Notice
from counterface.errors import ConfigError
from counterface.learn.metrics import Index
from counterface.types import Progress

LESS_IS_BETTER = ("eer", "log_loss", "ece", "brier")


class Difference(Record):
    """One number of both detectors, and the first's minus the second's with its paired interval."""

    name: str
    first: float
    second: float
    difference: Estimate
    better: str = Field(description="which one is better: 'first', 'second', or 'cannot tell'")


class Comparison(Record):
    """Two detectors on the files that both could score."""

    first: DetectorFacts | None = None
    second: DetectorFacts | None = None
    opened: Opened | None = None
    files: int
    real: int = Field(description="real files that both scored")
    fake: int
    groups: int
    only_first: int = Field(description="files that only the first could score, left out of both")
    only_second: int
    neither: int
    differences: tuple[Difference, ...]
    cautions: tuple[Notice, ...] = ()

    @property
    def names(self) -> tuple[str, str]:
        """The names of both detectors, told apart where they are the same."""
        if self.first is None or self.second is None:
            return "first", "second"
        both = (self.first, self.second)
        for one, two in ([d.name for d in both], [f"version {d.version}" for d in both]):
            if one != two:
                return one, two
        one, two = (f"{d.name} {d.sha256[:8]}" for d in both)
        return one, two

    @property
    def verdict(self) -> str:
        """The answer in one sentence, by AUC."""
        found = next((d for d in self.differences if d.name == "auc"), None)
        if found is None:
            return "The data cannot tell: both classes are needed, scored by both detectors."
        one, two = self.names
        gap = found.difference
        if gap.low is None or gap.high is None:
            return "The data cannot tell: a class comes from one group of people or footage."
        spread = f"{gap.value:+.3f} (95 % interval {gap.low:+.3f} to {gap.high:+.3f})"
        if found.better == "cannot tell":
            return (
                f"The data cannot tell which is better: the difference in AUC of {one} over {two} "
                f"is {spread}, and holds zero."
            )
        winner = one if found.better == "first" else two
        return f"{winner} is better on these files: AUC of {one} less that of {two} is {spread}."


def compare_scores(
    first: Sequence[FileScore],
    second: Sequence[FileScore],
    thresholds: tuple[float, float],
    *,
    rounds: int = ROUNDS,
) -> Comparison:
    """The paired comparison of two detectors' scores.

    Args:
        first: scores of the same files as `second`, in the same order.
        second: scores of the other detector.
        thresholds: each detector's own, of its file.
        rounds: resamples.

    Raises:
        ConfigError: the scores are of different files, or of none.
    """
    if not first or [(s.path, s.label) for s in first] != [(s.path, s.label) for s in second]:
        raise ConfigError(
            f"the two must be scores of the same files, got {len(first)} and {len(second)}"
        )
    pairs = list(zip(first, second, strict=True))
    scored = [(a.logit is not None, b.logit is not None) for a, b in pairs]
    used = [pair for pair, known in zip(pairs, scored, strict=True) if all(known)]
    return Comparison(
        files=len(pairs),
        real=sum(a.label == 0 for a, _ in used),
        fake=sum(a.label == 1 for a, _ in used),
        groups=len({a.group for a, _ in used}),
        only_first=scored.count((True, False)),
        only_second=scored.count((False, True)),
        neither=scored.count((False, False)),
        differences=_differences(used, thresholds, rounds),
    )


def compare_evaluations(
    first: Evaluation, second: Evaluation, *, rounds: int = ROUNDS
) -> Comparison:
    """The paired comparison of two evaluations of the same files.

    Raises:
        ConfigError: they are of different files.
    """
    lines = (first.threshold, second.threshold)
    found = compare_scores(first.files, second.files, lines, rounds=rounds)
    about = {"first": first.detector, "second": second.detector, "opened": first.opened}
    return found.model_copy(update=about)


def compare_detectors(
    manifest: Path,
    first: str,
    second: str,
    config: EvaluateConfig | None = None,
    *,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> Comparison:
    """The paired comparison of two detector files on a manifest.

    Raises:
        ConfigError, DetectorError: as `evaluate_manifest`.
    """
    config = config or EvaluateConfig()
    facts = [DetectorFacts.load(first), DetectorFacts.load(second)]
    items, opened, odd = open_manifest(manifest, config, "compare", facts, now)
    one, two = (score_opened(items, detector, config, progress) for detector in facts)
    a, b = (detector.info.thresholds.likely_manipulated for detector in facts)
    found = compare_scores(one, two, (a, b), rounds=config.rounds)
    seen = [
        notice
        for scores, line in ((one, a), (two, b))
        for notice in find_cautions(scores, measure_files(scores, line, rounds=config.rounds))
    ]
    cautions = tuple({notice.text: notice for notice in (*odd, *seen)}.values())
    about = {"first": facts[0], "second": facts[1], "opened": opened, "cautions": cautions}
    return found.model_copy(update=about)


def _differences(
    used: Sequence[tuple[FileScore, FileScore]], thresholds: tuple[float, float], rounds: int
) -> tuple[Difference, ...]:
    labels = np.array([a.label for a, _ in used])
    if not 0 < labels.sum() < len(labels):
        return ()
    logits = np.array([[a.logit, b.logit] for a, b in used], np.float64)
    chances = np.array([[a.probability, b.probability] for a, b in used], np.float64)
    groups = [a.group for a, _ in used]

    def measure(index: Index) -> Mapping[str, float]:
        both = [
            measure_both(labels[index], logits[index, i], chances[index, i], thresholds[i])
            for i in (0, 1)
        ]
        found = {f"{i}.{name}": value for i in (0, 1) for name, value in both[i].items()}
        return found | {name: both[0][name] - both[1][name] for name in both[0]}

    found = estimate(measure, labels, groups, rounds)
    return tuple(
        Difference(
            name=name,
            first=found[f"0.{name}"].value,
            second=found[f"1.{name}"].value,
            difference=gap,
            better=_better(name, gap),
        )
        for name, gap in found.items()
        if f"0.{name}" in found
    )


def _better(name: str, gap: Estimate) -> str:
    if gap.low is None or gap.high is None or gap.low <= 0 <= gap.high:
        return "cannot tell"
    return "first" if (gap.low > 0) is (name not in LESS_IS_BETTER) else "second"
