"""Trains the published systems' recipes until they have learnt something, and prints the table.

    python benchmarks/published_systems.py data              pairs, manifests, faces; an hour
    python benchmarks/published_systems.py train [NAME ...]  run again to continue
    python benchmarks/published_systems.py blended           `self_blended_b4`, on pictures alone
    python benchmarks/published_systems.py export [NAME ...] as detector files, given to a scan
    python benchmarks/published_systems.py table             what docs/results.md shows

The recipes are those of `recipes/`; `PLANS` says what was changed and on which data set of
`published_data.py` each learns. Folds judge themselves on people (or makers) that they never saw;
runs on `twins` are judged on methods, people and footage that were left out.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from default_data import DATA
from published_data import GENERATED, RUN, SWAPS, TWINS, Store, cut_all, swaps, twins_manifest
from tables import head, row

from counterface.config import Record, parse_settings, read_config_with
from counterface.datasets.labelled_faces import FacePool
from counterface.datasets.manifest import of_split, read_manifest, write_manifest
from counterface.detect.generalisation.twin_table import find_twins, two_level_mean
from counterface.detect.training.folds import (
    REPORT_FILE,
    FoldBy,
    FoldReport,
    Grouping,
    cross_validate,
)
from counterface.detect.training.recipe import TrainConfig
from counterface.detect.training.score_clips import first_clips, pool_files, score_clips
from counterface.detect.training.train import load_detector, open_pool, train_detector, train_on
from counterface.faceset.extract import ExtractConfig, extract
from counterface.files import write_bytes
from counterface.learn.metrics import auc
from counterface.learn.run_log import read_log

ROOT = Path(__file__).resolve().parents[1]
LITE = (  # in place of a published backbone whose weights cannot be had, or of none
    "model.options.backbone=tf_efficientnet_lite0",
    "model.options.pretrained=true",
    "optimizer.lr=3e-4",
    "optimizer.head_lr=3e-3",
    "optimizer.drop_at=[0.7]",
    "loop.warmup=0",
)
JUDGED = 4  # crops of each left-out file
LEFT_OUT_FILE = "left_out.json"


@dataclass(frozen=True)
class Plan:
    """One recipe on one data set."""

    recipe: str
    store: Store
    steps: int
    settings: tuple[str, ...] = ()  # over the recipe's
    fold_by: tuple[FoldBy, ...] = ("identity",)
    folds: int = 3
    batch: int = 16
    fold: int = 1  # of the left-out methods, on twins


_SIAMESE = ("model.options.dropout=0.0", "loss.triplet_share=0.6", "optimizer.drop_at=[]")
_COLOUR, _GREY = "model.options.input=colour", "model.options.input=grey"
_3D = ("model.options.width=32", "model.options.blocks=[1,1,1,1]")

PLANS = {
    "resnet34_frames": Plan("resnet34_frames", SWAPS, 20, LITE, ("identity", "frame")),
    "efficientnet_b4": Plan("efficientnet_b4", SWAPS, 20, LITE),
    "xception": Plan("xception", SWAPS, 20, LITE),
    "frame_difference": Plan("frame_difference", SWAPS, 20, LITE, batch=8),
    "convlstm_canny": Plan("convlstm_canny", SWAPS, 48, LITE, ("identity", "video"), batch=8),
    "mesonet": Plan("mesonet", SWAPS, 400),
    "cnn_images": Plan("cnn_images", GENERATED, 480, (), ("identity", "frame")),
    "efficientnet_b4_attention": Plan("efficientnet_b4_attention", SWAPS, 20, LITE),
    "resnet3d_cutmix": Plan("resnet3d_cutmix", SWAPS, 20, (*LITE, *_3D), batch=8),
    "convlstm_colour": Plan("convlstm_canny", SWAPS, 24, (*LITE, _COLOUR), batch=8),
    "efficientnet_b4_siamese": Plan("efficientnet_b4_siamese", SWAPS, 36, (*LITE, *_SIAMESE)),
    "convlstm_grey": Plan("convlstm_canny", SWAPS, 24, (*LITE, _GREY), batch=8),
    "mesonet_inception": Plan("mesonet_inception", SWAPS, 400),
    "mesonet_twins": Plan("mesonet", TWINS, 300, batch=8),
    "resnet34_twins": Plan("resnet34_frames", TWINS, 120, LITE, batch=8),
}


def config_of(name: str) -> TrainConfig:
    """The recipe with the plan's settings over it."""
    plan = PLANS[name]
    shape = [
        f"data.faces={json.dumps(str(plan.store.folder))}",
        f"out={json.dumps(str(RUN / 'runs' / name))}",
        f"model.options.template={plan.store.template}",
        f"model.options.size={plan.store.size}",
        "epochs=0",
        f"loop.steps={plan.steps}",
        f"loop.validate_every={plan.steps}",
        f"loop.batch_size={plan.batch}",
        "loop.early_stop_patience=0",
        "loop.checkpoint_every=100000",
        "loop.tensorboard=false",
        f"loop.log_every={max(1, plan.steps // 10)}",
        "data.val_clips=8",
    ]
    if plan.store is TWINS:
        manifest = json.dumps(str(twins_manifest(plan.fold)))
        shape += [f"data.manifest={manifest}", "data.twins.strength=0.6"]
    values = parse_settings([*shape, *plan.settings])
    return read_config_with(TrainConfig, ROOT / "recipes" / f"{plan.recipe}.toml", values)


