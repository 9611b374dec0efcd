"""What deploy/studio promises is so: in its files, and in two processes as apart as its containers.

There is no container here. Both run in namespaces of their own instead: over a root that cannot be
written, as a user without any right, and the process of the jobs without a network. The state and
lab folders are what they share.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import actors
import pytest
import yaml
from studio_running import TOKEN, RunningStudio

from counterface.apps.cli.app import build_app
from counterface.apps.studio.jobs_process import JOBS_LOCK, is_locked
from counterface.weights import ROWS, cache_dir

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy" / "studio"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
ISOLATED = """
set -e
state=$1 lab=$2 scratch=$3 port=$4 source=$5; shift 5
mount --bind "$state" "$state"
mount --bind "$lab" "$lab"
mount -t tmpfs tmpfs "$scratch"
while read -r _ point _; do
  case "$point" in
    "$state"|"$lab"|"$scratch"|/proc|/proc/*|/sys|/sys/*|/dev|/dev/*) ;;
    *) mount -o remount,bind,ro "$point" ;;
  esac
done < /proc/self/mounts
if touch "$source/probe" 2> /dev/null; then echo "the sources can be written" >&2; exit 8; fi
reach="import socket; socket.create_connection(('127.0.0.1', $port), 5)"
if [ "$port" ] && "$1" -c "$reach" 2> /dev/null; then echo "there is a network" >&2; exit 9; fi
exec setpriv --ambient-caps=-all --inh-caps=-all --bounding-set=-all --no-new-privs -- "$@"
"""
UNSHARE = ["unshare", "--mount", "--user", "--map-user=1000", "--map-group=1000", "--keep-caps"]


def services(**values: str) -> dict[str, Any]:
    """The services of compose.yaml, its variables filled in."""

    def fill(found: re.Match[str]) -> str:
        default = found[3] if found[2] == ":-" else ""
        return values.get(found[1], default)

    text = re.sub(r"\$\{(\w+)(:[-?])([^}]*)\}", fill, COMPOSE)
    return dict(yaml.safe_load(text)["services"])


@pytest.mark.parametrize("name", ["studio", "jobs"])
def test_each_service_is_confined(name: str) -> None:
    service = services(STUDIO_LAB="/srv/lab")[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "1000:1000"
    assert [one.partition(":")[0] for one in service["tmpfs"]] == ["/tmp"]
    assert service["volumes"] == ["state:/state", "/srv/lab:/lab"]
    assert service["mem_limit"]
    assert service["pids_limit"] > 0
    assert service["healthcheck"]["test"]
    assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & set(service)


def test_the_jobs_have_no_network_and_the_server_is_reached_from_this_machine_alone() -> None:
    filled = services(STUDIO_PORT="9000")
    studio, jobs = filled["studio"], filled["jobs"]
    assert jobs["network_mode"] == "none"
    assert not {"ports", "networks", "secrets"} & set(jobs)
    assert studio["ports"] == ["127.0.0.1:9000:9000"]  # the Host header names the port outside
    assert "network_mode" not in studio
    (network,) = studio["networks"]
    options = yaml.safe_load(COMPOSE)["networks"][network]["driver_opts"]
    assert options == {"com.docker.network.bridge.enable_ip_masquerade": "false"}


def test_the_commands_of_the_services_are_understood() -> None:
    filled = services(STUDIO_PORT="9000")
    package, *words = filled["studio"]["command"]
    assert importlib.util.find_spec(f"{package}.__main__")
    command, bound, _ = build_app(["studio"]).parse_args(
        words, exit_on_error=False, print_error=False
    )
    assert command.__name__ == "studio"
    config = bound.arguments["config"]
    assert bound.arguments["open_page"] is False
    assert (config.host, config.port, config.start_jobs) == ("0.0.0.0", 9000, False)
    assert (config.root, config.state) == ((Path("/lab"),), Path("/state"))
    assert config.token is None
    assert filled["studio"]["secrets"] == [config.token_file.name]
    module, state, quick = filled["jobs"]["command"]
    assert importlib.util.find_spec(module)
    assert (state, int(quick)) == ("/state", config.jobs)


def test_the_page_tells_every_variable_and_limit() -> None:
    page = (ROOT / "docs" / "studio" / "deployment.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"\$\{(\w+)", COMPOSE)):
        assert re.search(rf"^\|.*`{name}`.*\|", page, re.MULTILINE), name
    filled = services()
    told = re.search(r"^\| limits \| (\d+) GB, (\d+) .* \| (\d+) GB, (\d+) \|$", page, re.MULTILINE)
    assert told
    limits = [
        (filled[name]["mem_limit"], filled[name]["pids_limit"]) for name in ("studio", "jobs")
    ]
    assert limits == [(f"{told[1]}g", int(told[2])), (f"{told[3]}g", int(told[4]))]


def test_the_image_is_pinned_and_runs_as_nobody_in_particular() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", bases[0])
    assert "--require-hashes" in DOCKERFILE
    assert "--mount=type=secret" in DOCKERFILE  # no address of an index stays in a layer
    (user,) = re.findall(r"^USER (.*)", DOCKERFILE, re.MULTILINE)
    names = dict(re.findall(r"^ARG (\w+)=(\w+)", DOCKERFILE, re.MULTILINE))
    assert user == "${STUDIO_UID}:${STUDIO_GID}"
    assert int(names["STUDIO_UID"]) > 0
    assert services()["studio"]["build"]["args"] == names
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for line in re.findall(r"^COPY (?!--from)(.*)", DOCKERFILE, re.MULTILINE):
        source = line.split()[0]
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored
    fetched = re.search(r"weights fetch ((?:[\w\s]|\\\n)*)", DOCKERFILE)
    assert fetched
    assert set(fetched[1].replace("\\", "").split()) <= set(ROWS)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with what the containers have: the state, the lab, and room for temporary files."""
    for name in ("state", "lab", "scratch"):
        (tmp_path / name).mkdir()
    if not all(map(shutil.which, ("unshare", "setpriv", "flock"))):
        pytest.skip("no unshare, setpriv or flock on this machine")
    if ends(isolated(tmp_path, ["true"])) != 0:
        pytest.skip("namespaces with mounts of their own are not permitted here (unshare)")
    return tmp_path


def as_here(desk: Path, words: list[str]) -> list[str]:
    """The words of a service as its image starts them, with the folders of a desk."""
    there = {"/state": "state", "/lab": "lab", "/run/secrets/token": "token"}
    for path, name in there.items():
        words = [re.sub(rf"(?<![\w/]){path}(?![\w-])", str(desk / name), word) for word in words]
    own = {"0.0.0.0": "127.0.0.1", "/opt/venv/bin/python": sys.executable}
    return [sys.executable, "-P", "-m", *(own.get(word, word) for word in words)]


def ends(words: list[str]) -> int:
    """The exit code of a command."""
    return subprocess.run(words, check=False, capture_output=True).returncode


@contextmanager
def run_service(desk: Path, words: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A service that runs for the length of a `with` block, with the variables of its image."""
    variables = {
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "COUNTERFACE_CACHE": str(cache_dir().parent),
        "COUNTERFACE_HOME": str(desk / "state" / "private"),
        "HOME": str(desk / "scratch"),
        "TMPDIR": str(desk / "scratch"),
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env={**os.environ, **variables}
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def isolated(folder: Path, words: list[str], port: int | None = None) -> list[str]:
    """The words that start a program over a root that is read-only.

    Args:
        folder: holds `state` and `lab`, which are shared, and `scratch`.
        words: of the program.
        port: of the server, which must not be reached: without a network; None: with it.
    """
    net = [] if port is None else ["--net"]
    known = [str(folder / name) for name in ("state", "lab", "scratch")]
    given = [*known, f"{port or ''}", str(ROOT / "src")]
    return [*UNSHARE, *net, "sh", "-c", ISOLATED, "sh", *given, *words]


def assert_confined(process: subprocess.Popen[str]) -> None:
    """The process has no capability, cannot gain one, and is not root in its namespace."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    found = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    assert {found[name].strip("0") for name in ("CapEff", "CapPrm", "CapInh", "CapBnd")} == {""}
    assert found["NoNewPrivs"] == "1"
    mapped = Path(f"/proc/{process.pid}/uid_map").read_text().split()
    assert mapped == ["1000", f"{os.getuid()}", "1"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_scan_is_done_by_a_process_without_network_over_a_root_that_is_read_only(
    desk: Path,
) -> None:
    actors.write_clip(desk / "lab" / "clip.mp4", actors.draw_clip([1], 6, 320, 240))
    (desk / "token").write_text(f"{TOKEN}\n")
    filled = services(STUDIO_PORT="0")
    serving, working = (as_here(desk, filled[name]["command"]) for name in ("studio", "jobs"))
    with run_service(desk, isolated(desk, serving)) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        port = int(re.findall(r":(\d+)/", line)[0])
        assert TOKEN not in line
        assert_confined(server)
        (holds_lock,) = as_here(desk, filled["jobs"]["healthcheck"]["test"][1:])[3:]
        answers = as_here(desk, services(STUDIO_PORT=f"{port}")["studio"]["healthcheck"]["test"])
        assert ends(answers[4:]) == 0
        assert ends(["sh", "-c", holds_lock]) == 1
        studio = RunningStudio(server, port, desk / "state", desk / "lab")
        _, answer = studio.ask("POST", "/api/v1/scans", {"places": ["lab/clip.mp4"]})
        (job,) = answer["jobs"]
        assert not is_locked(desk / "state" / JOBS_LOCK)  # the server has not started one
        assert studio.ask("GET", f"/api/v1/jobs/{job['id']}")[1]["job"]["state"] == "waiting"
        with run_service(desk, isolated(desk, working, port)) as jobs:
            assert studio.wait_for(job["id"])["job"]["state"] == "done"
            (scan,) = studio.ask("GET", "/api/v1/scans")[1]
            assert studio.ask("GET", f"/api/v1/scans/{scan['id']}")[1]["verdict"] == scan["verdict"]
            assert_confined(jobs)
            assert ends(["sh", "-c", holds_lock]) == 0
            jobs.terminate()
            assert jobs.wait(timeout=60) == 0
        assert ends(["sh", "-c", holds_lock]) == 1
    assert ends(answers[4:]) != 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_isolation_is_looked_at_before_it_is_trusted(desk: Path) -> None:
    program = [sys.executable, "-c", "print('ran')"]
    with socket.create_server(("127.0.0.1", 0)) as door:
        words = isolated(desk, program, door.getsockname()[1])
        assert ends(words) == 0
        assert ends([word for word in words if word != "--net"]) == 9
        writable = [word.replace("-o remount,bind,ro", "--make-private") for word in words]
        assert ends([word.replace(str(ROOT / "src"), str(desk)) for word in writable]) == 8
