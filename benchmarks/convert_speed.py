"""Frames a second of a whole conversion at 720p, by phase: docs/results.md, "Conversion".

    python benchmarks/convert_speed.py                       # a drawn clip, 240 frames
    python benchmarks/convert_speed.py --sizes 64 96 128 --backends torch onnx --threads 2
    python benchmarks/convert_speed.py --clip FOOTAGE.mp4    # of one person

An untrained `df` (ae 64, e 32, d 32) of each size: weights do not change the time. "total" is the
clock's, from the command to the signed file, without the drawing of the clip and the reading of the
model. Phases run at the same time in several threads, so that they add up to more. The bar is 12
frames/s. Each run is a process of its own; its memory is the most that it and its decoder held, and
its CPU time that of both, so that a busy machine can be told from a slow program.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

BAR = 12.0  # frames/s
WIDTH, HEIGHT, DRAWN = 1280, 720, 60
GRAIN = 1.0  # grey levels: encoding then costs about what it does for web video of a talking head


def draw(path: Path, frames: int) -> Path:
    """A drawn actor at 24 frames/s, moving forth and back, under a camera's grain."""
    from actors import draw_clip

    from counterface.media.video_writer import VideoWriter
    from counterface.types import Frame

    images = [item.frame.image for item in draw_clip([1], DRAWN, WIDTH, HEIGHT)]
    cycle = [*images, *reversed(images)]
    rng = np.random.default_rng(0)
    with VideoWriter(path, WIDTH, HEIGHT, crf=18, fps=Fraction(24)) as writer:
        for index in range(frames):
            grain = rng.normal(0, GRAIN, (HEIGHT, WIDTH, 1)).astype(np.float32)
            image = np.clip(cycle[index % len(cycle)] + grain, 0, 255).astype(np.uint8)
            writer.write(Frame(image, index, Fraction(index, 24)))
    return path


def convert_once(options: argparse.Namespace) -> dict[str, float]:
    """What one conversion took, seconds by phase, and megabytes."""
    import torch

    from counterface.provenance.rights import Rights
    from counterface.swap.conversion.convert import convert
    from counterface.swap.conversion.settings import ConvertConfig
    from counterface.swap.swap_model import (
        FacesetUsed,
        IdentityAbout,
        SwapAbout,
        TrainedModel,
        build_model,
    )

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    sizes = {"resolution": options.one_size, "ae_dims": 64, "e_dims": 32, "d_dims": 32}
    net = build_model("df", sizes).eval().requires_grad_(False)
    rights = Rights(shown="a drawn face", basis="synthetic", reference="benchmarks")
    used = (FacesetUsed(folder="drawn", crops=1, rights=rights),)
    people = tuple(IdentityAbout(name=n, facesets=used) for n in ("source", "target"))
    trained = TrainedModel(net, SwapAbout.of("df", net, people), 0, "0" * 64, Path("untrained"))
    config = ConvertConfig(
        backend=options.one_backend,
        threads=options.threads,
        batch=options.batch,
        steady=options.steady,
        who="largest",
        rights=rights,
    )
    before = _cpu()
    with tempfile.TemporaryDirectory() as folder:
        [done] = convert(trained, options.clip, Path(folder) / "out.mp4", config).files
    return {
        **done.seconds,
        "frames": done.frames,
        "faces": done.faces,
        "cpu": _cpu() - before,
        "megabytes": sum(_peak(pid) for pid in (os.getpid(), *_children())),
    }


def _children() -> list[int]:
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def _cpu() -> float:
    """Seconds of CPU time of this process and its children so far; those only on Linux."""
    ticks = 0
    for pid in _children():
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(stat[11]) + int(stat[12])
    own = os.times()
    seconds = own.user + own.system + own.children_user + own.children_system
    return seconds + (ticks / os.sysconf("SC_CLK_TCK") if ticks else 0)


def _peak(pid: int) -> float:
    """Most resident memory of a process, MB; 0 where the system does not say (not Linux)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(x.split()[1]) / 1000 for x in lines if x.startswith("VmHWM")), 0.0)


def run(options: argparse.Namespace, size: int, backend: str) -> dict[str, float]:
    """`convert_once` in a process of its own."""
    words = [sys.executable, __file__, "--clip", str(options.clip)]
    words += ["--one-size", str(size), "--one-backend", backend]
    words += ["--threads", str(options.threads), "--batch", str(options.batch)]
    words += ["--steady", str(options.steady)]
    surroundings = {**os.environ, "PYTHONPYCACHEPREFIX": str(options.compiled)}
    surroundings.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=surroundings)
    if done.returncode:
        sys.exit(done.stderr)
    numbers: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return numbers


def show(name: str, numbers: dict[str, float]) -> bool:
    """Whether the bar was met; printed."""
    frames, total = numbers["frames"], numbers["total"]
    rate = frames / total
    met = rate >= BAR
    print(
        f"{name}: {rate:.1f} frames/s ({frames:.0f} frames, {numbers['faces']:.0f} faces in "
        f"{total:.1f} s), {numbers['megabytes']:.0f} MB; bar {BAR:g}: {'met' if met else 'MISSED'}"
    )
    cores = numbers["cpu"] / total
    print(f"    {1000 * numbers['cpu'] / frames:.0f} ms of CPU a frame, {cores:.2f} cores at work")
    apart = {"frames", "faces", "total", "megabytes", "cpu"}
    rest = {phase: seconds for phase, seconds in numbers.items() if phase not in apart}
    for phase, seconds in rest.items():
        print(f"    {phase:10} {seconds:7.2f} s {1000 * seconds / frames:7.2f} ms a frame")
    return met


def main() -> None:
    """Print every size with every backend; exit code 1 where one missed the bar."""
    parser = argparse.ArgumentParser(description="Frames a second of a conversion at 720p.")
    parser.add_argument("--clip", type=Path, help="footage of one person instead of a drawn clip")
    parser.add_argument("--frames", type=int, default=240, help="of the drawn clip")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--backends", nargs="+", default=["torch", "onnx"])
    parser.add_argument("--threads", type=int, default=2, help="of the model")
    parser.add_argument("--batch", type=int, default=8, help="faces in one run of the model")
    parser.add_argument("--steady", type=float, default=0.0, help="flow-guided blending")
    parser.add_argument("--one-size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--one-backend", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_size:
        print(json.dumps(convert_once(options)))
        return
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    print(f"{os.cpu_count()} cores, load of other work before: {load:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        options.compiled = Path(folder) / "compiled"
        first = draw(Path(folder) / "first.mp4", 12)
        clip, options.clip = options.clip, first
        run(options, 64, "onnx")  # compiles the modules, as the first use of an installation does
        options.clip = clip or draw(Path(folder) / "drawn.mp4", options.frames)
        met = [
            show(f"df {size} px, {backend}", run(options, size, backend))
            for size in options.sizes
            for backend in options.backends
        ]
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
