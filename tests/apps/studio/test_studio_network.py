"""The studio at work, watched at the system call level: it talks over its own door alone.

strace sees the server, the process of the jobs, their workers and decoders. None may have a socket
of the internet, but the server the one that it listens on, which is bound to this machine.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import actors
import psutil
import pytest
from drawn_facesets import RIGHTS, write_person
from studio_running import RunningStudio, run_studio
from swap_files import write_df

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        shutil.which("strace") is None
        or subprocess.run(["strace", "-o", os.devnull, "true"], check=False).returncode != 0,
        reason="strace is not installed, or may not trace here",
    ),
]
ON_THE_DOOR = (
    "setsockopt|getsockopt|getsockname|getpeername|bind|listen|accept4?|shutdown|"
    "recv(?:from|msg)|send(?:to|msg)"
)
INTERNET = re.compile(r"\bAF_(?!UNIX)|<(?!UNIX)[A-Z0-9]+(?:v6)?:")  # or any other but a local one
TRAINING = {
    **{"model": "lightweight", "options": {"width": 8, "code": 16}, "out": "lab/run"},
    **{"source": ["lab/anna"], "target": ["lab/ben"], "preview_every": 0},
    "loop": {"steps": 2, "batch_size": 2, "device": "cpu"},
}


@contextmanager
def watched(folder: Path, **environment: str) -> Iterator[RunningStudio]:
    """A studio whose processes leave a trace each, `folder/trace.NUMBER`."""
    (folder / "lab").mkdir(exist_ok=True)
    strace = ["strace", "-ff", "-qq", "-yy", "-s", "300", "-e", "trace=network,execve"]
    under = [*strace, "-o", str(folder / "trace")]
    with run_studio(
        folder / "state", folder / "lab", under=under, environment=environment
    ) as studio:
        try:
            yield studio
        finally:  # the server first; what it watches over would come back
            (server,) = psutil.Process(studio.process.pid).children()
            started = server.children(recursive=True)
            for one in (server, *started):
                with_number(one.pid, signal.SIGTERM)
            end = time.monotonic() + 20
            while studio.process.poll() is None and time.monotonic() < end:
                time.sleep(0.1)
            for one in psutil.wait_procs([server, *started], timeout=0)[1]:
                with_number(one.pid, signal.SIGKILL)
            studio.process.wait(timeout=20)  # strace ends with what it follows


def with_number(number: int, what: signal.Signals) -> None:
    try:
        os.kill(number, what)
    except ProcessLookupError:
        return


def read_traces(folder: Path) -> dict[str, str]:
    """The calls of each process by what it is, and by its number."""
    found = {}
    for path in sorted(folder.glob("trace.*")):
        text = path.read_text(errors="replace")
        ran = [line for line in text.splitlines() if line.startswith("execve(") and " = 0" in line]
        words = re.findall(r'"([^"]*)"', ran[-1]) if ran else []
        module = words[words.index("-m") + 1] if "-m" in words else "thread"
        found[f"{module.rpartition('.')[2]} {path.suffix}"] = text
    return found


def strange_calls(traces: dict[str, str], port: int) -> Iterator[str]:
    """What processes did with sockets that are neither local ones nor the server's own door."""
    opened = 0
    for who, trace in traces.items():
        for call in trace.splitlines():
            if call.startswith(("execve(", "---", "+++")) or not INTERNET.search(call):
                continue
            is_server = who.startswith("counterface ")
            if is_server and call.startswith("socket(AF_INET, SOCK_STREAM") and not opened:
                opened += 1
            elif not is_server or not is_of_the_door(call, port):
                yield f"{who}: {call}"


def is_of_the_door(call: str, port: int) -> bool:
    """Whether a call is about the socket that listens, or about one that came in through it."""
    on_it = re.match(
        rf"(?:{ON_THE_DOOR})\(\d+<TCP:\[(?:\d+|127\.0\.0\.1:{port}(?:->127\.0\.0\.1:\d+)?)\]>",
        call,
    )
    return bool(on_it) and set(re.findall(r'inet_addr\("([^"]*)"\)', call)) <= {"127.0.0.1"}


