"""A real kill -9 in the middle costs at most the segment that was being made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from echo_model import DRAWN, echo_model
from swap_targets import draw_images, write_target

from counterface.media.video_reader import read_video
from counterface.swap.conversion.convert import convert
from counterface.swap.conversion.segments import WorkFolder
from counterface.swap.conversion.settings import ConvertConfig

PROGRAM = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from echo_model import DRAWN, echo_model
from counterface.provenance.mark import Marker
from counterface.swap.conversion.settings import ConvertConfig
from counterface.swap.conversion.convert import convert

class Slow(Marker):
    def mark_frame(self, image):
        time.sleep(0.04)
        return super().mark_frame(image)

config = ConvertConfig(rights=DRAWN, segment_s=0.5, backend="torch")
convert(echo_model(64, gain=1.3), Path(sys.argv[2]), Path(sys.argv[3]), config, marker=Slow())
"""
TESTS = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_kill_loses_at_most_one_segment(tmp_path: Path) -> None:
    clip = write_target(tmp_path / "a.mp4", draw_images() + draw_images(), sound_s=2.0)
    out = tmp_path / "out.mp4"
    work = WorkFolder(out)
    command = [sys.executable, "-c", PROGRAM, str(TESTS), str(clip), str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        until = time.monotonic() + 60
        while not work.segment(1).exists() and time.monotonic() < until:
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    finished = [n for n in range(4) if work.segment(n).exists()]
    assert finished == [0, 1]  # whole ones; what was being made is gone
    assert all(len(list(read_video(work.segment(n)))) == 12 for n in finished)

    config = ConvertConfig(rights=DRAWN, segment_s=0.5, backend="torch")
    model = echo_model(64, gain=1.3)
    [done] = convert(model, clip, out, config).files
    assert (done.segments, done.segments_kept) == (4, 2)
    convert(model, clip, tmp_path / "whole.mp4", config)
    pairs = zip(read_video(out), read_video(tmp_path / "whole.mp4"), strict=True)
    assert all(a.pts == b.pts and np.array_equal(a.image, b.image) for a, b in pairs)
    left = {path.name for path in tmp_path.iterdir() if path.name.startswith(".")}
    assert left == set()  # neither work folders nor half-written files
