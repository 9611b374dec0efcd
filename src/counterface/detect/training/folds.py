"""Cross-validation three ways at once, so that a reader sees how leakage flatters.

The same recipe is trained on folds of single moments (frames of one video on both sides), of videos
(the same person, or the footage a fake was made from, on both sides), and of linked groups (nobody
and no footage on both sides). Only the last says what a detector is worth on people it never saw.

A fold is never its own judge: of `n` folds one is held back, the next one chooses the best weights
(early stopping looks at it alone), and the other n - 2 are trained on. Files of the split `test`
are in no fold; each fold's detector judges them once, at its end, and that is logged.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.datasets.labelled_faces import FaceClip, FacePool
from counterface.datasets.manifest import of_split
from counterface.datasets.split import fold_groups, linked_groups
from counterface.detect.evaluation.openings import log_opening
from counterface.detect.training.recipe import TrainConfig
from counterface.detect.training.score_clips import measure_clips, score_clips
from counterface.detect.training.train import (
    describe_recipe,
    load_detector,
    manifest_of,
    open_pool,
    train_on,
)
from counterface.device import find_device
from counterface.errors import StoppedBySignal, TrainingError
from counterface.files import file_sha256, write_bytes
from counterface.project_files import read_bytes, reading

FoldBy = Literal["frame", "video", "identity"]
FOLD_BY: tuple[FoldBy, ...] = ("frame", "video", "identity")
REPORT_FILE = "folds.json"

Progress = Callable[[str, int, int, dict[str, float]], None]  # phase, step, steps, numbers


class FoldResult(Record):
    """One fold's detector, measured on what it has not seen."""

    fold: int
    train_files: int
    held_back_files: int
    metrics: dict[str, float] = Field(
        description="numbers on the fold held back; see `measure_clips`"
    )
    unseen: dict[str, float] = Field(
        description="numbers on the test split; empty where there is none"
    )
    best_step: int | None = Field(
        description="best step, chosen on a fold that is neither trained on nor held back"
    )
    seconds: float
    recipe: str = Field(description="digest of the recipe that was trained")


class Grouping(Record):
    """All folds that were made one way."""

    by: FoldBy
    folds: tuple[FoldResult, ...]
    mean: dict[str, float] = Field(description="mean over the folds, by metric")
    deviation: dict[str, float] = Field(
        description="standard deviation between folds (n - 1), by metric"
    )
    unseen_mean: dict[str, float]
    unseen_deviation: dict[str, float]


class FoldReport(Record):
    """A recipe cross-validated."""

    model: str
    folds: int
    seed: int
    files: int = Field(description="number of files in the folds")
    fake_share: float = Field(
        description="share of fakes among them: the accuracy of always saying fake"
    )
    test_files: int
    test_fake_share: float | None
    groupings: tuple[Grouping, ...]


def cross_validate(
    config: TrainConfig,
    folds: int = 5,
    fold_by: Sequence[FoldBy] = FOLD_BY,
    progress: Progress | None = None,
) -> FoldReport:
    """The report, which also stands in `folds.json` of the run's folder.

    A call that was stopped goes on with the fold that it was at.

    Args:
        config: with labelled faces.
        folds: how many, at least 3: one is held back, one chooses, the rest is trained on.
        fold_by: what may not be on both sides, each way by itself.
        progress: called with each log line; the phase names the fold.

    Raises:
        TrainingError: no labelled faces, or too few folds.
        StoppedBySignal: within a training; it was saved first.
        ConfigError: fewer groups than folds.
    """
    if folds < 3:
        raise TrainingError(f"folds = {folds}: one is held back and one chooses; use 3 or more")
    pool = open_pool(config)
    test = pool.of_entries(of_split(pool.entries, "test"))
    inside = pool.of_entries([entry for entry in pool.entries if entry.split != "test"])
    groupings = []
    for by in fold_by:
        found = tuple(_folds(config, pool, inside, test, folds, by, progress))
        mean, deviation = _spread([fold.metrics for fold in found])
        unseen = _spread([fold.unseen for fold in found])
        groupings.append(
            Grouping(
                by=by,
                folds=found,
                mean=mean,
                deviation=deviation,
                unseen_mean=unseen[0],
                unseen_deviation=unseen[1],
            )
        )
    labels = {clip.entry: clip.label for clip in inside}
    test_labels = {clip.entry: clip.label for clip in test}
    report = FoldReport(
        model=config.model.name,
        folds=folds,
        seed=config.loop.seed,
        files=len(labels),
        fake_share=float(np.mean(list(labels.values()))),
        test_files=len(test_labels),
        test_fake_share=float(np.mean(list(test_labels.values()))) if test else None,
        groupings=tuple(groupings),
    )
    write_bytes(config.out / REPORT_FILE, report.model_dump_json(indent=1).encode())
    return report


