"""How the learning rate goes over a run: a linear warm-up, then half a cosine or a flat line."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["cosine", "constant"]


def lr_factor(
    step: int, steps: int, warmup: int = 0, final: float = 0.0, schedule: Schedule = "cosine"
) -> float:
    """The share of the peak learning rate at a step, in (0, 1].

    The warm-up rises as 1/warmup, 2/warmup, ... 1; the cosine then falls from 1 towards `final`,
    which the step after the last would reach.

    Args:
        step: 0 for the first step.
        steps: steps of the whole run; later steps stay at `final`.
        warmup: steps of the warm-up; at least one step of the run is left for the cosine.
        final: share of the peak at the end of the cosine, in [0, 1].
        schedule: "constant" stays at 1 after the warm-up.
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    through = min(1.0, (step - warmup) / max(1, steps - warmup))  # [0, 1]
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * through))


def ema_decay_at(step: int, decay: float) -> float:
    """The averaging decay at a step: small at first, so that random initial weights are forgotten.

    `(1 + step) / (10 + step)` is TensorFlow's warm-up of moving averages.
    """
    return min(decay, (1 + step) / (10 + step))
