"""The estimate is measured, counts what is left, and leaves nothing but faces behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from drawn_people import FRAMES, build_config, write_people, write_recipes

from counterface.apps.cli.main import main
from counterface.builds import estimate as module
from counterface.builds.build import build, estimate_build
from counterface.builds.plan import BuildConfig
from counterface.config import to_toml
from counterface.datasets.manifest import read_manifest
from counterface.media.video_reader import read_video


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> BuildConfig:
    folder = tmp_path_factory.mktemp("estimate")
    people = write_people(folder, {"ann": 1, "bob": 2})
    methods = [write_recipes(folder)["tiny_light"]]
    return build_config(folder / "out", people, methods, steps=40)


@pytest.mark.slow
def test_it_counts_what_is_left(config: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIAL_S", 0.2)
    expected = estimate_build(config)
    work = {one.what.split()[0]: one for one in expected.work}
    assert (expected.pairs, expected.videos) == (1, 4)
    assert work["extract"].count == FRAMES  # the shortest clip's faces are kept
    assert work["train"].count == 40
    assert work["swap"].count == work["genuine"].count == 2 * FRAMES
    assert all(one.each_s > 0 for one in expected.work)
    assert work["swap"].each_s > work["genuine"].each_s
    assert expected.seconds == pytest.approx(sum(w.count * w.each_s for w in expected.work))
    assert sorted(p.name for p in (config.out / "work").iterdir()) == ["faces"]


@pytest.mark.slow
def test_the_command_says_how_long_ranks_and_builds(
    config: BuildConfig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIAL_S", 0.2)
    recipe = config.out.parent / "pairs.toml"
    recipe.write_text(to_toml(config))
    assert main(["dataset", "build", str(recipe), "--estimate", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["seconds"] > 0
    assert main(["dataset", "build", str(recipe), "--rank"]) == 0
    assert "ann, bob" in capsys.readouterr().out
    assert main(["dataset", "build", str(recipe), "--steps", "2", "--yes"]) == 0
    assert "2 genuine clips, 2 swaps of 1 pair," in capsys.readouterr().out
    assert main(["dataset", "build", str(recipe), "--steps", "2", "--estimate"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[1].split(",")[0].strip() for line in lines[:-1]] == [
        "0 frames", "0 steps", "0 frames", "0 frames"
    ]  # fmt: skip
    assert main(["dataset", "build", str(recipe), "--self-blended", "--rank"]) == 1
    assert "trains no model" in capsys.readouterr().err


PROGRAM = """
import sys, torch
from pathlib import Path
from counterface.config import read_config
from counterface.builds.build import build
from counterface.builds.plan import BuildConfig
torch.set_num_threads(1)
build(read_config(BuildConfig, Path(sys.argv[1])))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_real_kill_at_any_moment_is_survived(config: BuildConfig, tmp_path: Path) -> None:
    """Killed after 3, 4, 5 ... seconds of each attempt, until one gets through."""
    given = {"out": tmp_path / "out", "steps": 6}
    recipe = tmp_path / "pairs.toml"
    recipe.write_text(to_toml(config.model_copy(update=given)))
    command = [sys.executable, "-c", PROGRAM, str(recipe)]
    killed = 0
    for seconds in range(3, 90):
        with subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
            try:
                assert process.wait(seconds) == 0
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                killed += 1
        time.sleep(0.2)
    assert killed >= 2
    whole = config.model_copy(update={**given, "out": tmp_path / "whole"})
    build(whole)
    for one in read_manifest(whole.out / "manifest.parquet"):
        other = tmp_path / "out" / one.path.relative_to(whole.out)
        for a, b in zip(read_video(one.path), read_video(other), strict=True):
            assert np.abs(a.image.astype(int) - b.image).mean() < 0.2