def fold_clips(
    pool: FacePool, clips: Sequence[FaceClip], folds: int, by: FoldBy, seed: int = 0
) -> list[int]:
    """The fold of each clip; what `by` names is in one fold, and folds are about equally large.

    Args:
        pool: where the clips are from.
        clips: N of them.
        folds: how many.
        by: "frame" keeps nothing together, "video" a file, "identity" linked people and footage.
        seed: seed of the order of files, so that neighbours in a list are not neighbours in folds.

    Raises:
        ConfigError: fewer groups than folds.
    """
    if by == "identity":
        linked = linked_groups(pool.entries)
        return fold_groups([linked[clip.entry] for clip in clips], folds)
    turn = np.random.default_rng(seed).permutation(len(pool.entries))
    names = [
        f"{turn[clip.entry]:08d}" + (f"/{number:08d}" if by == "frame" else "")
        for number, clip in enumerate(clips)
    ]
    found = [0] * len(clips)
    for label in (0, 1):  # each class by itself: every fold has its share of both
        own = [number for number, clip in enumerate(clips) if clip.label == label]
        for number, fold in zip(own, fold_groups([names[i] for i in own], folds), strict=True):
            found[number] = fold
    return found


def _folds(
    config: TrainConfig,
    pool: FacePool,
    clips: Sequence[FaceClip],
    test: Sequence[FaceClip],
    folds: int,
    by: FoldBy,
    progress: Progress | None,
) -> Iterator[FoldResult]:
    of_clip = fold_clips(pool, clips, folds, by, config.loop.seed)
    for fold in range(folds):
        parts: list[list[FaceClip]] = [[], [], []]  # held back, choosing, trained on
        for clip, number in zip(clips, of_clip, strict=True):
            parts[min((number - fold) % folds, 2)].append(clip)
        folder = config.out / "folds" / by / f"fold_{fold}"
        digest = _digest(config, pool, parts, test)
        done = _read(folder / "result.json", digest)
        yield done or _train_fold(config, pool, parts, test, fold, folder, digest, progress)


def _train_fold(
    config: TrainConfig,
    pool: FacePool,
    parts: Sequence[Sequence[FaceClip]],
    test: Sequence[FaceClip],
    fold: int,
    folder: Path,
    digest: str,
    progress: Progress | None,
) -> FoldResult:
    """The fold's result, after its training."""
    held_back, choosing, training = parts
    name = f"fold {fold} by {folder.parent.name}"
    began = time.monotonic()
    named = progress and (lambda phase, *rest: progress(name, *rest))
    result = train_on(config, pool, training, choosing, folder, named)
    if result.stopped == "signal":
        raise StoppedBySignal(result.signal, f"stopped in {name}")
    net = load_detector(result.weights)
    device = find_device(config.loop.device)
    if device.startswith("cuda"):
        net = net.to(device)
    if test:
        manifest = manifest_of(config)
        weights = (config.model.name, file_sha256(result.weights))
        log_opening(manifest, file_sha256(manifest), "train --folds", [weights])
    found = FoldResult(
        fold=fold,
        train_files=len({clip.entry for clip in training}),
        held_back_files=len({clip.entry for clip in held_back}),
        metrics=measure_clips(pool, held_back, score_clips(net, pool, held_back)),
        unseen=measure_clips(pool, test, score_clips(net, pool, test)) if test else {},
        best_step=result.best_step,
        seconds=round(time.monotonic() - began, 1),
        recipe=digest,
    )
    write_bytes(folder / "result.json", found.model_dump_json(indent=1).encode())
    return found


def _spread(metrics: Sequence[dict[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and deviation of each metric, over the folds that have it."""
    names = dict.fromkeys(name for one in metrics for name in one)
    values = {name: [one[name] for one in metrics if name in one] for name in names}
    mean = {name: float(np.mean(found)) for name, found in values.items()}
    spread = {n: float(np.std(found, ddof=1)) for n, found in values.items() if len(found) > 1}
    return mean, spread


def _digest(
    config: TrainConfig,
    pool: FacePool,
    parts: Sequence[Sequence[FaceClip]],
    test: Sequence[FaceClip],
) -> str:
    """What a fold's result depends on, in short."""
    loop = config.settled_loop(None).model_dump(mode="json", exclude={"workers", "tensorboard"})
    files = [[row.file for clip in part for row in clip.rows] for part in (*parts, test)]
    about = [describe_recipe(config), config.epochs, loop, files, [e.label for e in pool.entries]]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def _read(path: Path, digest: str) -> FoldResult | None:
    """The result of a fold that is done, or None.

    Raises:
        TrainingError: it is of another recipe or other data, or damaged.
    """
    if not path.exists():
        return None
    with reading(path, TrainingError, "delete it", model=FoldResult):
        result = FoldResult.model_validate_json(read_bytes(path))
    if result.recipe != digest:
        raise TrainingError(
            f"{path}: is of another recipe or other faces; restore them, or set another 'out'"
        )
    return result
