"""What every page works on: the folders, the store, the queues, and the feed of changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Request
from sqlalchemy.exc import SQLAlchemyError

from counterface.apps.studio.frame_pack import PackMaker
from counterface.apps.studio.lives import Lives
from counterface.apps.studio.places import Places
from counterface.apps.studio.queues import Queues
from counterface.apps.studio.settings import StudioConfig, default_state
from counterface.apps.studio.store import Job, NewJob, Store

log = logging.getLogger("counterface.studio")
POLL_S = 0.3  # of the store, once for all pages that wait
MOST_TOLD = 500  # jobs whose last change is kept for the pages that wait


class Studio:
    """One studio: its state folder and the folders that it may look into."""

    def __init__(self, config: StudioConfig) -> None:
        """Open the state folder, and make it where it is not there.

        Raises:
            PlaceError: a folder of the user's is not there.
        """
        self.config = config
        self.folder = (config.state or default_state()).resolve()
        self.uploads, jobs = self.folder / "uploads", self.folder / "jobs"
        for folder in (self.uploads, jobs):
            folder.mkdir(parents=True, exist_ok=True)
        self.places = Places(config.root or (Path.cwd(),), {"uploads": self.uploads, "jobs": jobs})
        self.store = Store(self.folder)
        self.queues = Queues(self.folder)
        self.packs = PackMaker()
        self.lives = Lives(self.folder)

    def submit(self, wanted: Sequence[NewJob]) -> list[Job]:
        """New jobs, put into their queues."""
        jobs = self.store.add_jobs(wanted)
        for job in jobs:
            self.queues.put(job)
        return jobs

    def submit_again(self, old: Job, words: Sequence[str]) -> Job:
        """A new job with words of an old one; what it wrote into its folder goes into the new."""
        new = NewJob(old.name, old.title, words)
        folder = self.store.folder_of(new.id)
        folder.mkdir(parents=True)
        before = str(self.store.folder_of(old.id))
        moved = [word.replace(before, str(folder)) for word in words]
        return self.submit([replace(new, words=moved)])[0]

    def close(self) -> None:
        """Close the queues and the live merges."""
        self.lives.close()
        self.queues.close()


class Told(NamedTuple):
    """A change of a job, as pages are told of it."""

    job: str
    change: int
    event: str


class Feed:
    """Tells waiting pages that something changed; one look at the store serves them all."""

    def __init__(self, store: Store, event: Callable[[Job], str]) -> None:
        """Prepare to look at a store.

        Args:
            store: of the studio.
            event: gives the text by which pages are told of a job.
        """
        self._store, self._event = store, event
        self._last = -1
        self._told: dict[str, Told] = {}  # the last change of each job, oldest first
        self._whole_after = -1  # all that changed after this number is told above
        self._changed = asyncio.Event()

    async def watch(self) -> None:
        """Look at the store again and again; runs as long as the server does."""
        while True:
            try:
                await self._look()
            except SQLAlchemyError as fault:  # locked for long, say: the next look may do
                log.warning("the feed of changes could not read the store: %s", fault)
            await asyncio.sleep(POLL_S)

    async def _look(self) -> None:
        last = await asyncio.to_thread(self._store.last_change)
        if last == self._last:
            return
        if self._last < 0:
            self._whole_after = self._last = last
        else:
            self._keep(await asyncio.to_thread(self._read, self._last, last), last)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def changes(self, after: int, keep_alive_s: float = 15.0) -> AsyncIterator[list[Told]]:
        """What changed after a number, as it changes; an empty list now and then."""
        while True:
            if (last := self._last) > after:
                if after >= self._whole_after:
                    told = [one for one in self._told.values() if one.change > after]
                else:
                    told = await asyncio.to_thread(self._read, after, last)
                after = max(last, told[-1].change if told else 0)
                yield told
                continue
            try:
                async with asyncio.timeout(keep_alive_s):
                    await self._changed.wait()
            except TimeoutError:
                yield []

    def _read(self, after: int, last: int) -> list[Told]:
        """What the store has; one that has seen nothing begins with the last jobs."""
        if after < 0:
            jobs = self._store.jobs()[::-1]
        else:
            jobs = []
            while after < last and (more := self._store.changed_after(after)):
                jobs += more
                after = more[-1].change
        return [Told(job.id, job.change, self._event(job)) for job in jobs]

    def _keep(self, told: list[Told], last: int) -> None:
        for one in told:
            self._told.pop(one.job, None)
            self._told[one.job] = one
        while len(self._told) > MOST_TOLD:
            oldest = next(iter(self._told))
            self._whole_after = self._told.pop(oldest).change
        self._last = max(last, told[-1].change if told else 0)


def _studio_of(request: Request) -> Any:
    return request.app.state.studio


StudioHere = Annotated[Studio, Depends(_studio_of)]
