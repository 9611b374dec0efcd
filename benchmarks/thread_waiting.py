"""How much a training step costs with threads that spin, that sleep, and with one thread alone.

    python benchmarks/thread_waiting.py [--steps 12]

Once on the machine as it is, and once beside as many busy processes as there are cores. Each way
runs in a process of its own, in turn, three rounds; ratios are of medians against one thread.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from statistics import median

from counterface.device import count_cores

STEP = """
import sys, time, torch
from counterface.learn.winograd import use_winograd
from counterface.swap.swap_model import build_model
torch.manual_seed(0)
model = build_model("df", {"resolution": 64, "ae_dims": 64, "e_dims": 32, "d_dims": 32}, 2)
use_winograd(model)
model.to(memory_format=torch.channels_last)
faces, adam = torch.rand(4, 3, 64, 64), torch.optim.Adam(model.parameters())
for step in range(int(sys.argv[1]) + 2):
    start = time.perf_counter()
    loss = model(faces, 0).image.mean()
    adam.zero_grad()
    loss.backward()
    adam.step()
    if step > 1:
        print(time.perf_counter() - start)
"""
WAYS = {
    "one thread": {"OMP_NUM_THREADS": "1"},
    "threads that spin": {"OMP_WAIT_POLICY": "active"},
    "PyTorch's default": {"OMP_WAIT_POLICY": ""},
    "threads that sleep": {"OMP_WAIT_POLICY": "passive"},
}
BUSY = "while True: pass"


def step_seconds(environment: dict[str, str], steps: int) -> list[float]:
    """The seconds of each step in a fresh process."""
    given = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")} | environment
    command = [sys.executable, "-c", STEP, str(steps)]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=12)
    steps = parser.parse_args().steps
    cores = count_cores()
    for others in (0, cores):
        busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(others)]
        try:
            taken: dict[str, list[float]] = {way: [] for way in WAYS}
            for _ in range(3):
                for way, environment in WAYS.items():
                    taken[way] += step_seconds(environment, steps)
        finally:
            for process in busy:
                process.kill()
        print(f"{cores} cores, beside {others} busy processes")
        for way, seconds in taken.items():
            ratio = median(seconds) / median(taken["one thread"])
            print(f"  {way:20s} {1000 * median(seconds):7.0f} ms a step, {ratio:5.2f} x")


if __name__ == "__main__":
    main()
