"""Commands that are killed at moments of the clock, what they did again, and what they left.

A command runs in a forked process, so that imports are paid once, and is killed with all that it
started. Each unit of its work (a frame, a step, a file) appends a line to a file elsewhere: what
was done in one attempt and again in a later one is the work that a kill has lost.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import os
import re
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
from safetensors.numpy import load

from counterface.media.decoder_process.parent import close_idle
from counterface.provenance.verify import verify_file

VIDEOS, PICTURES = (".mp4", ".mov"), (".png", ".jpg")
# when, how fast, and what is drawn anew each time; the last four follow from a new signature
UNSTEADY = {
    *("seconds", "waiting_for_data", "examples_per_s", "time", "when", "created", "ended"),
    *("tries", "timings_s", "id", "fingerprint", "sha256", "bytes", "signer", "pid"),
}


@dataclass(frozen=True)
class Unit:
    """A function whose calls, or whose yields, are units of work."""

    place: str  # module:attribute
    name: Callable[..., str]  # of the arguments; of a generator's, of what it yields


@dataclass(frozen=True)
class Moment:
    """When a process is killed.

    The clock is that of its work, for on a shared machine nobody knows when a wall clock's moment
    would be; some milliseconds of the wall clock follow, so that it may also die while it waits.
    """

    cpu_s: float  # that it and its children have used
    then_s: float = 0.0
    in_work: bool = False  # the clock begins once the first unit of work is done


@dataclass(frozen=True)
class Attempt:
    """One run of a command, to its end or to its kill."""

    killed: bool
    cpu_s: float  # of it and all that it started
    start_cpu_s: float  # of these, before its first unit was done; all where none was
    units: tuple[str, ...]  # that it finished
    code: int
    said: str


def count_units(units: Sequence[Unit], tally: Path) -> None:
    """Let each unit of work append its name to a file, from now on and in forked processes."""
    for unit in units:
        module, _, path = unit.place.partition(":")
        owner: Any = importlib.import_module(module)
        *between, last = path.split(".")
        for part in between:
            owner = getattr(owner, part)
        setattr(owner, last, _counted(getattr(owner, last), unit.name, tally))


def _counted(work: Callable[..., Any], name: Callable[..., str], tally: Path) -> Callable[..., Any]:
    def note(text: str) -> None:
        handle = os.open(tally, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{text}\n".encode())
        os.close(handle)

    def yields(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for item in work(*args, **kwargs):
            yield item
            note(name(item))

    def returns(*args: Any, **kwargs: Any) -> Any:
        result = work(*args, **kwargs)
        note(name(*args, **kwargs))
        return result

    return yields if inspect.isgeneratorfunction(work) else returns


def attempt(call: Callable[[], int], tally: Path, kill_at: Moment | None = None) -> Attempt:
    """What became of a call in a process of its own.

    Args:
        call: gives an exit code.
        tally: file that `count_units` was given.
        kill_at: when it and all that it started get SIGKILL; None lets it end.
    """
    cv2.setNumThreads(1)  # a fork would inherit the locks of threads, and the pipes of decoders
    close_idle()
    tally.unlink(missing_ok=True)
    said = tally.with_suffix(".said")
    process = os.fork()
    if process == 0:
        _run(call, said)
    cpu_s, start_cpu_s, family = _wait(process, kill_at or Moment(inf), tally)
    for one in family:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    _wait_until_gone(family)
    units = tally.read_text().splitlines() if tally.exists() else []
    text = said.read_text(errors="replace") if said.exists() else ""
    return Attempt(code == -signal.SIGKILL, cpu_s, start_cpu_s, tuple(units), code, text)


def _wait(process: int, moment: Moment, tally: Path) -> tuple[float, float, list[int]]:
    """CPU seconds used, those before work, and all processes once the moment is there.

    None of them where it ends before.
    """
    used, start = 0.0, inf
    while True:
        family = [process, *descendants(process)]
        used = max(used, sum(map(_cpu_s, family)))
        if start > used and tally.exists():
            start = used
        if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return used, min(used, start), []
        if used >= moment.cpu_s + (start if moment.in_work else 0):
            time.sleep(moment.then_s)
            return used, min(used, start), [process, *descendants(process)]
        time.sleep(0.004)


def _cpu_s(process: int) -> float:
    """The CPU seconds of a process and of its children that have ended."""
    with suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def descendants(process: int) -> list[int]:
    """The children of a process, theirs and so on: decoders are in process groups of their own."""
    found: list[int] = []
    waiting = [process]
    while waiting:
        with suppress(OSError):
            for task in Path(f"/proc/{waiting.pop()}/task").iterdir():
                children = [int(child) for child in (task / "children").read_text().split()]
                found += children
                waiting += children
    return found


def _wait_until_gone(family: Sequence[int]) -> None:
    """Wait until processes that were killed have ended; whoever inherits them buries them."""
    end = time.monotonic() + 5
    while time.monotonic() < end and any(_runs(process) for process in family):
        time.sleep(0.002)


def _runs(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def _run(call: Callable[[], int], said: Path) -> None:
    code = 70
    try:
        handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(handle, stream)
        code = call()
    except BaseException:  # noqa: BLE001  (told by its text and its code)
        traceback.print_exc()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def work_again(attempts: Sequence[Attempt]) -> list[int]:
    """For each attempt but the last: how many of its units were done once more in a later one."""
    later: set[str] = set()
    again = []
    for one in reversed(attempts):
        again.append(len(set(one.units) & later))
        later |= set(one.units)
    return again[:0:-1]


def damaged(folder: Path) -> list[str]:
    """The files below a folder that do not open, each with the reason.

    Temporary files are left out, and so are crops that no commit of a faceset names yet.
    """
    wrong = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        begun = any(part.startswith(".counterface-") for part in inside) or "pending" in inside
        if path.is_file() and not begun:
            try:
                _open(path)
            except Exception as error:  # noqa: BLE001  (whatever its reader raises)
                wrong.append(f"{path.relative_to(folder)}: {error!r}")
    return wrong


def _open(path: Path) -> None:
    suffix = path.suffix
    if suffix == ".safetensors":
        load(path.read_bytes())
    elif suffix == ".parquet":
        pq.read_table(path)
    elif suffix == ".json":
        json.loads(path.read_bytes())
    elif suffix == ".jsonl":  # its last line may be cut short, and is then left out
        for line in path.read_bytes().split(b"\n")[:-1]:
            json.loads(line)
    elif suffix in PICTURES:
        if cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) is None:
            raise ValueError("no picture")
    elif suffix in VIDEOS:
        frames_sha256(path)
        if path.with_name(f"{path.name}.record.json").exists():
            _require_signed(path)
    elif suffix in (".db", ".sqlite"):
        with closing(sqlite3.connect(path)) as file:
            (state,) = file.execute("PRAGMA integrity_check").fetchone()
        if state != "ok":
            raise ValueError(state)


def _require_signed(path: Path) -> None:
    found = verify_file(path)
    states = found.record.state, found.credentials.state
    if states[0] != "agrees" or states[1] in ("none", "invalid"):
        raise ValueError(f"record {states[0]}, credentials {states[1]}")


def frames_sha256(path: Path) -> str:
    """The hash of all decoded frames of a video and of their times."""
    digest = hashlib.sha256()
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            digest.update(f"{frame.pts}".encode() + frame.to_ndarray().tobytes())
    return digest.hexdigest()


def contents(folder: Path) -> dict[str, str]:
    """The hash of what each file below a folder says, times and signatures left out."""
    return {
        str(path.relative_to(folder)): content_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "tfevents" not in path.name and path.name != ".lock"
    }


def content_sha256(path: Path) -> str:
    """The hash of what a file says, times and signatures left out."""
    data = path.read_bytes()
    if path.suffix == ".safetensors":
        data = b"".join(name.encode() + t.tobytes() for name, t in sorted(load(data).items()))
    elif path.suffix in VIDEOS:
        return frames_sha256(path)
    elif path.suffix == ".parquet":
        rows = pq.read_table(path).to_pylist()
        data = repr(sorted(json.dumps(_steady(row), default=repr, sort_keys=True) for row in rows))
        data = data.encode()
    elif path.suffix == ".json":
        data = json.dumps(_steady(json.loads(data)), sort_keys=True).encode()
    elif path.suffix == ".jsonl":
        lines = [json.dumps(_steady(json.loads(line))) for line in data.splitlines()]
        data = "\n".join(lines).encode()
    elif path.suffix in (".html", ".csv"):
        data = re.sub(rb"\d{4}-\d\d-\d\dT[\d:.+]*(\">[^<]*)?", b"", data)
    elif path.suffix == ".sqlite":
        data = json.dumps(_row_counts(path)).encode()
    return hashlib.sha256(data).hexdigest()


def _row_counts(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as file:
        names = [
            name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        tables = [name for name in names if not name.startswith("sqlite_")]
        return {
            name: file.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables
        }


def _steady(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("{"):  # a report in a table
        with suppress(ValueError):
            return _steady(json.loads(value))
    if isinstance(value, dict):
        return {key: _steady(one) for key, one in value.items() if key not in UNSTEADY}
    return [_steady(one) for one in value] if isinstance(value, list) else value
