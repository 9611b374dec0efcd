"""What each witness is worth at each quality, and where a bin's line lies, from scored files.

The files are of methods that no witness was trained on, and of all genuine sources there are; new
files of makers and sources that it knows may be among them (`met`): users send both. Files count by
what they stand for: every method of manipulation (the manifest's `generator`, or its `method` where
that is empty) has one vote, and so has every `origin` of genuine files, however many files it has;
one that was met in some folds and not in others has a vote for either. Lines are drawn by genuine
files of sources that were not met.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from counterface.detect.calibrate import MARGIN, choose_thresholds, fit_calibration
from counterface.detect.detector import DetectorInfo
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.logistic import fit_logistic
from counterface.detect.pool import judge_score, pool_logits
from counterface.detect.weigh import (
    NEVER,
    Promise,
    Quality,
    QualityBin,
    Weighing,
    WitnessInfo,
    find_contradiction,
    take_statements,
)
from counterface.errors import DetectorError
from counterface.types import Verdict

ALARMS = 0.05  # of the genuine files of any origin, at most, lie above a bin's line
FEWEST_GENUINE = 19  # of fewer files no order statistic promises 5 %: ceil(0.95 (n + 1)) > n
FEWEST_FAKES = 5
ROUNDS = 400  # resamples, of methods and origins, then of their files
CHANCE = 0.1  # of the resamples, in which a witness that speaks may be no better than chance
TO_SILENCE = 0.5  # pull of a slope toward 0, where a method and an origin are votes of 1
TO_ALL = 50.0  # pull of a bin's rule toward that of all qualities, in the same unit
TOGETHER = "origins of fewer files together"

Numbers = NDArray[np.float64]


def calibrate_witnesses(scores: Sequence[FileScore], info: DetectorInfo) -> DetectorInfo:
    """The detector's description with weights, probabilities and lines that fit scored files.

    Args:
        scores: scores of files that no witness was trained on, with their witnesses' raw logits;
            those that were set aside move nothing.
        info: names the witnesses and the limits of the bins.

    Raises:
        DetectorError: too few files of either class, or no witness that separates them.
    """
    if info.weighing is None:
        raise DetectorError(f"detector {info.name!r} names no witnesses")
    used = [s for s in scores if s.witness_logits and s.in_range is not False]
    info = info.model_copy(update={"weighing": fit_weights(used, info.weighing)})
    judged = [s for s in (weigh_score(s, info) for s in used) if s.in_range]
    calibration = fit_calibration([s.label for s in judged], [s.logit or 0.0 for s in judged])
    info = info.model_copy(update={"calibration": calibration})
    judged = [weigh_score(s, info) for s in judged]
    low, high = ([getattr(s, end) for s in judged] for end in ("low", "high"))
    thresholds = choose_thresholds([s.label for s in judged], low, high)
    assert info.weighing is not None
    lined = fit_lines(judged, info.weighing, thresholds.likely_manipulated)
    about = {"thresholds": thresholds, "weighing": lined}
    card = info.calibrated_card | {"weighed_on": _ground(judged)}
    return info.model_copy(update={**about, "card": card})


def fit_weights(scores: Sequence[FileScore], weighing: Weighing) -> Weighing:
    """The slopes and offsets of each bin; a bin of too few files is merged with the next poorer.

    A face too poor for the last bin that is left is not judged. A witness is silent in a bin where
    `separates` is false of the fakes that it speaks to. Those of one question are fitted together,
    by a logistic rule of their mean logits in a file with half of the weight on either class, so
    that two which say the same count once; none is turned round. The rule of a bin is pulled
    toward that of all qualities, which in turn is weakly pulled toward silence.

    Raises:
        DetectorError: no bin has enough files, or no witness separates them.
    """
    rest, kept = list(scores), []
    for bin_ in weighing.bins:
        inside = [s for s in rest if bin_.holds(_quality(s))]
        if _are_enough(inside):
            kept.append((bin_, inside))
            rest = [s for s in rest if not bin_.holds(_quality(s))]
    if not kept:
        fakes = sum(s.label for s in scores)
        raise DetectorError(
            f"weights need {FEWEST_GENUINE} genuine and {FEWEST_FAKES} manipulated files of the "
            f"quality of a bin, got {len(scores) - fakes} and {fakes} in all; add files"
        )
    together = _Witnesses(weighing.witnesses, [s for _, inside in kept for s in inside])
    bins = tuple(together.fit(bin_, inside) for bin_, inside in kept)
    if not any(bin_.speaks.any() for bin_ in bins):
        names = ", ".join(repr(witness.name) for witness in weighing.witnesses)
        raise DetectorError(
            f"no witness ({names}) tells manipulated from genuine files at any quality; are the "
            "classes inverted?"
        )
    return Weighing(witnesses=weighing.witnesses, bins=bins)


def fit_lines(scores: Sequence[FileScore], weighing: Weighing, least: float) -> Weighing:
    """The same weights with the line of each bin, and what it promises.

    One-sided conformal: above the line lie at most 5 % of the genuine files of the worst origin,
    with the correction for n files, the ceil(0.95 (n + 1))-th of which is the highest below it.
    Origins of fewer than 19 files promise nothing alone: they count as one. Where even they
    together are fewer, the line lies above all of them.

    Args:
        scores: weighed; a verdict needs the lower end of a file's interval above the line.
        weighing: fitted.
        least: no line lies below.
    """
    bins = []
    for bin_ in weighing.bins:
        low = defaultdict(list)
        for score in (s for s in scores if s.label == 0 and s.low is not None and not s.met):
            if weighing.bin_of(_quality(score)) is bin_:
                low[_origin(score)].append(score.low or 0.0)
        lows = _enough(low)
        line = max([least, *(_line_above(values) for values in lows.values())])
        sure = [values for values in lows.values() if len(values) >= FEWEST_GENUINE]
        promise = None
        if sure and line < NEVER:
            files = sum(map(len, sure))
            promise = Promise(share=ALARMS, origins=len(sure), files=files)
        settled = {"line": line if promise else NEVER, "promise": promise}
        bins.append(bin_.model_copy(update=settled))
    return weighing.model_copy(update={"bins": tuple(bins)})


def weigh_score(score: FileScore, info: DetectorInfo) -> FileScore:
    """A scored file with the numbers and the verdict that another weighing gives it.

    Single frames are left out where views stood in for them.
    """
    weighing = info.weighing
    if weighing is None or not score.witness_logits:
        return score
    by, found = weighing.nearest(_quality(score)), weighing.bin_of(_quality(score))
    logits = weighing.weigh(score.witness_logits, by)
    views = score.spread_over == "views"
    pooled = pool_logits(logits, info.calibration, spread_over="views" if views else "frames")
    in_range = score.in_range is not False and found is not None
    said = take_statements(score.witness_logits, weighing, by)
    verdict = Verdict.INCONCLUSIVE
    if found is not None:
        line = max(found.line, info.thresholds.likely_manipulated)
        firm = in_range and find_contradiction(said) is None
        verdict = judge_score(pooled, info.thresholds, in_range=firm, line=line)
    framed = not views and len(score.frame_times_s) == len(logits)
    return score.model_copy(
        update={
            "logit": pooled.mean_logit,
            "probability": pooled.probability,
            "low": pooled.low,
            "high": pooled.high,
            "verdict": verdict.value,
            "in_range": in_range,
            "frame_logits": tuple(logits.tolist()) if framed else (),
            "frame_times_s": score.frame_times_s if framed else (),
        }
    )


def separates(values: Numbers, labels: NDArray[np.int64], votes: Numbers) -> bool:
    """Whether a witness's AUC lies above 0.5 in all but a tenth of the resamples.

    Args:
        values: (N,) logits.
        labels: (N,) 0 genuine, 1 fake.
        votes: (R, N) how much each file counts in each resample, see `draw_votes`.
    """
    real, fake = values[labels == 0], values[labels == 1]
    order = np.argsort(real, kind="stable")
    weight = votes[:, labels == 0][:, order]
    below = np.concatenate([np.zeros((len(votes), 1)), np.cumsum(weight, axis=1)], axis=1)
    beaten = below[:, np.searchsorted(real[order], fake, "left")]
    beaten = (beaten + below[:, np.searchsorted(real[order], fake, "right")]) / 2
    of_fakes = votes[:, labels == 1]
    aucs = (of_fakes * beaten).sum(axis=1) / (of_fakes.sum(axis=1) * below[:, -1])
    return bool(np.quantile(aucs, CHANCE) > 0.5)


def draw_votes(groups: Sequence[tuple[int, str]], rounds: int = ROUNDS, seed: int = 0) -> Numbers:
    """Two-level resamples (R, N): of the methods and of the origins, then of the files of each.

    Args:
        groups: label, and method or origin, of each file.
        rounds: R.
        seed: seed of the resampling.
    """
    rng = np.random.default_rng(seed)
    members = _members(groups)
    votes = np.zeros((rounds, len(groups) + 1))
    for label in (0, 1):
        own = [files for name, files in members.items() if name[0] == label]
        sizes = np.array([len(files) for files in own])
        # rows of one length: a vote for none of the files, the last column, has no chance
        file = np.full((len(own), sizes.max()), len(groups))
        for row, files in zip(file, own, strict=True):
            row[len(row) - len(files) :] = files
        even = (file < len(groups)) / sizes[:, None]
        for row in votes:
            drawn = rng.integers(len(own), size=len(own))
            found = rng.multinomial(sizes[drawn], even[drawn]) / sizes[drawn, None]
            np.add.at(row, file[drawn], found)
    return votes[:, :-1]


class _Witnesses:
    """Fits the witnesses of a detector, on logits that are brought to one scale."""

    def __init__(self, witnesses: Sequence[WitnessInfo], scores: Sequence[FileScore]) -> None:
        """Fit the rule of each question on files of all qualities."""
        self.witnesses = witnesses
        self.draw = lru_cache(maxsize=8)(draw_votes)  # witnesses that hear the same files share it
        self.questions = [
            np.array([w.question == question for w in witnesses])
            for question in dict.fromkeys(w.question for w in witnesses)
        ]
        scales = [self._scale(n, scores) for n in range(len(witnesses))]
        self.middle, self.spread = np.array(scales).T
        self.rules = [self._rule(members, scores) for members in self.questions]

    def fit(self, bin_: QualityBin, scores: Sequence[FileScore]) -> QualityBin:
        """A bin with what its files say; a question of which it has few fakes goes by all files."""
        slopes, offsets = np.zeros((2, len(self.witnesses)))
        for members, rule in zip(self.questions, self.rules, strict=True):
            if _are_enough(self._of_kind(members, scores)):
                rule = self._rule(members, scores, rule)
            speaks = rule[:-1] > 0
            slopes[members] = rule[:-1] / self.spread[members]
            share = rule[-1] / max(speaks.sum(), 1)
            offsets[members] = speaks * (share - slopes * self.middle)[members]
        told = {"slopes": tuple(slopes.tolist()), "offsets": tuple(offsets.tolist())}
        return bin_.model_copy(update={**told, "line": NEVER, "promise": None})

    def _rule(
        self, members: NDArray[np.bool_], scores: Sequence[FileScore], like: Numbers | None = None
    ) -> Numbers:
        """Slopes of a question's witnesses, 0 of those that are silent, and its offset.

        Args:
            members: (W,) the question's.
            scores: scores that they are fitted on.
            like: a rule that this one is pulled toward.
        """
        used = self._of_kind(members, scores)
        z = (_mean_logits(used) - self.middle)[:, members] / self.spread[members]
        labels = np.array([s.label for s in used], np.float64)
        speaks = np.array([self._separates(n, scores) for n in np.flatnonzero(members).tolist()])
        width = len(speaks) + 1
        toward, pull = np.zeros(width), np.append(np.full(len(speaks), TO_SILENCE), 0.0)
        if like is not None:
            toward, pull = like, np.full(width, TO_ALL)
        while speaks.any():
            rule, heard = np.zeros(width), np.append(speaks, True)
            rule[heard] = fit_logistic(
                z[:, speaks], labels, _votes_of(used), toward[heard], pull[heard]
            )
            if (rule[:-1][speaks] > 0).all():
                return rule
            speaks &= rule[:-1] > 0
        return np.zeros(width)

    def _scale(self, number: int, scores: Sequence[FileScore]) -> tuple[float, float]:
        """Mean and spread of a witness's logits in genuine files and the fakes it speaks to."""
        used = self._heard_by(number, scores)
        z, votes = _mean_logits(used)[:, number], _votes_of(used)
        middle = float(np.average(z, weights=votes))
        spread = float(np.sqrt(np.average((z - middle) ** 2, weights=votes)))
        return middle, spread or 1.0

    def _separates(self, number: int, scores: Sequence[FileScore]) -> bool:
        """Whether a witness tells the fakes that it speaks to."""
        used = self._heard_by(number, scores)
        if not _are_enough(used):
            return False
        labels, values = np.array([s.label for s in used]), _mean_logits(used)[:, number]
        return separates(values, labels, self.draw(tuple(_groups(used))))

    def _heard_by(self, number: int, scores: Sequence[FileScore]) -> list[FileScore]:
        """The genuine files, and the fakes that this witness speaks to."""
        return self._of_kind(np.arange(len(self.witnesses)) == number, scores)

    def _of_kind(self, members: NDArray[np.bool_], scores: Sequence[FileScore]) -> list[FileScore]:
        """The genuine files, and the fakes that any of these witnesses speaks to."""
        heard = [w for w, there in zip(self.witnesses, members, strict=True) if there]
        return [
            s
            for s in scores
            if not s.label or any(w.speaks_to(s.method, s.generator) for w in heard)
        ]


