"""What `cluster scan` makes of a second worker, what it costs a file, and its memory over time.

    python benchmarks/cluster_scan.py                      # drawn pictures and clips
    python benchmarks/cluster_scan.py --files 80 --rounds 3 --memory-files 2000
    python benchmarks/cluster_scan.py clip.mp4 ...         # rates on these, taken in turn

Aims: two workers at least 1.7 times as fast as one on two idle cores; less than 5 % more time a
file than `scan --jobs` with as many processes; memory of a worker that does not grow.

Rates are taken between the first and the last result of a run, so that starting up does not count;
all kinds of run are repeated in turn, and other work on the machine adds time to each alike. Idle
is the share of the workers' time in that span in which none of their files was at work: waiting for
the next one, for a shard to be written, for Ray. It hardly depends on other work.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
from drawn import write_grainy_clip

from counterface.apps.cluster.results import read_facts
from counterface.apps.cluster.run import ClusterConfig, scan_manifest
from counterface.detect.scanning.scan import ScanConfig
from counterface.detect.scanning.scan_files import scan_files
from counterface.media.image import write_image
from counterface.weights import path as weights_path

MB = 1e6


def draw(folder: Path) -> list[Path]:
    """A clip of 2 s with a face in it, a portrait, and a picture without a face."""
    clip, picture, noise = folder / "clip.mp4", folder / "portrait.jpg", folder / "noise.jpg"
    write_grainy_clip(clip, [1], 2, 23)
    shutil.copy(weights_path("astronaut"), picture)
    write_image(noise, np.random.default_rng(1).integers(0, 255, (256, 256, 3), np.uint8))
    return [clip, picture, noise]


def write_list(folder: Path, samples: Sequence[Path], count: int) -> Path:
    """A manifest of so many links to the samples, taken in turn."""
    folder.mkdir()
    names = []
    for number in range(count):
        sample = samples[number % len(samples)]
        link = folder / f"{number:05d}{sample.suffix}"
        link.hardlink_to(sample)
        names.append(link.name)
    table = folder / "list.csv"
    table.write_text("path\n" + "\n".join(names) + "\n")
    return table


def cluster_rate(table: Path, config: ScanConfig, workers: int) -> tuple[float, float]:
    """Files a second between the first result and the last, and the share of idle time."""
    with tempfile.TemporaryDirectory() as out:
        scan_manifest(str(table), Path(out), config, ClusterConfig(workers=workers))
        shards = sorted(Path(out, "results").glob("*.parquet"))
        rows = sorted((row for path in shards for row in read_facts(path)), key=lambda r: r.ended)
    first, span = rows[0].ended, rows[-1].ended - rows[0].ended
    worked = sum(row.ended - max(first, row.ended - row.seconds) for row in rows)
    return (len(rows) - 1) / span, 1 - worked / (workers * span)


def jobs_rate(table: Path, config: ScanConfig, jobs: int) -> float:
    """The same of `scan --jobs`."""
    files = sorted(path for path in table.parent.iterdir() if path != table)
    times = [time.time() for _ in scan_files(files, config, jobs=jobs)]
    return (len(times) - 1) / (times[-1] - times[0])


def measure_rates(table: Path, config: ScanConfig, rounds: int) -> None:
    idle: dict[int, list[float]] = {1: [], 2: []}

    def cluster(workers: int) -> float:
        rate, waited = cluster_rate(table, config, workers)
        idle[workers].append(waited)
        return rate

    kinds: dict[str, Callable[[], float]] = {
        "scan --jobs 1": lambda: jobs_rate(table, config, 1),
        "cluster, 1 worker": lambda: cluster(1),
        "scan --jobs 2": lambda: jobs_rate(table, config, 2),
        "cluster, 2 workers": lambda: cluster(2),
    }
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for kind, run in kinds.items():
            found[kind].append(run())
            print(f"round {number + 1}: {kind:20s} {found[kind][-1]:.3f} files/s", flush=True)
    middle = {kind: statistics.median(rates) for kind, rates in found.items()}
    for kind, rates in found.items():
        print(f"{kind:20s} median {middle[kind]:.3f} ({min(rates):.3f} to {max(rates):.3f})")
    for base, other in (
        ("cluster, 1 worker", "cluster, 2 workers"),
        ("scan --jobs 1", "scan --jobs 2"),
        ("scan --jobs 1", "cluster, 1 worker"),
        ("scan --jobs 2", "cluster, 2 workers"),
    ):
        ratios = [b / a for a, b in zip(found[base], found[other], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{other} / {base}: {middle[other] / middle[base]:.3f} (rounds {spread})")
    for workers, shares in idle.items():
        print(f"idle, {workers} worker(s): " + ", ".join(f"{share:.1%}" for share in shares))


def worker_mb() -> float | None:
    """The memory of the only worker, its decoder apart; None while there is none."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error, IndexError):
            if child.cmdline()[0].startswith("ray::FileWorker"):
                return float(child.memory_full_info().uss) / MB
    return None


def measure_memory(table: Path, config: ScanConfig, count: int) -> None:
    """Memory of one worker over many files, and its slope after the first tenth."""
    seen: list[tuple[int, float]] = []
    done = 0
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(2.0):
            memory = worker_mb()
            if memory is not None and done:
                seen.append((done, memory))

    def progress(rows: int, total: int | None, text: str) -> None:
        nonlocal done
        done = rows

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        with tempfile.TemporaryDirectory() as out:
            cluster = ClusterConfig(workers=1)
            scan_manifest(str(table), Path(out), config, cluster, progress)
    finally:
        ended.set()
        thread.join()
    for share in (0.02, 0.1, 0.25, 0.5, 0.75, 1.0):
        files, memory = min(seen, key=lambda one: abs(one[0] - share * count))
        print(f"after {files:5d} files: {memory:.1f} MB")
    files, memory = np.array([one for one in seen if one[0] >= count / 10]).T
    slope, _ = np.polyfit(files, memory, 1)
    halves = [np.median(part) for part in np.array_split(memory, 2)]
    print(f"slope after the first tenth: {1000 * slope:+.2f} MB per 1,000 files")
    print(f"median of the first half {halves[0]:.1f} MB, of the second {halves[1]:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", nargs="*", type=Path)
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--memory-files", type=int, default=2000)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawn = draw(folder)
        if words.rounds:
            samples = words.samples or drawn
            config = ScanConfig(frames=words.frames, pictures=False)
            table = write_list(folder / "rates", samples, words.files)
            measure_rates(table, config, words.rounds)
        if words.memory_files:
            quick = ScanConfig(frames=2, marks=False, cues="none", pictures=False)
            table = write_list(folder / "memory", drawn, words.memory_files)
            measure_memory(table, quick, words.memory_files)


if __name__ == "__main__":
    main()
