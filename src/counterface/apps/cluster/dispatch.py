"""Rows to workers, outcomes to shards: the loop of a run, whatever the workers are.

Rows are handed out one by one, in order, to whoever is free. So a shard is written as soon as its
last row is there, few shards are open at a time, and a worker that dies costs the one file that it
had. That file is tried once more by another worker, and then becomes a row with an error.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from counterface.apps.cluster.manifest import Manifest
from counterface.apps.cluster.results import DIED, Outcome, ResultRow
from counterface.apps.cluster.run_folder import RunFolder
from counterface.apps.cluster.work import faceset_name
from counterface.errors import ConfigError

TRIES = 2  # of a file that ends its worker
_DEATHS_AT_START = 3  # in a row: then it is no accident


class Answer(NamedTuple):
    """What a worker said: text, or nothing because it died."""

    worker: int
    text: str | None


class Crew(Protocol):
    """Workers that each do one thing at a time."""

    def hire(self) -> int:
        """The number of a new worker, which loads its models and then answers."""

    def send(self, worker: int, name: str, place: str) -> None:
        """Give a worker a file."""

    def wait(self) -> list[Answer]:
        """The answers since the last call, one at least."""


Done = Callable[[ResultRow], None]


class Dispatch:
    """The state of a run at work."""

    def __init__(self, run: RunFolder, manifest: Manifest, crew: Crew, done: Done) -> None:
        """Begin with nothing handed out.

        Args:
            run: its folder gets the shards; what is done there is left alone.
            manifest: the files.
            crew: does the work.
            done: called with each row when it is there, before its shard is written.
        """
        self.run, self.manifest, self.crew, self.tell = run, manifest, crew, done
        there = set(run.done())
        undone = (run.rows_of(shard) for shard in range(run.shards) if shard not in there)
        self.waiting = deque(row for rows in undone for row in rows)
        self.busy: dict[int, int | None] = {}  # row by worker; None while it loads its models
        self.idle: list[int] = []
        self.deaths: Counter[int] = Counter()  # of workers, by row
        self.early_deaths = 0
        self.open: dict[int, list[ResultRow]] = {}  # by shard

    def work_through(self, workers: int) -> None:
        """Hand out all rows and write all shards.

        Raises:
            ConfigError: no worker can start, or a shard cannot be written.
        """
        for _ in range(min(workers, len(self.waiting))):
            self._hire()
        while self.waiting or any(row is not None for row in self.busy.values()):
            for answer in self.crew.wait():
                self._take(answer)
            while self.waiting and self.idle:
                self._hand_out(self.idle.pop(), self.waiting.popleft())

    def _hire(self) -> None:
        self.busy[self.crew.hire()] = None

    def _hand_out(self, worker: int, row: int) -> None:
        self.busy[worker] = row
        name = faceset_name(self.run.shard_of(row), row, self.manifest.names[row])
        self.crew.send(worker, name, self.manifest.location(row))

    def _take(self, answer: Answer) -> None:
        row = self.busy.pop(answer.worker)
        if answer.text is None:
            self._replace(row)
            return
        self.idle.append(answer.worker)
        if row is not None:
            outcome = Outcome(**json.loads(answer.text))
            if outcome.status == "stopped":
                raise ConfigError(f"{outcome.error}; what is done is kept")
            self._finish(row, outcome)
        elif answer.text:
            raise ConfigError(f"no worker can start: {answer.text}")
        else:
            self.early_deaths = 0

    def _replace(self, row: int | None) -> None:
        """Hire for a dead worker; its file is tried again, or given up."""
        if row is None:
            self.early_deaths += 1
            if self.early_deaths == _DEATHS_AT_START:
                raise ConfigError(
                    f"{_DEATHS_AT_START} workers in a row died while they loaded their models; is "
                    "there enough memory? Take fewer with --workers"
                )
        else:
            self.deaths[row] += 1
            if self.deaths[row] < TRIES:
                self.waiting.appendleft(row)
            else:
                text = f"its worker died {TRIES} times (out of memory, or a crash of native code)"
                self._finish(row, Outcome("failed", error_kind=DIED, error=text))
        if self.waiting:
            self._hire()

    def _finish(self, row: int, outcome: Outcome) -> None:
        tries = self.deaths[row] + (outcome.error_kind != DIED)
        result = ResultRow.of(row, self.manifest.names[row], outcome, tries, time.time())
        shard = self.run.shard_of(row)
        rows = self.open.setdefault(shard, [])
        rows.append(result)
        self.tell(result)
        if len(rows) == len(self.run.rows_of(shard)):
            self.run.write(shard, self.open.pop(shard))
