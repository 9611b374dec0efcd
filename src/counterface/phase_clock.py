"""Where the time of long work goes: seconds of wall time by phase."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

Item = TypeVar("Item")


class PhaseClock:
    """Seconds of work by phase; phases of different threads overlap in time."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._seconds: dict[str, float] = defaultdict(float)
        self._lock = Lock()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """A block whose time counts towards a phase."""
        before = time.perf_counter()
        try:
            yield
        finally:
            passed = time.perf_counter() - before
            with self._lock:
                self._seconds[name] += passed

    def waiting(self, items: Iterable[Item], name: str) -> Iterator[Item]:
        """The items, with the time spent waiting for each counted towards a phase."""
        source = iter(items)
        end = object()
        while True:
            with self.phase(name):
                item = next(source, end)
            if item is end:
                return
            yield item  # type: ignore[misc]  # the end is gone by now

    def table(self, digits: int) -> dict[str, float]:
        """The seconds of each phase, and "total", those since the clock was made."""
        seconds = {**self._seconds, "total": time.perf_counter() - self._start}
        return {name: round(value, digits) for name, value in seconds.items()}
