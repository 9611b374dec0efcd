"""Full disks, folders that may not be written, inputs that go away: told, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from killed import left_behind
from killed_by_clock import attempt, contents, damaged
from short_commands import COMMANDS, RIGHTS, draw_desk, warm_up
from small_disk import leave_room, make_room, may_mount, on_a_disk

from counterface.apps.cli.main import main

pytestmark = [
    pytest.mark.exhaustive,  # forks of a process with many threads: not yet seen to pass as a whole
    pytest.mark.timeout(3000),
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and mounts file systems"),
]
NOBODY = 65534
WORDS = [
    *(command.words for command in COMMANDS),
    "faceset sort fs_a --by brightness",
    "provenance import fakes.csv",
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands need, and their modules imported once."""
    folder = tmp_path_factory.mktemp("bad") / "desk"
    folder.mkdir()
    warm_up()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COUNTERFACE_HOME", str(folder / "own"))
        draw_desk(folder)
    hashes = (f"{number * 0x9E3779B97F4A7C15 % 2**256:064x}" for number in range(1, 3000))
    (folder / "fakes.csv").write_text("hash\n" + "\n".join(hashes) + "\n")
    return folder


def run(words: str, folder: Path) -> tuple[int, str]:
    """The exit code of a command in a folder, and what it said."""
    os.chdir(folder)
    os.environ["COUNTERFACE_HOME"] = str(folder / "own")
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = main(words.split())
    return code, said.getvalue()


def size_of(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))


@pytest.mark.parametrize("words", WORDS, ids=lambda words: "-".join(words.split()[:2]))
def test_a_full_disk_is_told_and_the_command_goes_on_once_there_is_room(
    words: str, desk: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    if not may_mount(disk):
        pytest.skip("a tmpfs cannot be mounted here")
    trial = disk / "trial"

    def whole() -> list[Any]:
        shutil.copytree(desk, trial)
        before = size_of(trial)
        code, said = run(words, trial)
        assert code == 0, said
        return [size_of(trial) - before, contents(trial)]

    def filled(room: int) -> dict[str, Any]:
        shutil.copytree(desk, trial)
        leave_room(disk, room)
        code, said = run(words, trial)
        told = {"code": code, "said": said, "temporary": [], "damaged": damaged(trial)}
        told["temporary"] = [p.name for p in left_behind(trial) if ".counterface-" in p.name]
        make_room(disk)
        again, more = run(words, trial)
        told |= {"again": again, "more": more, "left": list(map(str, left_behind(trial)))}
        return told | {"contents": contents(trial)}

    grown, expected = on_a_disk(disk, 256, whole)
    refused = 0
    for share in (0.0, 0.4, 0.8):
        told = on_a_disk(disk, 256, lambda share=share: filled(int(grown * share)))
        assert told["temporary"] == told["damaged"] == told["left"] == [], told
        assert "Traceback" not in told["said"], told["said"]
        assert told["again"] == 0, told["more"]
        assert told["contents"] == expected, sorted(told["contents"].items() ^ expected.items())
        if told["code"]:
            refused += 1
            assert "make room" in told["said"], told["said"]
    assert refused


@contextmanager
def locked_away(folder: Path) -> Any:
    """A folder tree that only root may write."""
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o777)


def as_nobody(call: Callable[[], int], tally: Path) -> tuple[int, str]:
    """Exit code and words of a call by a user without rights; root ignores modes."""

    def run_it() -> int:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        return call()

    done = attempt(run_it, tally)
    return done.code, done.said


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root changes its user")
@pytest.mark.parametrize(
    "words",
    [
        f"faceset extract clip.mp4 locked/fs --template head --size 96 {RIGHTS}",
        "swap train --model lightweight --source fs_a --target fs_b --out locked/run --until 1",
        f"swap convert run clip_b.mp4 locked/out.mp4 {RIGHTS}",
        "scan many --html locked/page.html --detector tiny.onnx",
        "dataset faces set.parquet locked/cut --size 64",
    ],
    ids=lambda words: "-".join(words.split()[:2]),
)
def test_a_folder_that_may_not_be_written_is_told(words: str, desk: Path, tmp_path: Path) -> None:
    trial = tmp_path / "trial"
    shutil.copytree(desk, trial)
    locked = trial / "locked"
    locked.mkdir()
    for path in (trial, *trial.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    for path in tmp_path.parents:
        if path.owner() == "root" and path != Path("/") and path.is_relative_to("/tmp"):
            path.chmod(path.stat().st_mode | 0o011)
    with locked_away(locked):
        code, said = as_nobody(lambda: run_and_say(words, trial), tmp_path / "tally")
    assert code == 1, said
    assert "locked" in said
    assert "Traceback" not in said
    assert list(locked.iterdir()) == []


def run_and_say(words: str, folder: Path) -> int:
    code, said = run(words, folder)
    sys.stdout.write(said)
    return code
