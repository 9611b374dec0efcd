"""A run's weights as a detector file: network, model card, calibration where there are files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from counterface import __version__
from counterface.config import Record, read_config
from counterface.datasets.manifest import Entry, of_split, read_manifest
from counterface.detect.calibrate import calibrate_file, fit_calibration
from counterface.detect.detector import Calibration, DetectorInfo
from counterface.detect.models.detector_model import DetectorModel
from counterface.detect.models.fusion import Fusion
from counterface.detect.scanning.scan import ScanConfig
from counterface.detect.training.export import describe_net, export_detector
from counterface.detect.training.recipe import ModelChoice, TrainConfig
from counterface.detect.training.score_clips import pool_files, score_clips
from counterface.detect.training.train import RECIPE_FILE, load_detector, manifest_of, open_pool
from counterface.errors import DetectorError
from counterface.learn import checkpoint as disk
from counterface.types import Progress
from counterface.wording import counted

ENOUGH = 5  # files of each class, without which probabilities cannot be fitted
NOT_FOR = (
    "proof; other data sets, generators and compressions than those it was trained on, where "
    "published detectors lose a large part of their accuracy"
)


class Packaged(Record):
    """What became of an export."""

    path: Path
    calibrated: bool
    note: str  # on which files, or why not
    info: DetectorInfo


def package_detector(
    weights: Path,
    path: Path,
    *,
    name: str = "",
    recipe: Path | None = None,
    manifest: Path | None = None,
    jobs: int = 1,
    half: bool = False,
    progress: Progress | None = None,
) -> Packaged:
    """What was written; the detector is calibrated on the manifest's split `val`, where it can be.

    Args:
        weights: a run's best or last `.safetensors`.
        path: ends in .onnx.
        name: what reports call it; the architecture's where empty.
        recipe: recipe of weights that do not say what they are.
        manifest: with a split `val`; that of the recipe beside the weights where None.
        jobs: processes that scan for the calibration.
        half: stores weights in 16 bits.
        progress: called with each file that was scanned.

    Raises:
        TrainingError: weights that cannot be read, or do not say what they are.
        DetectorError: the file's logits differ from the net's.
    """
    choice = read_config(TrainConfig, recipe).model if recipe else None
    net = load_detector(weights, choice)
    card = make_card(weights, choice)
    info = describe_net(net, name or str(card["architecture"])).model_copy(update={"card": card})
    export_detector(net, info, path, half=half)
    return _calibrated(path, info, _validation_files(weights, manifest), jobs, progress)


def fuse_detectors(
    weights: Sequence[Path],
    path: Path,
    *,
    name: str = "fusion",
    manifest: Path | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Packaged:
    """Several runs' weights as one detector file: the mean of their calibrated log-odds.

    Each member is calibrated on the stored faces of its own recipe's split `val`; the whole again,
    as `package_detector` does.

    Args:
        weights: two or more runs' `.safetensors`, of detectors of single crops of one template.
        path: ends in .onnx.
        name: what reports call it.
        manifest: with a split `val`; that of the first run's recipe where None.
        jobs: processes that scan for the calibration.
        progress: called with each file that was scanned.

    Raises:
        ConfigError: fewer than two, or nets that cannot be joined.
        TrainingError: weights that cannot be read, or do not say what they are.
    """
    members, cards = [], []
    for one in weights:
        net, card = load_detector(one), make_card(one)
        fitted = _member_calibration(net, one)
        members.append((str(card["architecture"]), net, fitted.scale, fitted.offset))
        cards.append(card | {"calibration": fitted.model_dump()})
    fused = Fusion.of(members)
    licences = sorted({str(card["licence"]) for card in cards})
    parts = {str(number): card for number, card in enumerate(cards)}
    card = {"architecture": "fusion", "members": parts, "licence": " / ".join(licences)}
    info = describe_net(fused, name).model_copy(update={"card": card | {"not_for": NOT_FOR}})
    export_detector(fused, info, path)
    return _calibrated(path, info, _validation_files(weights[0], manifest), jobs, progress)


def _member_calibration(net: DetectorModel, weights: Path) -> Calibration:
    """What turns a net's mean logits into log-odds; as they are where there is no data for it."""
    recipe = weights.parent / RECIPE_FILE
    config = read_config(TrainConfig, recipe) if recipe.exists() else None
    if config is None or config.data.faces is None:
        return Calibration()
    pool = open_pool(config)
    clips = pool.of_entries(of_split(pool.entries, "val"))
    files = pool_files(clips, score_clips(net, pool, clips))
    labels = [pool.entries[number].label for number in files]
    if min(labels.count(0), labels.count(1)) < ENOUGH:
        return Calibration()
    return fit_calibration(labels, list(files.values()))


def _calibrated(
    path: Path, info: DetectorInfo, entries: list[Entry], jobs: int, progress: Progress | None
) -> Packaged:
    """The file, its probabilities and lines fitted on the entries where there are enough."""
    calibrated = False
    if min(sum(e.label == label for e in entries) for label in (0, 1)) < ENOUGH:
        note = f"not calibrated: it needs {ENOUGH} files of each class in the split 'val'"
    else:
        try:
            info = calibrate_file(path, entries, ScanConfig(), jobs=jobs, progress=progress)
        except DetectorError as error:
            note = f"not calibrated: {error}"
        else:
            calibrated = True
            note = f"calibrated on {counted(len(entries), 'file')} of the split 'val'"
    return Packaged(path=path, calibrated=calibrated, note=note, info=info)


def make_card(weights: Path, model: ModelChoice | None = None) -> dict[str, Any]:
    """The model card: data, recipe, metrics, licences, seed and cost, as far as the run knows.

    Args:
        weights: a run's `.safetensors`.
        model: the architecture of weights that do not say it.
    """
    record = disk.read_record(weights)
    about = record.get("about") or {}
    chosen = about.get("model") or (model or ModelChoice()).model_dump(mode="json")
    data = about.get("data", {})
    licences = sorted({text for part in data.values() for text in part.get("licences", [])})
    card: dict[str, Any] = {
        "architecture": chosen["name"],
        "options": chosen["options"],
        "trained_on": data or "not recorded",
        "recipe": {k: about[k] for k in ("optimizer", "loss", "augment") if k in about},
        "steps": record.get("step"),
        "seed": about.get("seed"),
        "validation": {k: round(v, 4) for k, v in record.get("metrics", {}).items()},
        "licence": "weights: by the terms of the training files: " + ("; ".join(licences) or "?"),
        "cost": _cost(weights.parent),
        "made_by": f"counterface {__version__}",
        "not_for": NOT_FOR,
    }
    return {key: value for key, value in card.items() if value not in (None, {}, "")}


def _cost(run: Path) -> str:
    """How long the run took, or nothing where no checkpoint is left."""
    found = disk.checkpoints(run / "checkpoints")
    if not found:
        return ""
    seconds = disk.read_record(found[-1]).get("seconds", {}).get("ran", 0.0)
    return f"{seconds / 3600:.2f} hours of training, all interruptions left out"


def _validation_files(weights: Path, manifest: Path | None) -> list[Entry]:
    """The files of the split `val` that are still there."""
    recipe = weights.parent / RECIPE_FILE
    if manifest is None and recipe.exists():
        config = read_config(TrainConfig, recipe)
        manifest = manifest_of(config) if config.data.faces is not None else None
    if manifest is None:
        return []
    return [entry for entry in of_split(read_manifest(manifest), "val") if entry.path.is_file()]
