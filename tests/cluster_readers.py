"""The files of a run over a manifest, small, and what reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from counterface.apps.cluster.manifest import Manifest
from counterface.apps.cluster.results import Outcome, ResultRow, read_shard
from counterface.apps.cluster.run_folder import RUN_FILE, RunFolder, RunRecord, open_run, read_run
from counterface.apps.cluster.summary import summarize

Reader = tuple[Path, Callable[[], object]]  # a valid file, and what reads it


def cluster_run(folder: Path) -> Reader:
    """What a run over a manifest was begun with."""
    run = _write_run(folder)
    return run.out / RUN_FILE, lambda: read_run(run.out)


def cluster_results(folder: Path) -> Reader:
    """The only shard of such a run."""
    run = _write_run(folder)
    return run.path_of(0), lambda: (read_shard(run.path_of(0)), summarize(run))


def _write_run(folder: Path) -> RunFolder:
    listed = Manifest("a.csv", ("a.mp4", "b.mp4"), str(folder), "0" * 64)
    done = Outcome("done", 1.5, verdict="no_face", score=0.25, report="{}")
    lost = Outcome("failed", 2.5, error_kind="time_out", error="late")
    with open_run(folder, RunRecord.new("scan", listed, 2, {"frames": 4})) as run:
        rows = [ResultRow.of(i, listed.names[i], one, 1, 9.0) for i, one in enumerate((done, lost))]
        run.write(0, rows)
    return run
