"""A manifest scanned or extracted by workers: begun, gone on with, finished."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Any

from pydantic import Field

from counterface.apps.cluster.dispatch import Crew, Dispatch
from counterface.apps.cluster.manifest import Manifest, read_manifest
from counterface.apps.cluster.places import protocol_of
from counterface.apps.cluster.ray_crew import open_crew
from counterface.apps.cluster.results import ResultRow
from counterface.apps.cluster.run_folder import RunFolder, RunRecord, open_run
from counterface.apps.cluster.summary import RunSummary, summarize
from counterface.apps.cluster.work import write_order
from counterface.config import Record
from counterface.detect.detector import DEFAULT
from counterface.detect.scanning.scan import ScanConfig
from counterface.errors import ConfigError
from counterface.faceset.extract import ExtractConfig
from counterface.files import file_sha256
from counterface.types import Progress

_RATE_OVER = 200  # results


class ClusterConfig(Record):
    """How the work is spread; but for `shard_rows`, a run may go on with other values."""

    workers: int | None = Field(
        None, ge=1, description="worker processes; unset: one for each CPU that there is"
    )
    address: str | None = Field(
        None,
        description="HOST:PORT of the head of a Ray cluster, or auto where this machine is in "
        "one; unset: workers on this machine alone",
    )
    shard_rows: int = Field(100, ge=1, le=100_000, description="rows of the manifest in a shard")
    column: str = Field("path", description="column of a table that names the files")
    protocols: tuple[str, ...] = Field(
        (), description="what addresses in a table may begin with, beside that of the table itself"
    )


def scan_manifest(
    manifest: str,
    out: Path,
    config: ScanConfig | None = None,
    cluster: ClusterConfig | None = None,
    progress: Progress | None = None,
) -> RunSummary:
    """Scan every file of a manifest into a folder, and give the summary of what is there.

    An interrupted call is continued by the same call.

    Args:
        manifest: path or address of a CSV, a Parquet file or a folder, see `read_manifest`.
        out: the folder of the run; empty or absent at first.
        config: how to scan.
        cluster: how the work is spread.
        progress: called as (rows done, rows, rate and time left) after each result.

    Raises:
        ConfigError: the manifest or the folder cannot be used, or Ray cannot be started.
    """
    config = (config or ScanConfig()).model_copy(update={"pictures": False})
    facts = config.model_dump(mode="json")
    if config.detector != DEFAULT:  # that of the package changes with the version
        facts["detector_sha256"] = file_sha256(config.detector, ConfigError)
    return _run("scan", manifest, out, config, facts, cluster or ClusterConfig(), progress)


def extract_manifest(
    manifest: str,
    out: Path,
    config: ExtractConfig | None = None,
    cluster: ClusterConfig | None = None,
    progress: Progress | None = None,
) -> RunSummary:
    """Extract the faces of every file of a manifest, a faceset for each file; see `scan_manifest`.

    Raises:
        ConfigError: as `scan_manifest`.
    """
    config = config or ExtractConfig()
    facts = config.model_dump(mode="json")
    return _run("extract", manifest, out, config, facts, cluster or ClusterConfig(), progress)


def _run(
    job: Any,
    place: str,
    out: Path,
    config: ScanConfig | ExtractConfig,
    facts: dict[str, Any],
    cluster: ClusterConfig,
    progress: Progress | None,
) -> RunSummary:
    manifest = read_manifest(place, cluster.column, cluster.protocols)
    _require_apart(manifest, out)
    with open_run(out, RunRecord.new(job, manifest, cluster.shard_rows, facts)) as run:
        if len(run.done()) < run.shards:
            order = write_order(job, config, out, run.record.id)
            with open_crew(order, cluster.workers, cluster.address) as crew:
                work_through(run, manifest, crew, crew.cpus, progress)
    return summarize(run)


def work_through(
    run: RunFolder, manifest: Manifest, crew: Crew, workers: int, progress: Progress | None
) -> None:
    """Do what is not done of a run.

    Raises:
        ConfigError: no worker can start, or a shard cannot be written.
    """
    pace = Pace(run, progress or (lambda done, total, text: None))
    Dispatch(run, manifest, crew, pace.add).work_through(workers)


class Pace:
    """Tells how far a run is, how fast, and how long it will take."""

    def __init__(self, run: RunFolder, progress: Progress) -> None:
        """Begin with the rows that are done already."""
        self.total = run.record.manifest.rows
        self.rows = sum(len(run.rows_of(shard)) for shard in run.done())
        self.progress = progress
        self.times: deque[float] = deque(maxlen=_RATE_OVER)
        progress(self.rows, self.total, "workers load their models")

    def add(self, _: ResultRow) -> None:
        """Count a result."""
        self.rows += 1
        self.times.append(time.monotonic())
        span = self.times[-1] - self.times[0]
        rate = (len(self.times) - 1) / span if span else 0.0
        self.progress(self.rows, self.total, describe_pace(rate, self.total - self.rows))


def describe_pace(rate: float, left: int) -> str:
    """The rate, and the time that the rest takes at it."""
    if not rate:
        return ""
    seconds = left / rate
    span = next((f"{seconds / size:.1f} {name}" for size, name in _SPANS if seconds >= size), "")
    return f"{rate:.2f} files/s, {span or f'{seconds:.0f} s'} left"


_SPANS = ((86400.0, "days"), (3600.0, "h"), (60.0, "min"))


def _require_apart(manifest: Manifest, out: Path) -> None:
    """Refuse to write among the files of a manifest: its facesets would join them."""
    place = Path(manifest.place)
    is_folder = protocol_of(manifest.place) is None and place.is_dir()
    if is_folder and out.resolve().is_relative_to(place.resolve()):
        raise ConfigError(f"{out}: lies among the files of {place}; name a folder outside it")
