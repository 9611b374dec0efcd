"""Numbers over scored files with their intervals: of all, and of each part of a data set.

The unit is the file (a video or a picture) with its pooled score; beside it stand single frames.
Intervals resample groups of files that share people or footage (`FileScore.group`), because ten
videos of one person are not ten independent tests. A file without a number enters none of them: it
is counted, and `auc_bounds` says how far the answers that are missing could have moved the AUC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from counterface.config import Record
from counterface.detect.detector import Calibration
from counterface.detect.evaluation.file_score import FIRM, OUTCOMES, FileScore
from counterface.detect.pool import calibrate
from counterface.learn.metrics import (
    Array,
    Index,
    auc,
    bootstrap_numbers,
    brier,
    calibration_error,
    decision_metrics,
    log_loss,
    score_metrics,
)

ROUNDS = 1000


class Estimate(Record):
    """A number with its 95 % interval over groups; both ends are null where there are too few."""

    value: float
    low: float | None = None
    high: float | None = None


class Numbers(Record):
    """What was measured on one set of files, or on their frames."""

    name: str
    real: int = Field(description="scored files (or frames) of each class")
    fake: int
    groups: int = Field(description="groups of scored files, which the intervals resample")
    not_scored: int = Field(0, description="files without a score, which enter none of the values")
    values: dict[str, Estimate] = Field(
        description="values by name; those that cannot be measured are absent"
    )


class Slice(Record):
    """A data set taken apart by one of its columns."""

    by: str
    reals: str = Field(description="real files that each part is measured against")
    parts: tuple[Numbers, ...]


class Outcome(Record):
    """How many files of each class got one verdict; the rows together are all files."""

    verdict: str
    real: int
    fake: int


class Abstentions(Record):
    """Files without a firm answer, by reason; no reason ever becomes a score of 0.5."""

    no_face: int
    failed: int
    no_number: int = Field(description="files with a face, none of which could be scored")
    out_of_range: int = Field(
        description="files scored outside the range that the detector was measured on"
    )
    inconclusive: int = Field(description="files scored in range whose interval clears no line")
    firm: int = Field(description="all other files: likely_manipulated or no_manipulation_found")


def measure_files(
    scores: Sequence[FileScore], threshold: float, name: str = "all", *, rounds: int = ROUNDS
) -> Numbers:
    """The numbers of files by their pooled scores.

    Args:
        scores: files; those without a number are counted only.
        threshold: probability from which a file counts as called fake; from the detector file.
        name: name of the part.
        rounds: resamples.
    """
    used = [score for score in scores if score.logit is not None]
    found = _measure(
        name,
        np.array([s.label for s in used]),
        np.array([s.logit for s in used], np.float64),
        np.array([s.probability for s in used], np.float64),
        [s.group for s in used],
        threshold,
        rounds,
    )
    return found.model_copy(update={"not_scored": len(scores) - len(used)})


def measure_frames(
    scores: Sequence[FileScore],
    threshold: float,
    calibration: Calibration | None,
    *,
    rounds: int = ROUNDS,
) -> Numbers | None:
    """The numbers of single frames; None where no file has any.

    Args:
        scores: files.
        threshold: as in `measure_files`.
        calibration: calibration of the detector file; None leaves out what needs probabilities.
        rounds: resamples.
    """
    used = [score for score in scores if score.frame_logits]
    if not used:
        return None
    counts = [len(s.frame_logits) for s in used]
    labels = np.repeat([s.label for s in used], counts)
    logits = np.concatenate([np.array(s.frame_logits, np.float64) for s in used])
    groups = np.repeat([s.group for s in used], counts).tolist()
    probabilities = None if calibration is None else calibrate(logits, calibration)
    return _measure("frames", labels, logits, probabilities, groups, threshold, rounds)


def measure_both(
    truth: NDArray[np.int64], logits: Array, probabilities: Array | None, threshold: float
) -> dict[str, float]:
    """All metrics of scores of both classes; {} where one is missing."""
    if not 0 < truth.sum() < truth.size:
        return {}
    numbers = score_metrics(truth, logits)  # which rank where probabilities are 0 or 1 and tie
    if probabilities is not None:
        numbers |= {
            "log_loss": log_loss(truth, probabilities),
            "ece": calibration_error(truth, probabilities),
            "brier": brier(truth, probabilities),
            **decision_metrics(truth, probabilities >= threshold),
        }
    return numbers


def estimate(
    measure: Callable[[Index], Mapping[str, float]],
    labels: NDArray[np.int64],
    groups: Sequence[str],
    rounds: int,
) -> dict[str, Estimate]:
    """Numbers with their intervals, which are left out where a class is of one group.

    One group resampled is itself: that is no interval, not a narrow one.

    Args:
        measure: see `bootstrap_numbers`.
        labels: (N,) 0 real, 1 fake.
        groups: (N,) groups of people and footage.
        rounds: resamples.
    """
    names = np.asarray(groups)
    fewest = min(len(set(names[labels == label])) for label in set(labels.tolist()))
    found = bootstrap_numbers(measure, groups, rounds=0 if fewest < 2 else rounds)
    return {
        name: Estimate(value=one.value, low=one.low, high=one.high)
        if np.isfinite(one.low)
        else Estimate(value=one.value)
        for name, one in found.items()
    }


def slice_files(
    scores: Sequence[FileScore], threshold: float, *, rounds: int = ROUNDS
) -> tuple[Slice, ...]:
    """The same files by method, generator, compression and group, and the reals by their kind.

    A fake method or generator is measured against all reals, which have none. A compression is
    measured against reals of the same compression: others would let compression itself decide.
    """
    reals = [s for s in scores if s.label == 0]
    fakes = [s for s in scores if s.label == 1]

    def parts(names: dict[str, list[FileScore]], rounds: int = rounds) -> tuple[Numbers, ...]:
        return tuple(
            measure_files(part, threshold, name, rounds=rounds)
            for name, part in sorted(names.items())
        )

    groups = _by(scores, lambda s: s.group)
    several = {name: part for name, part in groups.items() if len(part) > 1}
    everyone, own = "all of them", "those of the part"
    found = (
        ("method", everyone, parts(_by(fakes, lambda s: s.method, reals))),
        ("generator", everyone, parts(_by(fakes, lambda s: s.generator, reals))),
        ("compression", own, parts(_by(scores, lambda s: s.compression))),
        ("kind of real footage", own, parts(_by(reals, lambda s: s.method))),
        ("identity group", own, parts(several, 0)),  # one group has no interval over groups
    )
    return tuple(Slice(by=by, reals=kept, parts=part) for by, kept, part in found if part)


def count_outcomes(scores: Sequence[FileScore]) -> tuple[Outcome, ...]:
    """The verdict table."""
    return tuple(
        Outcome(
            verdict=verdict,
            real=sum(s.verdict == verdict and s.label == 0 for s in scores),
            fake=sum(s.verdict == verdict and s.label == 1 for s in scores),
        )
        for verdict in OUTCOMES
    )


def count_abstentions(scores: Sequence[FileScore]) -> Abstentions:
    """Why files have no firm answer, each file counted once."""

    def reason(score: FileScore) -> str:
        if score.verdict in ("no_face", "failed"):
            return score.verdict
        if score.logit is None:
            return "no_number"
        if score.verdict in FIRM:
            return "firm"
        return "out_of_range" if score.in_range is False else "inconclusive"

    reasons = [reason(score) for score in scores]
    return Abstentions(**{name: reasons.count(name) for name in Abstentions.model_fields})


def auc_bounds(scores: Sequence[FileScore]) -> tuple[float, float] | None:
    """The lowest and highest AUC of all files, whatever those without a number had scored.

    None where a class is missing.
    """
    labels = np.array([s.label for s in scores])
    if not 0 < labels.sum() < len(labels):
        return None
    known = [s.logit for s in scores if s.logit is not None]
    below, above = (min(known) - 1, max(known) + 1) if known else (-1.0, 1.0)
    worst = [s.logit if s.logit is not None else (below if s.label else above) for s in scores]
    best = [s.logit if s.logit is not None else (above if s.label else below) for s in scores]
    return auc(labels, worst), auc(labels, best)


def _by(
    scores: Sequence[FileScore],
    key: Callable[[FileScore], str],
    shared: Sequence[FileScore] = (),
) -> dict[str, list[FileScore]]:
    """Scores by a column, with the shared ones in each part; {} where nothing is known of it."""
    names = sorted({key(score) for score in scores})
    if names in ([], [""]):
        return {}
    return {
        name or "not known": [*shared, *(s for s in scores if key(s) == name)] for name in names
    }


def _measure(
    name: str,
    labels: NDArray[np.int64],
    logits: Array,
    probabilities: Array | None,
    groups: Sequence[str],
    threshold: float,
    rounds: int,
) -> Numbers:
    both = 0 < labels.sum() < len(labels)

    def measure(index: Index) -> Mapping[str, float]:
        p = None if probabilities is None else probabilities[index]
        if both:
            return measure_both(labels[index], logits[index], p, threshold)
        return {} if p is None else _measure_one_class(labels[index], p, threshold)

    return Numbers(
        name=name,
        real=int((labels == 0).sum()),
        fake=int((labels == 1).sum()),
        groups=len(set(groups)),
        values=estimate(measure, labels, groups, rounds) if len(labels) else {},
    )


def _measure_one_class(
    truth: NDArray[np.int64], probabilities: Array, threshold: float
) -> dict[str, float]:
    """What can be said of reals or fakes alone; the other class's numbers are left out."""
    right = float(((probabilities >= threshold) == (truth == 1)).mean())
    return {
        "recall" if truth[0] else "specificity": right,
        "accuracy": right,
        "log_loss": log_loss(truth, probabilities),
        "brier": brier(truth, probabilities),
    }
