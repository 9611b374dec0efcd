"""How well a detector judges labelled files, by the same path as a scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from counterface.datasets.manifest import Entry
from counterface.datasets.split import linked_groups
from counterface.detect.calibrate import choose_thresholds, fit_calibration
from counterface.detect.detector import Calibration, Detector, DetectorInfo, Thresholds
from counterface.detect.findings import ScanFailure, ScanResult
from counterface.detect.pool import calibrate
from counterface.detect.scan import ScanConfig
from counterface.detect.scan_files import scan_files
from counterface.errors import ConfigError
from counterface.learn.metrics import Interval, auc, bootstrap, probability_metrics, score_metrics
from counterface.types import Verdict


class FileScore(BaseModel):
    """One labelled file after its scan."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    label: int
    method: str
    compression: str = ""
    group: str = Field(description="files that share people or footage; see `linked_groups`")
    logit: float | None = Field(description="pooled; null where no face could be scored")
    probability: float | None
    low: float | None = Field(None, description="end of the probability's interval")
    high: float | None = None
    verdict: str
    frame_logits: tuple[float, ...] = ()
    error: str | None = None


class Evaluation(BaseModel):
    """All files, and the numbers over those that were scored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[FileScore, ...]
    real: int
    fake: int
    not_scored: int = Field(description="no face, out of range, or an error: left out, never 0.5")
    auc: tuple[float, float, float] | None = Field(description="with its 95 % interval")
    frame_auc: float | None
    metrics: dict[str, float]


def score_files(
    items: Sequence[Entry],
    config: ScanConfig | None = None,
    *,
    jobs: int = 1,
    progress: Callable[[int, int | None, str], None] | None = None,
) -> list[FileScore]:
    """The scan of each file beside its label; a file that fails has an error and no number.

    The detector alone is measured: marks of origin are not looked at.
    """
    settled = (config or ScanConfig()).model_copy(update={"pictures": False, "marks": False})
    paths = [item.path for item in items]
    outcomes = scan_files(paths, settled, jobs=jobs, progress=progress)
    groups = linked_groups(items)
    return [
        _score(item, group, outcome)
        for item, group, outcome in zip(items, groups, outcomes, strict=True)
    ]


def evaluate_files(scores: Sequence[FileScore], threshold: float) -> Evaluation:
    """The metrics of scored files; intervals come from resampling groups.

    Args:
        scores: from `score_files`.
        threshold: probability from which a file counts as called fake.

    Raises:
        ConfigError: no files.
    """
    if not scores:
        raise ConfigError("no files to evaluate; is the manifest empty?")
    used = [score for score in scores if score.logit is not None]
    labels = np.array([score.label for score in used])
    logits = np.array([score.logit for score in used], dtype=np.float64)
    probabilities = np.array([score.probability for score in used], dtype=np.float64)
    both = len(used) > 0 and 0 < labels.sum() < len(used)
    interval: Interval | None = None
    metrics: dict[str, float] = {}
    if both:
        interval = bootstrap(auc, labels, logits, [score.group for score in used])
        metrics = probability_metrics(labels, probabilities, threshold)
        metrics |= score_metrics(labels, logits)
    return Evaluation(
        files=tuple(scores),
        real=int((labels == 0).sum()),
        fake=int((labels == 1).sum()),
        not_scored=len(scores) - len(used),
        auc=(interval.value, interval.low, interval.high) if interval else None,
        frame_auc=_frame_auc(used) if both else None,
        metrics=metrics,
    )


def _frame_auc(scores: Sequence[FileScore]) -> float:
    labels = np.concatenate([np.full(len(s.frame_logits), s.label) for s in scores])
    return auc(labels, np.concatenate([np.array(s.frame_logits) for s in scores]))


def _score(item: Entry, group: str, outcome: ScanResult | ScanFailure) -> FileScore:
    known: dict[str, Any] = {
        "file": Path(item.path).name,
        "label": item.label,
        "method": item.method,
        "compression": item.compression,
        "group": group,
    }
    if isinstance(outcome, ScanFailure):
        return FileScore(
            **known, logit=None, probability=None, verdict="failed", error=outcome.error
        )
    track = next((t for t in outcome.tracks if t.id == outcome.decided_by), None)
    if track is None:  # nobody decided the file: the most suspicious face that has a number
        scored = [t for t in outcome.tracks if t.score is not None]
        track = max(scored, key=lambda t: t.score.mean_logit if t.score else 0.0, default=None)
    score = track.score if track else None
    frames = track.frames if track else ()
    return FileScore(
        **known,
        logit=score.mean_logit if score else None,
        probability=score.probability if score else None,
        low=score.low if score else None,
        high=score.high if score else None,
        verdict=outcome.verdict.value,
        frame_logits=tuple(f.logit for f in frames if f.logit is not None),
    )


def calibrate_file(
    detector: Path,
    items: Sequence[Entry],
    config: ScanConfig,
    *,
    jobs: int = 1,
    progress: Callable[[int, int | None, str], None] | None = None,
) -> DetectorInfo:
    """What the detector file says after its calibration and thresholds were fitted on the items.

    Raises:
        DetectorError: too few files of a class could be scored, or logits run against labels.
    """
    from counterface.detect.training.export import stamp_detector

    info = Detector.load(str(detector)).info
    settled = config.model_copy(update={"detector": str(detector)})
    scores = score_files(items, settled, jobs=jobs, progress=progress)
    calibration, thresholds = calibrate_scores(scores, info.calibration)
    info = info.model_copy(update={"calibration": calibration, "thresholds": thresholds})
    stamp_detector(detector, info)
    return info


def calibrate_scores(
    scores: Sequence[FileScore], then: Calibration
) -> tuple[Calibration, Thresholds]:
    """The calibration and thresholds that fit scored files.

    Args:
        scores: of files that the net was not trained on.
        then: the calibration by which their probabilities were made.

    Raises:
        DetectorError: too few files of a class, or logits that run against the labels.
    """
    used = [score for score in scores if score.logit is not None]
    labels = np.array([score.label for score in used])
    calibration = fit_calibration(labels, np.array([s.logit for s in used], dtype=np.float64))
    low = _move([s.low for s in used], then, calibration)
    high = _move([s.high for s in used], then, calibration)
    return calibration, choose_thresholds(labels, low, high)


def recalibrate_scores(
    scores: Sequence[FileScore], then: Calibration, now: Calibration, thresholds: Thresholds
) -> list[FileScore]:
    """The same files with the probabilities and verdicts of another calibration.

    Args:
        scores: from `score_files`.
        then: the calibration by which they were made.
        now: the one that holds now.
        thresholds: its lines.
    """
    moved = []
    for score in scores:
        if score.logit is None:
            moved.append(score)
            continue
        p, low, high = _move([score.probability, score.low, score.high], then, now).tolist()
        verdict = Verdict.INCONCLUSIVE
        if low >= thresholds.likely_manipulated:
            verdict = Verdict.LIKELY_MANIPULATED
        elif high <= thresholds.no_manipulation_found:
            verdict = Verdict.NO_MANIPULATION_FOUND
        update = {"probability": p, "low": low, "high": high, "verdict": verdict.value}
        moved.append(score.model_copy(update=update))
    return moved


def _move(
    probabilities: Sequence[float | None], then: Calibration, now: Calibration
) -> NDArray[np.float64]:
    """Probabilities of one calibration as those of another."""
    p = np.clip(np.array(probabilities, np.float64), 1e-12, 1 - 1e-12)
    return calibrate((np.log(p / (1 - p)) - then.offset) / then.scale, now)
