"""Frames a second of `faceset extract`, every frame looked at, and the ratio to plain decoding.

    python benchmarks/extract_speed.py                   # a drawn 720p clip, made on the fly
    python benchmarks/extract_speed.py clip.mp4 ...      # real files
    python benchmarks/extract_speed.py --detect-every 1 5 --runs 3
    python benchmarks/extract_speed.py --with re_feed=8 second_pass=true smooth=1.5 format=webp

With `--with`, each setting is also timed alone, the detector in every fifth frame.

Plain decoding is PyAV alone: every frame decoded, none converted to RGB. Both are timed in turn,
several times, and the fastest of each counts: other work on the machine only ever adds time. CPU
time is printed as well, and the rate that it would allow on two cores without other work.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import psutil
from drawn import write_grainy_clip

from counterface.config import parse_settings
from counterface.faceset.extract import ExtractConfig, ExtractSummary, extract


def decode(path: Path) -> tuple[int, str]:
    """How many frames the file has, and their size, by decoding them all."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return sum(1 for _ in container.decode(stream)), f"{stream.width}x{stream.height}"


@dataclass
class Timing:
    """One call: its result, and the seconds it took."""

    result: object
    wall: float
    own_cpu: float  # of this process, all threads
    decoder_cpu: float  # of the sandbox's child processes that are still alive


def timed(call: Callable[[], object]) -> Timing:
    start, own, decoder = time.perf_counter(), time.process_time(), children_cpu()
    result = call()
    wall = time.perf_counter() - start
    return Timing(result, wall, time.process_time() - own, children_cpu() - decoder)


def fastest(call: Callable[[], object], runs: int) -> Timing:
    return min((timed(call) for _ in range(runs)), key=lambda timing: timing.wall)


def children_cpu() -> float:
    children = psutil.Process().children(recursive=True)
    return sum(t.user + t.system for t in (child.cpu_times() for child in children))


def extract_to_nowhere(path: Path, config: ExtractConfig) -> ExtractSummary:
    with tempfile.TemporaryDirectory() as folder:
        return extract(path, Path(folder) / "faceset", config)


def phases(path: Path, config: ExtractConfig) -> str:
    """Milliseconds a frame of the parts that run one after the other in the main process."""
    from counterface.faces.align import align
    from counterface.faceset.blur import measure_blur
    from counterface.media import sandbox

    follower = config.follower()
    spent = dict.fromkeys(("wait for decoder", "find", "align and measure"), 0.0)
    start, count = time.perf_counter(), 0
    for frame in sandbox.read_video(path):
        decoded = time.perf_counter()
        faces = follower.find(frame.image)
        found = time.perf_counter()
        for face in faces:
            measure_blur(align(frame.image, face, config.template, config.size).image)
        spent["wait for decoder"] += decoded - start
        spent["find"] += found - decoded
        start = time.perf_counter()
        spent["align and measure"] += start - found
        count += 1
    return ", ".join(f"{name} {1000 * total / count:.1f}" for name, total in spent.items())


def measure_each(path: Path, settings: list[str], runs: int) -> None:
    """Time extraction as it is, and with each setting by itself."""
    print(f"\n{path.name}, detector every 5")
    for setting in ["every=1", *settings]:
        config = ExtractConfig.model_validate(parse_settings([setting]))
        best = fastest(lambda c=config: extract_to_nowhere(path, c), runs)
        frames = best.result.sources[0].frames  # type: ignore[attr-defined]
        print(
            f"  {setting:<24} {frames / best.wall:7.1f} frames/s, "
            f"{1000 * best.own_cpu / frames:.1f} ms of CPU a frame",
            flush=True,
        )


def measure(path: Path, every: list[int], runs: int) -> None:
    plain = fastest(lambda: decode(path), runs)
    frames, size = plain.result  # type: ignore[misc]
    print(f"\n{path.name}: {frames} frames of {size}")
    print(f"  plain PyAV decode   {frames / plain.wall:7.1f} frames/s")
    for detect_every in every:
        config = ExtractConfig(detect_every=detect_every)
        best = fastest(lambda c=config: extract_to_nowhere(path, c), runs)
        again = fastest(lambda: decode(path), runs)
        source = best.result.sources[0]  # type: ignore[attr-defined]
        own, decoder = (1000 * s / source.frames for s in (best.own_cpu, best.decoder_cpu))
        ratio = best.wall / min(plain.wall, again.wall)
        print(
            f"  detector every {detect_every:2d}   {source.frames / best.wall:7.1f} frames/s, "
            f"{ratio:.1f} x decode; {source.crops} crops, "
            f"{source.frames_with_face} of {source.frames} frames with a face"
        )
        print(
            f"    CPU ms a frame: {own:.1f} here, {decoder:.1f} in the decoder: "
            f"{1000 / max(own, decoder, (own + decoder) / 2):.0f} frames/s if two cores were free"
        )
        print(f"    wall ms a frame: {phases(path, config)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--detect-every", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=10, help="length of the drawn clip")
    parser.add_argument("--with", dest="settings", nargs="+", metavar="KEY=VALUE", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = options.files
        if not files:
            drawn = Path(folder) / "drawn_720p.mp4"
            files = [write_grainy_clip(drawn, [1], options.seconds, crf=20)]
        for path in files:
            if options.settings:
                measure_each(path, options.settings, options.runs)
            else:
                measure(path, options.detect_every, options.runs)


if __name__ == "__main__":
    main()
