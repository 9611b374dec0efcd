"""Trains, calibrates and exports the shipped detector; run again to continue.

    python benchmarks/train_default.py            everything, under two hours on two CPU cores
    python benchmarks/train_default.py extract | pretrain | refine | halves | folds | export

Every number that is reported for the pairs comes from `folds`: heads that were fitted on neither
the swap model nor the people of the clip they judge. `export` fits on all of it: what ships.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from default_data import (
    DATA,
    FOLDS,
    STILLS,
    SYNTHETIC,
    extract_all,
    held_back,
    training_items,
    write_halves,
)

from counterface.config import read_config
from counterface.detect.calibrate import calibrate_scores
from counterface.detect.detector import Calibration, DetectorInfo
from counterface.detect.evaluate import FileScore, score_files
from counterface.detect.models.evidence_sum import EvidenceSum
from counterface.detect.scan import ScanConfig
from counterface.detect.train import DataConfig, SyntheticFolders, TrainConfig, train_detector
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
FACESETS = RUN / "facesets"
SHIPPED = ROOT / "src" / "counterface" / "detect" / "data" / "default.onnx"
VERSION = "2026.11"
REFINE_STEPS = 1000
FOLDED = DATA / "weights" / "mobilenet_v2_imagenet" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"


def halves() -> None:
    """The two halves of each labelled pair, as clips of their own."""
    write_halves(RUN / "halves")


def say(phase: str, step: int, steps: int, numbers: dict[str, float]) -> None:
    """One line of progress."""
    shown = " ".join(f"{name}={value:.3f}" for name, value in numbers.items())
    print(f"{phase} {step}/{steps} {shown}", flush=True)


def pretrain() -> None:
    """The blend net: self-blended and other pseudo-fakes of still pictures, no footage."""
    train_detector(blend_config(RUN / "pretrain"), say)


def refine() -> None:
    """The blend net goes on with half the degradation and more self-blended pictures."""
    config = blend_config(RUN / "refine")
    mix = {"strength": 0.5, "self_blended": 0.55, "swapped_in": 0.15, "remade": 0.3, "seed": 1}
    update = {
        "start_from": RUN / "pretrain" / "last.safetensors",
        "autoencoder": RUN / "pretrain" / "autoencoder" / "autoencoder.onnx",
        "pairs": config.pairs.model_copy(update=mix),
        "loop": config.loop.model_copy(update={"steps": REFINE_STEPS, "seed": 1}),
    }
    train_detector(config.model_copy(update=update), say)


def blend_config(out: Path) -> TrainConfig:
    """The recipe of the blend net, on its data."""
    recipe = read_config(TrainConfig, ROOT / "recipes" / "self_blended.toml")
    data = DataConfig(
        stills=tuple(FACESETS / name for name in STILLS),
        synthetic=tuple(
            SyntheticFolders(fake=FACESETS / fake, real=FACESETS / real)
            for fake, real in SYNTHETIC.items()
        ),
    )
    pairs = recipe.pairs.model_copy(update={"synthetic": 0.1})
    update = {"out": out, "folded": FOLDED, "data": data, "pairs": pairs}
    return recipe.model_copy(update=update)


def fit_config() -> FitConfig:
    """The recipe of the shipped detector, on its data."""
    recipe = read_config(FitConfig, ROOT / "recipes" / "frame_statistics.toml")
    weights = RUN / "refine" / "last.safetensors"
    voters = tuple(voter.model_copy(update={"weights": weights}) for voter in recipe.voters)
    return recipe.model_copy(update={"out": RUN, "folded": FOLDED, "voters": voters})


def fitted(leave_out: frozenset[str]) -> EvidenceSum:
    """The detector without some groups; statistics are collected once for all calls."""
    config = fit_config()
    items = training_items(RUN / "halves")
    net = start_statistics(config, real_faces(items, config))
    found = collect_statistics(net, items, config, progress=told)
    fit_heads(net, found, items, config, leave_out)
    return join_evidence(net, config)


def told(done: int, total: int | None, name: str) -> None:
    """A line now and then."""
    if done % 100 == 0:
        print(f"statistics: {done} of {total} files, {name}", flush=True)


def plain_info() -> DetectorInfo:
    """What an uncalibrated file says of itself."""
    config = fit_config()
    return uncalibrated("counterface-frame-statistics", config.template, config.size)


def folds() -> None:
    """Out-of-fold scores of every labelled clip, into `oof.json`."""
    rows = held_back(RUN / "halves")
    scores: list[FileScore] = []
    for fold in range(FOLDS):
        items = [item for number, item in rows if number == fold]
        path = RUN / f"fold_{fold}.onnx"
        net = fitted(frozenset(item.source for item in items))
        export_detector(net, plain_info(), path)
        scores += score_files(items, ScanConfig(detector=str(path)))
        print(f"fold {fold}: {len(items)} clips", flush=True)
    text = json.dumps([score.model_dump(mode="json") for score in scores], indent=1)
    (RUN / "oof.json").write_text(text)


def export() -> None:
    """Fits on everything, calibrates on the out-of-fold scores, writes the shipped file."""
    scores = [FileScore(**row) for row in json.loads((RUN / "oof.json").read_text())]
    calibration, thresholds = calibrate_scores(scores, Calibration())
    info = plain_info().model_copy(
        update={
            "version": VERSION,
            "calibration": calibration,
            "thresholds": thresholds,
            "card": json.loads((Path(__file__).parent / "default_card.json").read_text()),
        }
    )
    export_detector(fitted(frozenset()), info, SHIPPED)
    print(info.model_dump_json(indent=1))


PHASES = {
    "extract": lambda: extract_all(FACESETS),
    "pretrain": pretrain,
    "refine": refine,
    "halves": halves,
    "folds": folds,
    "export": export,
}

if __name__ == "__main__":
    for phase in sys.argv[1:] or PHASES:
        began = time.perf_counter()
        PHASES[phase]()
        print(f"{phase}: {(time.perf_counter() - began) / 60:.1f} minutes", flush=True)
