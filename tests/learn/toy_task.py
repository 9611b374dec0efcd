"""A small task with everything that could break an exact resume: batch norm, dropout, averaging.

Run as a program it trains into a folder: `python toy_task.py OUT SECONDS_PER_STEP [WORKERS]`.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from counterface.learn.loop import LoopConfig, train

CONFIG = LoopConfig(
    steps=60,
    batch_size=8,
    warmup=5,
    clip_norm=1.0,
    ema_decay=0.9,
    validate_every=9,
    checkpoint_every=14,
    log_every=1,
    seed=4,
    tensorboard=False,
    device="cpu",
)


class Points:
    """Points in eight dimensions; label 1 where the first coordinate is positive."""

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        x = torch.randn(8, generator=torch.Generator().manual_seed(index))
        return {"x": x, "y": (x[0] > 0).float()}


class ToyTask:
    """Tells the sides of a plane apart."""

    def __init__(self, seconds_per_step: float = 0.0) -> None:
        self.net = nn.Sequential(
            nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1)
        )
        self.seconds_per_step = seconds_per_step

    def modules(self) -> dict[str, nn.Module]:
        return {"net": self.net}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"net": torch.optim.AdamW(self.net.parameters(), lr=0.02)}

    def losses(self, batch: Any, step: int, log: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
        time.sleep(self.seconds_per_step)
        noise = random.random() + float(np.random.rand())  # the other two generators matter too
        logit = self.net(batch["x"] * (1 + 0.1 * noise)).squeeze(1)
        log["accuracy"] = ((logit > 0) == (batch["y"] > 0)).float().mean()
        yield "net", nn.functional.binary_cross_entropy_with_logits(logit, batch["y"])

    def validate(self, modules: dict[str, nn.Module]) -> dict[str, float]:
        torch.rand(3)  # validation may draw numbers; training must not notice
        items = [Points()[1_000_000 + i] for i in range(64)]
        x, y = torch.stack([i["x"] for i in items]), torch.stack([i["y"] for i in items])
        logit = modules["net"](x).squeeze(1)
        return {"loss": float(nn.functional.binary_cross_entropy_with_logits(logit, y))}


def main() -> None:
    torch.manual_seed(0)
    task = ToyTask(float(sys.argv[2]))
    workers = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    train(task, Points(), CONFIG.model_copy(update={"workers": workers}), Path(sys.argv[1]))


if __name__ == "__main__":
    main()
