"""From the logits of single crops to one calibrated probability with an interval, and a verdict.

The pooled score is the mean of the logits, calibrated. Its interval is Student's t on that mean:
`mean +- t(level, n - 1) * s / sqrt(n_eff)`, calibrated at both ends. Frames of one clip resemble
their neighbours, so n_eff = n (1 - r) / (1 + r) with r the lag-1 correlation of the logits in time.
The interval says how far the score would move had other frames been picked. It does not say how
often the detector is wrong about such material: the thresholds, set on held-back clips, carry that.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterface.detect.detector import Calibration, Thresholds
from counterface.detect.findings import Score
from counterface.errors import ShapeError
from counterface.types import Verdict

LEVEL = 0.9  # two-sided, so each end is passed with a chance of 5 %
MIN_FOR_CORRELATION = 8  # logits; fewer give no usable lag-1 correlation
SPREAD_FLOOR = 1e-6  # logits; keeps the interval open when all frames agree exactly

SpreadOver = Literal["frames", "views"]


def calibrate(logit: ArrayLike, calibration: Calibration) -> NDArray[np.float64]:
    """The calibrated probability of manipulation of raw logits, same shape, in [0, 1]."""
    z = calibration.scale * np.asarray(logit, dtype=np.float64) + calibration.offset
    return np.asarray(0.5 * (1 + np.tanh(z / 2)))  # no overflow at either end


def show_percent(probability: float) -> str:
    """A probability in words that never claim 0% or 100%."""
    if probability < 0.01:
        return "under 1%"
    return "over 99%" if probability > 0.99 else f"{probability:.0%}"


def show_interval(low: float, high: float) -> str:
    """Both ends of an interval of probabilities, once where they read the same."""
    first, last = show_percent(low), show_percent(high)
    return first if first == last else f"{first} to {last}"


def t_quantile(level: float, freedom: int) -> float:
    """Half width of the two-sided interval of Student's t in units of the standard error.

    Exact for 1 and 2 degrees of freedom, else Cornish and Fisher's expansion: within 0.5 % at the
    levels 0.8 to 0.98.
    """
    tail = (1 + level) / 2
    if freedom == 1:
        return float(np.tan(np.pi * (tail - 0.5)))
    if freedom == 2:
        return float((2 * tail - 1) * np.sqrt(2 / (4 * tail * (1 - tail))))
    z, v = NormalDist().inv_cdf(tail), float(freedom)
    return float(
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * v**4)
    )


def effective_count(logits: NDArray[np.float64]) -> float:
    """How many independent frames the logits, in time order, are worth; 2 to n."""
    count = len(logits)
    centred = logits - logits.mean()
    power = float((centred**2).sum())
    if count < MIN_FOR_CORRELATION or power < SPREAD_FLOOR:
        return float(count)
    correlation = float((centred[1:] * centred[:-1]).sum()) / power
    correlation = min(max(correlation, 0.0), 0.99)
    return max(2.0, count * (1 - correlation) / (1 + correlation))


def pool_logits(
    logits: Sequence[float] | NDArray[np.floating],
    calibration: Calibration,
    *,
    level: float = LEVEL,
    spread_over: SpreadOver = "frames",
) -> Score:
    """The calibrated probability of the mean logit, with its interval.

    Args:
        logits: finite, in time order, at least one; one alone has no spread: [0, 1].
        calibration: calibration of the detector file.
        level: two-sided, in (0, 1).
        spread_over: what the logits are of: frames of a track, or views of too few frames.

    Raises:
        ShapeError: no logits, or one that is not finite.
    """
    values = np.asarray(logits, dtype=np.float64).reshape(-1)
    if not len(values) or not np.isfinite(values).all():
        raise ShapeError(f"expected at least one finite logit, got {values[:5].tolist()}")
    mean = float(values.mean())
    low, high, worth = 0.0, 1.0, 1.0
    if len(values) > 1:
        worth = effective_count(values) if spread_over == "frames" else float(len(values))
        error = max(float(values.std(ddof=1)), SPREAD_FLOOR) / np.sqrt(worth)
        half = t_quantile(level, len(values) - 1) * error
        low, high = calibrate([mean - half, mean + half], calibration).tolist()
    return Score(
        probability=float(calibrate(mean, calibration)),
        low=low,
        high=high,
        level=level,
        mean_logit=mean,
        samples=len(values),
        effective_samples=worth,
        spread_over=spread_over if len(values) > 1 else "none",
    )


def judge_score(
    score: Score | None,
    thresholds: Thresholds,
    *,
    in_range: bool = True,
    line: float | None = None,
) -> Verdict:
    """The verdict on one face: only where the whole interval lies past a threshold.

    A face that could not be scored, or lies outside what the detector was measured on, is
    inconclusive whatever its number.

    Args:
        score: pooled.
        thresholds: thresholds of the detector file.
        in_range: whether its number may carry a verdict.
        line: line of faces of this quality, in place of `thresholds.likely_manipulated`; 1 is never
            reached.
    """
    if score is None or not in_range:
        return Verdict.INCONCLUSIVE
    line = thresholds.likely_manipulated if line is None else line
    if score.low >= line and line < 1:
        return Verdict.LIKELY_MANIPULATED
    if score.high <= thresholds.no_manipulation_found:
        return Verdict.NO_MANIPULATION_FOUND
    return Verdict.INCONCLUSIVE
