"""What the training loop adds to a plain PyTorch loop: milliseconds a step, interleaved runs."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from counterface.learn.loop import LoopConfig, train

STEPS, SKIPPED, BATCH, SIDE, ROUNDS = 100, 10, 16, 64, 5


def build() -> nn.Module:
    """A small convolutional net: a step of a few milliseconds shows a loop's own cost best."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, 2, 1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 1),
    )


class Pictures:
    """Ready-made examples: loading costs nothing here."""

    def __init__(self) -> None:
        """Draw 64 random pictures."""
        self.images = torch.rand(64, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))

    def __getitem__(self, index: int) -> tuple[Tensor, float]:
        """A picture and its label."""
        return self.images[index % 64], float(index % 2)


class Classify:
    """The task of both loops."""

    def __init__(self) -> None:
        """Build the net."""
        self.net = build()

    def modules(self) -> dict[str, nn.Module]:
        """The net."""
        return {"net": self.net}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One AdamW."""
        return {"net": torch.optim.AdamW(self.net.parameters(), 1e-3)}

    def losses(self, batch: Any, step: int, log: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
        """Cross entropy."""
        images, labels = batch
        logits = self.net(images).squeeze(1)
        yield "net", nn.functional.binary_cross_entropy_with_logits(logits, labels.float())


def plain() -> float:
    """Seconds of a hand-written loop, after the first steps."""
    task, pictures = Classify(), Pictures()
    optimizer = task.optimizers()["net"]
    loader = torch.utils.data.DataLoader(pictures, batch_sampler=batches())  # type: ignore[arg-type,var-annotated]
    for step, batch in enumerate(loader):
        if step == SKIPPED:
            start = time.perf_counter()
        for _, loss in task.losses(batch, step, {}):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
    return time.perf_counter() - start


def batches() -> list[range]:
    """The indices of each step."""
    return [range(s * BATCH, (s + 1) * BATCH) for s in range(STEPS)]


def ours(**changes: Any) -> float:
    """Seconds of the project's loop, after the first steps and before the last checkpoint."""
    options = {"steps": STEPS, "batch_size": BATCH, "log_every": SKIPPED, "tensorboard": False}
    config = LoopConfig(**options | {"device": "cpu", "checkpoint_every": 10**6} | changes)
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:

        def note(step: int, values: dict[str, float]) -> None:
            times.append(time.perf_counter())

        train(Classify(), Pictures(), config, Path(folder), progress=note)
    return times[-1] - times[0]


def main() -> int:
    """Print the best of some rounds: other work on the machine only ever adds."""
    torch.set_num_threads(1)
    plain(), ours()  # warm-up
    kinds = {
        "plain loop": plain,
        "counterface.learn": ours,
        "  with clipping": lambda: ours(clip_norm=1.0),
        "  with clipping and averaging": lambda: ours(clip_norm=1.0, ema_decay=0.999),
    }
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, run in kinds.items():
            seconds[name].append(run())
    for name, values in seconds.items():
        ms = min(values) / (STEPS - SKIPPED) * 1000
        print(f"{name:32s} {ms:7.2f} ms a step (best of {ROUNDS})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
