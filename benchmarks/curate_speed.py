"""Seconds and memory of `faceset sort` on many crops of 256 px, first and second time.

    python benchmarks/curate_speed.py                 # 10,000 drawn crops, made on the fly
    python benchmarks/curate_speed.py --crops 2000 --by motion_blur final

The crops are 40 drawn faces with other noise, light and shift each, so that no two files are equal.
Memory is the largest resident size of this process after each sort; decoders run beside it.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from actors import Expression, draw_actor

from counterface.errors import FacesetError
from counterface.faces.align import crop_matrix, warp_image
from counterface.faceset.commits import CommitWriter
from counterface.faceset.curate.order import SortConfig, sort
from counterface.faceset.header import SourceRecord
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset, merge
from counterface.files import locked
from counterface.types import Image, Pose

SIDE, FACES, COMMIT = 256, 40, 500
MEASURES = ["blur", "yaw", "sharpness_laplacian", "grey_likeness", "colour_likeness"]


def faces() -> list[tuple[Row, Image]]:
    """Drawn crops with their rows."""
    rng, made = np.random.default_rng(0), []
    for number in range(FACES):
        pose = Pose(float(rng.uniform(-40, 40)), float(rng.uniform(-15, 15)), 0.0)
        does = Expression(mouth_open=float(rng.uniform()), smile=float(rng.uniform(-1, 1)))
        actor = draw_actor(number % 4, pose, does, size=SIDE)
        matrix = crop_matrix(actor.landmarks, "whole_face", SIDE)
        row = Row(
            file="",
            source="drawn.mp4",
            source_sha256="0" * 64,
            frame_index=0,
            pts=Fraction(0),
            face_index=0,
            frame_width=SIDE,
            frame_height=SIDE,
            box=actor.box,
            score=1.0,
            landmarks=actor.landmarks,
            pose=pose,
            frame_to_crop=matrix,
            blur=float(rng.uniform()),
        )
        made.append((row, warp_image(actor.image, matrix, SIDE)))
    return made


def fill(folder: Path, count: int) -> None:
    rng, drawn = np.random.default_rng(1), faces()
    Faceset.create(folder, "whole_face", SIDE)
    with locked(folder, FacesetError):
        with CommitWriter(folder, quality=95) as writer:
            for number in range(count):
                row, image = drawn[number % FACES]
                noise = rng.integers(-6, 7, (SIDE, SIDE, 1)) + int(rng.integers(-30, 31))
                changed = np.clip(np.roll(image, number % 7, axis=1) + noise, 0, 255)
                blur = float(rng.uniform(0.2, 0.6))
                named = replace(row, file=f"{number:06d}.jpg", frame_index=number, blur=blur)
                writer.add(named, changed.astype(np.uint8))
                if (number + 1) % COMMIT == 0 or number + 1 == count:
                    record = SourceRecord(name="drawn.mp4", sha256="0" * 64, options={})
                    writer.commit([record])
        merge(folder)


def cpu_s() -> float:
    """CPU seconds of this process and of the decoders that are alive."""
    children = psutil.Process().children(recursive=True)
    return sum(t.user + t.system for t in (p.cpu_times() for p in [psutil.Process(), *children]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crops", type=int, default=10_000)
    parser.add_argument("--by", nargs="+", default=MEASURES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "faceset"
        fill(folder, options.crops)
        print(f"{options.crops} crops of {SIDE} px, load {psutil.getloadavg()[0]:.1f}", flush=True)
        total = 0.0
        for by in options.by:
            walls = []
            for turn in ("first", "again"):
                start, cpu = time.perf_counter(), cpu_s()
                sort(folder, SortConfig(by=by))
                walls.append(time.perf_counter() - start)
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(
                    f"  {by:20s} {turn}  {walls[-1]:6.1f} s, CPU {cpu_s() - cpu:6.1f} s, "
                    f"largest so far {peak:5.0f} MB",
                    flush=True,
                )
            total += walls[0]
        print(f"  all for the first time: {total:.1f} s")


if __name__ == "__main__":
    main()
