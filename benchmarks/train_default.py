"""Trains, calibrates and exports the shipped detector; run again to continue.

    python benchmarks/train_default.py            everything, about an hour on one CPU core
    python benchmarks/train_default.py faces | texture | halves | folds | export

Every number that is reported for clips comes from `folds`: heads that were fitted on neither the
swap model nor the people of the clip they judge. Pictures of the split `val` are seen by no net and
no head of a fold. `export` fits the heads on all of it: what ships.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from default_data import DATA, FOLDS, held_back, stills, training_items, write_halves

from counterface.config import read_config_with
from counterface.datasets.face_store import FaceStoreConfig, store_faces
from counterface.datasets.manifest import of_split, write_manifest
from counterface.detect.calibrate import (
    MARGIN,
    calibrate_scores,
    choose_thresholds,
    recalibrate_scores,
)
from counterface.detect.detector import Calibration, DetectorInfo, Thresholds
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.evaluation.score_files import score_files
from counterface.detect.models.evidence_sum import EvidenceSum
from counterface.detect.scan import ScanConfig
from counterface.detect.train import TrainConfig, train_detector
from counterface.detect.training.export import export_detector, uncalibrated
from counterface.detect.training.fit import (
    FitConfig,
    collect_statistics,
    fit_heads,
    join_evidence,
    real_faces,
    start_statistics,
)

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / "runs" / "default"
HALVES = RUN / "halves"
SHIPPED = ROOT / "src" / "counterface" / "detect" / "data" / "default.onnx"
VERSION = "2026.11.2"
FOLDED = DATA / "weights" / "mobilenet_v2_imagenet" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"


def faces() -> None:
    """The faces of the pictures, cut once."""
    manifest = RUN / "stills.parquet"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    write_manifest(stills(), manifest)
    summary = store_faces(stills(), RUN / "faces", FaceStoreConfig(), progress=told)
    print(f"{summary.crops} crops, {len(summary.failed)} files failed", flush=True)


def texture() -> None:
    """The texture net: generated faces against genuine pictures, no footage."""
    values = {
        "out": str(RUN / "texture"),
        "folded": str(FOLDED),
        "data": {
            "faces": str(RUN / "faces"),
            "manifest": str(RUN / "stills.parquet"),
        },
    }
    config = read_config_with(TrainConfig, ROOT / "recipes" / "texture_cnn.toml", values)
    train_detector(config, say)


def say(phase: str, step: int, steps: int, numbers: dict[str, float]) -> None:
    """One line of progress."""
    shown = " ".join(f"{name}={value:.3f}" for name, value in numbers.items())
    print(f"{phase} {step}/{steps} {shown}", flush=True)


def told(done: int, total: int | None, name: str) -> None:
    """A line now and then."""
    if done % 100 == 0:
        print(f"{done} of {total} files, {name}", flush=True)


def fit_config() -> FitConfig:
    """The recipe of the shipped detector, on its data."""
    values = {"out": str(RUN), "folded": str(FOLDED)}
    recipe = read_config_with(FitConfig, ROOT / "recipes" / "frame_statistics.toml", values)
    weights = RUN / "texture" / "best.safetensors"
    voters = tuple(voter.model_copy(update={"weights": weights}) for voter in recipe.voters)
    return recipe.model_copy(update={"voters": voters})


def fitted(leave_out: frozenset[str]) -> EvidenceSum:
    """The detector without some sources; statistics are collected once for all calls."""
    config = fit_config()
    items = training_items(HALVES)
    net = start_statistics(config, real_faces(items, config))
    found = collect_statistics(net, items, config, progress=told)
    fit_heads(net, found, items, config, leave_out)
    return join_evidence(net, config)


def plain_info() -> DetectorInfo:
    """What an uncalibrated file says of itself."""
    config = fit_config()
    return uncalibrated("counterface-frame-statistics", config.template, config.size)


def folds() -> None:
    """Scores of every clip and of the pictures kept back, into two JSON files."""
    rows = held_back(HALVES)
    unseen = of_split(stills(), "val")
    always = frozenset(item.source for item in unseen)
    scores: list[FileScore] = []
    for fold in range(FOLDS):
        items = [item for number, item in rows if number == fold]
        path = RUN / f"fold_{fold}.onnx"
        export_detector(fitted(always | {item.source for item in items}), plain_info(), path)
        scores += score_files(items, ScanConfig(detector=str(path)))
        print(f"fold {fold}: {len(items)} clips", flush=True)
    write_scores(RUN / "oof.json", scores)
    config = ScanConfig(detector=str(RUN / "fold_0.onnx"))
    write_scores(RUN / "oof_stills.json", score_files(unseen, config))


def write_scores(path: Path, scores: list[FileScore]) -> None:
    """One JSON list."""
    path.write_text(json.dumps([score.model_dump(mode="json") for score in scores], indent=1))


def read_scores(path: Path) -> list[FileScore]:
    """What `write_scores` wrote."""
    return [FileScore(**row) for row in json.loads(path.read_text())]


def choose_lines() -> tuple[Calibration, Thresholds]:
    """Calibration of clips and pictures together; a line that holds for the clips alone as well.

    No talking head may reach `likely_manipulated`: one in 17 would be over 5 %.
    """
    clips = read_scores(RUN / "oof.json")
    everything = clips + read_scores(RUN / "oof_stills.json")
    calibration, thresholds = calibrate_scores(everything, Calibration())
    moved = recalibrate_scores(clips, Calibration(), calibration, thresholds)
    used = [(s, s.low, s.high) for s in moved if s.low is not None and s.high is not None]
    labels, lows, highs = zip(*((s.label, low, high) for s, low, high in used), strict=True)
    alone = choose_thresholds(labels, lows, highs).likely_manipulated
    heads = max(low for s, low, _ in used if s.method == "clip") + MARGIN
    line = max(thresholds.likely_manipulated, alone, heads)
    return calibration, thresholds.model_copy(update={"likely_manipulated": line})


def export() -> None:
    """Fits on everything, calibrates on the scores of `folds`, writes the shipped file."""
    calibration, thresholds = choose_lines()
    info = plain_info().model_copy(
        update={
            "version": VERSION,
            "calibration": calibration,
            "thresholds": thresholds,
            "card": json.loads((Path(__file__).parent / "default_card.json").read_text()),
        }
    )
    export_detector(fitted(frozenset()), info, RUN / "default.onnx")
    print(info.model_dump_json(indent=1))


PHASES = {
    "faces": faces,
    "texture": texture,
    "halves": lambda: write_halves(HALVES),
    "folds": folds,
    "export": export,
}

if __name__ == "__main__":
    for phase in sys.argv[1:] or PHASES:
        began = time.perf_counter()
        PHASES[phase]()
        print(f"{phase}: {(time.perf_counter() - began) / 60:.1f} minutes", flush=True)
