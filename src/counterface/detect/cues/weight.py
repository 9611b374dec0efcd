"""What a cue's number is worth: a log-likelihood ratio with an interval, from a stored line.

For each cue a logistic line was fitted on labelled files, with genuine and manipulated ones
weighing the same, so that its log-odds are a log-likelihood ratio: how much likelier such a number
is for a manipulated face. The covariance of the line's two parameters, from bootstrap samples of
whole people and methods, gives the interval. A number beyond what the fit has seen is drawn in to
its edge, and no cue says more than `MOST`. Of cues that compare lips and sound, the line tells
sound that is not of the lips from sound that is. `benchmarks/cues.py` and `benchmarks/lip_cues.py`
fit and measure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from counterface.config import Record
from counterface.detect.logistic import fit_logistic

MOST = 2.0  # log-odds
_RIDGE = 1e-2  # of the slope, for z-scored values
PULL = 3.0  # of a share toward 0, for a loss that counts each file once
_ONCE = 1e6  # pull of the detector's slope toward 1


class CueWeight(Record):
    """The line of one cue, and what it rests on."""

    name: str
    middle: float = Field(description="median of the values, in the cue's unit")
    spread: float = Field(gt=0, description="spread of the values, in the cue's unit")
    low: float = Field(description="least value that the fit has seen, 1st percentile")
    high: float = Field(description="largest value that the fit has seen, 99th percentile")
    slope: float = Field(description="log-odds for one spread")
    offset: float = Field(description="log-odds at the middle")
    covariance: tuple[float, float, float] = Field(
        description="variance of the slope, of the offset, and their covariance"
    )
    counts: bool = Field(description="whether the cue has a weight; else it is only shown")
    share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of its log-odds that enters the joint score: what other pieces of "
        "evidence do not say already",
    )
    auc: tuple[float, float, float] = Field(
        description="AUC on files that the fit had not seen, and its 95 % interval"
    )
    real: int = Field(ge=0, description="number of genuine files, or of windows with their sound")
    fake: int = Field(ge=0, description="number of manipulated files, or of other sounds")


class Ratio(NamedTuple):
    """A log-likelihood ratio and its 95 % interval, in log-odds; over 0 speaks for manipulation."""

    value: float
    low: float
    high: float


def weigh(value: float, weight: CueWeight) -> Ratio:
    """What a cue's value says."""
    z = (min(max(value, weight.low), weight.high) - weight.middle) / weight.spread
    of_slope, of_offset, joint = weight.covariance
    half = 1.96 * sqrt(max(0.0, z * z * of_slope + of_offset + 2 * z * joint))
    said = weight.slope * z + weight.offset
    low, middle, high = (min(max(x, -MOST), MOST) for x in (said - half, said, said + half))
    return Ratio(middle, low, high)


@cache
def read_weights() -> dict[str, CueWeight]:
    """The weights that come with the package, by name of the cue."""
    found = [CueWeight.model_validate(values) for values in _read()["cues"]]
    return {weight.name: weight for weight in found}


def fitted_beside() -> str:
    """SHA-256 of the detector file beside which the shares of cues on the picture were fitted.

    Beside another detector they would say twice what it knows, or move a line that was set for its
    own scores, so they do not enter its score.
    """
    return str(_read().get("beside", ""))


@cache
def _read() -> dict[str, Any]:
    text = files("counterface.detect.data").joinpath("cues.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def fit_weight(
    name: str,
    values: ArrayLike,
    labels: ArrayLike,
    groups: Sequence[str],
    *,
    auc: tuple[float, float, float],
    samples: int = 200,
) -> CueWeight:
    """The weight of a cue from labelled files.

    Args:
        name: the cue.
        values: (N,), one a file.
        labels: (N,), 1 = manipulated; both classes are there.
        groups: (N,), files of one group are drawn together: whole people or methods.
        auc: AUC of log-likelihood ratios on files that no fit has seen, with its interval; the
            cue counts where all of it lies above 0.5. Below, fits on other files had the sign
            wrong: such a cue knows collections, not manipulation.
        samples: bootstrap samples.
    """
    x, y = np.asarray(values, np.float64), np.asarray(labels, np.float64)
    middle = float(np.median(x))
    spread = float(1.4826 * np.median(np.abs(x - middle))) or float(x.std()) or 1.0
    low, high = (float(v) for v in np.percentile(x, [1, 99]))
    z = (np.clip(x, low, high) - middle) / spread
    line = _fit_line(z, y)
    rng = np.random.default_rng(0)
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    drawn: list[NDArray[np.float64]] = []
    while len(drawn) < samples:
        times = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))[member]
        if (times[y == 1].sum() > 0) and (times[y == 0].sum() > 0):
            drawn.append(_fit_line(z, y, times.astype(np.float64)))
    moved = np.cov(np.array(drawn).T)
    return CueWeight(
        name=name,
        middle=middle,
        spread=spread,
        low=low,
        high=high,
        slope=float(line[0]),
        offset=float(line[1]),
        covariance=(float(moved[0, 0]), float(moved[1, 1]), float(moved[0, 1])),
        counts=auc[1] > 0.5,
        auc=auc,
        real=int((y == 0).sum()),
        fake=int((y == 1).sum()),
    )


def _fit_line(
    z: NDArray[np.float64], labels: NDArray[np.float64], times: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Slope and offset of the logistic line, both classes weighing the same."""
    times = np.ones_like(z) if times is None else times
    return fit_logistic(z[:, None], labels, _even(labels, times), (0, 0), (_RIDGE / 2, 0))


def fit_shares(own: ArrayLike, ratios: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """What share of each cue's log-odds is worth adding to the detector's, (K,) in [0, 1].

    Logistic regression on all at once, in which the detector's log-odds count once and a strong
    pull draws the shares to 0: of two cues that say the same, each gets about half. A share below 0
    becomes 0 and the rest is fitted anew.

    Args:
        own: (N,) log-odds of the detector.
        ratios: (N, K) log-odds of the cues; NaN where a cue does not apply, which adds nothing.
        labels: (N,) 1 = manipulated; both classes weigh the same.
    """
    truth = np.asarray(labels, np.float64)
    said = np.nan_to_num(np.asarray(ratios, np.float64))
    shares = np.zeros(said.shape[1])
    kept = list(range(said.shape[1]))
    weights = len(truth) / 2 * _even(truth, np.ones_like(truth))
    while kept:
        values = np.column_stack([np.asarray(own, np.float64), said[:, kept]])
        toward = [1.0, *(0.0 for _ in kept), 0.0]
        fitted = fit_logistic(values, truth, weights, toward, [_ONCE, *(PULL for _ in kept), 0.0])
        found = fitted[1:-1]
        if (found >= 0).all():
            shares[kept] = np.minimum(found, 1)
            break
        kept = [number for number, share in zip(kept, found, strict=True) if share >= 0]
    return shares


def _even(labels: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights by which each class weighs 1."""
    fake = labels == 1
    return np.asarray(np.where(fake, times / times[fake].sum(), times / times[~fake].sum()))
