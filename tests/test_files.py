"""Temporary files of dead processes go, others stay; hashes, locks, and what differs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from counterface import files
from counterface.errors import DetectorError, MediaError
from counterface.files import describe_differences, file_sha256, find_differences, lock, write_bytes

KILLED = (
    "import os, sys, pathlib; from counterface import files; out = pathlib.Path(sys.argv[1]);"
    "files.new_file(out / 'a.mp4'); context = files.new_folder(out / 'b.png');"
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
    living = files.new_file(tmp_path / "x.mp4")
    parents = tmp_path / living.name.replace(str(os.getpid()), str(os.getppid()))
    others = [".counterface-notes", ".counterface-12345678-1-short", "counterface", ".hidden.tmp"]
    for path in (parents, *(tmp_path / name for name in others)):
        path.touch()
    assert files.sweep(tmp_path) == []


@pytest.mark.parametrize(("hours", "gone"), [(23, False), (25, True)])
def test_of_another_machine_only_old_ones_go(tmp_path: Path, hours: int, gone: bool):
    path = tmp_path / ".counterface-0123abcd-999999999-abcdefgh.mp4"
    path.touch()
    past = path.stat().st_mtime - hours * 3600
    os.utime(path, (past, past))
    assert (files.sweep(tmp_path) == [path]) == gone


def test_a_link_goes_and_its_target_stays(killed: Path, tmp_path_factory: pytest.TempPathFactory):
    precious = tmp_path_factory.mktemp("mine") / "thesis.txt"
    precious.touch()
    for path in list(killed.iterdir()):
        files.sweep(killed)
        path.symlink_to(precious.parent)
    files.sweep(killed)
    assert list(killed.iterdir()) == []
    assert precious.exists()


def test_a_hash_is_that_of_the_bytes(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"abc" * 1000)
    (tmp_path / "none").touch()
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 1000).hexdigest()
    for name in ("b", "none", ""):
        with pytest.raises(MediaError, match=f"{name}: cannot be read"):
            file_sha256(tmp_path / name)
    with pytest.raises(DetectorError, match=r"b: cannot be read: No such file.*; fetch it"):
        file_sha256(tmp_path / "b", DetectorError, "fetch it")


def test_a_lock_is_one_processs_and_free_after_it(tmp_path: Path):
    file = tmp_path / ".lock"
    with lock(file, wait=False), pytest.raises(BlockingIOError), lock(file, wait=False):
        pass
    with lock(file, wait=True):
        pass


def test_differences_are_told_by_dotted_key():
    then = {"loop": {"seed": 4, "names": ["a"], "none": {}}, "gone": 1, "same": {"x": None}}
    now = {"loop": {"seed": 5, "names": ["a", "b"]}, "same": {"x": None}}
    found = find_differences(then, now)
    assert found == {"loop.seed": (4, 5), "loop.names": (["a"], ["a", "b"]), "gone": (1, None)}
    assert (
        describe_differences(found)
        == "loop.seed 4 -> 5, loop.names ['a'] -> ['a', 'b'], gone 1 -> None"
    )
    many = {f"k{n}": (n, "x" * 1000) for n in range(20)}
    assert describe_differences(many).endswith(" and 8 more")
    assert len(describe_differences(many)) < 3000
    assert find_differences(now, json.loads(json.dumps(now))) == {}
