"""Temporary files: of dead processes they go, of living ones and of users they stay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from counterface import aside
from counterface.aside import write_bytes

KILLED = (
    "import os, sys, pathlib; from counterface import aside; out = pathlib.Path(sys.argv[1]);"
    "aside.new_file(out / 'a.mp4'); context = aside.new_folder(out / 'b.png');"
    "(context.__enter__() / 'half').touch(); os.kill(os.getpid(), 9)"
)


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A folder in which a process was killed while it wrote, in its first writing here."""
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    return tmp_path


def test_the_next_writer_sweeps_what_a_killed_one_left(killed: Path):
    write_bytes(killed / "next.json", b"{}")
    assert [path.name for path in killed.iterdir()] == ["next.json"]


def test_files_of_living_processes_and_of_users_stay(tmp_path: Path):
    living = aside.new_file(tmp_path / "x.mp4")
    parents = tmp_path / living.name.replace(str(os.getpid()), str(os.getppid()))
    others = [".counterface-notes", ".counterface-12345678-1-short", "counterface", ".hidden.tmp"]
    for path in (parents, *(tmp_path / name for name in others)):
        path.touch()
    assert aside.sweep(tmp_path) == []


@pytest.mark.parametrize(("hours", "gone"), [(23, False), (25, True)])
def test_of_another_machine_only_old_ones_go(tmp_path: Path, hours: int, gone: bool):
    path = tmp_path / ".counterface-0123abcd-999999999-abcdefgh.mp4"
    path.touch()
    past = path.stat().st_mtime - hours * 3600
    os.utime(path, (past, past))
    assert (aside.sweep(tmp_path) == [path]) == gone


def test_a_link_goes_and_its_target_stays(killed: Path, tmp_path_factory: pytest.TempPathFactory):
    precious = tmp_path_factory.mktemp("mine") / "thesis.txt"
    precious.touch()
    for path in list(killed.iterdir()):
        aside.sweep(killed)
        path.symlink_to(precious.parent)
    aside.sweep(killed)
    assert list(killed.iterdir()) == []
    assert precious.exists()
