"""The queues of jobs, kept by huey in a SQLite file, and how one job is run.

A queue holds ids of jobs alone; what a job is stands in the store. Whoever takes an id claims the
job there first, so that an id that was put in twice, after a crash, is run once.
"""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from huey import SqliteHuey
from huey.registry import Message
from huey.serializer import Serializer
from sqlalchemy.exc import DatabaseError

from counterface.apps.studio.child_process import start_child
from counterface.apps.studio.commands import LONG
from counterface.apps.studio.store import Job, Store
from counterface.errors import CounterfaceError, is_disk_full

QUICK_QUEUE, LONG_QUEUE = "quick", "long"
LOOK_EVERY_S = 0.3  # whether a running job is to stop
PATIENCE_S = 60.0  # between asking a command to stop, which may save its state, and ending it
_ROOM_EVERY_S = 2.0  # whether a full disk has room again
JOBS_OF_A_WORKER = 500  # then it is started anew, whatever its libraries may have kept

Value = TypeVar("Value")


class JsonSerializer(Serializer):
    """Messages of a queue as JSON; huey's own would unpickle them."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps(data).encode()

    def _deserialize(self, data: bytes) -> Any:
        found = json.loads(bytes(data))
        return Message(*found) if isinstance(found, list) else found


class Queues:
    """The quick and the long queue of a studio."""

    def __init__(self, folder: Path, run: Callable[[str], None] | None = None) -> None:
        """Open the queues.

        Args:
            folder: of the studio's state.
            run: called with the id of each job that is taken, in the process of the jobs.
        """

        def take(number: str) -> None:  # huey knows a task by its module: it must be one in both
            if run is None:
                raise RuntimeError("jobs are run in a process of their own")
            run(number)

        self.by_name: dict[str, Any] = {}
        self._tasks: dict[str, Any] = {}
        for name in (QUICK_QUEUE, LONG_QUEUE):
            huey = SqliteHuey(
                name,
                filename=str(folder / "queue.db"),
                serializer=JsonSerializer(),
                results=False,
                strict_fifo=True,
                timeout=20,
            )
            self.by_name[name] = huey
            self._tasks[name] = huey.task(name="run_job")(take)

    def put(self, job: Job) -> None:
        """Put a job into its queue."""
        self._tasks[LONG_QUEUE if job.name in LONG else QUICK_QUEUE](job.id)

    def are_empty(self) -> bool:
        """Whether no id is in any queue."""
        return not any(huey.pending_count() for huey in self.by_name.values())

    def empty(self) -> None:
        """Take everything out; the store knows which jobs wait."""
        for huey in self.by_name.values():
            huey.flush()

    def close(self) -> None:
        """Close the file."""
        for huey in self.by_name.values():
            huey.storage.close()


class Runner:
    """Runs jobs in a worker process of its own. Not shared between threads."""

    def __init__(self, store: Store, finish: Callable[[Job], None]) -> None:
        """Prepare; the worker starts with the first job.

        Args:
            store: where jobs stand.
            finish: called with each job that has ended, before it is told to be.
        """
        self._store, self._finish = store, finish
        self._worker: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._used = 0

    def run(self, number: str) -> None:
        """Run a job, if it still waits, and write down how it ended."""
        job = _once_there_is_room(lambda: self._store.claim(number))
        if job is None:
            return
        folder = self._store.folder_of(number)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            code, unwritten = self._run_in_worker(job, folder)
        except OSError as fault:  # too many processes, no memory for one more, no room
            error = f"no process could be started for the job: {fault.strerror}; run it again"
            self._end(number, state="failed", error=error)
            return
        stopped = self._store.job(number).state == "stopping" or (code or 0) >= 128
        state = "stopped" if stopped else "done" if code in (0, 2) else "failed"
        error = (
            "" if state == "done" and code == 0 else unwritten or _last_words(folder / "log.txt")
        )
        if code is None and state == "failed":
            error = "the process of the job died (out of memory?); run it again"
        try:
            self._finish(job)
        except DatabaseError as fault:
            state, error = "failed", f"its result could not be kept: {fault.orig}; run it again"
        except (CounterfaceError, OSError, ValueError) as fault:
            state, error = "failed", f"its result could not be kept: {fault}"
        self._end(number, state=state, code=code, error=error)

    def close(self) -> None:
        """End the worker, whatever it does."""
        if self._worker is not None:
            self._worker.kill()
            self._worker.wait()
            self._worker = None

    def _end(self, number: str, **values: Any) -> None:
        """Write down how a job ended: else it would run for ever."""
        _once_there_is_room(lambda: self._store.change(number, ended=time.time(), **values))

    def _run_in_worker(self, job: Job, folder: Path) -> tuple[int | None, str]:
        """The exit code, None where the process died; and why its words could not be written."""
        worker = self._ready_worker()
        sent = {
            "words": job.words,
            "out": str(folder / "result.jsonl"),
            "log": str(folder / "log.txt"),
        }
        assert worker.stdin is not None
        try:
            worker.stdin.write(json.dumps(sent) + "\n")
            worker.stdin.flush()
        except BrokenPipeError:
            self.close()
            return None, ""
        code, unwritten = self._wait(job, worker)
        self._used += 1
        if code is None or job.name in LONG or self._used >= JOBS_OF_A_WORKER:
            self.close()
        return code, unwritten

    def _wait(self, job: Job, worker: subprocess.Popen[str]) -> tuple[int | None, str]:
        asked_at: float | None = None
        while True:
            try:
                answer = self._answers.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                answer = {}
            if answer is None:
                return None, ""
            if "end" in answer:
                return int(answer["end"]), str(answer["error"])
            if "progress" in answer:
                done, total, text = answer["progress"]
                with suppress(DatabaseError):  # the next one will do
                    self._store.change(job.id, done=done, total=total, text=text)
            if self._store.job(job.id).state == "stopping":
                if asked_at is None:
                    asked_at = time.monotonic()
                    worker.send_signal(signal.SIGINT)
                elif time.monotonic() - asked_at > PATIENCE_S:
                    worker.kill()

    def _ready_worker(self) -> subprocess.Popen[str]:
        if self._worker is not None and self._worker.poll() is None:
            return self._worker
        self._used, self._answers = 0, queue.SimpleQueue()
        self._worker = start_child("worker", self._store.folder)
        threading.Thread(
            target=_read_answers, args=(self._worker, self._answers), daemon=True
        ).start()
        return self._worker


def _read_answers(
    worker: subprocess.Popen[str], answers: queue.SimpleQueue[dict[str, Any] | None]
) -> None:
    assert worker.stdout is not None
    for line in worker.stdout:
        with suppress(ValueError):
            answers.put(json.loads(line))
    answers.put(None)


def _once_there_is_room(change: Callable[[], Value]) -> Value:
    """The answer of the store; a disk that is full is waited for."""
    while True:
        try:
            return change()
        except DatabaseError as fault:
            if not is_disk_full(fault):
                raise
            time.sleep(_ROOM_EVERY_S)


def _last_words(log: Path) -> str:
    """The error that a command printed: from the last line of its own on."""
    if not log.is_file():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    starts = [n for n, line in enumerate(lines) if line.startswith("counterface: ")]
    return "\n".join(lines[starts[-1] :]).removeprefix("counterface: ") if starts else ""
