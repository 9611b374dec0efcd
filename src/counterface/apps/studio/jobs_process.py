"""The process that runs the jobs; it outlives the server, and a new server finds it at work.

    python -P -m counterface.apps.studio.jobs_process STATE QUICK

QUICK is the number of quick jobs that run at once. There is one such process a state folder, by a
lock. It ends when there is nothing to do and no server.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from counterface.apps.studio.child_process import SAFE, child_words
from counterface.apps.studio.history import keep_result
from counterface.apps.studio.queues import LONG_QUEUE, QUICK_QUEUE, Queues, Runner
from counterface.apps.studio.store import OPEN, Store
from counterface.files import lock

JOBS_LOCK, SERVER_LOCK = "jobs.lock", "server.lock"
LINGER_S = 20.0  # without a server and without a job
SLEEP_S = 0.25
MOST_LEFT_OVER = 1000  # at a time; the next ones follow once these are done


def start(folder: Path, quick: int) -> None:
    """Start the process for a state folder, unless it runs; it does not end with this one."""
    if is_locked(folder / JOBS_LOCK):
        return
    with (folder / "jobs.log").open("a") as log:
        subprocess.Popen(
            [*child_words("jobs_process"), str(folder), f"{quick}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
            cwd=folder,
            env={**os.environ, **SAFE},
        )


def is_locked(file: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        with lock(file, wait=False):
            return False
    except BlockingIOError:
        return True


def main() -> None:
    """Run the jobs of a state folder until there is nothing to do and no server."""
    folder, quick = Path(sys.argv[1]), int(sys.argv[2])
    try:
        with lock(folder / JOBS_LOCK, wait=False):
            _serve(folder, quick)
    except BlockingIOError:
        return


def _serve(folder: Path, quick: int) -> None:
    logging.getLogger("huey").setLevel(logging.ERROR)
    store, mine, runners = Store(folder), threading.local(), list[Runner]()

    def run(number: str) -> None:
        if not hasattr(mine, "runner"):
            mine.runner = Runner(store, lambda job: keep_result(store, job))
            runners.append(mine.runner)
        mine.runner.run(number)

    queues = Queues(folder, run)
    queues.empty()  # what was taken out of them when the last process died is only in the store
    for job in reversed(store.wait_again()):
        queues.put(job)
    threads = {QUICK_QUEUE: quick, LONG_QUEUE: 1}
    consumers = [
        huey.create_consumer(
            workers=threads[name], periodic=False, initial_delay=0.05, max_delay=SLEEP_S
        )
        for name, huey in queues.by_name.items()
    ]
    for consumer in consumers:
        consumer.start()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    idle_since = time.monotonic()
    while not ended.wait(1.0):
        counts = store.counts()
        if counts.get("waiting") and queues.are_empty():
            _put_left_over(store, queues)
        if any(counts.get(state) for state in OPEN) or is_locked(folder / SERVER_LOCK):
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since > LINGER_S:
            break
    for runner in runners:
        runner.close()
    os._exit(0)  # threads of the queues may be in the middle of a job, which waits in the store


def _put_left_over(store: Store, queues: Queues) -> None:
    """Put jobs that wait into the queues: a server that died may have got no further than them."""
    for job in reversed(store.jobs(states=["waiting"], most=MOST_LEFT_OVER)):
        queues.put(job)


if __name__ == "__main__":
    main()