def _mean_logits(scores: Sequence[FileScore]) -> Numbers:
    """What each witness says of each file, raw, (N, W)."""
    return np.array([np.mean(s.witness_logits, axis=0) for s in scores])


def _are_enough(scores: Sequence[FileScore]) -> bool:
    fakes = sum(s.label for s in scores)
    return fakes >= FEWEST_FAKES and len(scores) - fakes >= FEWEST_GENUINE


def _groups(scores: Sequence[FileScore]) -> list[tuple[int, str]]:
    names = [f"{_method(s) if s.label else _origin(s)}{' (met)' * s.met}" for s in scores]
    return [(s.label, name) for s, name in zip(scores, names, strict=True)]


def _votes_of(scores: Sequence[FileScore]) -> Numbers:
    """(N,) weights: every method and origin the same, both classes the same, a group's sum 1."""
    weight = np.zeros(len(scores))
    members = _members(_groups(scores))
    for (label, _), files in members.items():
        alike = sum(other == label for other, _ in members)
        weight[files] = len(members) / 2 / alike / len(files)  # as many votes as groups
    return weight


def _members(groups: Sequence[tuple[int, str]]) -> dict[tuple[int, str], list[int]]:
    members = defaultdict(list)
    for number, group in enumerate(groups):
        members[group].append(number)
    return dict(members)


