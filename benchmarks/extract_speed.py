"""Frames a second of `faceset extract`, every frame looked at, and the ratio to plain decoding.

    python benchmarks/extract_speed.py                   # a drawn 720p clip, made on the fly
    python benchmarks/extract_speed.py clip.mp4 ...      # real files
    python benchmarks/extract_speed.py --detect-every 1 5 --runs 3

Plain decoding is PyAV alone: every frame decoded, none converted to RGB. Both are timed in turn,
several times, and the fastest of each counts: other work on the machine only ever adds time.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from actors import draw_clip

from counterface.faceset.extract import ExtractConfig, ExtractSummary, extract
from counterface.faceset.follow import FaceFollower

WIDTH, HEIGHT = 1280, 720


def write_drawn_clip(path: Path, seconds: int) -> None:
    """A 720p clip of two drawn actors in front of film grain, H.264 crf 20, 30 frames/s."""
    drawn = [item.frame.image for item in draw_clip([1, 2], 24, WIDTH // 2, HEIGHT // 2)]
    there_and_back = [*drawn, *drawn[-2:0:-1]]
    rng = np.random.default_rng(0)
    grain = [rng.integers(0, 9, (HEIGHT, WIDTH, 1), np.uint8) for _ in range(7)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(seconds * 30):
            small = there_and_back[index % len(there_and_back)]
            image = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
            image = cv2.add(image, np.repeat(grain[index % 7], 3, axis=2))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))


def decode(path: Path) -> tuple[int, str]:
    """How many frames the file has, and their size, by decoding them all."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return sum(1 for _ in container.decode(stream)), f"{stream.width}x{stream.height}"


def cpu_seconds() -> float:
    """User and system time of this process and of its children that ended."""
    own, children = (
        resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def timed(call: Callable[[], object]) -> tuple[float, float, object]:
    """Wall seconds, CPU seconds of this process, and the result."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    result = call()
    return time.perf_counter() - wall, cpu_seconds() - cpu, result


def extract_to_nowhere(path: Path, config: ExtractConfig) -> ExtractSummary:
    with tempfile.TemporaryDirectory() as folder:
        return extract(path, Path(folder) / "faceset", config)


def phases(path: Path, config: ExtractConfig) -> str:
    """Milliseconds a frame of the parts that run one after the other in the main process."""
    from counterface.faces.align import align
    from counterface.faceset.blur import measure_blur
    from counterface.media import sandbox

    follower: FaceFollower = config.follower()
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


def measure(path: Path, every: list[int], runs: int) -> None:
    plain = min((timed(lambda: decode(path)) for _ in range(runs)), key=lambda t: t[0])
    frames, size = plain[2]  # type: ignore[misc]
    print(f"\n{path.name}: {frames} frames of {size}")
    print(f"  plain PyAV decode   {frames / plain[0]:7.1f} frames/s")
    for detect_every in every:
        config = ExtractConfig(detect_every=detect_every)
        best = min(
            (timed(lambda c=config: extract_to_nowhere(path, c)) for _ in range(runs)),
            key=lambda t: t[0],
        )
        source = best[2].sources[0]  # type: ignore[attr-defined]
        again = min((timed(lambda: decode(path)) for _ in range(runs)), key=lambda t: t[0])
        rate, ratio = source.frames / best[0], best[0] / min(plain[0], again[0])
        print(
            f"  detector every {detect_every:2d}   {rate:7.1f} frames/s, {ratio:.1f} x decode, "
            f"{1000 * best[1] / source.frames:.1f} ms CPU a frame without the decoder; "
            f"{source.crops} crops, {source.frames_with_face} of {source.frames} frames with a face"
        )
        print(f"    ms a frame: {phases(path, config)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--detect-every", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=10, help="length of the drawn clip")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = options.files
        if not files:
            files = [Path(folder) / "drawn_720p.mp4"]
            write_drawn_clip(files[0], options.seconds)
        for path in files:
            measure(path, options.detect_every, options.runs)


if __name__ == "__main__":
    main()
