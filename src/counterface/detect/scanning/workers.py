"""Worker processes that end with their parent and import nothing from the current folder."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """Processes that calls are sent to; made by `open_workers`."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def submit(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """The result to come of a call in one of the processes.

        Raises:
            BrokenProcessPool: one of them has died.
        """
        # The pool starts processes here, and they inherit this: a Ctrl-C is for the parent alone.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with _safe_path():
                return self._pool.submit(call, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def kill(self) -> None:
        """End the processes, whatever they are doing."""
        for process in list((getattr(self._pool, "_processes", None) or {}).values()):
            with suppress(OSError, ValueError):  # it has ended, or was closed
                process.kill()


@contextmanager
def open_workers(
    count: int, start: Callable[..., None], arguments: tuple[Any, ...]
) -> Iterator[Workers]:
    """Worker processes for the length of a `with` block.

    After an error or an interrupt they are ended at once, not when their work is done.

    Args:
        count: how many at most.
        start: called in each process before anything else.
        arguments: arguments of `start`; can be pickled.
    """
    with _safe_path():  # the pool's locks start multiprocessing's resource tracker
        pool = ProcessPoolExecutor(count, get_context("spawn"), _start, (start, arguments))
    workers = Workers(pool)
    try:
        yield workers
    except BaseException:
        workers.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start(start: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    start(*arguments)


def _end_with_parent() -> None:
    """Wait on a pipe that only the parent holds open, so that even its SIGKILL is noticed.

    PR_SET_PDEATHSIG would not do: it fires when the thread that started the process ends.
    """
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _safe_path() -> Iterator[None]:
    """Python processes started meanwhile do not import from the current folder."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("PYTHONSAFEPATH", None)
        else:
            os.environ["PYTHONSAFEPATH"] = before
