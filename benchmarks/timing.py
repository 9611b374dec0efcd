"""CPU time of one call."""

from __future__ import annotations

import time
from collections.abc import Callable


def cpu_ms(step: Callable[[int], object], calls: int, rounds: int = 1) -> float:
    """CPU milliseconds of one call, in the best of some rounds; a first call is not counted.

    Args:
        step: is given the number of the call in its round.
        calls: number of calls in a round.
        rounds: other work on the machine only ever adds time.
    """
    step(0)
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for number in range(calls):
            step(number)
        best = min(best, time.process_time() - start)
    return best / calls * 1e3
