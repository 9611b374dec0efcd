"""Trains every published system's recipe for real, at the scale of a CPU, and prints the table.

    python benchmarks/published_systems.py data              manifests and face stores, ten minutes
    python benchmarks/published_systems.py train [NAME ...]  run again to continue
    python benchmarks/published_systems.py blended           `self_blended_b4`, on pictures alone
    python benchmarks/published_systems.py export            as detector files, given to a scan
    python benchmarks/published_systems.py table             what docs/results.md shows

The recipes are those of `recipes/`; `PLANS` says what was made smaller. Two data sets of the
private material: `swaps` (the halves of the DeepFaceLab pairs and the talking heads, in folds by
people and swap model) and `generated` (StyleGAN faces against FFHQ, tested on other ones of both).
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from default_data import CLIPS, DATA, FOLDED, PAIRS, SAME_PERSON, pair_model, write_halves

from counterface.config import parse_settings, read_config_with
from counterface.datasets.face_store import FaceStoreConfig, store_faces
from counterface.datasets.manifest import Entry, read_manifest, write_manifest
from counterface.detect.train import TrainConfig, train_detector
from counterface.detect.training.folds import (
    FOLD_BY,
    REPORT_FILE,
    FoldBy,
    FoldReport,
    cross_validate,
)
from counterface.faceset.extract import ExtractConfig, extract
from counterface.learn.run_log import read_log

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / "runs" / "published"
BUILT = ROOT / "runs" / "built" / "manifest.parquet"  # by `counterface dataset build`, if there


@dataclass(frozen=True)
class Store:
    """How the faces of a data set are cut."""

    data: str
    template: str
    size: int
    moments: int = 8
    frames: int = 1

    @property
    def folder(self) -> Path:
        """Where they lie."""
        kind = f"{self.frames}x{self.size}" if self.frames > 1 else f"{self.size}"
        return RUN / "faces" / f"{self.data}_{self.template}_{kind}"


@dataclass(frozen=True)
class Plan:
    """One recipe on one store."""

    recipe: str
    store: Store
    settings: tuple[str, ...] = ()  # over the recipe's
    folds: int = 3
    fold_by: tuple[FoldBy, ...] = ("identity",)
    note: str = field(default="", kw_only=True)


SWAPS = Store("swaps", "whole_face", 96, moments=10)
GENERATED = Store("generated", "head", 96)
CLIPS_5 = Store("swaps", "face", 64, frames=5)
CLIPS_3 = Store("swaps", "whole_face", 96, frames=3)
CLIPS_8 = Store("swaps", "whole_face", 64, moments=6, frames=8)
# published rates are those of pretrained nets, which cannot be fetched here
SMALL = ("model.options.pretrained=false", "optimizer.lr=1e-3", "optimizer.drop_at=[]")

PLANS = {
    "convlstm_canny": Plan("convlstm_canny", CLIPS_5, ("epochs=4",), 5, FOLD_BY),
    "convlstm_grey": Plan("convlstm_canny", CLIPS_5, ("epochs=4", "model.options.input=grey")),
    "convlstm_colour": Plan("convlstm_canny", CLIPS_5, ("epochs=4", "model.options.input=colour")),
    "mesonet": Plan("mesonet", SWAPS, ("loop.steps=240",), 5, FOLD_BY),
    "mesonet_inception": Plan("mesonet_inception", SWAPS, ("loop.steps=160",)),
    "cnn_images": Plan("cnn_images", GENERATED, ("epochs=4",), 3, ("frame", "identity")),
    "mesonet_generated": Plan("mesonet", GENERATED, ("loop.steps=240",)),
    "resnet34_frames": Plan("resnet34_frames", SWAPS, (*SMALL, "epochs=3")),
    "mobilenet_imagenet": Plan(
        "resnet34_frames",
        SWAPS,
        (
            "model.name=frame_cnn",
            "model.options.pad_type=same",
            "model.options.stage=4",
            "model.options.pretrained=false",
            "optimizer.lr=3e-4",
            "optimizer.drop_at=[]",
            f"folded={json.dumps(str(FOLDED))}",
            "epochs=3",
        ),
        5,
        FOLD_BY,
    ),
    "xception": Plan("xception", SWAPS, (*SMALL, "loop.steps=60")),
    "efficientnet_b4": Plan("efficientnet_b4", SWAPS, (*SMALL, "loop.steps=60")),
    "efficientnet_b4_attention": Plan(
        "efficientnet_b4_attention", SWAPS, (*SMALL, "loop.steps=60")
    ),
    "efficientnet_b4_siamese": Plan("efficientnet_b4_siamese", SWAPS, (*SMALL, "loop.steps=60")),
    "resnet3d_cutmix": Plan("resnet3d_cutmix", CLIPS_8, ("epochs=2", "model.options.width=16")),
    "frame_difference": Plan("frame_difference", CLIPS_3, ("epochs=4",)),
    "frame_difference_alone": Plan(
        "frame_difference", CLIPS_3, ("epochs=4", "model.options.appearance=false")
    ),
}


def data() -> None:
    """Writes the manifests and cuts the faces; what is there is left alone."""
    write_halves(RUN / "halves")
    RUN.mkdir(parents=True, exist_ok=True)
    write_manifest(swaps(), RUN / "swaps.parquet")
    write_manifest(generated(), RUN / "generated.parquet")
    for store in {plan.store for plan in PLANS.values()}:
        config = FaceStoreConfig(
            moments=store.moments, frames=store.frames, template=store.template, size=store.size
        )
        entries = read_manifest(RUN / f"{store.data}.parquet")
        summary = store_faces(entries, store.folder, config)
        empty = sum(file.clips == 0 for file in summary.files)
        print(f"{store.folder.name}: {summary.crops} crops, {empty} files without", flush=True)


def swaps() -> list[Entry]:
    """The halves and the talking heads; a data set that was built here is the unseen test."""
    entries = []
    for label, side in enumerate(("real", "fake")):
        for path in sorted((RUN / "halves" / side).glob("*.mp4")):
            model = pair_model(path.stem)
            method = "face_swap" if label else "footage"
            entries.append(Entry(path, label, method, source=model, generator=PAIRS))
    for path in sorted((DATA / CLIPS).glob("*.mp4")):
        source = SAME_PERSON.get(path.stem, path.stem)
        entries.append(Entry(path, 0, "footage", source=source, generator=CLIPS))
    if BUILT.exists():
        entries += [
            Entry(e.path, e.label, e.method, e.source, e.identities, e.generator, split="test")
            for e in read_manifest(BUILT)
        ]
    return entries


def generated() -> list[Entry]:
    """StyleGAN faces and FFHQ; the test is of the labelled set, which nothing is trained on."""
    entries = []
    for name, label in (("faces_ffhq256", 0), ("faces_ffhq256_b", 0), ("synthetic_stylegan256", 1)):
        for path in sorted((DATA / name).rglob("*.jpg")):
            method = "generated" if label else "picture"
            entries.append(Entry(path, label, method, generator=name))
    for label, side in enumerate(("real", "fake")):
        for path in sorted((DATA / "labelled_ffhq_vs_stylegan256" / side).glob("*.*")):
            entries.append(Entry(path, label, "generated" if label else "picture", split="test"))
    return entries


def config_of(name: str) -> TrainConfig:
    """The recipe with the plan's settings over it."""
    plan = PLANS[name]
    shape = [
        f"data.faces={json.dumps(str(plan.store.folder))}",
        f"out={json.dumps(str(RUN / 'runs' / name))}",
        f"model.options.template={plan.store.template}",
        f"model.options.size={plan.store.size}",
        "loop.batch_size=16",
        "loop.checkpoint_every=100000",
        "loop.tensorboard=false",
        "loop.log_every=20",
    ]
    if plan.store.frames > 1:
        shape.append(f"model.options.frames={plan.store.frames}")
    values = parse_settings([*shape, *plan.settings])
    return read_config_with(TrainConfig, ROOT / "recipes" / f"{plan.recipe}.toml", values)


