"""Runs on a real Ray of this machine, as processes that can be stopped and killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import actors
import numpy as np
import psutil
from deadly_detector import MAGENTA, NAME, PAUSE, install
from tiny_detector import metadata, write_detector

from counterface.media.image import write_image
from counterface.weights import cache_dir

SRC = Path(__file__).resolve().parents[3] / "src"
FAST = ("--no-marks", "--no-quality-gate", "--cues", "none", "--frames", "2")
PATIENCE_S = 240.0  # of a busy machine


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose name is short enough for Ray's sockets; pytest's is not."""
    folder = Path(tempfile.mkdtemp(prefix="cf"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def draw_media(folder: Path, count: int) -> list[str]:
    """Tiny pictures and clips of drawn people, one clip in ten; their names."""
    folder.mkdir()
    pictures = [actors.draw_actor(person, size=96).image for person in (1, 2, 3)]
    clip = actors.write_clip(folder.with_name("clip.mp4"), actors.draw_clip([4], 3, 128, 96))
    names = []
    for number in range(count):
        is_clip = number % 10 == 9
        name = f"{number:03d}.{'mp4' if is_clip else 'png'}"
        if is_clip:
            shutil.copy(clip, folder / name)
        elif number < len(pictures):
            write_image(folder / name, pictures[number])
        else:
            shutil.copy(folder / f"{number % 3:03d}.png", folder / name)
        names.append(name)
    return names


def _heed_interrupts() -> None:
    """Undo what a shell does to its background jobs, the tests' own among them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Runs:
    """Commands with a tiny detector and the deadly one, on files that they find in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("plugin", "tmp", "home"):
            (folder / name).mkdir()
        install(folder / "plugin")
        write_detector(folder / "tiny.onnx", metadata())
        plain = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        self.environment = plain | {
            "PYTHONPATH": os.pathsep.join([str(SRC), str(folder / "plugin")]),
            "TMPDIR": str(folder / "tmp"),
            "HOME": str(folder / "home"),
            "COUNTERFACE_CACHE": str(cache_dir().parent),
            "OMP_NUM_THREADS": "1",
        }

    def poison(self, path: Path) -> None:
        """Put a picture there that ends the process of whoever looks for faces in it."""
        write_image(path, np.full((64, 64, 3), MAGENTA, np.uint8))

    def words(self, *words: str) -> list[str]:
        """A scan of `list.csv` to `out` by two workers."""
        detectors = ("--detector", "tiny.onnx", "--face-detector", NAME)
        return ["cluster", "scan", "list.csv", "out", "--workers", "2", *detectors, *FAST, *words]

    def start(self, *words: str, pause_s: float = 0) -> subprocess.Popen[str]:
        """The process of a command; `pause_s`: what each picture takes besides."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "counterface", *words],
            cwd=self.folder,
            env=self.environment | {PAUSE: str(pause_s)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_heed_interrupts,
        )

    def shards(self) -> dict[Path, int]:
        """When each shard that is there was written."""
        found = sorted((self.folder / "out" / "results").glob("*.parquet"))
        return {path: path.stat().st_mtime_ns for path in found}


def wait_for(what: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Return when something has come true; an error when the process ends first."""
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.1)


def ray_workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The worker processes that a run has at this moment."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.Error):
            if child.cmdline()[0].startswith("ray::FileWorker"):
                found.append(child)
    return found


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The process and all that it has started, directly or not."""
    one = psutil.Process(process.pid)
    return [one, *one.children(recursive=True)]


def wait_gone(processes: list[psutil.Process]) -> None:
    """Return when all of them have ended."""
    _, left = psutil.wait_procs(processes, timeout=PATIENCE_S)
    assert left == []


def stop(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Interrupt a run as Ctrl-C does: its exit code, and what it said."""
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE_S)
    return process.returncode, said
