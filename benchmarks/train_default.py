"""Trains, calibrates and exports the shipped detector; run again to continue.

    python benchmarks/train_default.py            everything, about two hours on one CPU core
    python benchmarks/train_default.py faces | texture | facesets | blend | refine | halves
                                       | folds | export | families

Every number that is reported for clips comes from `folds`: heads that were fitted on neither the
swap model nor the people of the clip they judge. Pictures of the split `val` are seen by no net and
no head of a fold. `export` fits the heads on all of it: what ships.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from default_data import (
    FOLDED,
    FOLDS,
    STILLS,
    SYNTHETIC,
    extract_stills,
    family_blends,
    family_items,
    held_back,
    stills,
    training_items,
    write_halves,
)

from counterface.config import read_config, read_config_with
from counterface.datasets.building.blended import build_blended
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
from counterface.detect.train import DataConfig, SyntheticFolders, TrainConfig, train_detector
from counterface.detect.training.collect import collect_statistics
from counterface.detect.training.export import export_detector, uncalibrated
from counterface.detect.training.families import add_families
from counterface.detect.training.fit import (
    FitConfig,
    fit_heads,
    join_evidence,
    real_faces,
    start_statistics,
)
from counterface.provenance.mark import Marker

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / "runs" / "default"
HALVES = RUN / "halves"
FACESETS = RUN / "facesets"
VERSION = "2026.11.2"
REFINE_STEPS = 1000


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


def blend() -> None:
    """The blend net: self-blended and other pseudo-fakes of still pictures, no footage."""
    train_detector(blend_config(RUN / "blend"), say)


def refine() -> None:
    """The blend net goes on with half the degradation and more self-blended pictures."""
    config = blend_config(RUN / "refine")
    mix = {"strength": 0.5, "self_blended": 0.55, "swapped_in": 0.15, "remade": 0.3, "seed": 1}
    update = {
        "start_from": RUN / "blend" / "last.safetensors",
        "autoencoder": RUN / "blend" / "autoencoder" / "autoencoder.onnx",
        "pairs": config.pairs.model_copy(update=mix),
        "loop": config.loop.model_copy(update={"steps": REFINE_STEPS, "seed": 1}),
    }
    train_detector(config.model_copy(update=update), say)


def blend_config(out: Path) -> TrainConfig:
    """The recipe of the blend net, on its data."""
    recipe = read_config(TrainConfig, ROOT / "recipes" / "self_blended.toml")
    fakes = {"synthetic_stylegan256": "faces_ffhq256", "synthetic_sdxl": "faces_london_ccby"}
    data = DataConfig(
        stills=tuple(FACESETS / name for name in STILLS),
        synthetic=tuple(
            SyntheticFolders(fake=FACESETS / name, real=FACESETS / fakes[name])
            for name in SYNTHETIC
        ),
    )
    pairs = recipe.pairs.model_copy(update={"synthetic": 0.1})
    update = {"out": out, "folded": FOLDED, "data": data, "pairs": pairs}
    return recipe.model_copy(update=update)


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
    nets = {
        "swapped face": RUN / "refine" / "last.safetensors",
        "generated face": RUN / "texture" / "best.safetensors",
    }
    voters = tuple(
        voter.model_copy(update={"weights": nets[voter.question]}) for voter in recipe.voters
    )
    return recipe.model_copy(update={"voters": voters})


def fitted(leave_out: frozenset[str]) -> EvidenceSum:
    """The detector without some sources; statistics are collected once for all calls."""
    config = fit_config()
    items = training_items(HALVES)
    net = start_statistics(config, real_faces(items, config))
    found = collect_statistics(net, items, config.cutter, config.out / "statistics", progress=told)
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
    """Fits on everything, calibrates on the scores of `folds`, writes what ships into the run."""
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


def families() -> None:
    """The head that names the family of methods, into the file that `export` wrote."""
    blended = RUN / "blended"
    build_blended(family_blends(blended), marker=Marker(watermark=False))
    items = family_items(HALVES, blended / "manifest.parquet")
    found = add_families(RUN / "default.onnx", items)
    print(found.model_dump_json(indent=1))


PHASES = {
    "faces": faces,
    "texture": texture,
    "facesets": lambda: extract_stills(FACESETS),
    "blend": blend,
    "refine": refine,
    "halves": lambda: write_halves(HALVES),
    "folds": folds,
    "export": export,
    "families": families,
}

if __name__ == "__main__":
    for phase in sys.argv[1:] or PHASES:
        began = time.perf_counter()
        PHASES[phase]()
        print(f"{phase}: {(time.perf_counter() - began) / 60:.1f} minutes", flush=True)
