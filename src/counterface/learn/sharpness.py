"""Sharpness-aware steps for any optimizer: the gradient of the worst point nearby.

Foret et al. 2021, https://arxiv.org/abs/2010.01412. A task climbs with a first loss, then yields
the loss that it has there; the weights are put back, bit for bit, right before the optimizer steps.
With several processes each climbs by the gradient of its own share of the batch, as in the paper.
Ours leaves the running statistics of batch norms to the first pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer


class Sharpness:
    """Moves an optimizer's weights up their gradient, until its next step."""

    def __init__(self, optimizer: Optimizer, rho: float) -> None:
        """Move nothing before `climb`.

        Args:
            optimizer: whose weights.
            rho: how far, as the length of the step over all weights together.
        """
        self.optimizer, self.rho = optimizer, rho
        self._before: list[tuple[Tensor, Tensor]] = []
        optimizer.register_step_pre_hook(self._put_back)

    def climb(self, loss: Tensor) -> None:
        """Move the weights to the worst point within `rho`, to first order.

        Args:
            loss: loss of the weights as they are; its graph is used up.
        """
        weights = [w for g in self.optimizer.param_groups for w in g["params"] if w.requires_grad]
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        pairs = [(w, g) for w, g in zip(weights, gradients, strict=True) if g is not None]
        with torch.no_grad():
            length = torch.stack([g.float().norm() for _, g in pairs]).norm()
            self._before = [(weight, weight.clone()) for weight, _ in pairs]
            for weight, gradient in pairs:
                weight.add_(gradient * (self.rho / (length + 1e-12)).to(gradient.dtype))

    @torch.no_grad()
    def _put_back(self, *_: Any) -> None:
        for weight, before in self._before:
            weight.copy_(before)
        self._before = []


@contextmanager
def keep_statistics(net: nn.Module) -> Iterator[None]:
    """A block in which batch norms normalise by their batch but do not remember it."""
    norms = [(part, part.momentum) for part in net.modules() if isinstance(part, _BatchNorm)]
    for part, _ in norms:
        part.momentum = 0.0
    try:
        yield
    finally:
        for part, momentum in norms:
            part.momentum = momentum
