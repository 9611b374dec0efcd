"""A studio under modest work for a long time, and whether what it holds grows.

Files that change are uploaded or lie below a folder, are judged, looked at as the page does it, and
taken out of the history again; a listener of the changes leaves and comes back. Meanwhile the
memory, open files and threads of each process are written down.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from actors import Expression, draw_actor, draw_clip, write_clip
from studio_client import Answer, Client
from studio_running import TOKEN, RunningStudio

from counterface.media.image import write_image
from counterface.types import Pose

KEPT = 6  # reports in the history; older ones are deleted
CLIP_EVERY = 6  # files
PAGE = (
    "/",
    "/static/studio.css",
    "/static/js/app.js",
    "/static/js/api.js",
    "/static/pages/scan.js",
    "/api/v1/session",
    "/api/v1/scans?most=100",
    "/api/v1/scans/tags",
    "/api/v1/jobs",
    "/api/v1/jobs/counts",
)


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    rss: int  # bytes in memory, those of shared files too
    private: int  # bytes in memory that no other process has
    fds: int
    threads: int


@dataclass(frozen=True)
class Sample:
    """What the processes of a studio hold at a moment."""

    at_s: float
    processes: dict[str, Held]  # server, jobs, worker
    decoders: int  # processes beside them


@dataclass(frozen=True)
class Soak:
    """How a studio went through it."""

    samples: list[Sample]
    counts: Counter[str]  # of what was done
    errors: list[str]


class _NoAnswer(Exception):
    """A request that was refused, or not answered."""


@dataclass
class _Work:
    """What the tasks of a soak share."""

    studio: RunningStudio
    end: float
    every_s: float
    counts: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def client(self) -> Client:
        return Client(self.studio.port, TOKEN)

    @property
    def left_s(self) -> float:
        return max(0.0, self.end - time.monotonic())

    @contextmanager
    def noting_errors(self) -> Iterator[None]:
        try:
            yield
        except (_NoAnswer, OSError, asyncio.IncompleteReadError) as error:
            if isinstance(error, TimeoutError):
                raise
            self.errors.append(str(error))

    async def ask(self, client: Client, method: str, path: str, body: Any = None) -> Answer:
        self.counts["requests"] += 1
        try:
            answer = await client.ask(method, path, body)
        except (OSError, asyncio.IncompleteReadError) as error:
            client.close()
            raise _NoAnswer(f"{method} {path}: {error!r}") from error
        if answer.status >= 400:
            raise _NoAnswer(f"{method} {path}: {answer.status} {answer.body[:200]!r}")
        return answer


def soak(
    studio: RunningStudio,
    seconds: float,
    every_s: float = 10.0,
    sample_s: float = 10.0,
    written: Path | None = None,
) -> Soak:
    """How a studio goes through some time of work.

    Args:
        studio: it runs; files are put below its root.
        seconds: how long.
        every_s: seconds between two scans.
        sample_s: seconds between two samples.
        written: file that each sample is written to at once, a line of JSON.
    """
    work = _Work(studio, time.monotonic() + seconds, every_s)
    samples: list[Sample] = []

    async def all_tasks() -> None:
        sampler = asyncio.create_task(_sample(work, samples, sample_s, written))
        await asyncio.gather(_scan(work), _read(work), _listen(work), sampler)

    asyncio.run(all_tasks())
    return Soak(samples, work.counts, work.errors)


def slope_per_hour(samples: Sequence[Sample], process: str, name: str) -> tuple[float, float]:
    """Slope of what a process holds, and half of its 95 % interval, in units an hour.

    By least squares over the last two thirds. Samples depend on those before: the interval is
    widened by their correlation. It is infinite where there are fewer than four.
    """
    held = [(s.at_s / 3600, s.processes[process]) for s in samples if process in s.processes]
    kept = held[len(held) // 3 :]
    if len(kept) < 4:
        return math.nan, math.inf
    at = np.array([hour for hour, _ in kept])
    values = np.array([float(getattr(one, name)) for _, one in kept])
    away = at - at.mean()
    slope = float(away @ values / (away @ away))
    rest = values - values.mean() - slope * away
    error = math.sqrt(float(rest @ rest) / (len(kept) - 2) / float(away @ away))
    like = float(rest[1:] @ rest[:-1] / (rest @ rest)) if rest.any() else 0.0
    like = min(max(like, 0.0), 0.99)
    return slope, 1.96 * error * math.sqrt((1 + like) / (1 - like))


async def _scan(work: _Work) -> None:
    """Bring a new file in, have it judged, look at it, and drop the oldest, again and again."""
    kept: deque[int] = deque()
    number = 0
    async with work.client() as client:
        while work.left_s > 0:
            begun = time.monotonic()
            number += 1
            with work.noting_errors():
                kept.append(await _judge(work, client, number))
                await _look(work, client, kept[-1])
                if len(kept) > KEPT:
                    await work.ask(client, "DELETE", f"/api/v1/scans/{kept.popleft()}")
                    work.counts["deleted"] += 1
            rest = work.every_s - (time.monotonic() - begun)
            await asyncio.sleep(max(0.0, min(rest, work.left_s)))


async def _judge(work: _Work, client: Client, number: int) -> int:
    """The number of the report of a new file."""
    path = await asyncio.to_thread(_draw, work.studio.root, number)
    place = f"{work.studio.root.name}/{path.name}"
    if number % 2:
        data = path.read_bytes()
        path.unlink()
        sent = await work.ask(client, "POST", f"/api/v1/uploads?name={path.name}", data)
        place = sent.json()["place"]
        work.counts["uploads"] += 1
    answer = await work.ask(client, "POST", "/api/v1/scans", {"places": [place]})
    (job,) = answer.json()["jobs"]
    while job["ended"] is None:
        await asyncio.sleep(0.3)
        job = (await work.ask(client, "GET", f"/api/v1/jobs/{job['id']}")).json()["job"]
    if job["state"] != "done":
        raise _NoAnswer(f"{path.name}: {job['state']} {job['error']}")
    work.counts["scans"] += 1
    rows = (await work.ask(client, "GET", f"/api/v1/scans?job={job['id']}")).json()
    return int(rows[0]["id"])


async def _look(work: _Work, client: Client, scan: int) -> None:
    """Ask for what the page of a report asks for."""
    for part in ("", "/about", "/faces", "/report.html", "/report.json"):
        await work.ask(client, "GET", f"/api/v1/scans/{scan}{part}")
    pack = {"state": "waiting"}
    while pack["state"] in ("waiting", "making"):
        await asyncio.sleep(0.3)
        pack = (await work.ask(client, "GET", f"/api/v1/scans/{scan}/frames")).json()
    for frame in pack["frames"][:4]:
        await work.ask(client, "GET", f"/api/v1/scans/{scan}/frames/{frame['number']}.jpg")
    work.counts["looked at"] += 1


async def _read(work: _Work) -> None:
    """Load the first page, as one who comes and goes: each time by a new connection."""
    while work.left_s > 0:
        with work.noting_errors():
            async with work.client() as client:
                for path in PAGE:
                    await work.ask(client, "GET", path)
        work.counts["pages"] += 1
        await asyncio.sleep(min(3.0, work.left_s))


async def _listen(work: _Work) -> None:
    """Hear of changes, leave after some seconds, and come back for what came meanwhile."""
    seen = -1
    while work.left_s > 0:
        async with work.client() as client:
            with suppress(TimeoutError), work.noting_errors():
                async with asyncio.timeout(min(15.0, work.left_s)):
                    async for event in client.events(seen):
                        if event.number <= seen:
                            work.errors.append(f"event {event.number} came after {seen}")
                        seen = event.number
                        work.counts["events"] += 1
        work.counts["listeners"] += 1
        await asyncio.sleep(min(1.0, work.left_s))


async def _sample(work: _Work, samples: list[Sample], every_s: float, written: Path | None) -> None:
    begun = time.monotonic()
    while work.left_s > 0:
        sample = await asyncio.to_thread(look_at, work.studio, time.monotonic() - begun)
        samples.append(sample)
        if written is not None:
            with written.open("a", encoding="utf-8") as file:
                line = {**asdict(sample), "counts": work.counts, "errors": len(work.errors)}
                file.write(json.dumps(line) + "\n")
        await asyncio.sleep(min(every_s, work.left_s))


def look_at(studio: RunningStudio, at_s: float) -> Sample:
    """What the processes of a studio hold now."""
    server = psutil.Process(studio.process.pid)
    found, decoders = {"server": _held(server)}, 0
    for process in server.children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            words = " ".join(process.cmdline())
            name = next((n for n in ("jobs", "worker") if f"studio.{n}" in words), None)
            if name is None:
                decoders += 1
            else:
                found[name] = _held(process)
    return Sample(at_s, found, decoders)


def _held(process: psutil.Process) -> Held:
    with process.oneshot():
        memory = process.memory_full_info()
        return Held(memory.rss, memory.uss, process.num_fds(), process.num_threads())


def _draw(folder: Path, number: int) -> Path:
    """A small picture, or now and then a clip, of a content that no other has."""
    rng = np.random.default_rng(number)
    if number % CLIP_EVERY == 0:
        clip = draw_clip([number % 3], 12, 320, 240)
        for one in clip:
            one.frame.image[:8, :8] = rng.integers(0, 256, (8, 8, 3))
        return write_clip(folder / f"{number:05d}.mp4", clip)
    does = Expression(smile=float(rng.uniform(-1, 1)))
    image = draw_actor(
        number % 5, Pose(float(rng.integers(-3, 4)) * 5, 0, 0), does, 320
    ).image.copy()
    image[:8, :8] = rng.integers(0, 256, (8, 8, 3))
    path = folder / f"{number:05d}.png"
    write_image(path, image)
    return path
