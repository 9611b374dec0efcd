"""The whole recipe of `detect fit`: from a list of files to a detector whose witnesses are weighed.

    manifest ─> each fold: backbone tuned, heads fitted, what it never met scored ─> what witnesses
        └─────> all files: backbone tuned, heads fitted ─────────> the detector <──── are worth

Each stage leaves its result in the run's folder, and is passed over where that is there for the
same input. So a call that was stopped goes on, and other heads do not tune the backbones anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import pyarrow as pa

from counterface.config import read_config
from counterface.datasets.leave_out import draw_evenly, fold_splits, met_paths
from counterface.datasets.manifest import Entry, of_split, read_manifest, write_manifest
from counterface.detect.detector import Detector, DetectorInfo
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.evaluation.fit_weighing import calibrate_witnesses
from counterface.detect.evaluation.score_files import score_files
from counterface.detect.evaluation.score_store import ScoreStore
from counterface.detect.findings import Notice
from counterface.detect.generalisation.meter import Generalisation
from counterface.detect.scanning.scan import ScanConfig
from counterface.detect.training.collect import Failed
from counterface.detect.training.export import stamp_detector
from counterface.detect.training.fit import FitConfig, fit_items, read_items
from counterface.detect.training.left_out_table import tabulate_left_out, take_each_once
from counterface.detect.training.recipe import TrainConfig
from counterface.detect.training.train import describe_recipe, train_detector
from counterface.errors import DetectorError, StoppedBySignal, TrainingError
from counterface.files import file_sha256, find_differences, make_folder, replacing, write_bytes
from counterface.learn.checkpoint import read_weights
from counterface.table import write_table
from counterface.types import Progress

MANIFEST, DETECTOR = "manifest.parquet", "detector.onnx"
WEIGHTS, TAKEN = "last.safetensors", "taken"  # of a run that tuned; that it was made elsewhere
SCORES, TABLE = "left_out.parquet", "left_out.json"


@dataclass(frozen=True)
class FitScope:
    """What one fit learns from and is judged by: a fold, or all files."""

    name: str
    folder: Path
    entries: tuple[Entry, ...]  # of the splits train and val

    @property
    def learnt(self) -> list[Entry]:
        """The files that it is fitted on."""
        return of_split(self.entries, "train")

    @property
    def tuned(self) -> Path:
        """Folder of the run that tunes its backbone."""
        return self.folder / "tuned"


def fit_weighed(
    config: FitConfig,
    path: Path,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
    failed: Failed | None = None,
) -> Generalisation | None:
    """The tables of a recipe's folds, on files that they never met; its detector file is written.

    Args:
        config: names the manifest, of which the split `test` is not looked at. Without `folds` the
            detector is not calibrated, and None is returned.
        path: ends in .onnx.
        jobs: processes that scan.
        progress: called as (done, total, name).
        failed: called with each file that could not be read, and why; the rest goes on.

    Raises:
        ConfigError: a manifest or recipe that cannot be read, or too few methods for the folds.
        TrainingError: a head without its methods, or a run that was started on other files.
        DetectorError: too few files to weigh the witnesses, or none that tells anything.
        StoppedBySignal: while a backbone was tuned.
    """
    if config.tuning is not None and config.faces is None:
        raise TrainingError(
            "the recipe's tuning reads faces; say --faces FOLDER, a store of 'counterface dataset "
            "faces --twins', or set faces in the recipe"
        )
    items = [item for item in read_items(config) if item.split != "test"]
    folds = _plan_folds(config, items) if config.folds else []
    scores = []
    for part in folds:
        detector = _fit_part(config, part, progress, failed)
        scores.append(_score_part(config, part, detector, jobs, progress))
    whole = FitScope("all", config.out, tuple(replace(item, split="train") for item in items))
    detector = _fit_part(config, whole, progress, failed)
    if not folds:
        _place(detector, path)
        return None
    _write_scores(scores, config.out / SCORES)
    info = Detector.load(str(detector)).info
    found = tabulate_left_out(path.stem, [part.entries for part in folds], scores, info)
    if taken := ", ".join(part.name for part in folds if _is_taken(part.tuned)):
        text = (
            f"The backbones of {taken} were tuned elsewhere: whether they met the files that judge "
            "them is not known here."
        )
        notices = (*found.cautions, Notice(code="taken", text=text))
        found = found.model_copy(update={"cautions": notices})
    write_bytes(config.out / TABLE, found.model_dump_json(indent=1).encode(), TrainingError)
    try:
        info = calibrate_witnesses(take_each_once(scores), info)
    except DetectorError as error:
        raise DetectorError(f"{error} (numbers of the folds: {config.out / TABLE})") from error
    _place(detector, path, info)
    return found


def _plan_folds(config: FitConfig, items: Sequence[Entry]) -> list[FitScope]:
    """The folds, with their manifests in their folders."""
    parts = []
    for number, entries in enumerate(fold_splits(items, config.folds)):
        folder = config.out / f"fold_{number}"
        make_folder(folder, TrainingError)
        write_manifest(entries, folder / MANIFEST)
        parts.append(FitScope(f"fold {number}", folder, tuple(entries)))
    return parts


def _fit_part(
    config: FitConfig, part: FitScope, progress: Progress | None, failed: Failed | None
) -> Path:
    """The detector of a part; kept until something that it is made of changes."""
    if config.tuning is not None:
        tuned = {"tuned": _tune(config, part, progress), "tuned_share": config.tuning.share}
        config = config.model_copy(update=tuned)
    path, mark = part.folder / DETECTOR, part.folder / f"{DETECTOR}.key"
    key = _key_of(config, part.learnt)
    if path.is_file() and mark.is_file() and mark.read_text(encoding="utf-8") == key:
        return path
    fit_items(config, part.learnt, path, _named(part, progress), failed)
    write_bytes(mark, key.encode(), TrainingError)
    return path


def _key_of(config: FitConfig, items: Sequence[Entry]) -> str:
    """The digest of everything that a detector file depends on."""
    apart = {"out", "manifest", "faces", "folds", "limit", "tuning", "tuned", "folded", "voters"}
    voters = [voter.model_dump_json(exclude={"met", "weights"}) for voter in config.voters]
    files = [config.tuned, config.folded, *(voter.weights for voter in config.voters)]
    hashes = [file_sha256(file) if file else "" for file in files]
    digest = hashlib.sha256(json.dumps([config.model_dump_json(exclude=apart), voters]).encode())
    digest.update(" ".join(hashes).encode())
    for item in items:
        size = item.path.stat().st_size if item.path.is_file() else None  # `failed` hears of it
        columns = (item.label, item.method, item.generator, item.origin)
        digest.update(json.dumps([str(item.path.resolve()), size, *columns]).encode())
    return digest.hexdigest()


def _tune(config: FitConfig, part: FitScope, progress: Progress | None) -> Path:
    """The last weights of the run that tunes a part's backbone: left-out files choose no step.

    Raises:
        TrainingError: the run was started on other files, or by another recipe.
        StoppedBySignal: the training was stopped.
    """
    assert config.tuning is not None
    weights = part.tuned / WEIGHTS
    if _is_taken(part.tuned):
        file_sha256(weights)  # an error that names it, where it is not there
        return weights
    _keep_manifest(part)
    recipe = _tuning_recipe(config, part)
    if _is_finished(weights, recipe):
        return weights

    def told(phase: str, step: int, steps: int, numbers: dict[str, float]) -> None:
        if progress:
            loss = f", loss {numbers['loss']:.3g}" if "loss" in numbers else ""
            progress(step, steps, f"{part.name}: tuning{loss}")

    result = train_detector(recipe, told)
    if result.stopped == "signal":
        raise StoppedBySignal(result.signal, f"stopped while {part.name} was tuned")
    return weights


def _tuning_recipe(config: FitConfig, part: FitScope) -> TrainConfig:
    """The tuning's recipe on a part's files; a family that is left out whole has no share."""
    assert config.tuning is not None
    recipe = read_config(TrainConfig, config.tuning.recipe)
    data: dict[str, object] = {"faces": config.faces, "manifest": part.tuned / MANIFEST}
    if recipe.data.twins is not None:
        there = {entry.method for entry in part.learnt if entry.label}
        shares = {n: share for n, share in recipe.data.twins.families.items() if n in there}
        data["twins"] = recipe.data.twins.model_copy(update={"families": shares})
    settled = {"out": part.tuned, "data": recipe.data.model_copy(update=data)}
    return recipe.model_copy(update=settled)


def _keep_manifest(part: FitScope) -> None:
    """Write the list of a run beside it; refuse a run on another one."""

    def told(entry: Entry) -> Entry:
        return replace(entry, path=entry.path.resolve(), mask=entry.mask and entry.mask.resolve())

    path = part.tuned / MANIFEST
    make_folder(part.tuned, TrainingError)
    if path.is_file():
        then, now = ([*map(told, entries)] for entries in (read_manifest(path), part.entries))
        if then != now:
            raise TrainingError(
                f"{part.tuned}: its run was started on another list of files ({len(then)}, now "
                f"{len(now)}); delete the folder to tune anew, or name another --out"
            )
    write_manifest(part.entries, path)


def _is_finished(weights: Path, recipe: TrainConfig) -> bool:
    """Whether a run has come to the end of the recipe; of another recipe, training says why not."""
    if recipe.epochs or not weights.is_file():
        return False
    _, record = read_weights(weights)
    about, wanted = record.get("about", {}), describe_recipe(recipe)
    same = not find_differences({name: about.get(name) for name in wanted}, wanted)
    return same and record.get("step", 0) >= recipe.loop.steps


def _is_taken(tuned: Path) -> bool:
    """Whether a file in the run's folder says that the run was made elsewhere."""
    return (tuned / TAKEN).is_file()


