"""What a run has found so far, and how far it is; read from its shards, at any time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pydantic import Field

from counterface.apps.cluster.results import ResultRow
from counterface.apps.cluster.run_folder import Job, RunFolder, is_running
from counterface.config import Record

BINS = 20  # of the histogram of scores
_SLOWEST, _EXAMPLES = 10, 3
_NEWEST = 20  # shards that the rate is taken from


class RunStatus(Record):
    """How far a run is."""

    folder: str
    job: Job
    manifest: str
    rows: int
    rows_done: int = Field(description="rows of the shards that are done")
    shards: int
    shards_done: int
    running: bool = Field(description="whether a process of this machine works on it")
    rate_per_s: float | None = Field(None, description="files a second, over the newest shards")
    left_s: float | None = Field(None, description="seconds that the rest takes at this rate")


class SlowFile(Record):
    """A file that took long."""

    path: str
    seconds: float
    status: str


class ErrorKind(Record):
    """The errors of one kind."""

    kind: str
    files: int
    examples: tuple[str, ...]


class RunSummary(Record):
    """What a run has found so far."""

    status: RunStatus
    done: int = Field(description="files that were scanned or extracted")
    failed: int = Field(description="files with an error in their row")
    verdicts: dict[str, int] = Field(description="files by verdict, of a scan")
    scores: tuple[int, ...] = Field(description=f"files by score in {BINS} bins of [0, 1]")
    unscored: int = Field(description="files that were scanned, and have no score")
    crops: int | None = Field(None, description="crops of an extraction")
    without_crops: int | None = Field(None, description="files without a crop")
    seconds: float = Field(description="seconds that workers worked, in all")
    slowest: tuple[SlowFile, ...]
    errors: tuple[ErrorKind, ...] = Field(description="errors by kind, the most frequent first")
    tried_again: int = Field(description="files whose worker died once, and that were done then")


def find_status(run: RunFolder) -> RunStatus:
    """How far a run is.

    Raises:
        ConfigError: a shard cannot be read.
    """
    done = run.done()
    rows, total = sum(len(run.rows_of(shard)) for shard in done), run.record.manifest.rows
    rate = _rate(run, done)
    return RunStatus(
        folder=str(run.out),
        job=run.record.job,
        manifest=run.record.manifest.place,
        rows=total,
        rows_done=rows,
        shards=run.shards,
        shards_done=len(done),
        running=is_running(run),
        rate_per_s=rate,
        left_s=(total - rows) / rate if rate else None,
    )


def summarize(run: RunFolder) -> RunSummary:
    """What a run has found so far.

    Raises:
        ConfigError: a shard cannot be read.
    """
    tally = _Tally()
    for shard in run.done():
        for row in run.facts(shard):
            tally.add(row)
    is_scan = run.record.job == "scan"
    return RunSummary(
        status=find_status(run),
        done=tally.states["done"],
        failed=tally.states["failed"],
        verdicts=dict(tally.verdicts.most_common()),
        scores=tuple(tally.bins[bin_] for bin_ in range(BINS)),
        unscored=tally.states["done"] - tally.bins.total() if is_scan else 0,
        crops=None if is_scan else tally.crops,
        without_crops=None if is_scan else tally.empty,
        seconds=round(tally.seconds, 2),
        slowest=tuple(tally.slowest),
        errors=tuple(tally.errors()),
        tried_again=tally.again,
    )


class _Tally:
    """Counts of rows, which are not kept."""

    def __init__(self) -> None:
        self.states: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.bins: Counter[int] = Counter()
        self.kinds: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}
        self.slowest: list[SlowFile] = []
        self.seconds = 0.0
        self.crops = self.empty = self.again = 0

    def add(self, row: ResultRow) -> None:
        self.states[row.status] += 1
        self.seconds += row.seconds
        self.again += row.status == "done" and row.tries > 1
        if row.verdict is not None:
            self.verdicts[row.verdict] += 1
        if row.score is not None:
            self.bins[min(BINS - 1, int(row.score * BINS))] += 1
        if row.status == "done":
            self.crops += row.crops or 0
            self.empty += row.crops == 0
        else:
            kind = row.error_kind or "unexpected"
            self.kinds[kind] += 1
            told = self.examples.setdefault(kind, [])
            if len(told) < _EXAMPLES:
                told.append(f"{row.path}: {row.error}")
        if len(self.slowest) < _SLOWEST or row.seconds > self.slowest[-1].seconds:
            slow = SlowFile(path=row.path, seconds=row.seconds, status=row.status)
            ranked = sorted([*self.slowest, slow], key=lambda one: -one.seconds)
            self.slowest = ranked[:_SLOWEST]

    def errors(self) -> Iterator[ErrorKind]:
        for kind, files in self.kinds.most_common():
            yield ErrorKind(kind=kind, files=files, examples=tuple(self.examples[kind]))


def _rate(run: RunFolder, done: list[int]) -> float | None:
    """Files a second over the newest shards; None where there are too few to tell."""
    times = sorted(row.ended for shard in done[-_NEWEST:] for row in run.facts(shard))
    span = times[-1] - times[0] if times else 0.0
    return (len(times) - 1) / span if span else None
