"""What the loop keeps an eye on: signals, where the time goes, whether the losses stay sane."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from types import FrameType

from counterface.errors import StoppedBySignal

WINDOW, ENOUGH = 100, 20  # steps that a median covers; steps before it is trusted


def find_trouble(
    values: Mapping[str, float],
    losses: Collection[str],
    recent: dict[str, list[float]],
    jump: float,
) -> str | None:
    """What is wrong with a step's numbers, in words, or None; fine losses enter `recent`.

    Args:
        values: every scalar of the step; each must be finite.
        losses: which of them are losses, to be held against their own past.
        recent: the last losses by name; changed.
        jump: how many times the median magnitude of the past a loss may be; 0 = any.
    """
    for name, value in values.items():
        if not math.isfinite(value):
            return f"{name} is {value}"
    if not jump:
        return None
    for name in losses:
        if name not in values:
            continue
        past = recent.setdefault(name, [])
        usual = median(abs(v) for v in past) if len(past) >= ENOUGH else math.inf
        if abs(values[name]) > jump * usual:
            return (
                f"{name} jumped to {values[name]:.4g}, {jump:g} times its median of "
                f"{usual:.4g} over the last {len(past)} steps and more"
            )
        past.append(values[name])
        del past[:-WINDOW]
    return None


class StepClock:
    """Where the time goes between two log lines."""

    def __init__(self) -> None:
        self._spent = {"data": 0.0, "compute": 0.0}
        self._steps = 0
        self._last = time.perf_counter()

    def lap(self, kind: str) -> None:
        """Book the time since the last call as "data" or "compute"; the latter ends a step."""
        now = time.perf_counter()
        self._spent[kind] += now - self._last
        self._last = now
        self._steps += kind == "compute"

    def restart(self) -> None:
        """Leave out the time since the last call: logs, validation, checkpoints."""
        self._last = time.perf_counter()

    def rates(self, batch_size: int) -> dict[str, float]:
        """Examples a second and the share of the time spent waiting, since the last call."""
        total = max(1e-9, sum(self._spent.values()))
        rates = {
            "examples_per_s": self._steps * batch_size / total,
            "waiting_for_data": self._spent["data"] / total,
        }
        self._spent, self._steps = {"data": 0.0, "compute": 0.0}, 0
        return rates


@dataclass
class StopRequest:
    """Whether a run was asked to stop."""

    number: int | None = None  # of the signal that asked

    @property
    def asked(self) -> bool:
        """Whether a signal came."""
        return self.number is not None


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """A block in which SIGINT and SIGTERM ask a run to stop; a second one insists.

    Handlers can be set in the main thread only; elsewhere the block changes nothing.

    Raises:
        StoppedBySignal: the second signal came.
    """
    request = StopRequest()

    def ask(number: int, frame: FrameType | None) -> None:
        if request.asked:
            raise StoppedBySignal(number)
        request.number = number

    in_main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if in_main else ()
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_signals_to_parent(worker: int) -> None:
    """Make a data worker ignore Ctrl-C, which the terminal sends to it too; SIGTERM ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
