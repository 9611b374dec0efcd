"""The optimizers by name, AdaBelief among them, and learning-rate dropout for any of them.

AdaBelief: Zhuang et al. 2020, https://arxiv.org/abs/2010.07468. It is timm's, by the paper's rule
with decoupled weight decay, without the rectified warm-up that timm adds by default.
Learning-rate dropout: Lin et al. 2019, https://arxiv.org/abs/1912.00144; each step updates a random
share of the weights, while the moments see every gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from counterface.errors import TrainingError
from counterface.wording import unknown_name

OptimizerName = Literal["adam", "adamw", "adabelief", "rmsprop", "sgd"]
Weights = Iterable[Tensor] | Iterable[dict[str, Any]]  # tensors, or groups of them
_PIECE = 1 << 18  # weights a piece, which stays in the cache


def make_optimizer(
    name: OptimizerName,
    params: Weights,
    lr: float,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float | None = None,
    weight_decay: float = 0.0,
    alpha: float = 0.9,
    momentum: float = 0.0,
    lr_dropout: float = 0.0,
    seed: int = 0,
) -> Optimizer:
    """The optimizer, in its one-kernel version where torch has one for these weights.

    Args:
        params: float weights, or groups of them as torch takes them.
        betas: decay of the moments of adam, adamw and adabelief.
        eps: what is added to the denominator; None = the rule's usual value.
        weight_decay: decoupled (adamw, adabelief) or added to the gradient (the others).
        alpha: decay of rmsprop's mean square.
        momentum: momentum of rmsprop and sgd.
        lr_dropout: share of the weights that a step updates, in 1/256; 0 = all of them.
        seed: seed of the choice of those weights, which is the same in every process.

    Raises:
        TrainingError: an unknown name, or a share outside [0, 1).
    """
    if not 0 <= lr_dropout < 1:
        raise TrainingError(f"lr_dropout is a share of the weights in [0, 1), got {lr_dropout}")
    given: list[Any] = list(params)
    first = next(_tensors(given), None)
    fused = first is not None and first.device.type in {"cpu", "cuda", "mps"}
    makers: dict[str, tuple[Callable[..., Optimizer], dict[str, Any], float]] = {
        "adam": (torch.optim.Adam, {"betas": betas, "fused": fused}, 1e-8),
        "adamw": (torch.optim.AdamW, {"betas": betas, "fused": fused}, 1e-8),
        "adabelief": (_adabelief, {"betas": betas}, 1e-16),
        "rmsprop": (torch.optim.RMSprop, {"alpha": alpha, "momentum": momentum}, 1e-7),
        "sgd": (torch.optim.SGD, {"momentum": momentum, "fused": fused}, 0.0),
    }
    if name not in makers:
        raise TrainingError(unknown_name("optimizer", name, makers))
    make, options, usual_eps = makers[name]
    if name != "sgd":
        options["eps"] = usual_eps if eps is None else eps
    optimizer = make(given, lr=lr, weight_decay=weight_decay, **options)
    if lr_dropout:
        _LrDropout(optimizer, lr_dropout, seed)
    return optimizer


def _adabelief(params: list[Any], **options: Any) -> Optimizer:
    from timm.optim import AdaBelief  # a second of imports that no other rule needs

    optimizer: Optimizer = AdaBelief(params, rectify=False, **options)
    return optimizer


class _LrDropout:
    """Hooks that put most weights back after each step; the count of steps is checkpointed."""

    def __init__(self, optimizer: Optimizer, share: float, seed: int) -> None:
        self.kept = max(1, round(share * 256))  # of the 256 values of a random byte
        self.seed = seed
        self._before: list[Tensor] = []
        optimizer.param_groups[0].setdefault("dropout_step", 0)
        optimizer.register_step_pre_hook(self._remember)
        optimizer.register_step_post_hook(self._put_back)

    @torch.no_grad()
    def _remember(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        weights = list(_tensors(optimizer.param_groups))
        if not self._before:
            self._before = [torch.empty_like(weight) for weight in weights]
        for before, weight in zip(self._before, weights, strict=True):
            before.copy_(weight)

    @torch.no_grad()
    def _put_back(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        group = optimizer.param_groups[0]
        group["dropout_step"] = group.get("dropout_step", 0) + 1  # absent where a run had none
        weights = list(_tensors(optimizer.param_groups))
        # its own generator: the global one is seeded differently in each process
        generator = torch.Generator(weights[0].device)
        seeds = np.random.SeedSequence([self.seed, group["dropout_step"]])
        generator.manual_seed(int(seeds.generate_state(1)[0]))  # torch's takes in 32 bits
        for before, weight in zip(self._before, weights, strict=True):
            for w, b in _pieces(weight, before):
                eight = torch.empty((len(w) + 7) // 8, dtype=torch.int64, device=w.device)
                eight.random_(-(2**63), None, generator=generator)  # eight random bytes each
                updated = eight.view(torch.uint8)[: len(w)] < self.kept
                w.sub_(b).mul_(updated).add_(b)  # exact where put back; twice as fast as where


def _tensors(groups: Iterable[Any]) -> Iterator[Tensor]:
    for entry in groups:
        if isinstance(entry, dict):
            yield from entry["params"]
        else:
            yield entry


def _pieces(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Flat pieces of tensors of one shape and memory order; whole tensors beside a CPU."""
    flat = [t.as_strided((t.numel(),), (1,)) for t in tensors]  # dense in any order of dimensions
    size = _PIECE if tensors[0].device.type == "cpu" else max(1, tensors[0].numel())
    return zip(*(torch.split(t, size) for t in flat), strict=True)