def train(names: Sequence[str]) -> None:
    """Train recipe after recipe; what is done is not done again."""
    for name in names or PLANS:
        began = time.monotonic()
        plan = PLANS[name]
        if plan.store is TWINS:
            line = left_out_row(name, leave_out(name))
        else:
            line = folds_row(name, cross_validate(config_of(name), plan.folds, plan.fold_by))
        print(f"{name}: {(time.monotonic() - began) / 60:.1f} minutes now; {line}", flush=True)


class LeftOut(Record):
    """A detector on methods, people and footage that it never saw."""

    files: int
    fakes: int
    auc: float
    accuracy: float
    methods: tuple[float, float, float]  # mean over methods of the AUC, its 95 % interval
    twins: tuple[float, float, float]  # share of genuine twins below a fake, by method
    families: dict[str, float]  # AUC
    seconds: float


def leave_out(name: str) -> LeftOut:
    """Trains on the split `train` and judges the split `val`, which chooses nothing."""
    config = config_of(name)
    path = config.out / LEFT_OUT_FILE
    if path.exists():
        return LeftOut.model_validate_json(path.read_text(encoding="utf-8"))
    began = time.monotonic()
    pool = open_pool(config)
    parts = [pool.of_entries(of_split(pool.entries, split)) for split in ("train", "val")]
    result = train_on(config, pool, parts[0], [], config.out)
    clips = first_clips(parts[1], JUDGED)
    logits = score_clips(load_detector(result.weights), pool, clips)
    found = judge(pool, pool_files(clips, logits), time.monotonic() - began)
    write_bytes(path, found.model_dump_json(indent=1).encode())
    return found


def judge(pool: FacePool, scores: dict[int, float], seconds: float) -> LeftOut:
    """What the logits of files, by their number in the pool, are worth."""
    entries = pool.entries
    genuine = np.array([s for n, s in scores.items() if not entries[n].label])
    shares: dict[str, list[float]] = defaultdict(list)  # of genuine files below a fake
    families: dict[str, list[float]] = defaultdict(list)
    for number, score in scores.items():
        if entries[number].label:
            shares[entries[number].generator].append(_share_below(score, genuine))
            families[entries[number].method].append(shares[entries[number].generator][-1])
    wins: dict[str, list[float]] = defaultdict(list)
    for fake, twin in find_twins(entries):
        if fake in scores and twin in scores:
            other = np.array([scores[twin]])
            wins[entries[fake].generator].append(_share_below(scores[fake], other))
    labels = np.array([entries[n].label for n in scores])
    values = np.array(list(scores.values()))
    return LeftOut(
        files=len(scores),
        fakes=int(labels.sum()),
        auc=auc(labels, values),
        accuracy=float(((values > 0) == (labels > 0)).mean()),
        methods=_interval(list(shares.values())),
        twins=_interval(list(wins.values())),
        families={name: float(np.mean(found)) for name, found in sorted(families.items())},
        seconds=seconds,
    )


def _share_below(score: float, others: np.ndarray) -> float:
    return float((others < score).mean() + 0.5 * (others == score).mean())


def _interval(parts: list[list[float]]) -> tuple[float, float, float]:
    number = two_level_mean(parts)
    if number is None:
        return (float("nan"),) * 3
    low = number.value if number.low is None else number.low
    high = number.value if number.high is None else number.high
    return number.value, low, high


def blended() -> None:
    """`self_blended_b4`: no fakes at all; every genuine and swapped clip of `swaps` judges it."""
    stills = {name: RUN / "facesets" / name for name in ("faces_london_ccby", "faces_ffhq256")}
    for name, folder in stills.items():
        extract(DATA / name, folder, ExtractConfig(template="head", size=256, faces=1))
    judged = RUN / "swaps_val.parquet"
    write_manifest([entry for entry in swaps() if entry.split != "test"], judged)
    out = RUN / "runs" / "self_blended_b4"
    values = parse_settings(
        [
            f"data.stills={json.dumps([str(folder) for folder in stills.values()])}",
            f"data.faces={json.dumps(str(SWAPS.folder))}",
            f"data.manifest={json.dumps(str(judged))}",
            f"out={json.dumps(str(out))}",
            f"model.options.size={SWAPS.size}",
            *LITE[:2],
            "optimizer.lr=1e-2",
            "loop.steps=80",
            "loop.batch_size=8",
            "loop.validate_every=80",
            "loop.tensorboard=false",
        ]
    )
    began = time.monotonic()
    train_detector(read_config_with(TrainConfig, ROOT / "recipes" / "self_blended_b4.toml", values))
    last = [row for row in read_log(out) if row["kind"] == "validate"][-1]
    print(f"self_blended_b4: {(time.monotonic() - began) / 60:.1f} minutes now; {last}", flush=True)