def _score_part(
    config: FitConfig, part: FitScope, detector: Path, jobs: int, progress: Progress | None
) -> list[FileScore]:
    """The scans of what a fold left out, at most `limit` of each maker and origin.

    New files of makers and origins that it knows are drawn apart, and marked as `met`; so are those
    of makers that a voter, which is the same in all folds, was trained on.
    """
    learnt = [*chain(*(read_manifest(voter.met) for voter in config.voters if voter.met))]
    shut = {entry.path.resolve() for entry in learnt}
    free = [e for e in of_split(part.entries, "val") if e.path.resolve() not in shut]
    met = met_paths(part.entries, learnt)
    judged = [
        *draw_evenly([e for e in free if e.path not in met], config.limit),
        *draw_evenly([e for e in free if e.path in met], config.limit),
    ]
    scan = ScanConfig(detector=str(detector), cues="none")
    store = ScoreStore(config.out / "scores", file_sha256(detector), scan)
    found = score_files(judged, scan, jobs=jobs, progress=_named(part, progress), store=store)
    of_met = {str(path) for path in met}
    return [score.model_copy(update={"met": score.path in of_met}) for score in found]


def _write_scores(scores: Sequence[Sequence[FileScore]], path: Path) -> None:
    """Write the left-out scores, a row each, with their fold."""
    rows = [
        {"fold": number, **score.model_dump(mode="json")}
        for number, part in enumerate(scores)
        for score in part
    ]
    write_table(path, pa.Table.from_pylist(rows), TrainingError)


def _place(detector: Path, path: Path, info: DetectorInfo | None = None) -> None:
    """Write the detector file, with another description where one is given."""
    make_folder(path.parent, DetectorError)
    with replacing(path, DetectorError) as temporary:
        shutil.copyfile(detector, temporary)
        if info is not None:
            stamp_detector(temporary, info)


def _named(part: FitScope, progress: Progress | None) -> Progress | None:
    return progress and (lambda done, total, name: progress(done, total, f"{part.name}: {name}"))
