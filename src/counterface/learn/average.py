"""The moving average of a model's weights, which is what is validated and shipped."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

from counterface.learn.schedule import ema_decay_at


class Average:
    """Exponential moving average of modules: floating weights and buffers averaged, others copied.

    `modules` are the averaged copies in eval mode or, when the decay is 0, the live modules.
    """

    def __init__(self, live: Mapping[str, nn.Module], decay: float) -> None:
        self.decay = decay
        self.modules = dict(live)
        if decay:
            self.modules = {n: deepcopy(m).requires_grad_(False).eval() for n, m in live.items()}
        self._pairs = [  # state_dict shares memory with the module, so the lists stay valid
            (mine, theirs)
            for name, module in live.items()
            for mine, theirs in zip(
                self.modules[name].state_dict().values(), module.state_dict().values(), strict=True
            )
        ]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the averages towards the live weights; `step` is 0 after the first step."""
        if not self.decay:
            return
        averaged: list[Tensor] = []
        live: list[Tensor] = []
        for mine, theirs in self._pairs:
            if mine.is_floating_point():
                averaged.append(mine)
                live.append(theirs)
            else:
                mine.copy_(theirs)
        torch._foreach_lerp_(averaged, live, 1.0 - ema_decay_at(step, self.decay))
