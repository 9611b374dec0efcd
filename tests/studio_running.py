"""A studio in a process of its own, as a user starts it, and a browser that looks at it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOKEN = "a secret of the tests, long enough"
BROWSER = next((p for p in map(shutil.which, ("chromium", "chromium-browser")) if p), None)


@dataclass
class RunningStudio:
    """A studio that runs."""

    process: subprocess.Popen[str]
    port: int
    state: Path
    root: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of an answer of the interface, asked as a program does."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        request = urllib.request.Request(
            f"{self.address}{path}",
            data.encode() if isinstance(data, str) else data,
            {
                "Authorization": f"Bearer {TOKEN}",
                "Content-Type": "application/json",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                return error.code, json.loads(text)
            except ValueError:
                return error.code, text.decode(errors="replace")

    def wait_for(self, number: str, within_s: float = 300) -> dict[str, Any]:
        """A job once it has ended, with its results."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            _, found = self.ask("GET", f"/api/v1/jobs/{number}")
            if found["job"]["state"] not in ("waiting", "running", "stopping"):
                return dict(found)
            time.sleep(0.1)
        raise AssertionError(f"job {number} has not ended: {found['job']}")


@contextmanager
def run_studio(
    state: Path,
    root: Path,
    *more: str,
    under: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[RunningStudio]:
    """A studio for the length of a `with` block; what it started ends with it.

    Args:
        state: folder of its state.
        root: folder that it may look into.
        more: further options.
        under: words of a command in front of its own, such as strace.
        environment: variables besides those of the tests.
    """
    words = ["--port", "0", "--no-open", "--state", str(state), "--root", str(root)]
    program = [sys.executable, "-P", "-m", "counterface", "studio"]
    process = subprocess.Popen(
        [*under, *program, *words, "--token", TOKEN, *more],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "http://" in line, f"the studio did not start: {line!r}"
    port = int(line.split("127.0.0.1:")[1].split("/")[0])
    try:
        yield RunningStudio(process, port, state, root)
    finally:
        process.kill()
        process.wait()
        end_jobs(state)


def end_jobs(state: Path) -> None:
    """End the process of the jobs of a state folder, and its workers with it."""
    from counterface.apps.studio.jobs_process import JOBS_LOCK, is_locked

    for line in subprocess.run(
        ["ps", "-ewwo", "pid=,args="], capture_output=True, text=True, check=True
    ).stdout.splitlines():
        number, _, words = line.strip().partition(" ")
        if "counterface.apps.studio.jobs_process" in words and str(state) in words:
            os.kill(int(number), signal.SIGKILL)
    end = time.monotonic() + 20
    lock = state / JOBS_LOCK  # not there where only the studio sees its disk
    while lock.exists() and is_locked(lock) and time.monotonic() < end:
        time.sleep(0.05)
