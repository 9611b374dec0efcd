"""A stage in a thread hands on items in order, errors, and the end; it stops when nobody asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from counterface.swap.conversion.ahead import run_ahead


def test_items_come_in_order_from_another_thread() -> None:
    def names() -> Iterator[tuple[int, int]]:
        for number in range(20):
            yield number, threading.get_ident()

    got = list(run_ahead(names(), depth=3))
    assert [number for number, _ in got] == list(range(20))
    assert {ident for _, ident in got} != {threading.get_ident()}


def test_an_error_comes_after_the_items_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    items = run_ahead(broken())
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_stopping_early_ends_the_thread_and_closes_its_source() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            closed.set()

    before = threading.active_count()
    items = run_ahead(endless(), depth=2)
    assert next(items) == 0
    items.close()
    assert closed.is_set()
    assert threading.active_count() == before


def test_no_more_than_the_depth_waits() -> None:
    made = []

    def count() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    items = run_ahead(count(), depth=3)
    for expected in range(10):
        assert next(items) == expected
        assert len(made) <= expected + 1 + 3 + 1  # waiting, and one in the hand
    items.close()