def runs_of(name: str) -> list[Path]:
    """The folders of a plan's trainings, those that were judged most strictly."""
    folder = RUN / "runs" / name
    if PLANS[name].store is TWINS:
        return [folder]
    return sorted((folder / "folds" / PLANS[name].fold_by[-1]).glob("fold_*"))


def export(names: Sequence[str]) -> None:
    """Each recipe's first fold as a detector file, which then scans a file of its kind."""
    from counterface.detect.scanning.scan import ScanConfig, scan
    from counterface.detect.training.export import describe_net, export_detector

    for name in names or [name for name in PLANS if runs_of(name)]:
        folder = runs_of(name)[0]
        weights = folder / "best.safetensors"
        net = load_detector(weights if weights.exists() else folder / "last.safetensors")
        info = describe_net(net, name)
        path = RUN / "detectors" / f"{name}.onnx"
        export_detector(net, info, path)
        data = GENERATED if PLANS[name].store is GENERATED else SWAPS
        entry = read_manifest(RUN / f"{data.data}.parquet")[0]
        result = scan(entry.path, ScanConfig(detector=str(path), marks=False, cues="none"))
        score = result.tracks[0].score if result.tracks else None
        logit = "no face" if score is None else f"mean logit {score.mean_logit:.2f}"
        print(f"{name}: {path.stat().st_size / 1e6:.1f} MB, scan of {entry.path.name}: {logit}")


def learnt(name: str) -> str:
    """The accuracy in training, at its first log line and its last, over the trainings."""
    curves = [[r for r in read_log(run) if "accuracy" in r] for run in runs_of(name)]
    curves = [[r for r in curve if r["kind"] == "train"] for curve in curves]
    first, last = (np.mean([float(curve[i]["accuracy"]) for curve in curves]) for i in (0, -1))
    return f"{first:.2f} to {last:.2f}, {PLANS[name].steps} x {PLANS[name].batch}"


def folds_row(name: str, report: FoldReport) -> str:
    """One line of the table."""
    folded = "<br>".join(_grouping(grouping) for grouping in report.groupings)
    last = report.groupings[-1]
    unseen = last.unseen_mean
    judged = f"{unseen['auc']:.2f}; {unseen['accuracy']:.0%}" if "auc" in unseen else "-"
    took = f"{sum(fold.seconds for fold in last.folds) / len(last.folds):.0f} s"
    return row(f"`{name}`", PLANS[name].store.data, learnt(name), folded, judged, took)


def _grouping(grouping: Grouping) -> str:
    mean, spread = grouping.mean, grouping.deviation
    right = f"{mean['accuracy']:.0%} ± {spread.get('accuracy', 0):.0%}"
    area = f"{mean['auc']:.2f} ± {spread.get('auc', 0):.2f}; " if "auc" in mean else ""
    return f"{grouping.by}: {area}{right}"


def left_out_row(name: str, found: LeftOut) -> str:
    """One line of the second table."""
    mean, low, high = found.methods
    twins, least, most = found.twins
    return row(
        f"`{name}`",
        learnt(name),
        f"{found.files} ({found.fakes} fake)",
        f"{mean:.2f} ({low:.2f} to {high:.2f})",
        f"{twins:.2f} ({least:.2f} to {most:.2f})",
        f"{found.auc:.2f}; {found.accuracy:.0%}",
        ", ".join(f"{family} {value:.2f}" for family, value in found.families.items()),
        f"{found.seconds:.0f} s",
    )


def table() -> None:
    """Print the finished runs."""
    columns = ("run", "data", "train accuracy, steps", "folds by", "unseen", "a fold took")
    print("\n".join(head(*columns)))
    for name in PLANS:
        path = RUN / "runs" / name / REPORT_FILE
        if path.exists():
            print(folds_row(name, FoldReport.model_validate_json(path.read_text(encoding="utf-8"))))
    judged = ("left out", "AUC by method", "twins", "pooled", "families", "took")
    print("\n".join(["", *head("run", "train accuracy, steps", *judged)]))
    for name in PLANS:
        path = RUN / "runs" / name / LEFT_OUT_FILE
        if path.exists():
            print(left_out_row(name, LeftOut.model_validate_json(path.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    if not DATA.is_dir():
        sys.exit(f"skipped: the private material is not at {DATA}")
    phases = {"train": train, "export": export}
    phase, *chosen = sys.argv[1:] or ["table"]
    if phase in phases:
        phases[phase](chosen)
    else:
        {"data": cut_all, "blended": blended, "table": table}[phase]()
