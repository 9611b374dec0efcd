"""Seconds by phase add up, and waiting for items is counted."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from counterface.phase_clock import PhaseClock


def test_seconds_of_phases_add_up_even_where_one_fails() -> None:
    def slowly() -> Iterator[str]:
        for item in "ab":
            time.sleep(0.01)
            yield item

    def fail() -> None:
        time.sleep(0.01)
        raise ValueError("stop")

    clock = PhaseClock()
    assert list(clock.waiting(slowly(), "wait")) == ["a", "b"]
    for _ in range(2):
        with pytest.raises(ValueError, match="stop"), clock.phase("work"):
            fail()
    seconds = clock.table(4)
    assert seconds.keys() == {"wait", "work", "total"}
    assert min(seconds["wait"], seconds["work"]) >= 0.019
    assert seconds["total"] >= seconds["wait"] + seconds["work"] - 1e-3
