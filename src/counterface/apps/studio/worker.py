"""The process that runs commands for the studio, one after the other, with its imports kept warm.

    python -P -m counterface.apps.studio.worker

Reads a line of JSON a job from its input: `{"words": [...], "out": FILE, "log": FILE}`; what the
command prints goes into FILE, what it says of itself into the log. Answers with lines of JSON:
`{"progress": [done, total, text]}` now and then, and `{"end": exit code, "error": text}`, where the
text says why the files could not be written. A Ctrl-C (SIGINT) reaches the command as on a
terminal. It ends when its input does, also in the middle of a job: its parent is gone then, and
somebody else will run the job again.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from counterface.apps.studio.child_process import take_answers

PROGRESS_EVERY_S = 0.2


def main() -> None:
    """Run jobs until the input ends."""
    answer = take_answers()
    from counterface.apps.cli import output
    from counterface.apps.cli.main import main as run

    last = 0.0

    def told(done: int, total: int | None, text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PROGRESS_EVERY_S:
            last = time.monotonic()
            answer({"progress": [done, total, output.printable(text)]})

    output.listen(told)
    for job in _jobs():
        last = 0.0
        try:
            answer({"end": _run(run, job), "error": ""})
        except OSError as fault:  # no room for what it prints
            error = f"what the command says cannot be written: {fault.strerror}"
            answer({"end": 1, "error": f"{error}; make room and run it again"})


def _run(command: Callable[[list[str]], int], job: Any) -> int:
    """The exit code of a command whose words go into the files of its job."""
    with (
        Path(job["out"]).open("w", encoding="utf-8") as out,
        Path(job["log"]).open("a", encoding="utf-8") as log,
        redirect_stdout(out),
        redirect_stderr(log),
    ):
        try:
            return command(job["words"])
        except KeyboardInterrupt:
            return 130
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
        except Exception as error:  # noqa: BLE001  (a fault in one job must not end the others)
            log.write(f"counterface: unexpected {type(error).__name__}: {error}\n")
            return 1


def _jobs() -> Any:
    """The jobs as they come; a thread reads them, so that the end of the input is seen at once."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get()
        except KeyboardInterrupt:  # it came after the job's end
            continue
        yield json.loads(line)


if __name__ == "__main__":
    main()