def test_nothing_but_the_server_has_a_socket_and_its_is_bound_to_this_machine(
    tmp_path: Path,
) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    actors.write_clip(lab / "clip.mp4", actors.draw_clip([1], 6, 320, 240))
    write_person(lab / "anna", 1, 4, template="head", side=128)
    write_person(lab / "ben", 2, 4, template="head", side=128)
    write_df(lab / "df.safetensors", RIGHTS)
    with watched(tmp_path) as studio:
        train = {"command": "swap train", "options": {"set": TRAINING}}
        _, training = studio.ask("POST", "/api/v1/jobs", train)
        _, answer = studio.ask("POST", "/api/v1/scans", {"places": ["lab/clip.mp4"]})
        for job in (answer["jobs"][0], training):
            ended = studio.wait_for(job["id"])["job"]
            assert ended["state"] == "done", ended
        (scan,) = studio.ask("GET", "/api/v1/scans")[1]
        assert studio.ask("GET", f"/api/v1/scans/{scan['id']}/frames")[0] == 200
        rights = {f"rights.{key}": value for key, value in RIGHTS if value is not None}
        live = {"model": "lab/df.safetensors", "target": "lab/clip.mp4", "options": rights}
        status, opened = studio.ask("POST", "/api/v1/merges", live)
        assert status == 201, opened
        assert studio.ask("POST", f"/api/v1/merges/{opened['id']}/at?at=0")[0] == 200
    traces = read_traces(tmp_path)
    assert {who.split()[0] for who in traces} >= {
        *("counterface", "jobs_process", "worker", "live_merge"),
        *("child", "thread"),
    }
    assert list(strange_calls(traces, studio.port)) == []
    heard = [line for trace in traces.values() for line in trace.splitlines() if "accept" in line]
    assert any(f"<TCP:[127.0.0.1:{studio.port}->" in line for line in heard)


SPY = """
import contextlib, socket, sys
socket.setdefaulttimeout(0.1)
with contextlib.suppress(OSError):
    if any(word.endswith("worker") for word in sys.orig_argv):
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    if any(word.endswith("jobs_process") for word in sys.orig_argv):
        socket.create_connection(("127.0.0.1", 9))
    if "studio" in sys.orig_argv:
        socket.create_connection(("192.0.2.1", 9))
socket.setdefaulttimeout(None)
"""


def test_the_watch_sees_what_it_should(tmp_path: Path) -> None:
    spy = tmp_path / "spy"
    spy.mkdir()
    (spy / "sitecustomize.py").write_text(SPY)
    path = os.pathsep.join(filter(None, (str(spy), os.environ.get("PYTHONPATH"))))
    with watched(tmp_path, PYTHONPATH=path) as studio:
        asked = {"command": "faceset info", "arguments": ["lab"]}
        _, job = studio.ask("POST", "/api/v1/jobs", asked)
        assert studio.wait_for(job["id"])["job"]["state"] == "failed"
    strange = list(strange_calls(read_traces(tmp_path), studio.port))
    for who, call in (
        ("worker", "socket(AF_INET6, SOCK_DGRAM"),
        ("jobs_process", "connect(...htons(9)...127.0.0.1"),
        ("counterface", "192.0.2.1"),
    ):
        seen = [line for line in strange if line.startswith(f"{who} ")]
        assert any(all(part in line for part in call.split("...")) for line in seen), strange


@pytest.mark.parametrize(
    ("call", "harmless"),
    [
        ('bind(7<TCP:[61]>, {sa_family=AF_INET, sin_addr=inet_addr("127.0.0.1")}, 16) = 0', True),
        ('bind(7<TCP:[61]>, {sa_family=AF_INET, sin_addr=inet_addr("0.0.0.0")}, 16) = 0', False),
        ('sendto(9<TCP:[127.0.0.1:80->127.0.0.1:61]>, "AF_INET6", 8, 0, NULL, 0) = 8', True),
        ('sendto(9<TCP:[127.0.0.1:61->127.0.0.1:80]>, "", 8, 0, NULL, 0) = 8', False),
        ('sendto(9<UDP:[61]>, "", 8, 0, {sa_family=AF_INET, inet_addr("127.0.0.1")}, 16)', False),
        ("socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE) = 3<NETLINK:[1]>", False),
        ("socketpair(AF_UNIX, SOCK_STREAM, 0, [3<UNIX-STREAM:[1]>, 4<UNIX-STREAM:[2]>]) = 0", True),
    ],
)
def test_only_the_door_is_harmless(call: str, harmless: bool) -> None:
    assert (not list(strange_calls({"counterface .1": call}, 80))) == harmless
    inside = "AF_UNIX" in call
    assert (not list(strange_calls({"worker .1": call}, 80))) == inside
