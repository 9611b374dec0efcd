"""The feed tells every page of every change, in order, also pages that come late or again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the studio is not installed: counterface[web]")

from sqlalchemy.exc import OperationalError

from counterface.apps.studio import studio as studio_module
from counterface.apps.studio.store import Job, NewJob, Store
from counterface.apps.studio.studio import Feed, Told


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(studio_module, "POLL_S", 0.01)
    monkeypatch.setattr(studio_module, "MOST_TOLD", 10)
    return Store(tmp_path)


def add(store: Store, *titles: str) -> list[Job]:
    return store.add_jobs([NewJob("scan", title, []) for title in titles])


def event(job: Job) -> str:
    return f"{job.id} {job.state}"


def run(store: Store, body: Callable[[Feed], Coroutine[Any, Any, None]]) -> None:
    async def watched() -> None:
        feed = Feed(store, event)
        task = asyncio.create_task(feed.watch())
        try:
            async with asyncio.timeout(60):
                await body(feed)
        finally:
            task.cancel()

    asyncio.run(watched())


async def hear(feed: Feed, after: int, last: int) -> list[Told]:
    """What a page hears until it knows of the last change."""
    found: list[Told] = []
    async for told in feed.changes(after, keep_alive_s=0.05):
        found += told
        after = max(after, max((one.change for one in told), default=0))
        if after >= last:
            break
    return found


def test_all_who_listen_hear_the_last_state_of_every_job(store: Store) -> None:
    first = add(store, "one")[0]

    async def body(feed: Feed) -> None:
        listeners = [asyncio.create_task(hear(feed, first.change, 61)) for _ in range(50)]
        await asyncio.sleep(0.1)
        for number in range(20):
            new = NewJob("scan", str(number), [], f"{number:02d}")
            (job,) = await asyncio.to_thread(store.add_jobs, [new])
            await asyncio.to_thread(store.change, job.id, done=1)
            await asyncio.to_thread(store.change, job.id, state="done")
        for heard in await asyncio.gather(*listeners):
            changes = [one.change for one in heard]
            assert changes == sorted(set(changes))
            last = {one.job: one.event for one in heard}
            assert last == {f"{number:02d}": f"{number:02d} done" for number in range(20)}

    run(store, body)


def test_who_comes_again_hears_what_is_kept_no_more(store: Store) -> None:
    first = add(store, "one")[0]

    async def body(feed: Feed) -> None:
        await hear(feed, first.change - 1, first.change)
        numbers = [job.id for job in add(store, *map(str, range(30)))]  # 10 are kept
        await hear(feed, 30, 31)
        again = await hear(feed, first.change, 31)
        assert [one.job for one in again] == numbers
        few = await hear(feed, 28, 31)
        assert [one.job for one in few] == numbers[-3:]

    run(store, body)


def test_who_has_seen_nothing_begins_with_the_last_jobs(store: Store) -> None:
    numbers = [job.id for job in add(store, *map(str, range(3)))]

    async def body(feed: Feed) -> None:
        heard = await hear(feed, -1, 3)
        assert [one.job for one in heard] == numbers

    run(store, body)


def test_who_hears_nothing_is_told_so(store: Store) -> None:
    job = add(store, "one")[0]

    async def body(feed: Feed) -> None:
        async for told in feed.changes(job.change, keep_alive_s=0.02):
            assert told == []
            break

    run(store, body)


def test_a_store_that_is_locked_for_a_while_ends_no_feed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, faults = store.last_change, iter([OperationalError("", None, Exception("locked"))] * 3)

    def last_change() -> int:
        for fault in faults:
            raise fault
        return whole()

    monkeypatch.setattr(store, "last_change", last_change)
    (job,) = add(store, "one")

    async def body(feed: Feed) -> None:
        assert [one.job for one in await hear(feed, -1, job.change)] == [job.id]

    run(store, body)
