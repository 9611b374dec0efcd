"""Stages that work at the same time: an iterator run in a thread, some items ahead."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

_END = object()
_PATIENCE_S = 0.1  # how soon a stage notices that nobody wants its items any more


def run_ahead(items: Iterable[Item], depth: int = 2) -> Iterator[Item]:
    """The same items in the same order, made in a thread of their own.

    An error in the making is raised here, after the items before it. When the caller stops early,
    the thread ends after the item it is at, and the iterator it drew from is closed.

    Args:
        items: drawn from in the thread only.
        depth: how many may wait, > 0: bounds the memory.
    """
    waiting: queue.Queue[object] = queue.Queue(depth)
    stopped = threading.Event()
    failure: list[BaseException] = []

    def put(item: object) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=_PATIENCE_S)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        source = iter(items)
        try:
            for item in source:
                if not put(item):
                    break
        except BaseException as error:  # noqa: BLE001  (handed over to the caller)
            failure.append(error)
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()
            put(_END)

    thread = threading.Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not _END:
            yield item  # type: ignore[misc]  # the queue holds items and the end
        if failure:
            raise failure[0]
    finally:
        stopped.set()
        thread.join()
