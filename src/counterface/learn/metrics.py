"""How well scores separate fakes from real ones: plain NumPy, so that evaluation runs light.

Convention: labels (N,) are 0 = real or 1 = fake; scores (N,) are any numbers that rise with the
belief in fake; probabilities (N,) are scores in [0, 1]. Fake is the positive class throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterface.errors import ShapeError

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Metric = Callable[[Array, Array], float]  # labels, scores
Numbers = Callable[[Index], Mapping[str, float]]  # items that were drawn -> numbers by name


@dataclass(frozen=True)
class Interval:
    """A number and what it might have been with other videos or people of the same kind."""

    value: float
    low: float
    high: float
    rounds: int  # resamples that could be measured; one without both classes cannot


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> tuple[Array, Array, Array]:
    """False-alarm rates, hit rates and thresholds, from (0, 0, inf) to (1, 1, lowest score).

    A score at or above a threshold counts as fake; equal scores move together.

    Raises:
        ShapeError: the shapes differ, a score is not finite, or a class is missing.
    """
    truth, values = _both_classes(labels, scores)
    order = np.argsort(-values, kind="stable")
    truth, values = truth[order], values[order]
    ends = np.append(np.flatnonzero(np.diff(values)), truth.size - 1)  # last of each equal run
    hits = np.cumsum(truth)[ends]
    alarms = ends + 1 - hits
    fpr = np.append(0.0, alarms / alarms[-1])
    tpr = np.append(0.0, hits / hits[-1])
    return fpr, tpr, np.append(np.inf, values[ends])


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """The chance that a fake scores above a real one, ties counted half; 0.5 is guessing."""
    fpr, tpr, _ = roc_curve(labels, scores)
    return _area(fpr, tpr)


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """The mean precision over the fakes found, by steps, without interpolation."""
    return score_metrics(labels, scores)["ap"]


def precision_recall_curve(labels: ArrayLike, scores: ArrayLike) -> tuple[Array, Array]:
    """The share of fakes found and the share of calls that were right, from recall 0 on.

    At recall 0 nothing is called; its precision is written as that of the first call.
    """
    truth, _ = _both_classes(labels, scores)
    fpr, tpr, _ = roc_curve(labels, scores)
    hits, alarms = tpr * truth.sum(), fpr * (truth.size - truth.sum())
    precision = hits[1:] / (hits[1:] + alarms[1:])
    return tpr, np.append(precision[0], precision)


def equal_error_rate(labels: ArrayLike, scores: ArrayLike) -> float:
    """The error rate where misses and false alarms are equally frequent, between points linear."""
    return score_metrics(labels, scores)["eer"]


def tpr_at_fpr(labels: ArrayLike, scores: ArrayLike, max_fpr: float) -> float:
    """The largest share of fakes found with at most `max_fpr` false alarms; not interpolated.

    With fewer than 1 / max_fpr real ones this allows no false alarm at all.
    """
    fpr, tpr, _ = roc_curve(labels, scores)
    return float(tpr[fpr <= max_fpr].max())


def _area(fpr: Array, tpr: Array) -> float:
    return float(np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2))


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The mean squared difference of probability and label; always saying 0.5 gives 0.25."""
    truth, p = _probabilities(labels, probabilities)
    return float(np.mean((p - truth) ** 2))


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The mean negative log likelihood, nats; probabilities are kept 1e-7 away from 0 and 1."""
    truth, p = _probabilities(labels, probabilities)
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return float(-np.mean(truth * np.log(p) + (1 - truth) * np.log1p(-p)))


def calibration_curve(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = 15
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Mean probability, share of fakes and count in equal-width bins of the probability.

    The first two are NaN in an empty bin.
    """
    truth, p = _probabilities(labels, probabilities)
    index = np.minimum((p * bins).astype(np.int64), bins - 1)
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        said = np.bincount(index, weights=p, minlength=bins) / count
        seen = np.bincount(index, weights=truth, minlength=bins) / count
    return said, seen, count


def calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = 15) -> float:
    """The expected calibration error (ECE): mean |said - seen| over bins, weighted by count."""
    said, seen, count = calibration_curve(labels, probabilities, bins)
    full = count > 0
    return float(np.sum(np.abs(said - seen)[full] * count[full]) / count.sum())


def decision_metrics(labels: ArrayLike, decisions: ArrayLike) -> dict[str, float]:
    """Accuracy, precision, recall, F1 and specificity of yes/no decisions.

    A ratio without cases (precision where nothing was called fake) is NaN, never 0 or 1.

    Args:
        labels: (N,) 0 or 1.
        decisions: (N,) bool or 0/1, true = called fake.
    """
    truth, called = _pair(labels, decisions)
    if not np.isin(called, (0, 1)).all():
        raise ShapeError("decisions must be 0 or 1; compare the scores with a threshold first")
    hits = float(np.sum(truth * called))
    alarms = float(np.sum((1 - truth) * called))
    misses = float(np.sum(truth * (1 - called)))
    passed = float(np.sum((1 - truth) * (1 - called)))
    return {
        "accuracy": _ratio(hits + passed, truth.size),
        "precision": _ratio(hits, hits + alarms),
        "recall": _ratio(hits, hits + misses),
        "f1": _ratio(2 * hits, 2 * hits + alarms + misses),
        "specificity": _ratio(passed, passed + alarms),
    }


def score_metrics(labels: ArrayLike, scores: ArrayLike) -> dict[str, float]:
    """AUC, AP, EER and the hit rates at 1 % and 5 % false alarms, by name."""
    truth, values = _both_classes(labels, scores)
    fpr, tpr, _ = roc_curve(truth, values)  # once: resampling comes here a thousand times
    hits, alarms = tpr[1:] * truth.sum(), fpr[1:] * (truth.size - truth.sum())
    gap = fpr - (1.0 - tpr)  # rises from -1 to 1
    after = int(np.argmax(gap >= 0))
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return {
        "auc": _area(fpr, tpr),
        "ap": float(np.sum(np.diff(tpr) * hits / (hits + alarms))),
        "eer": float(fpr[after - 1] + share * (fpr[after] - fpr[after - 1])),
        "tpr_at_1_fpr": float(tpr[fpr <= 0.01].max()),
        "tpr_at_5_fpr": float(tpr[fpr <= 0.05].max()),
    }


def probability_metrics(
    labels: ArrayLike, probabilities: ArrayLike, threshold: float = 0.5
) -> dict[str, float]:
    """All metrics of calibrated probabilities by name; at or above the threshold = called fake."""
    called = np.asarray(probabilities) >= threshold
    return {
        **score_metrics(labels, probabilities),
        "log_loss": log_loss(labels, probabilities),
        "ece": calibration_error(labels, probabilities),
        "brier": brier(labels, probabilities),
        **decision_metrics(labels, called),
    }


