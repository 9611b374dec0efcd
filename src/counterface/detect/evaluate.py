"""How well a detector judges labelled files, by the same path as a scan.

`evaluate_manifest` reads a manifest, takes its test split (and logs that), scans each file once and
measures; `evaluate_files` measures scores that are there already.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field

from counterface.config import Record
from counterface.datasets.manifest import Entry, of_split, read_manifest
from counterface.detect.detector import Calibration, Detector, DetectorInfo
from counterface.detect.evaluation.cautions import find_cautions, split_cautions
from counterface.detect.evaluation.degradation import Degradation
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.evaluation.measure import (
    ROUNDS,
    Abstentions,
    Numbers,
    Outcome,
    Slice,
    auc_bounds,
    count_abstentions,
    count_outcomes,
    measure_files,
    measure_frames,
    slice_files,
)
from counterface.detect.evaluation.openings import Opening, log_opening
from counterface.detect.evaluation.score_files import score_files
from counterface.detect.evaluation.score_store import ScoreStore
from counterface.detect.findings import Notice
from counterface.detect.scanning.scan import ScanConfig
from counterface.errors import ConfigError
from counterface.files import file_sha256
from counterface.types import Progress

__all__ = [  # what a caller of an evaluation needs, in one place
    "DetectorFacts",
    "EvaluateConfig",
    "Evaluation",
    "FileScore",
    "Opened",
    "evaluate_files",
    "evaluate_manifest",
    "open_manifest",
    "score_files",
    "score_opened",
]


class EvaluateConfig(Record):
    """How labelled files are scored; the same for every detector and data set of a report."""

    split: Literal["test", "val", "train", "all"] | None = Field(
        None,
        description="split to measure; by default test, or all files of a manifest without splits",
    )
    frames: int = Field(
        32, ge=1, le=100_000, description="frames of each video, spread evenly over its duration"
    )
    thorough: bool = Field(False, description="scan as 'scan --thorough' does")
    cues: str = Field(
        "none",
        description="cues that enter the score of a video beside the detector: none, default, all, "
        "or names with commas between",
    )
    rounds: int = Field(
        ROUNDS, ge=100, le=100_000, description="number of resamples for the intervals"
    )
    jobs: int = Field(1, ge=1, description="number of processes that scan")
    cache: Path | None = Field(None, description="folder for scores that are kept")

    def scan_config(self, detector: str) -> ScanConfig:
        """The scan of each file."""
        return ScanConfig(
            frames=self.frames, thorough=self.thorough, cues=self.cues, detector=detector
        )


class DetectorFacts(Record):
    """Which detector was measured."""

    name: str
    version: str
    sha256: str
    info: DetectorInfo
    file: str = Field(description="detector file as named on the command line")

    @classmethod
    def load(cls, file: str) -> DetectorFacts:
        """The facts of a detector file, or of the one in the package.

        Raises:
            DetectorError: it cannot be used.
        """
        found = Detector.load(file)
        info = found.info
        return cls(
            name=info.name, version=info.version, sha256=found.sha256, info=info, file=str(file)
        )

    @property
    def trained_on(self) -> str:
        """What its model card says of its data; "" where it says nothing."""
        card = self.info.card
        return str(
            next((card[k] for k in ("trained_on", "data", "training_data") if k in card), "")
        )


class Opened(Record):
    """A manifest and the part of it that is measured."""

    manifest: str
    sha256: str
    split: str = Field(description="split that was measured: test, val, train or all")
    splits: bool = Field(description="whether the manifest has splits")
    files: int
    openings: tuple[Opening, ...] = Field((), description="earlier openings of the test split")

    @property
    def name(self) -> str:
        """What tables call the data set: the manifest's name, or its folder's."""
        path = Path(self.manifest)
        generic = path.stem.lower() in ("manifest", "labels", "dataset", "index")
        return (path.absolute().parent.name if generic else path.stem) or path.stem


class Evaluation(Record):
    """All files, and the numbers over those that were scored."""

    detector: DetectorFacts | None = None
    opened: Opened | None = None
    config: EvaluateConfig | None = None
    threshold: float = Field(description="probability from which a file counts as called fake")
    video: Numbers = Field(description="numbers by file, with the frames of a video pooled")
    frame: Numbers | None
    slices: tuple[Slice, ...]
    outcomes: tuple[Outcome, ...]
    abstentions: Abstentions
    auc_bounds: tuple[float, float] | None = Field(
        description="lowest and highest AUC of all files, over every possible score of those "
        "without one"
    )
    cautions: tuple[Notice, ...]
    files: tuple[FileScore, ...]

    @property
    def real(self) -> int:
        """Real files that were scored."""
        return self.video.real

    @property
    def fake(self) -> int:
        """Fake files that were scored."""
        return self.video.fake

    @property
    def not_scored(self) -> int:
        """Files without a face, or with an error: left out, never 0.5."""
        return self.video.not_scored

    @property
    def auc(self) -> tuple[float, float, float] | None:
        """The AUC with its 95 % interval; None where a class is missing."""
        found = self.video.values.get("auc")
        if found is None:
            return None
        nan = float("nan")
        low, high = found.low, found.high
        return found.value, nan if low is None else low, nan if high is None else high

    @property
    def frame_auc(self) -> float | None:
        """The AUC of single frames."""
        found = self.frame.values.get("auc") if self.frame else None
        return found.value if found else None

    @property
    def metrics(self) -> dict[str, float]:
        """The values without their intervals."""
        return {name: number.value for name, number in self.video.values.items()}


def evaluate_files(
    scores: Sequence[FileScore],
    threshold: float,
    *,
    calibration: Calibration | None = None,
    rounds: int = ROUNDS,
) -> Evaluation:
    """The metrics of scored files; intervals come from resampling groups.

    Args:
        scores: from `score_files`.
        threshold: probability from which a file counts as called fake. It comes from the detector
            file, where it was set on held-back files; never from these.
        calibration: calibration of the detector, for the probabilities of single frames.
        rounds: resamples.

    Raises:
        ConfigError: no files.
    """
    if not scores:
        raise ConfigError("no files to evaluate; is the manifest empty?")
    video = measure_files(scores, threshold, rounds=rounds)
    return Evaluation(
        threshold=threshold,
        video=video,
        frame=measure_frames(scores, threshold, calibration, rounds=rounds),
        slices=slice_files(scores, threshold, rounds=rounds),
        outcomes=count_outcomes(scores),
        abstentions=count_abstentions(scores),
        auc_bounds=auc_bounds(scores),
        cautions=find_cautions(scores, video),
        files=tuple(scores),
    )


def evaluate_manifest(
    manifest: Path,
    detectors: Sequence[str],
    config: EvaluateConfig | None = None,
    *,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> list[Evaluation]:
    """An evaluation for each detector on the same files; the test split is opened once for all.

    Args:
        manifest: Parquet or CSV, see `read_manifest`.
        detectors: 'default' or paths of detector files.
        config: which files, and how they are scored.
        progress: called as (done, total, name).
        now: the clock of the log; the machine's where None.

    Raises:
        ConfigError: no files of that split, or the opening cannot be logged.
        DetectorError: a detector cannot be used.
    """
    config = config or EvaluateConfig()
    facts = [DetectorFacts.load(name) for name in detectors]
    items, opened, odd = open_manifest(manifest, config, "evaluate", facts, now)
    found = []
    for detector in facts:
        scores = score_opened(items, detector, config, progress)
        evaluation = evaluate_files(
            scores,
            detector.info.thresholds.likely_manipulated,
            calibration=detector.info.calibration,
            rounds=config.rounds,
        )
        about = {"detector": detector, "opened": opened, "config": config}
        cautions = {"cautions": (*odd, *evaluation.cautions)}
        found.append(evaluation.model_copy(update=about | cautions))
    return found


def open_manifest(
    manifest: Path,
    config: EvaluateConfig,
    purpose: str,
    detectors: Sequence[DetectorFacts],
    now: datetime | None = None,
) -> tuple[list[Entry], Opened, tuple[Notice, ...]]:
    """The files to measure, what is known of their manifest, and what is odd about its splits.

    Where test files are among them, that is logged beside the manifest before they are touched.

    Raises:
        ConfigError: no files of that split, or the opening cannot be logged.
    """
    entries = read_manifest(manifest)
    splits = {entry.split for entry in entries} - {""}
    split = config.split or ("test" if splits else "all")
    items = entries if split == "all" else of_split(entries, split)
    if not items:
        has = f"has the splits {', '.join(sorted(splits))}" if splits else "has no splits"
        raise ConfigError(
            f"{manifest}: no file of split {split!r}; the manifest {has}; name one with --split, "
            "or make them with 'counterface dataset split'"
        )
    sha256 = file_sha256(manifest)
    earlier: tuple[Opening, ...] = ()
    if any(item.split == "test" for item in items):
        who = [(detector.name, detector.sha256) for detector in detectors]
        earlier = log_opening(manifest, sha256, purpose, who, now)
    opened = Opened(
        manifest=str(manifest),
        sha256=sha256,
        split=split,
        splits=bool(splits),
        files=len(items),
        openings=earlier,
    )
    return items, opened, split_cautions(entries, items)


def score_opened(
    items: Sequence[Entry],
    detector: DetectorFacts,
    config: EvaluateConfig,
    progress: Progress | None = None,
    change: Degradation | None = None,
) -> list[FileScore]:
    """The files' scores by one detector, from the cache where they are known.

    `change` is done to frames before faces are looked for.
    """
    scan, name = config.scan_config(detector.file), change.name if change else ""
    store = ScoreStore(config.cache, detector.sha256, scan, name) if config.cache else None
    return score_files(items, scan, jobs=config.jobs, progress=progress, store=store, change=change)
