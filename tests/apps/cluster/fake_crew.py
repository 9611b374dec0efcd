"""A crew without processes: what becomes of each file is decided by a function."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from counterface.apps.cluster.dispatch import Answer
from counterface.apps.cluster.manifest import Manifest, read_manifest
from counterface.apps.cluster.results import Outcome, ResultRow, read_shard
from counterface.apps.cluster.run import work_through
from counterface.apps.cluster.run_folder import RunFolder, RunRecord, open_run

Act = Callable[[str], Outcome | None]  # None: the worker dies


def scanned(place: str) -> Outcome:
    """What a scan of a file gives, its score from its name."""
    score = (sum(place.encode()) % 100) / 100
    return Outcome("done", 0.5, verdict="inconclusive", score=score, report="{}")


class FakeCrew:
    """Workers that answer at once, the one asked last first."""

    def __init__(self, act: Act = scanned, start: Callable[[], str | None] = lambda: "") -> None:
        self.act, self.start = act, start
        self.hired = 0
        self.dead: set[int] = set()
        self.given: Counter[str] = Counter()
        self.answers: deque[Answer] = deque()

    def hire(self) -> int:
        self.hired += 1
        self._answer(self.hired, self.start())
        return self.hired

    def send(self, worker: int, name: str, place: str) -> None:
        assert worker not in self.dead
        self.given[place] += 1
        outcome = self.act(place)
        self._answer(worker, None if outcome is None else json.dumps(asdict(outcome)))

    def wait(self) -> list[Answer]:
        return [self.answers.pop()]

    def _answer(self, worker: int, text: str | None) -> None:
        if text is None:
            self.dead.add(worker)
        self.answers.append(Answer(worker, text))


def list_files(folder: Path, count: int) -> Manifest:
    """A table of names of files that nobody made."""
    table = folder / "files.csv"
    table.write_text("path\n" + "".join(f"clip{i}.mp4\n" for i in range(count)))
    return read_manifest(str(table))


def run_fake(
    out: Path, manifest: Manifest, crew: FakeCrew, workers: int = 3, shard_rows: int = 7
) -> RunFolder:
    """Begin a scan, or go on with one."""
    record = RunRecord.new("scan", manifest, shard_rows, {"frames": 4})
    with open_run(out, record) as run:
        work_through(run, manifest, crew, workers, None)
        return run


def all_rows(out: Path) -> list[ResultRow]:
    """The rows of all shards, in the order of their files."""
    return [row for path in sorted((out / "results").glob("*.parquet")) for row in read_shard(path)]
