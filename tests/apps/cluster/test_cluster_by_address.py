"""A run on a cluster that was started by hand, one of whose machines is lost on the way."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

import psutil
import pytest
from deadly_detector import PAUSE
from fake_crew import all_rows
from ray_runs import PATIENCE_S, Runs, draw_media, short_folder, wait_for, wait_gone

pytest.importorskip("ray", reason="needs counterface[cluster]")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

COUNT = 120


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def ray_node(runs: Runs, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`ray start`, ended with all its processes; on a busy machine Ray gives up, so three times."""
    for left in (2, 1, 0):
        process = start_node(runs, words)
        try:
            assert process.stdout is not None
            said = list(iter_until(process.stdout, "Ray runtime started"))
            if "Ray runtime started" in said[-1]:
                yield process
                return
            assert left, said
        finally:
            lose(process)


def start_node(runs: Runs, words: tuple[str, ...]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "ray.scripts.scripts", "start", "--num-cpus", "1",
         "--object-store-memory", "80000000", "--disable-usage-stats", "--block",
         "--node-ip-address", "127.0.0.1", *words],
        cwd=runs.folder, env=runs.environment, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def iter_until(lines: IO[str], end: str) -> Iterator[str]:
    """The lines up to one with a text in it."""
    for line in lines:
        yield line
        if end in line:
            return


def lose(node: subprocess.Popen[str]) -> None:
    """Kill all processes of a node, as a loss of power would."""
    with suppress(psutil.Error):
        parent = psutil.Process(node.pid)
        everyone = [*parent.children(recursive=True), parent]
        for one in everyone:
            with suppress(psutil.Error):
                os.kill(one.pid, signal.SIGKILL)
        node.wait()
        wait_gone(everyone)


def test_a_lost_machine_costs_the_files_it_had_one_more_try() -> None:
    with short_folder() as folder:
        runs = Runs(folder)
        runs.environment |= {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_worker_register_timeout_seconds": "300",
            "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9/",
            PAUSE: "0.1",
        }
        (folder / "home" / "ray_bootstrap_config.yaml").write_text("{}\n")
        names = draw_media(folder / "media", COUNT)
        (folder / "list.csv").write_text("path\n" + "".join(f"media/{n}\n" for n in names))
        address = f"127.0.0.1:{free_port()}"
        head = ("--head", "--port", address.partition(":")[2], "--temp-dir", str(folder / "r"))
        with (
            ray_node(runs, *head, "--include-dashboard", "false"),
            ray_node(runs, "--address", address) as second,
        ):
            words = runs.words("--address", address, "--shard-rows", "10")
            process = runs.start(*words)
            wait_for(lambda: len(runs.shards()) >= 3, process)
            lose(second)
            _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
        rows = all_rows(folder / "out")
        assert [row.row for row in rows] == list(range(COUNT))
        assert {row.status for row in rows} == {"done"}
        assert sum(row.tries > 1 for row in rows) <= 1


def test_an_address_where_nobody_answers_is_told() -> None:
    with short_folder() as folder:
        runs = Runs(folder)
        names = draw_media(folder / "media", 1)
        (folder / "list.csv").write_text(f"path\nmedia/{names[0]}\n")
        for address, text in (
            (f"127.0.0.1:{free_port()}", "no cluster answers there"),
            ("ray://host:1", "give HOST:PORT"),
        ):
            process = runs.start(*runs.words("--address", address))
            _, said = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 1
            assert text in said
            assert "Traceback" not in said