def bootstrap(
    metric: Metric,
    labels: ArrayLike,
    scores: ArrayLike,
    groups: Sequence[Any] | None = None,
    *,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The metric with a percentile interval, from resampling whole groups with replacement.

    Frames of one video, or videos of one person, are not independent: resampled one by one they
    would make the interval far too narrow.

    Args:
        labels: (N,) 0 or 1.
        scores: (N,).
        groups: (N,) video or person of each; None takes each item as its own.
        rounds: resamples; one without both classes is left out, and the count says so.
        level: share of the resamples inside the interval.

    Raises:
        ShapeError: the shapes differ, or no resample could be measured.
    """
    truth, values = _pair(labels, scores)
    names = np.arange(truth.size) if groups is None else np.asarray(groups)
    if names.shape != truth.shape:
        raise ShapeError(f"groups have shape {names.shape}, labels {truth.shape}")

    def measure(index: Index) -> dict[str, float]:
        both = 0 < truth[index].sum() < index.size
        return {"metric": metric(truth[index], values[index])} if both else {}

    found = bootstrap_numbers(measure, names, rounds=rounds, level=level, seed=seed).get("metric")
    if found is None or not found.rounds:
        count = len(np.unique(names))
        raise ShapeError(f"none of {rounds} resamples of {count} groups held both classes")
    return found


def bootstrap_numbers(
    measure: Numbers,
    groups: Sequence[Any] | NDArray[Any],
    *,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Many numbers with their intervals from the same resamples of whole groups.

    Args:
        measure: from the items that were drawn, (M,) indices with repeats, to numbers by name; it
            leaves out, or gives NaN for, what cannot be measured on them.
        groups: (N,) video or person of each item.
        rounds: resamples; `Interval.rounds` says how many of them could be measured.
        level: share of the resamples inside the interval.
        seed: seed of the resampling; the same seed draws the same groups, so differences pair up.

    Returns:
        What could be measured on all items. Where no resample could be measured, low and high
        are NaN.
    """
    names = np.asarray(groups)
    whole = {k: v for k, v in measure(np.arange(names.size)).items() if np.isfinite(v)}
    drawn: dict[str, list[float]] = {name: [] for name in whole}
    for index in resample_groups(names, rounds, seed):
        for name, value in measure(index).items():
            if name in drawn and np.isfinite(value):
                drawn[name].append(value)
    edges = [(1 - level) / 2, (1 + level) / 2]
    found = {}
    for name, values in drawn.items():
        low, high = np.quantile(values, edges) if values else (np.nan, np.nan)
        found[name] = Interval(float(whole[name]), float(low), float(high), len(values))
    return found


def roc_band(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: Sequence[Any] | None = None,
    *,
    points: int = 101,
    rounds: int = 300,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Array, Array, Array]:
    """False-alarm rates (points,), and the lowest and highest hit rates at each by resampling."""
    truth, values = _both_classes(labels, scores)
    names = np.arange(truth.size) if groups is None else np.asarray(groups)
    grid = np.linspace(0.0, 1.0, points)
    rows = []
    for index in resample_groups(names, rounds, seed):
        if 0 < truth[index].sum() < index.size:
            fpr, tpr, _ = roc_curve(truth[index], values[index])
            rows.append(tpr[np.searchsorted(fpr, grid, side="right") - 1])
    if not rows:
        return grid, np.zeros(points), np.ones(points)
    low, high = np.quantile(rows, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return grid, low, high


def resample_groups(groups: NDArray[Any], rounds: int, seed: int) -> Iterator[Index]:
    """The items (M,) of as many groups as there are, drawn with replacement, `rounds` times."""
    _, member = np.unique(groups, return_inverse=True)
    members = np.split(np.argsort(member, kind="stable"), np.cumsum(np.bincount(member))[:-1])
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        chosen = rng.integers(len(members), size=len(members))
        yield np.concatenate([members[i] for i in chosen])


def _pair(labels: ArrayLike, scores: ArrayLike) -> tuple[Array, Array]:
    truth, values = np.asarray(labels, np.float64), np.asarray(scores, np.float64)
    if truth.ndim != 1 or truth.shape != values.shape or not truth.size:
        raise ShapeError(
            f"labels {truth.shape} and scores {values.shape} must be of one shape (N,), N > 0"
        )
    if not np.isin(truth, (0, 1)).all():
        raise ShapeError(f"labels must be 0 or 1; found {np.unique(truth)[:5]}")
    if not np.isfinite(values).all():
        raise ShapeError(f"{int((~np.isfinite(values)).sum())} of {values.size} are not finite")
    return truth, values


def _both_classes(labels: ArrayLike, scores: ArrayLike) -> tuple[Array, Array]:
    truth, values = _pair(labels, scores)
    fakes = int(truth.sum())
    if fakes in (0, truth.size):
        raise ShapeError(f"both classes are needed; found {truth.size - fakes} real, {fakes} fake")
    return truth, values


def _probabilities(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Array, Array]:
    truth, p = _pair(labels, probabilities)
    if p.min() < 0 or p.max() > 1:
        raise ShapeError(f"probabilities lie in [0, 1]; found {p.min():.3g} to {p.max():.3g}")
    return truth, p


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
