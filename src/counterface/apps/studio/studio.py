"""What every page works on: the folders, the store, the queues, and the feed of changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request

from counterface.apps.studio.frame_pack import PackMaker
from counterface.apps.studio.lives import Lives
from counterface.apps.studio.places import Places
from counterface.apps.studio.queues import Queues
from counterface.apps.studio.settings import StudioConfig, default_state
from counterface.apps.studio.store import Job, NewJob, Store

POLL_S = 0.3  # of the store, once for all pages that wait


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


class Feed:
    """Tells waiting pages that something changed; one look at the store serves them all."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last = -1
        self._changed = asyncio.Condition()

    async def watch(self) -> None:
        """Look at the store again and again; runs as long as the server does."""
        while True:
            last = await asyncio.to_thread(self._store.last_change)
            if last != self._last:
                async with self._changed:
                    self._last = last
                    self._changed.notify_all()
            await asyncio.sleep(POLL_S)

    async def changes(self, after: int, keep_alive_s: float = 15.0) -> AsyncIterator[list[Job]]:
        """The jobs that changed after a number, as they change; an empty list now and then."""
        while True:
            if self._last > after:
                jobs = await asyncio.to_thread(self._changed_after, after)
                after = jobs[-1].change if jobs else self._last
                yield jobs
                continue
            try:
                async with self._changed:
                    await asyncio.wait_for(self._changed.wait(), keep_alive_s)
            except TimeoutError:
                yield []

    def _changed_after(self, number: int) -> list[Job]:
        """What a page has not seen; one that has seen nothing begins with the last jobs."""
        return self._store.changed_after(number) if number >= 0 else self._store.jobs()[::-1]


def _studio_of(request: Request) -> Any:
    return request.app.state.studio


StudioHere = Annotated[Studio, Depends(_studio_of)]
