"""From logits of held-back clips to probabilities and verdict thresholds."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterface.datasets.manifest import Entry
from counterface.detect.detector import Calibration, Detector, DetectorInfo, Thresholds
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.evaluation.score_files import score_files
from counterface.detect.logistic import fit_logistic
from counterface.detect.pool import calibrate
from counterface.detect.scanning.scan import ScanConfig
from counterface.errors import DetectorError
from counterface.types import Progress

MARGIN = 1e-3  # beyond the clip that decides a line
PRIOR = 0.5  # clips are weighted so that half of them are fake: the base rate is the user's to know


def fit_calibration(labels: ArrayLike, logits: ArrayLike) -> Calibration:
    """The scale and offset that make sigmoid(scale * logit + offset) a probability.

    Platt scaling with Platt's own smoothed targets (1999), classes weighted alike, with a
    weak pull toward scale 1, so that a few clips that are told apart perfectly do not give an
    infinite scale.

    Args:
        labels: (N,) 0 real, 1 fake.
        logits: (N,) pooled logit of each clip, of a net that did not see the clip.

    Raises:
        DetectorError: fewer than 5 clips of either class.
    """
    truth, values = np.asarray(labels, np.float64), np.asarray(logits, np.float64)
    fakes, reals = int(truth.sum()), int((1 - truth).sum())
    if min(fakes, reals) < 5:
        raise DetectorError(
            f"calibration needs 5 clips of each class, got {reals} real {fakes} fake"
        )
    target = np.where(truth > 0, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    weight = np.where(truth > 0, PRIOR / fakes, (1 - PRIOR) / reals) * (fakes + reals)
    scale, offset = fit_logistic(values[:, None], target, weight, (1, 0), (0.5, 0)).tolist()
    if scale <= 0:
        raise DetectorError(
            f"the logits run against the labels (scale {scale:.2f}); are the classes inverted?"
        )
    return Calibration(scale=scale, offset=offset)


def choose_thresholds(
    labels: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    false_alarms: float = 0.05,
    misses: float = 0.15,
) -> Thresholds:
    """Where a verdict becomes firm: a verdict needs the whole interval beyond its line.

    Args:
        labels: (N,) 0 real, 1 fake.
        low: (N,) lower ends of calibrated probabilities of clips that the net did not see.
        high: (N,) upper ends.
        false_alarms: share of real clips whose lower end may reach `likely_manipulated`.
        misses: share of fake clips whose upper end may fall to `no_manipulation_found`.

    Raises:
        DetectorError: a class is missing.
    """
    truth = np.asarray(labels)
    real = np.sort(np.asarray(low, np.float64)[truth == 0])
    fake = np.sort(np.asarray(high, np.float64)[truth == 1])
    if not len(real) or not len(fake):
        raise DetectorError(f"thresholds need both classes, got {len(real)} real {len(fake)} fake")
    alarm = real[len(real) - 1 - int(false_alarms * len(real))] + MARGIN
    clear = fake[int(misses * len(fake))] - MARGIN
    alarm = float(np.clip(alarm, 0.5, 0.999))  # never "likely" below even odds
    return Thresholds(
        likely_manipulated=alarm, no_manipulation_found=float(np.clip(clear, 0.001, 0.5))
    )


def calibrate_file(
    detector: Path,
    items: Sequence[Entry],
    config: ScanConfig,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> DetectorInfo:
    """What the detector file says after its calibration and thresholds were fitted on the items.

    So are the weights of its witnesses, where it names any: the scan that they are fitted on takes
    each at its word, whatever an earlier fit made of it.

    Raises:
        DetectorError: too few files of a class could be scored, or logits run against labels.
    """
    from counterface.detect.evaluation.fit_weighing import calibrate_witnesses
    from counterface.detect.training.export import stamp_detector

    info = Detector.load(str(detector)).info
    with TemporaryDirectory() as folder:
        fresh = detector
        if info.weighing is not None:
            info = info.model_copy(update={"weighing": info.weighing.unfitted()})
            fresh = Path(shutil.copy(detector, Path(folder) / detector.name))
            stamp_detector(fresh, info)
        settled = config.model_copy(update={"detector": str(fresh), "cues": "none"})
        scores = score_files(items, settled, jobs=jobs, progress=progress)
    if info.weighing is not None:
        info = calibrate_witnesses(scores, info)
    else:
        calibration, thresholds = calibrate_scores(scores, info.calibration)
        fitted = {"calibration": calibration, "thresholds": thresholds}
        info = info.model_copy(update={**fitted, "card": info.calibrated_card})
    stamp_detector(detector, info)
    return info


def calibrate_scores(
    scores: Sequence[FileScore], then: Calibration
) -> tuple[Calibration, Thresholds]:
    """The calibration and thresholds that fit scored files.

    Args:
        scores: scores of files that the net was not trained on; those whose faces are set aside
            get no verdict by these lines, and so do not move them.
        then: the calibration by which their probabilities were made.

    Raises:
        DetectorError: too few files of a class, or logits that run against the labels.
    """
    used = [score for score in scores if score.logit is not None and score.in_range is not False]
    labels = np.array([score.label for score in used])
    calibration = fit_calibration(labels, np.array([s.logit for s in used], dtype=np.float64))
    low = _move([s.low for s in used], then, calibration)
    high = _move([s.high for s in used], then, calibration)
    return calibration, choose_thresholds(labels, low, high)


def _move(
    probabilities: Sequence[float | None], then: Calibration, now: Calibration
) -> NDArray[np.float64]:
    """Probabilities of one calibration as those of another."""
    p = np.clip(np.array(probabilities, np.float64), 1e-12, 1 - 1e-12)
    return calibrate((np.log(p / (1 - p)) - then.offset) / then.scale, now)
