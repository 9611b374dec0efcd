"""The toy task without batch norm and dropout, which two processes can share exactly.

Run as a program it trains into a folder: `torchrun --nproc-per-node=2 toy_program.py OUT`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from learn.toy_task import CONFIG, Points, ToyTask
from torch import Tensor

from counterface.learn.loop import train

PLAIN = CONFIG.model_copy(update={"steps": 20})


class PlainToy(ToyTask):
    """Two linear layers."""

    def losses(self, batch: Any, step: int, log: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
        logit = self.net[4](self.net[0](batch["x"])).squeeze(1)
        yield "net", (logit - batch["y"]).square().mean()


def main() -> None:
    torch.manual_seed(0)
    train(PlainToy(), Points(), PLAIN, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