def _enough(low: dict[str, list[float]]) -> dict[str, list[float]]:
    """The files of each origin, of which those with too few are one."""
    found = {name: values for name, values in low.items() if len(values) >= FEWEST_GENUINE}
    few = [value for name, values in low.items() if name not in found for value in values]
    return found | ({TOGETHER: few} if few else {})


def _line_above(low: Sequence[float]) -> float:
    """The lowest line at or above which at most 5 % of files like these lie, `NEVER` for none."""
    rank = min(len(low), math.ceil((1 - ALARMS) * (len(low) + 1) - 1e-9))
    highest = sorted(low)[rank - 1]
    return highest + min(MARGIN, (1 - highest) / 2) if highest < 1 else NEVER


def _quality(score: FileScore) -> Quality:
    return Quality(score.eye_px, score.sharpness, score.strength)


def _ground(scores: Sequence[FileScore]) -> dict[str, int]:
    """How much the weights rest on, for the model card."""
    return {
        "methods": len({_method(s) for s in scores if s.label}),
        "origins": len({_origin(s) for s in scores if not s.label}),
        "manipulated_files": sum(s.label for s in scores),
        "genuine_files": sum(not s.label for s in scores),
    }


def _method(score: FileScore) -> str:
    """What made a manipulated file, as far as the manifest says it."""
    return score.generator or score.method


def _origin(score: FileScore) -> str:
    """Where a genuine file comes from, as far as the manifest says it."""
    return score.origin or score.method
