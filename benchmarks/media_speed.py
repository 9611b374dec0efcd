"""Speed of reading: whole, at 32 times, by keyframe, and through the sandbox, against plain PyAV.

    python benchmarks/media_speed.py [CLIP]

Without a clip a drawn one of 720p is encoded first, `--minutes` long.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av

from counterface.media import sandbox
from counterface.media.probe import probe
from counterface.media.video_reader import frames_at, read_video, sample_times

TIMES = 32


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("clip", nargs="?", type=Path)
    arguments.add_argument("--minutes", type=float, default=1)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = given.clip or draw_clip(Path(folder) / "drawn.mp4", given.minutes)
        measure(clip)


def measure(clip: Path) -> None:
    info = probe(clip)
    times = sample_times(Fraction(info.duration_s or 0), TIMES, info.start_s)
    reach = Fraction(info.duration_s or 0) / (2 * TIMES)
    print(f"{info.width}x{info.height}, {info.duration_s:.1f} s, {info.codec}")
    start = seconds(lambda: [sandbox.probe(clip)])
    whole = seconds(lambda: decode_plainly(clip))
    rows = {
        "plain PyAV decode of everything, no RGB": whole,
        "read_video, everything, RGB": seconds(lambda: read_video(clip)),
        "sandbox.read_video, everything, RGB": seconds(lambda: sandbox.read_video(clip)),
        "read_video, keyframes only": seconds(lambda: read_video(clip, keyframes_only=True)),
        f"frames_at, {TIMES} times": seconds(lambda: frames_at(clip, times)),
        f"frames_at, {TIMES} times, nearest keyframe": seconds(
            lambda: frames_at(clip, times, tolerance=reach)
        ),
        f"sandbox.frames_at, {TIMES} times": seconds(lambda: sandbox.frames_at(clip, times)),
        "probe": seconds(lambda: [probe(clip)]),
        "sandbox.probe, first (starts the process)": start,
        "sandbox.probe, later": seconds(lambda: [sandbox.probe(clip)]),
    }
    for name, value in rows.items():
        print(f"{name:46} {value:8.3f} s  {value / whole:7.3f} of plain decode")


def seconds(work: Callable[[], Iterable[object]]) -> float:
    start = time.perf_counter()
    for _ in work():
        pass
    return time.perf_counter() - start


def decode_plainly(clip: Path) -> Iterable[object]:
    with av.open(str(clip)) as container:
        yield from container.decode(video=0)


def draw_clip(path: Path, minutes: float) -> Path:
    with (
        av.open("testsrc2=size=1280x720:rate=30", format="lavfi") as source,
        av.open(str(path), "w") as output,
    ):
        options = {"preset": "veryfast", "crf": "23"}
        stream = output.add_stream("libx264", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for index, frame in enumerate(source.decode(video=0)):
            if index >= minutes * 60 * 30:
                break
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 30)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


if __name__ == "__main__":
    main()
