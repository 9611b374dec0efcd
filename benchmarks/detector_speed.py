"""CPU time of one face by the shipped detector, and its ratio to a net that everybody can time.

    python benchmarks/detector_speed.py [--rounds 60] [--against OTHER.onnx]

ONNX Runtime, one thread, one crop at a time, in turns with MobileNetV3-Large at 224 px (random
weights do not change its time). Machines differ by a factor of three, the ratio by far less. The
least time of all rounds stands for the work; the median says how busy the machine was.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import timm
import torch
from detector_models import cpu_ms, judge_step

from counterface.detect.detector import Detector

SIDE = 224


def yardstick(folder: Path) -> onnxruntime.InferenceSession:
    """MobileNetV3-Large as an ONNX session of one thread."""
    net = timm.create_model("mobilenetv3_large_100", exportable=True).eval()
    path = folder / "yardstick.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (torch.rand(1, 3, SIDE, SIDE),), path, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--against", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()
    image = np.random.default_rng(0).random((1, 3, SIDE, SIDE), np.float32)
    files = {"shipped": Detector.load()}
    files |= {path.stem: Detector.load(path) for path in arguments.against}
    with tempfile.TemporaryDirectory() as folder:
        net = yardstick(Path(folder))
        name = net.get_inputs()[0].name
        steps: dict[str, Callable[[], object]] = {
            "MobileNetV3-Large 224": lambda: net.run(None, {name: image})
        }
        for title, detector in files.items():
            steps[title] = judge_step(detector)
        times: dict[str, list[float]] = {title: [] for title in steps}
        for _ in range(arguments.rounds):
            for title, step in steps.items():
                times[title].append(cpu_ms(step))
    least = {title: min(found) for title, found in times.items()}
    print("| net | least, ms | median, ms | x yardstick |")
    print("|---|---|---|---|")
    for title, found in times.items():
        ratio = least[title] / least["MobileNetV3-Large 224"]
        print(f"| {title} | {least[title]:.1f} | {np.median(found):.1f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