def train(names: list[str]) -> None:
    """Cross-validates recipe after recipe."""
    for name in names or PLANS:
        began = time.monotonic()
        plan = PLANS[name]
        report = cross_validate(config_of(name), plan.folds, plan.fold_by)
        minutes = (time.monotonic() - began) / 60
        print(f"{name}: {minutes:.1f} minutes now; {row(name, report)}", flush=True)


def blended() -> None:
    """`self_blended_b4`: no fakes at all; every genuine and swapped clip of `swaps` judges it."""
    stills = {name: RUN / "facesets" / name for name in ("faces_london_ccby", "faces_ffhq256")}
    for name, folder in stills.items():
        extract(DATA / name, folder, ExtractConfig(template="head", size=256, faces=1))
    judged = RUN / "swaps_val.parquet"
    clips = [replace(e, split="val") for e in swaps() if e.split != "test"]
    write_manifest(clips, judged)
    out = RUN / "runs" / "self_blended_b4"
    values = parse_settings(
        [
            f"data.stills={json.dumps([str(folder) for folder in stills.values()])}",
            f"data.faces={json.dumps(str(SWAPS.folder))}",
            f"data.manifest={json.dumps(str(judged))}",
            f"out={json.dumps(str(out))}",
            f"model.options.size={SWAPS.size}",
            "model.options.pretrained=false",
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


def export(names: list[str]) -> None:
    """Each recipe's first fold as a detector file, which then scans a file of its kind."""
    from counterface.detect.scan import ScanConfig, scan_file
    from counterface.detect.train import load_detector
    from counterface.detect.training.export import describe_net, export_detector

    for name in names or PLANS:
        folder = RUN / "runs" / name / "folds" / PLANS[name].fold_by[-1] / "fold_0"
        weights = folder / "best.safetensors"
        net = load_detector(weights if weights.exists() else folder / "last.safetensors")
        info = describe_net(net, name)
        path = RUN / "detectors" / f"{name}.onnx"
        export_detector(net, info, path)
        entry = read_manifest(RUN / f"{PLANS[name].store.data}.parquet")[0]
        result = scan_file(entry.path, ScanConfig(detector=str(path), marks=False))
        score = result.tracks[0].score if result.tracks else None
        logit = "no face" if score is None else f"mean logit {score.mean_logit:.2f}"
        print(f"{name}: {path.stat().st_size / 1e6:.1f} MB, scan of {entry.path.name}: {logit}")


def row(name: str, report: FoldReport) -> str:
    """One line of the table."""
    found = {grouping.by: grouping for grouping in report.groupings}
    cells = [name, f"{report.files} ({report.fake_share:.0%} fake)"]
    for by in ("frame", "video", "identity"):
        if by not in found:
            cells.append("-")
            continue
        mean, spread = found[by].mean, found[by].deviation
        cells.append(
            f"{mean['auc']:.2f} ± {spread.get('auc', 0):.2f}; {mean['accuracy']:.0%} ± "
            f"{spread.get('accuracy', 0):.0%}"
            if "auc" in mean
            else f"{mean['accuracy']:.0%}"
        )
    last = report.groupings[-1]
    unseen = last.unseen_mean
    cells.append(f"{unseen['auc']:.2f}; {unseen['accuracy']:.0%}" if "auc" in unseen else "-")
    seconds = sum(fold.seconds for fold in last.folds) / len(last.folds)
    cells.append(f"{seconds:.0f} s")
    return "| " + " | ".join(cells) + " |"


def table() -> None:
    """Prints the finished runs."""
    print("| run | files | folds by frame | by video | by identity | unseen | a fold took |")
    print("|---|---|---|---|---|---|---|")
    for name in PLANS:
        path = RUN / "runs" / name / REPORT_FILE
        if path.exists():
            print(row(name, FoldReport.model_validate_json(path.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    if not DATA.is_dir():
        sys.exit(f"skipped: the private material is not at {DATA}")
    phases = {"train": train, "export": export}
    phase, *chosen = sys.argv[1:] or ["table"]
    if phase in phases:
        phases[phase](chosen)
    else:
        {"data": data, "blended": blended, "table": table}[phase]()
