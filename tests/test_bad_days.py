"""Full disks, read-only folders, inputs that go away, a clock set back, two processes at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from killed import left_behind
from killed_by_clock import contents, damaged
from real_commands import command, finish, start
from short_commands import COMMANDS, RIGHTS, draw_desk
from small_disk import SmallDisk, may_mount, small_disk

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(shutil.which("nsenter") is None, reason="needs unshare and nsenter"),
]
WORDS = [
    *(one.words for one in COMMANDS),
    "faceset sort fs_a --by brightness",
    "provenance import fakes.csv",
]
by_name = {"ids": lambda words: "-".join(words.split()[:2])}
# root without the right to write where modes forbid it
HUMBLE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands need."""
    folder = tmp_path_factory.mktemp("bad") / "desk"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COUNTERFACE_HOME", str(folder / "own"))
        draw_desk(folder)
    for name, first in (("fakes", 1), ("others", 3001)):
        hashes = (f"{n * 0x9E3779B97F4A7C15 % 2**256:064x}" for n in range(first, first + 3000))
        (folder / f"{name}.csv").write_text("hash\n" + "\n".join(hashes) + "\n")
    return folder


@pytest.fixture
def trial(desk: Path, tmp_path: Path) -> Path:
    """A copy of it to work in."""
    return shutil.copytree(desk, tmp_path / "trial")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk of 256 MB that can be filled."""
    folder = tmp_path / "disk"
    if not may_mount(folder):
        pytest.skip("a tmpfs cannot be mounted here")
    with small_disk(folder, 256) as one:
        yield one


def size_of(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))


@pytest.mark.parametrize("words", WORDS, **by_name)
def test_a_full_disk_is_told_and_the_command_goes_on_once_there_is_room(
    words: str, desk: Path, disk: SmallDisk, tmp_path: Path
) -> None:
    trial, seen = disk.view / "trial", tmp_path / "seen"
    temporary = {"TMPDIR": f"{disk.folder}/tmp"}

    def run() -> tuple[int, str]:
        return command(words, disk.folder / "trial", disk.under, temporary)

    def lay_out() -> None:
        shutil.rmtree(trial, ignore_errors=True)
        shutil.copytree(desk, trial)

    def look() -> Path:
        """A copy, for SQLite cannot open files by that view."""
        shutil.rmtree(seen, ignore_errors=True)
        return shutil.copytree(trial, seen)

    (disk.view / "tmp").mkdir()
    lay_out()
    before = size_of(disk.view)
    code, said = run()
    assert code == 0, said
    grown, expected = size_of(disk.view) - before, contents(look())
    refused = 0
    for share in (0.0, 0.4, 0.8):
        lay_out()
        disk.fill(int(grown * share))
        code, said = run()
        assert damaged(look()) == []
        assert [path for path in left_behind(trial) if ".counterface-" in path.name] == []
        assert "Traceback" not in said, said
        if code:
            refused += 1
            assert "make room" in said, said
        disk.make_room()
        code, said = run()
        assert code == 0, said
        assert left_behind(trial) == []
        assert sorted(contents(look()).items() ^ expected.items()) == []
    assert refused
    assert list((disk.view / "tmp").iterdir()) == []


@contextmanager
def write_protected(folder: Path) -> Iterator[None]:
    """A folder whose mode forbids to write."""
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root lays down rights")
@pytest.mark.parametrize(
    "words",
    [
        f"faceset extract clip.mp4 locked/fs --template head --size 96 {RIGHTS}",
        "faceset sort locked/fs_a --by brightness",
        "swap train --model lightweight --source fs_a --target fs_b --out locked/run --until 1",
        "detect train detector.toml --set out=locked/detector",
        f"swap convert run clip_b.mp4 locked/out.mp4 {RIGHTS}",
        "dataset build pairs.toml --yes --out locked/built",
        "scan many --html locked/page.html --detector tiny.onnx",
        "dataset faces set.parquet locked/cut --size 64",
    ],
    **by_name,
)
def test_a_folder_that_may_not_be_written_is_told(words: str, trial: Path) -> None:
    locked = trial / "locked"
    shutil.copytree(trial / "fs_a", locked / "fs_a")
    before = contents(locked)
    with write_protected(locked / "fs_a"), write_protected(locked):
        code, said = command(words, trial, HUMBLE)
    assert code == 1, said
    assert "locked" in said
    assert "Traceback" not in said
    assert contents(locked) == before


@pytest.mark.parametrize(
    ("words", "started", "lost"),
    [
        (f"faceset extract many fs --template head --size 96 {RIGHTS}",
         "fs/.extract", "many/fake/10.mp4"),
        (f"swap convert run clip_b.mp4 out.mp4 {RIGHTS}", ".out.mp4.convert/look.json",
         "clip_b.mp4"),
        ("detect train detector.toml", "detector", "faces"),
        ("swap train --model lightweight --source fs_a --target fs_b --out trained --until 40 "
         "--set options.width=8 --set options.code=16 --set loop.device=cpu", "trained", "fs_b"),
        ("dataset faces set.parquet cut --size 64 --moments 2", "cut", "many/fake/10.mp4"),
        ("scan many --jobs 2 --html page.html --detector tiny.onnx", ".page.html.scan",
         "many/real/7.mp4"),
    ],
    ids=lambda words: "-".join(words.split()[:2]) if " " in words else None,
)  # fmt: skip
def test_an_input_that_goes_away_is_named_and_the_rest_is_kept(
    words: str, started: str, lost: str, trial: Path
) -> None:
    """Either it was read before, or it is named; and once it is back the same command ends well."""
    away = trial / "away"
    process = start(words, trial)
    with paused(process, trial / started):
        (trial / lost).rename(away)
    code, said = finish(process)
    assert "Traceback" not in said, said
    if code:
        assert Path(lost).name in said, said
    assert damaged(trial) == []
    away.rename(trial / lost)
    code, said = command(words, trial)
    assert code == 0, said
    assert left_behind(trial) == []


@contextmanager
def paused(process: subprocess.Popen[str], path: Path) -> Iterator[None]:
    """A process that stands still from the moment that a file of its is there."""
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("words", [one.words for one in COMMANDS], **by_name)
def test_a_clock_that_was_set_back_changes_nothing(words: str, desk: Path, tmp_path: Path) -> None:
    """What is there has the dates of the year to come: it is neither made anew nor deleted."""
    trial = shutil.copytree(desk, tmp_path / "trial")
    code, said = command(words, trial)
    assert code == 0, said
    expected = contents(trial)
    shutil.rmtree(trial)
    shutil.copytree(desk, trial)
    into_the_future(trial)
    process = start(words, trial)
    wait_until_it_writes(trial, process)
    process.kill()
    finish(process)
    into_the_future(trial)
    code, said = command(words, trial)
    assert code == 0, said
    assert left_behind(trial) == []
    assert sorted(contents(trial).items() ^ expected.items()) == []


def into_the_future(folder: Path) -> None:
    """Give all files and folders the date of a year from now."""
    then = time.time() + 365 * 86400
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (then, then))


def wait_until_it_writes(folder: Path, process: subprocess.Popen[str]) -> None:
    """Return when a command has made a file, or has ended."""
    known = set(folder.rglob("*"))
    while process.poll() is None and not set(folder.rglob("*")) - known:
        time.sleep(0.01)
    time.sleep(0.5)


@pytest.mark.parametrize(
    ("words", "started"),
    [
        (f"faceset extract clip.mp4 fs --template head --size 96 {RIGHTS}", "fs/.lock"),
        ("detect train detector.toml", "detector/.lock"),
        ("swap train --model lightweight --source fs_a --target fs_b --out trained --until 40 "
         "--set options.width=8 --set options.code=16 --set loop.device=cpu", "trained/.lock"),
        (f"swap convert run clip_b.mp4 out.mp4 {RIGHTS}", ".out.mp4.convert/.lock"),
        ("dataset build pairs.toml --yes", "built/.lock"),
        ("scan many --jobs 2 --html page.html --detector tiny.onnx", ".page.html.scan/.lock"),
    ],
    ids=lambda words: "-".join(words.split()[:2]) if " " in words else None,
)  # fmt: skip
def test_a_second_process_is_refused_and_the_first_goes_on(
    words: str, started: str, trial: Path
) -> None:
    first = start(words, trial)
    with paused(first, trial / started):
        code, refused = command(words, trial)
    assert code == 1, refused
    assert "another process" in refused
    code, said = finish(first)
    assert code == 0, said
    assert left_behind(trial) == []
    assert damaged(trial) == []


def test_registries_and_caches_may_be_shared(trial: Path) -> None:
    """Two lists, two conversions and two scans at once, with an empty cache: all is there."""
    cache = {"COUNTERFACE_CACHE": str(trial / "cache")}
    processes = [
        start(words, trial, more=cache)
        for words in (
            "provenance import fakes.csv",
            "provenance import others.csv",
            f"swap convert run clip_b.mp4 one.mp4 {RIGHTS}",
            f"swap convert run short_a.mp4 two.mp4 {RIGHTS}",
            "scan many/real --json --detector tiny.onnx",
            "scan many/fake --json --detector tiny.onnx",
        )
    ]
    for code, said in map(finish, processes):
        assert code == 0, said
    code, said = command("provenance export all.csv", trial)
    assert code == 0, said
    known = (trial / "all.csv").read_text()
    assert all(line in known for name in ("fakes", "others") for line in hashes_in(trial, name))
    assert "one.mp4" in known
    assert "two.mp4" in known
    assert damaged(trial) == []
    assert left_behind(trial) == []


def hashes_in(folder: Path, name: str) -> list[str]:
    return (folder / f"{name}.csv").read_text().split()[1:]
