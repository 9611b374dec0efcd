"""Backbones and input sizes for the shipped detector's texture net, all on one budget.

    python benchmarks/default_backbones.py [--steps 80] [--only mobilenetv2_100_frame]

Every row is trained by the recipe `texture_cnn` on the pictures of `default_data.stills`: the same
faces, steps, batches and seed, judged on the pictures of the split `val`. Only MobileNetV2 has
ImageNet weights here; the others start at random, as `frame_cnn`, whose batch norms learn (those of
`texture_cnn` are frozen, which needs a trained start). Run again to continue.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import NamedTuple

from default_data import FOLDED, stills
from detector_models import cpu_ms, judge_step
from train_default import ROOT

from counterface.config import read_config_with
from counterface.datasets.face_store import FaceStoreConfig, store_faces
from counterface.datasets.manifest import write_manifest
from counterface.detect.detector import Detector
from counterface.detect.training.export import describe_net, export_detector
from counterface.detect.training.recipe import TrainConfig
from counterface.detect.training.train import load_detector, train_detector
from counterface.learn.run_log import read_log

OUT = ROOT / "runs" / "backbones"
SIDES = (160, 224)
ROUNDS = 15


class Plan(NamedTuple):
    """One way to start."""

    backbone: str
    architecture: str
    pretrained: bool


PLANS = (
    Plan("mobilenetv2_100", "texture_cnn", True),
    Plan("mobilenetv2_100", "frame_cnn", True),
    Plan("mobilenetv2_100", "frame_cnn", False),
    Plan("mobilenetv3_large_100", "frame_cnn", False),
    Plan("efficientnet_b0", "frame_cnn", False),
    Plan("resnet18", "frame_cnn", False),
)


def config_of(plan: Plan, side: int, steps: int) -> TrainConfig:
    """The recipe, with another net; a side below the crops' is reached in the crop."""
    start = "imagenet" if plan.pretrained else "random"
    values = {
        "out": str(OUT / f"{steps}_steps" / f"{plan.backbone}_{plan.architecture}_{start}_{side}"),
        "data": {"faces": str(OUT / f"faces_{side}"), "manifest": str(OUT / "stills.parquet")},
        "loop": {"steps": steps, "warmup": steps // 10, "validate_every": steps},
        **({"folded": str(FOLDED)} if plan.pretrained else {}),
    }
    config = read_config_with(TrainConfig, ROOT / "recipes" / "texture_cnn.toml", values)
    options = {"backbone": plan.backbone, "size": side, "stage": 3}
    if plan.pretrained:
        options["pad_type"] = "same"
    model = config.model.model_copy(update={"name": plan.architecture, "options": options})
    return config.model_copy(update={"model": model})


def main() -> None:
    """Prints a row a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    entries = stills()
    OUT.mkdir(parents=True, exist_ok=True)
    write_manifest(entries, OUT / "stills.parquet")
    print("| backbone | net | start | side | val AUC | CPU minutes | ms a face | MB |")
    print("|---|---|---|---|---|---|---|---|")
    for side in SIDES:
        store_faces(entries, OUT / f"faces_{side}", FaceStoreConfig(size=side))
        for plan in PLANS:
            config = config_of(plan, side, arguments.steps)
            if arguments.only not in config.out.name:
                continue
            kept = config.out / "row.json"
            if not kept.exists():
                began = time.process_time()
                train_detector(config)
                minutes = (time.process_time() - began) / 60
                found = [row for row in read_log(config.out) if row["kind"] == "validate"][-1]
                net = load_detector(config.out / "last.safetensors")
                path = config.out / "net.onnx"
                export_detector(net, describe_net(net, plan.backbone), path)
                judge = judge_step(Detector.load(path))
                row = {
                    "auc": found["auc"],
                    "minutes": minutes,
                    "ms": min(cpu_ms(judge) for _ in range(ROUNDS)),
                    "mb": path.stat().st_size / 1e6,
                }
                kept.write_text(json.dumps(row))
            row = json.loads(kept.read_text())
            start = "ImageNet" if plan.pretrained else "random"
            print(
                f"| {plan.backbone} | `{plan.architecture}` | {start} | {side} "
                f"| {row['auc']:.3f} | {row['minutes']:.1f} | {row['ms']:.1f} | {row['mb']:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
