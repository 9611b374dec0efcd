"""How long a million videos take on 10, 100 and 1,000 workers, from costs measured here.

    python benchmarks/scale_model.py                 # a drawn 720p clip of 10 s stands for all
    python benchmarks/scale_model.py clip.mp4 ...    # these do
    python benchmarks/scale_model.py --core 1.5      # workers' cores 1.5 times as fast as this one

Measured: the stages of a scan in one process with one core of its own (the fastest run of each
clip); what the calling process spends on a row with so many workers, by the real loop, Ray and
shards, on workers that answer at once with a report of the usual size; the bytes of a result.

Assumed, and printed with the table: the clips are typical; workers have a core each and do not slow
each other down; files arrive as fast as they are wanted (the table says how fast that is); nobody
dies. Not measured: 100 or 1,000 real workers.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from drawn import write_grainy_clip

from counterface.apps.cluster.dispatch import Dispatch
from counterface.apps.cluster.manifest import Manifest
from counterface.apps.cluster.ray_crew import RayCrew, open_crew
from counterface.apps.cluster.results import Outcome
from counterface.apps.cluster.run_folder import RunRecord, open_run
from counterface.detect.scanning.scan import ScanConfig, Scanner

VIDEOS = 1_000_000
WORKERS = (10, 100, 1000)
SHARD_ROWS = 100
MB = 1e6


class Scan(NamedTuple):
    """The costs of one file."""

    seconds: float
    stages: dict[str, float]
    report: str
    file_bytes: int


class Caller(NamedTuple):
    """The costs of a row for the calling process."""

    seconds: float  # from one row to the next, workers that answer at once
    cpu_s: float
    row_bytes: float  # on disk


def measure_scans(paths: Sequence[Path], frames: int, runs: int) -> list[Scan]:
    scanner = Scanner(ScanConfig(frames=frames, pictures=False))
    found = []
    for path in paths:
        scanner.scan(path)
        times, reports = [], []
        for _ in range(runs):
            begin = time.perf_counter()
            reports.append(scanner.scan(path))
            times.append(time.perf_counter() - begin)
        best = int(np.argmin(times))
        stages, text = reports[best].timings_s, reports[best].to_json()
        found.append(Scan(times[best], stages, text, path.stat().st_size))
    return found


class Echo:
    """Answers at once what a scan would."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def start(self) -> str:
        """Nothing is wrong."""
        return ""

    def work(self, name: str, place: str) -> str:
        """The outcome, whatever the file."""
        return self.answer


class EchoCrew(RayCrew):
    """So many workers in the eyes of the calling process, all of them one actor."""

    def __init__(self, ray: Any, answer: str) -> None:
        super().__init__(ray, "", 1)
        self.echo = ray.remote(num_cpus=1)(Echo).remote(answer)

    def hire(self) -> int:
        """One more name for the actor."""
        self._hired += 1
        self._workers[self._hired] = self.echo
        self._answers[self.echo.start.remote()] = self._hired
        return self._hired


def measure_caller(report: str, workers: int, rows: int) -> Caller:
    import ray

    manifest = Manifest("drawn", tuple(f"{i}.mp4" for i in range(rows)), "/", "0")
    outcome = Outcome("done", 1.0, verdict="inconclusive", score=0.5, report=report)
    with tempfile.TemporaryDirectory() as name:
        record = RunRecord.new("scan", manifest, SHARD_ROWS, {})
        with open_run(Path(name, "out"), record) as run:
            crew = EchoCrew(ray, json.dumps(asdict(outcome)))
            wall, cpu = time.perf_counter(), time.process_time()
            Dispatch(run, manifest, crew, lambda row: None).work_through(workers)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            ray.kill(crew.echo)
    alone = len(pa.compress(report.encode(), "zstd", asbytes=True))  # in a shard they share words
    return Caller(wall / rows, cpu / rows, alone)


def print_table(scans: Sequence[Scan], callers: dict[int, Caller], core: float) -> None:
    seconds = float(np.mean([scan.seconds for scan in scans])) / core
    longest = max(scan.seconds for scan in scans) / core
    file_mb = float(np.mean([scan.file_bytes for scan in scans])) / MB
    print("\n| workers | hours | files/s | of the workers' time | calling process busy | ", end="")
    print("input, MB/s | results, GB | lost by a stop, at most, worker hours |")
    print("|---|---|---|---|---|---|---|---|")
    for workers, caller in callers.items():
        by_workers = VIDEOS * (seconds + caller.seconds) / workers + longest
        span = max(by_workers, VIDEOS * caller.seconds)
        lost = (SHARD_ROWS + workers) * seconds / 3600
        print(
            f"| {workers:,} | {span / 3600:.1f} | {VIDEOS / span:.1f} "
            f"| {VIDEOS * seconds / (workers * span):.1%} | {VIDEOS * caller.cpu_s / span:.1%} "
            f"| {VIDEOS * file_mb / span:.1f} | {VIDEOS * caller.row_bytes / 1e9:.1f} "
            f"| {lost:.2f} |"
        )
    print(
        f"\nAssumed: {seconds:.2f} s a video and worker (cores {core:g} times as fast as here), "
        f"{file_mb:.2f} MB a video, a core for each worker, no waiting for files, no deaths; "
        "the calling process spends as much on a row as measured, with one core of its own."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--core", type=float, default=1.0)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        clips = words.clips or [Path(name, "clip.mp4")]
        if not words.clips:
            write_grainy_clip(clips[0], [1], 10, 23)
        scans = measure_scans(clips, words.frames, words.runs)
    stages: Counter[str] = Counter()
    for scan in scans:
        stages.update({stage: s / len(scans) for stage, s in scan.stages.items()})
    print(f"a scan: {np.mean([scan.seconds for scan in scans]):.3f} s; its stages, s:")
    print("  " + ", ".join(f"{stage} {s:.3f}" for stage, s in stages.most_common()))
    report = max((scan.report for scan in scans), key=len)
    print(f"a report: {len(report) / 1000:.1f} kB of JSON")
    callers = {}
    with open_crew("", 1, None):
        for workers in WORKERS:
            callers[workers] = caller = measure_caller(report, workers, words.rows)
            print(
                f"calling process, {workers} workers: {1000 * caller.seconds:.2f} ms a row, "
                f"{1000 * caller.cpu_s:.2f} ms of CPU; {caller.row_bytes / 1000:.1f} kB on disk"
            )
    print_table(scans, callers, words.core)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
