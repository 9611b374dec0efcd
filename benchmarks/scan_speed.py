"""Seconds of a scan by phase, against its two bars, and its peak memory.

    python benchmarks/scan_speed.py                    # drawn 720p clips of 10 s and 10 min
    python benchmarks/scan_speed.py clip.mp4 ...       # these instead
    python benchmarks/scan_speed.py --frames 32 --runs 3 --detector model.onnx

Bars: 32 frames of a 10 s 720p clip in under 2 s of wall time on 2 cores after start-up; 32 frames
of a 10 min clip in at most a fifth of the time that PyAV takes to decode all of it; under 700 MB
whatever the length. Scan and decoding are timed in turn and the fastest of each counts: other work
on the machine only ever adds time; CPU time hardly depends on it. Memory is the sum of the
proportional set sizes of this process and its decoder, sampled every 20 ms in a run of its own.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import av
import psutil
from drawn import FPS, write_grainy_clip

from counterface.detect.scanning.scan import ScanConfig, Scanner


def write_long_clip(short: Path, path: Path, times: int = 60) -> Path:
    """The short clip's packets over and over: ten minutes without encoding anything."""
    with av.open(str(path), "w") as out:
        shift = 0
        stream = None
        for _ in range(times):
            with av.open(str(short)) as source:
                template = source.streams.video[0]
                stream = stream or out.add_stream_from_template(template)
                length = int(template.duration or 10 * FPS / template.time_base)
                for packet in source.demux(template):
                    if packet.dts is None:
                        continue
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = stream
                    out.mux(packet)
            shift += length
    return path


def decode_s(path: Path) -> float:
    """Seconds that PyAV takes to decode every frame, none converted to RGB."""
    before = time.perf_counter()
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for _ in container.decode(container.streams.video[0]):
            pass
    return time.perf_counter() - before


def peak_mb(scanner: Scanner, path: Path) -> float:
    """The most memory that this process and its decoder hold together during a scan, MB."""
    done = threading.Event()
    peak = 0

    def watch() -> None:
        nonlocal peak
        own = psutil.Process(os.getpid())
        while not done.wait(0.02):
            total = 0
            for process in (own, *own.children(recursive=True)):
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            peak = max(peak, total)

    thread = threading.Thread(target=watch)
    thread.start()
    scanner.scan(path)
    done.set()
    thread.join()
    return peak / 1e6


def cpu_s() -> tuple[float, float]:
    """CPU seconds so far of this process and of its decoder."""
    own = psutil.Process(os.getpid())
    children = [child.cpu_times() for child in own.children(recursive=True)]
    return sum(own.cpu_times()[:2]), sum(c.user + c.system for c in children)


def measure(scanner: Scanner, path: Path, runs: int) -> None:
    """Print one file's numbers."""
    scans, decodes = [], []
    here = there = float("inf")
    for _ in range(runs):
        before = cpu_s()
        scans.append(scanner.scan(path))
        after = cpu_s()
        here, there = min(here, after[0] - before[0]), min(there, after[1] - before[1])
        decodes.append(decode_s(path))
    best = min(scans, key=lambda result: result.timings_s["total"])
    total = best.timings_s["total"]
    media = best.media
    print(
        f"\n{path.name}: {media.width}x{media.height}, {media.duration_s or 0:.0f} s; "
        f"{best.sampling.read} frames looked at, {len(best.tracks)} people"
    )
    for phase, seconds in best.timings_s.items():
        print(f"  {phase:16}{seconds:8.3f} s")
    print(f"  CPU time        {here:8.3f} s here, {there:.3f} s in the decoder, side by side")
    print(
        f"  decode all      {min(decodes):8.3f} s   scan / decode all = {total / min(decodes):.3f}"
    )
    print(f"  peak memory     {peak_mb(scanner, path):8.0f} MB")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--all-frames", action="store_true")
    parser.add_argument("--detector", default="default")
    parser.add_argument("--no-marks", action="store_true", help="do not look for marks of origin")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args(arguments)
    before = time.perf_counter()
    scanner = Scanner(
        ScanConfig(
            frames=options.frames,
            all_frames=options.all_frames,
            detector=options.detector,
            marks=not options.no_marks,
        )
    )
    print(f"start-up {time.perf_counter() - before:.2f} s; {os.cpu_count()} cores")
    print(f"load of other work: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        files = options.files
        if not files:
            short = write_grainy_clip(Path(folder) / "drawn-10s.mp4", [1, 2], 10, crf=23)
            files = [short, write_long_clip(short, Path(folder) / "drawn-10min.mp4")]
        for path in files:
            measure(scanner, path, options.runs)


if __name__ == "__main__":
    main()
