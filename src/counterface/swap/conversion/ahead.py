"""Stages that work at the same time: an iterator run in a thread, some items ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")

_END = object()


def run_ahead(items: Iterable[Item], depth: int = 2) -> Iterator[Item]:
    """The same items in the same order, made in a thread of their own.

    An error in the making is raised here, after the items before it. When the caller stops early,
    the thread ends after the item it is at, and the iterator it drew from is closed.

    Args:
        items: drawn from in the thread only.
        depth: how many are made ahead, > 0: bounds the memory.
    """
    source = iter(items)
    pool = ThreadPoolExecutor(1, "ahead")
    try:
        waiting = deque(pool.submit(next, source, _END) for _ in range(depth))
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(pool.submit(next, source, _END))
            yield item  # type: ignore[misc]  # the end is no item
    finally:
        pool.shutdown(cancel_futures=True)
        if isinstance(source, Generator):
            source.close()
