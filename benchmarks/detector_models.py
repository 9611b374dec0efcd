"""Parameters, file size and CPU time an item of every detector architecture, as a table for docs.

    python benchmarks/detector_models.py [--names meso4,xception] [--rounds 5] [--batch 2]

One thread. `train` is forward and backward of the logits in torch, `judge` the exported detector
file in ONNX Runtime, as a scan runs it. Rounds of all architectures take turns with the shipped
detector, and the last column is the ratio to it in the same run: times of another machine, or of a
busy one, differ; ratios less so. Weights are random: they do not change the time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from counterface.detect.detector import Detector
from counterface.detect.models.detector_model import DetectorModel, build_detector
from counterface.detect.training.export import describe_net, export_detector
from counterface.registry import DETECTORS

OPTIONS = {  # of those that are nothing without
    "fusion": {
        "members": [
            {"architecture": "efficientnet_b4"},
            {"architecture": "efficientnet_b4_attention"},
        ]
    },
}


def cpu_ms(step: Callable[[], object]) -> float:
    """CPU milliseconds of one call."""
    start = time.process_time()
    step()
    return (time.process_time() - start) * 1e3


def train_step(net: DetectorModel, batch: int) -> Callable[[], object]:
    """Forward and backward on noise."""
    images = torch.rand(net.input_shape(batch))

    def step() -> None:
        net.train()
        net(images)[0].sum().backward()
        net.zero_grad(set_to_none=True)

    return step


def judge_step(detector: Detector) -> Callable[[], object]:
    """One item of noise."""
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (1, *detector.info.crop_shape), np.uint8)
    return lambda: detector.score(crops)


def export(net: DetectorModel, name: str, folder: Path) -> Path:
    path = folder / f"{name}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        info = describe_net(net, name)
        export_detector(net, info, path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--names", default=",".join(DETECTORS.built_in))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    shipped = judge_step(Detector.load())
    shipped()
    print("| name | input | parameters, M | file, MB | train, ms | judge, ms | x shipped |")
    print("|---|---|---|---|---|---|---|")
    for name in args.names.split(","):
        torch.manual_seed(0)
        net = build_detector(name, OPTIONS.get(name))
        for weight in net.parameters():  # scales that start at 0 would make the file smaller
            weight.data.add_(torch.randn_like(weight), alpha=0.01)
        count = sum(weight.numel() for weight in net.parameters())
        with tempfile.TemporaryDirectory() as folder:
            path = export(net, name, Path(folder))
            size = path.stat().st_size
            judge = judge_step(Detector.load(path))
        train = train_step(net, args.batch)
        steps = {"train": train, "judge": judge, "shipped": shipped}
        for step in steps.values():
            step()
        times: dict[str, list[float]] = {key: [] for key in steps}
        for _ in range(args.rounds):
            for key, step in steps.items():
                times[key].append(cpu_ms(step))
        cost = {key: statistics.median(values) for key, values in times.items()}
        side = net.config.size
        crop = f"{side}" if net.frames == 1 else f"{net.frames} of {side}"
        print(
            f"| `{name}` | {crop} | {count / 1e6:.2f} | {size / 1e6:.1f} "
            f"| {cost['train'] / args.batch:.0f} | {cost['judge']:.1f} "
            f"| {cost['judge'] / cost['shipped']:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
