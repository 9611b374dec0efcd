"""Nothing leaves the machine: commands are watched at the system call level.

Every command of the command line is watched, or stands in `NOT_WATCHED` with the reason.

strace sees each process that a command starts. A command may not ask for a socket of the internet,
look a name up, or write outside the folders it was given and Counterface's own. `weights fetch` is
the one command that may, and is not among them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import actors
import pytest

from counterface.weights import cache_dir

CALLS = (
    "socket,connect,sendto,sendmsg,sendmmsg,open,openat,creat,mkdir,mkdirat,mknod,mknodat,"
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,truncate"
)
HARMLESS = ("/dev/", "/proc/self/", "/proc/thread-self/")
RIGHTS = ("--rights.shown", "x", "--rights.basis", "synthetic", "--rights.reference", "drawn")
TINY_SWAP = (
    "--set", "options.width=8", "--set", "options.code=16", "--set", "loop.batch_size=2",
    "--set", "loop.device=cpu", "--until", "2",
)  # fmt: skip
RECIPE = """
out = "detector"
[data]
faces = "faces"
[model]
name = "meso4"
options = { size = 64 }
[loop]
steps = 2
batch_size = 2
device = "cpu"
"""
COMMANDS = (  # in an order in which each finds what it needs
    "scan clip.mp4 photo.png --html page.html --json",
    "scan photo.png --detector tiny.onnx",
    "faces list clip.mp4",
    "faceset extract clip.mp4 fs_a --template head --size 96 --rights",
    "faceset extract clip_b.mp4 fs_b --template head --size 96 --rights",
    "faceset info fs_a",
    "faceset verify fs_a",
    "faceset adopt fs_a",
    "faceset rights fs_a --shown y --basis synthetic --reference drawn",
    "provenance identity",
    "swap train --model lightweight --source fs_a --target fs_b --out run --tiny",
    "swap info run",
    "swap convert run clip_b.mp4 swapped.mp4",
    "swap preview run clip_b.mp4 sheet.png",
    "swap quality clip_b.mp4 clip_b.mp4 fs_b",
    "provenance verify swapped.mp4 sheet.png clip.mp4",
    "dataset index two_folders tree --out set.parquet",
    "dataset split set.parquet --train 0.5 --val 0 --test 0.5",
    "dataset info set.parquet",
    "dataset balance set.parquet --out balanced.parquet",
    "dataset faces set.parquet faces --size 64 --moments 2",
    "detect train detector.toml",
    "detect curves detector --html curves.html",
    "detect export detector/last.safetensors own.onnx",
    "detect evaluate set.parquet --detector tiny.onnx --html evaluation.html",
    "weights list",
)

NOT_WATCHED = {  # what remains, each with its reason
    "weights fetch": "it is the one command that may ask for the network",
    "weights path": "it prints the name that `weights list` has read",
    "demo": "extract, train, convert and scan, each watched above, on a picture of the package",
    "dataset build": "extract, train and convert, each watched above, of several people",
    "detect calibrate": "scans as `detect evaluate` does; needs more files than are drawn",
    "detect compare": "`detect evaluate` of two detectors",
    "detect fuse": "`detect export` of several runs",
    "detect fit": "needs the backbone that `weights fetch` brings",
    "detect import": "needs published weights; writes as `detect export` does",
    "detect families": "needs more files than are drawn; scans as `detect evaluate` does",
    "detect robustness": "`detect evaluate` on degraded copies in memory",
}


def watch(words: list[str], folder: Path, home: Path) -> tuple[subprocess.CompletedProcess, str]:
    """What a command said, and the system calls of it and all its children."""
    trace = folder.parent / "trace.txt"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "COUNTERFACE_HOME": str(folder / "own"),
        "COUNTERFACE_CACHE": str(cache_dir().parent),
        "TMPDIR": str(folder / "scratch"),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    strace = ["strace", "-f", "-qq", "-y", "-s", "200", "-e", f"trace={CALLS}", "-o", str(trace)]
    done = subprocess.run(
        [*strace, sys.executable, "-P", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, trace.read_text(errors="replace")


def misdeeds(trace: str, allowed: tuple[str, ...]) -> Iterator[str]:
    """The lines of a trace that tell of a network or of a write elsewhere."""
    for line in trace.splitlines():
        call = line.split(maxsplit=1)[-1]
        if re.search(r"AF_INET6?\b|AF_PACKET|AF_NETLINK", call):
            yield call
        elif call.startswith(("open", "creat", "mk", "rename", "link", "symlink", "unlink", "rm")):
            reads = call.startswith("open") and not re.search(r"O_(CREAT|WRONLY|RDWR)", call)
            if not reads and not re.search(r"= -1 E|resumed>", call) and not _is_in(call, allowed):
                yield call


def _is_in(call: str, allowed: tuple[str, ...]) -> bool:
    """Whether all paths of a call lie below the allowed folders."""
    base = re.search(r"<(/[^>]*)>", call)  # else the working folder, which is allowed
    for name in re.findall(r'"([^"]*)"', call):
        path = os.path.normpath(os.path.join(base[1] if base else allowed[-1], name))  # noqa: PTH118
        if not path.startswith(allowed):
            return False
    return True


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A working folder with drawn clips, and an empty home."""
    from tiny_detector import write_detector

    from counterface.media.image import write_image

    folder, home = tmp_path_factory.mktemp("desk"), tmp_path_factory.mktemp("user")
    (folder / "scratch").mkdir()
    for name, person in (("clip", 1), ("clip_b", 2)):
        drawn = actors.draw_clip([person], 6, 320, 240)
        actors.write_clip(folder / f"{name}.mp4", drawn)
    write_image(folder / "photo.png", drawn[0].frame.image)
    write_detector(folder / "tiny.onnx")
    for label, person in (("real", 1), ("real", 2), ("fake", 3), ("fake", 4)):
        (folder / "tree" / label).mkdir(parents=True, exist_ok=True)
        clip = actors.draw_clip([person], 6, 320, 240)
        actors.write_clip(folder / "tree" / label / f"{person}.mp4", clip)
    (folder / "detector.toml").write_text(RECIPE)
    return folder, home


needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None
    or subprocess.run(["strace", "-o", os.devnull, "true"], check=False).returncode != 0,
    reason="strace is not installed, or may not trace here",
)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@needs_strace
def test_no_command_asks_for_the_network_or_writes_elsewhere(desk: tuple[Path, Path]):
    folder, home = desk
    allowed = (*HARMLESS, str(cache_dir().parent), str(folder))
    for command in COMMANDS:
        words = command.replace("--rights", " ".join(RIGHTS)) if "extract" in command else command
        words = words.replace("--tiny", " ".join(TINY_SWAP))
        done, trace = watch(["-m", "counterface", *words.split()], folder, home)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert list(misdeeds(trace, allowed)) == [], command
        assert list(home.rglob("*")) == [], command
        assert list((folder / "scratch").iterdir()) == [], command


def test_every_command_is_watched_or_says_why_not():
    from counterface.apps.cli.main import NOUNS, build_app
    from counterface.apps.cli.reference import _commands

    app = build_app()
    known = {" ".join(words) for noun in NOUNS for words in _commands(app[noun], [noun])}
    watched = {name for name in known for line in COMMANDS if f"{line} ".startswith(f"{name} ")}
    assert watched.isdisjoint(NOT_WATCHED)
    assert watched | set(NOT_WATCHED) == known


@needs_strace
def test_the_watch_sees_what_it_should(tmp_path: Path):
    folder, home = tmp_path / "desk", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    program = (
        "import socket, pathlib, os; socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
        "pathlib.Path(os.environ['HOME'], 'x').touch(); pathlib.Path('y').touch()"
    )
    _, trace = watch(["-c", program], folder, home)
    first, second = misdeeds(trace, (*HARMLESS, str(folder)))
    assert "AF_INET" in first
    assert f"{home}/x" in second


def test_onnx_runtime_keeps_no_device_id_and_nothing_is_said_on_stderr(tmp_path: Path):
    program = "import counterface, os, onnxruntime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    bare = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "HOME")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**bare, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("1\n", "")
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(("set_first", "warned"), [(False, True), (True, False)])
def test_onnx_runtime_imported_first_is_told(set_first: bool, warned: bool):
    program = (
        "import os, sys, types; "
        + ("os.environ['ORT_DISABLE_TELEMETRY'] = '1'; " if set_first else "")
        + "sys.modules['onnxruntime'] = types.ModuleType('onnxruntime'); import counterface"
    )
    bare = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=bare, capture_output=True, text=True, check=True)
    assert ("import counterface first" in done.stderr) == warned


def test_no_file_of_the_current_folder_is_run(tmp_path: Path):
    for name in ("typing", "json", "multiprocessing", "pydantic", "cyclopts"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w')\n")
    command = [sys.executable, "-m", "counterface", "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout
    assert not (tmp_path / "ran").exists()
