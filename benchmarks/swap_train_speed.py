"""Images a second of swap training, both people counted, beside plain torch and the machine's peak.

    python benchmarks/swap_train_speed.py [--steps 12] [--models original,df] [--rounds 3]

The whole of `train_swap` is timed: examples made from drawn facesets, warped, fed, forward,
backward, optimizer, log. `plain` is the same model and loss in torch alone: a ready batch, fp32,
contiguous, torch's Adam. Rounds of both take turns, so that a busy machine harms both alike. The
peak is that of one large matrix product; the share counts a convolution's direct arithmetic, so
Winograd's saving counts as speed.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from drawn import ROOT, write_person
from torch.utils.flop_counter import FlopCounterMode

from counterface.config import read_config_with
from counterface.learn.run_log import read_log
from counterface.swap.swap_model import SOURCE, TARGET, SwapModel, build_model
from counterface.swap.training.train import SwapTrainConfig, train_swap

BATCH = 16
BARS = {"original": 25.0, "df": 60.0}  # images a second on two cores
PEERS = {"original": 12.6, "df": 25.3}
SKIPPED = 3  # first steps, which build caches


def config_of(name: str, people: Path, out: Path, steps: int) -> SwapTrainConfig:
    """The model's own recipe, at the batch of the bars."""
    values = {
        "source": [str(people / "source")],
        "target": [str(people / "target")],
        "out": str(out),
        "preview_every": 0,
        "loop": {
            "steps": steps, "batch_size": BATCH, "log_every": 1, "checkpoint_every": 10_000,
            "tensorboard": False, "backup_hours": 0,
        },
    }  # fmt: skip
    if name == "original":
        values["options"] = {"mask": False}
    return read_config_with(SwapTrainConfig, ROOT / "recipes" / f"swap_{name}.toml", values)


def time_ours(config: SwapTrainConfig) -> tuple[float, float]:
    """Seconds a step, and the share of them that is spent waiting for examples."""
    train_swap(config)
    rows = [row for row in read_log(config.out) if row["kind"] == "train"][SKIPPED:]
    seconds = [BATCH / float(row["examples_per_s"]) for row in rows]
    share = [float(row["waiting_for_data"]) for row in rows]
    return statistics.median(seconds), statistics.median(share)


def plain_loss(model: SwapModel, batches: list[torch.Tensor]) -> torch.Tensor:
    """Squared error of both reconstructions, and of the masks where the model has some."""
    total = torch.zeros(())
    for side, faces in ((SOURCE, batches[0]), (TARGET, batches[1])):
        made = model(faces, side)
        total = total + (made.image - faces).square().mean()
        if made.mask is not None:
            total = total + (made.mask - faces[:, :1]).square().mean()
    return total


def time_plain(config: SwapTrainConfig, steps: int) -> tuple[float, float]:
    """Seconds a step in torch alone, and the arithmetic of a step, 10^9 operations."""
    torch.manual_seed(0)
    model = build_model(config.model, config.model_options())
    faces = [torch.rand(BATCH, 3, model.in_size, model.in_size) for _ in range(2)]
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-5)
    with FlopCounterMode(display=False) as counter:
        plain_loss(model, faces).backward()
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        plain_loss(model, faces).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[SKIPPED:]), counter.get_total_flops() / 1e9


def matrix_peak() -> float:
    """10^9 operations a second of a 3072 x 3072 matrix product in float32, the best of some."""
    a, b = torch.rand(3072, 3072), torch.rand(3072, 3072)
    best = 0.0
    for _ in range(6):
        start = time.perf_counter()
        torch.mm(a, b)
        best = max(best, 2 * 3072**3 / (time.perf_counter() - start) / 1e9)
    return best


def measure(name: str, people: Path, folder: Path, steps: int, rounds: int) -> bool:
    """Print one model's lines; whether its bar is met."""
    ours: list[tuple[float, float]] = []
    plain: list[tuple[float, float]] = []
    peaks: list[float] = []
    for number in range(rounds):
        config = config_of(name, people, folder / f"{name}{number}", steps)
        ours.append(time_ours(config))
        plain.append(time_plain(config, steps))
        peaks.append(matrix_peak())
    step, waiting = min(ours)
    base, work = min(plain)
    speed, peak = 2 * BATCH / step, max(peaks)
    bar = BARS[name]
    print(
        f"{name}: {speed:.1f} images/s (bar {bar:g}, peer {PEERS[name]:g}); plain torch "
        f"{2 * BATCH / base:.1f}, ours {base / step:.2f} times that; waiting for examples "
        f"{waiting:.1%} of the time; {work:.0f} Gflop a step = {work / step / peak:.0%} of the "
        f"matrix peak of {peak:.0f} Gflop/s (plain {work / base / peak:.0%})",
        flush=True,
    )
    return speed >= bar


def main() -> None:
    """Measure, print, and exit with 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", default="original,df")
    given = parser.parse_args()
    logging.disable(logging.INFO)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {BATCH} a person")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        facts: dict[str, Any] = {"template": "whole_face", "side": 256}
        write_person(folder / "source", 1, 32, **facts)
        write_person(folder / "target", 2, 32, **facts)
        models = given.models.split(",")
        met = [measure(model, folder, folder, given.steps, given.rounds) for model in models]
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
