"""Commands killed at moments of the clock lose little, and end as unkilled ones do."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from killed import left_behind
from killed_by_clock import Moment, attempt, contents, count_units, damaged, work_again
from short_commands import COMMANDS, UNITS, draw_desk, warm_up

from counterface.apps.cli.main import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts CPU time by /proc"),
]
TRIED = ("faceset extract", "dataset faces")


def test_what_a_kill_costs_is_bounded_and_nothing_else_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, trial, tally = tmp_path / "desk", tmp_path / "trial", tmp_path / "tally"
    desk.mkdir()
    warm_up()
    monkeypatch.chdir(desk)
    monkeypatch.setenv("COUNTERFACE_HOME", str(desk / "own"))
    draw_desk(desk)
    monkeypatch.setenv("COUNTERFACE_HOME", str(trial / "own"))
    rng = random.Random(3)
    for command in (command for command in COMMANDS if command.name in TRIED):

        def call(words: str = command.words) -> int:
            count_units(UNITS, tally)
            os.chdir(trial)
            return main(words.split())

        shutil.rmtree(trial, ignore_errors=True)
        shutil.copytree(desk, trial)
        whole = attempt(call, tally)
        assert whole.code == 0, whole.said
        expected = contents(trial)
        for number in range(4):
            shutil.rmtree(trial)
            shutil.copytree(desk, trial)
            seconds = whole.cpu_s - whole.start_cpu_s if number else whole.start_cpu_s
            killed = attempt(call, tally, Moment(rng.random() * seconds, in_work=number > 0))
            assert killed.units or not number
            assert damaged(trial) == []
            done = attempt(call, tally)
            assert done.code == 0, done.said
            assert contents(trial) == expected
            assert left_behind(trial) == []
            assert max(work_again([killed, done])) <= command.bound
