from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterface.learn.schedule import ema_decay_at, lr_factor


def test_warm_up_then_half_a_cosine() -> None:
    factors = [lr_factor(step, 14, warmup=4) for step in range(14)]
    assert factors[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert factors[9] == pytest.approx(0.5)  # half way down
    assert lr_factor(14, 14, warmup=4) == pytest.approx(0.0)
    assert lr_factor(14, 14, warmup=4, final=0.1) == pytest.approx(0.1)


@given(st.integers(1, 500), st.integers(0, 100), st.floats(0, 1))
def test_stays_in_range_and_never_rises_after_the_warm_up(
    steps: int, warmup: int, final: float
) -> None:
    factors = [lr_factor(step, steps, warmup, final) for step in range(steps)]
    assert all(0 < f <= 1 for f in factors)
    after = factors[warmup:]
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(after))


def test_averaging_starts_fast_and_settles() -> None:
    assert ema_decay_at(0, 0.999) == pytest.approx(0.1)
    assert ema_decay_at(1_000_000, 0.999) == 0.999
