"""CPU time of one face by detector files, and its ratio to a net that everybody can time.

    python benchmarks/detector_speed.py [--rounds 60] [--against OTHER.onnx] [--nets]

ONNX Runtime, one thread, one crop at a time, in turns with MobileNetV3-Large at 224 px (random
weights do not change its time). Machines differ by a factor of three, the ratio by far less. The
least time of all rounds stands for the work; the median says how busy the machine was. `--nets`
adds the parts that a detector may be built of, each stored in 32 and in 16 bits.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
import warnings
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import nn

from counterface.detect.models.detector_model import build_detector
from counterface.detect.models.evidence_sum import EvidenceSum
from counterface.detect.models.frame_statistics import FrameStatistics, FrameStatisticsConfig
from counterface.detect.training.export import export_detector, store_half, uncalibrated

SIDE = 224
YARDSTICK = "MobileNetV3-Large 224"
LITE = "tf_efficientnet_lite"


def open_session(path: Path) -> Any:
    """The file in one thread of this process, so that its CPU time is this process's."""
    import onnxruntime  # after counterface, which has its telemetry off

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def write_yardstick(path: Path) -> None:
    net = timm.create_model("mobilenetv3_large_100", exportable=True).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (torch.rand(1, 3, SIDE, SIDE),), path, dynamo=False)


def frozen_line(backbone: str, pad_type: str = "") -> nn.Module:
    config = FrameStatisticsConfig(backbone=backbone, stages=(1, 2, 3, 4), pad_type=pad_type)
    return EvidenceSum(FrameStatistics(config), [], [[1.0]], [0.0])


def write_nets(folder: Path) -> dict[str, Path]:
    """Files of nets with random weights: what a witness costs."""
    lite0 = {"backbone": f"{LITE}0"}
    nets: dict[str, tuple[nn.Module, int]] = {
        "line on MobileNetV2, 224": (frozen_line("mobilenetv2_100", "same"), SIDE),
        "line on Lite0, 224": (frozen_line(f"{LITE}0"), SIDE),
        "line on Lite2, 224": (frozen_line(f"{LITE}2"), SIDE),
        "`witness`, Lite0, 224": (build_detector("witness"), SIDE),
        "`witness`, Lite0 to stride 16, 224": (
            build_detector("witness", {"stages": [0, 1, 2, 3]}),
            SIDE,
        ),
        "`frame_cnn`, Lite0 to stride 16, 224": (build_detector("frame_cnn", lite0), SIDE),
        "`frame_cnn`, Lite0 to stride 16, 256": (
            build_detector("frame_cnn", lite0 | {"size": 256}),
            256,
        ),
        "`pooled_cnn`, Lite0, 224": (build_detector("pooled_cnn", lite0), SIDE),
    }
    found = {}
    for number, (title, (net, side)) in enumerate(nets.items()):
        path, halved = folder / f"{number}.onnx", folder / f"{number}-half.onnx"
        export_detector(net, uncalibrated(title, "whole_face", side), path)
        shutil.copy(path, halved)
        store_half(halved)
        found |= {title: path, f"{title}, 16 bits": halved}
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--against", type=Path, nargs="*", default=[])
    parser.add_argument("--nets", action="store_true", help="time the parts as well")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shipped = files("counterface.detect.data") / "default.onnx"
    with tempfile.TemporaryDirectory() as scratch, as_file(shipped) as default:
        folder = Path(scratch)
        write_yardstick(folder / "yardstick.onnx")
        paths = {YARDSTICK: folder / "yardstick.onnx", "shipped": default}
        paths |= {path.stem: path for path in arguments.against}
        paths |= write_nets(folder) if arguments.nets else {}
        megabytes = {title: path.stat().st_size / 1e6 for title, path in paths.items()}
        sessions = {title: open_session(path) for title, path in paths.items()}
    times = take_turns(sessions, arguments.rounds)
    print("| net | file, MB | least, ms | median, ms | x yardstick |")
    print("|---|---|---|---|---|")
    unit = min(times[YARDSTICK])
    for title, found in times.items():
        cost = f"{min(found):.1f} | {np.median(found):.1f} | {min(found) / unit:.2f}"
        print(f"| {title} | {megabytes[title]:.1f} | {cost} |")


def take_turns(sessions: dict[str, Any], rounds: int) -> dict[str, list[float]]:
    """CPU milliseconds of each file for one crop of noise, round by round."""
    rng = np.random.default_rng(0)
    given = {}
    for title, session in sessions.items():
        port = session.get_inputs()[0]
        shape = [side if isinstance(side, int) else 1 for side in port.shape]
        given[title] = {port.name: rng.random(shape, np.float32)}
    times: dict[str, list[float]] = {title: [] for title in sessions}
    for _ in range(rounds):
        for title, session in sessions.items():
            start = time.process_time()
            session.run(None, given[title])
            times[title].append((time.process_time() - start) * 1e3)
    return times


if __name__ == "__main__":
    main()
