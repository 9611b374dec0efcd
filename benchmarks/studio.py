"""How the studio starts, serves many at once, and holds out: a real process, drawn footage.

    python benchmarks/studio.py                              # all but the soak
    python benchmarks/studio.py --parts start viewers
    python benchmarks/studio.py --parts soak --minutes 60 --written samples.jsonl

start       from the start of the process to the first page, and what that page takes over the wire
viewers     many who open the page of one report at once, each over one connection
listeners   many who hear of changes while jobs run
soak        an hour of modest work, and the slope of what the processes hold

Seconds are by the clock; CPU seconds stand beside them, for other work makes the clock late.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from actors import FRONTAL, NEUTRAL, draw_actor, draw_clip, write_clip
from studio_client import Client
from studio_running import BROWSER, TOKEN, RunningStudio, run_studio
from studio_soak import Sample, slope_per_hour, soak

from counterface.media.image import write_image


@contextmanager
def opened_studio() -> Iterator[RunningStudio]:
    """A studio with a state and a folder of its own."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "lab"
        root.mkdir()
        with run_studio(Path(place) / "state", root) as studio:
            yield studio


def cpu_s(process: psutil.Process | None = None) -> float:
    """CPU seconds of a process so far; of this one, where none is named."""
    times = (process or psutil.Process()).cpu_times()
    return float(times.user + times.system)


def parts_of(values: Sequence[float], *parts: float) -> str:
    """The values below which these parts of all lie, as text in milliseconds."""
    found = np.quantile(np.array(values), parts)
    named = (f"p{100 * part:g} {1000 * at:.0f}" for part, at in zip(parts, found, strict=True))
    return ", ".join([*named, f"longest {1000 * max(values):.0f} ms"])


def measure_start(options: argparse.Namespace) -> None:
    """Print how long the first page takes, and what it takes over the wire."""

    async def first_page(port: int) -> int:
        async with Client(port, TOKEN) as client:
            return (await client.ask("GET", "/")).status

    clock, cpu = [], []
    for _ in range(options.runs):
        begun = time.perf_counter()
        with opened_studio() as studio:
            assert asyncio.run(first_page(studio.port)) == 200
            clock.append(time.perf_counter() - begun)
            cpu.append(cpu_s(psutil.Process(studio.process.pid)))
    print(
        f"start: first page after {statistics.median(clock):.2f} s (median of {len(clock)}, "
        f"{min(clock):.2f} to {max(clock):.2f}); CPU {statistics.median(cpu):.2f} s "
        f"({min(cpu):.2f} to {max(cpu):.2f})",
        flush=True,
    )
    with opened_studio() as studio:
        asked = page_requests(studio, "/", "#nav a")
    print(f"first page: {sum(size for _, size in asked) / 1000:.0f} kB in {len(asked)} answers")


def page_requests(studio: RunningStudio, page: str, shown: str) -> list[tuple[str, int]]:
    """Address and bytes of each answer that a page asks for in Chromium, but the endless feed.

    Args:
        studio: it runs.
        page: the page's part of the address.
        shown: selector of what is there once the page is.
    """
    from playwright.sync_api import Request, sync_playwright

    answers: list[Request] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.request.get(f"{studio.address}/?token={TOKEN.replace(' ', '+')}")
        tab = context.new_page()
        tab.on("requestfinished", lambda one: answers.append(one))
        tab.goto(f"{studio.address}{page}")
        tab.wait_for_selector(shown)
        tab.wait_for_timeout(1500)
        sizes = [(one.url.removeprefix(studio.address), one.sizes()) for one in answers]
        browser.close()
    return [(path, size["responseBodySize"] + size["responseHeadersSize"]) for path, size in sizes]


def one_report(studio: RunningStudio) -> int:
    """The number of the report of a drawn clip, whose frames are there for the player."""
    write_clip(studio.root / "one.mp4", draw_clip([1], 48, 640, 360))
    _, answer = studio.ask("POST", "/api/v1/scans", {"places": [f"{studio.root.name}/one.mp4"]})
    number = answer["jobs"][0]["id"]
    assert studio.wait_for(number)["job"]["state"] == "done"
    _, (row,) = studio.ask("GET", f"/api/v1/scans?job={number}")
    while studio.ask("GET", f"/api/v1/scans/{row['id']}/frames")[1]["state"] != "done":
        time.sleep(0.2)
    return int(row["id"])


def measure_viewers(options: argparse.Namespace) -> None:
    """Print what many take who look at one report."""
    with opened_studio() as studio:
        scan = one_report(studio)
        asked = page_requests(studio, f"/#/scan/{scan}", "[data-boxes]")
        paths = [path for path, _ in asked]
        size = sum(size for _, size in asked) / 1000
        print(f"page of a report: {size:.0f} kB in {len(paths)} answers", flush=True)
        show_load(studio, paths, 1)
        show_load(studio, paths, options.viewers)
        show_load(studio, paths, options.viewers, options.spread)


def show_load(
    studio: RunningStudio, paths: Sequence[str], viewers: int, spread_s: float = 0.0
) -> None:
    """Print what it takes when each of some viewers asks for all paths, begun within some time."""
    answered: list[float] = []
    loaded: list[float] = []
    errors: list[str] = []

    async def view(number: int) -> None:
        await asyncio.sleep(spread_s * number / viewers)
        async with Client(studio.port, TOKEN) as client:
            first = time.perf_counter()
            for path in paths:
                begun = time.perf_counter()
                try:
                    status = (await client.ask("GET", path)).status
                except (OSError, asyncio.IncompleteReadError) as error:
                    errors.append(f"{path}: {error}")
                    client.close()
                    continue
                answered.append(time.perf_counter() - begun)
                if status != 200:
                    errors.append(f"{path}: {status}")
            loaded.append(time.perf_counter() - first)

    async def all_view() -> None:
        await asyncio.gather(*map(view, range(viewers)))

    server = psutil.Process(studio.process.pid)
    begun, own, its = time.perf_counter(), cpu_s(), cpu_s(server)
    asyncio.run(all_view())
    took = time.perf_counter() - begun
    print(
        f"{viewers} viewers within {spread_s:g} s: {len(answered) / took:.0f} requests/s, "
        f"{len(errors)} errors; a request {parts_of(answered, 0.5, 0.95, 0.99)}; "
        f"a page {parts_of(loaded, 0.5, 0.99)}; {took:.1f} s, CPU server "
        f"{cpu_s(server) - its:.1f} s, client {cpu_s() - own:.1f} s, "
        f"load {psutil.getloadavg()[0]:.1f}",
        *errors[:3],
        sep="\n  ",
        flush=True,
    )


def measure_listeners(options: argparse.Namespace) -> None:
    """Print how late the last of many listeners hears of a change, and what one holds."""
    with opened_studio() as studio:
        asyncio.run(_listen(studio, options.listeners, options.jobs))


async def _listen(studio: RunningStudio, count: int, jobs: int) -> None:
    server = psutil.Process(studio.process.pid)
    late: dict[tuple[str, str], list[float]] = {}  # of a job's start, say: seconds, by listener

    async def listen(client: Client) -> None:
        known: set[tuple[str, str]] = set()
        async for event in client.events():
            now, job = time.time(), event.data
            stamp = next(name for name in ("ended", "started", "created") if job[name] is not None)
            change = job["id"], stamp
            if change not in known:  # else its progress, whose moment is not kept
                known.add(change)
                late.setdefault(change, []).append(now - job[stamp])

    await asyncio.to_thread(_scan_pictures, studio, 0, 1)  # the worker is warm from here on
    clients = [Client(studio.port, TOKEN) for _ in range(count)]
    before = server.memory_full_info().uss
    tasks = [asyncio.create_task(listen(client)) for client in clients]
    await asyncio.sleep(5)
    held = server.memory_full_info().uss - before
    late.clear()
    own, its = cpu_s(), cpu_s(server)
    await asyncio.to_thread(_scan_pictures, studio, 1, 1 + jobs)
    await asyncio.sleep(2)
    after = server.memory_full_info().uss - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    last = [max(each) for each in late.values()]
    whole = sum(len(each) == count for each in late.values())
    print(
        f"{count} listeners, {jobs} jobs: last listener of a change {parts_of(last, 0.5, 0.99)}; "
        f"{whole} of {len(last)} changes heard by all; {held / count / 1000:.0f} kB a listener, "
        f"{after / count / 1000:.0f} kB after the jobs; CPU server {cpu_s(server) - its:.1f} s, "
        f"client {cpu_s() - own:.1f} s, load {psutil.getloadavg()[0]:.1f}",
        flush=True,
    )


def _scan_pictures(studio: RunningStudio, first: int, end: int) -> None:
    """Judge drawn pictures, one after the other."""
    for number in range(first, end):
        path = studio.root / f"{number:03d}.png"
        image = draw_actor(number % 5, FRONTAL, NEUTRAL, 256).image.copy()
        image[0, 0] = number
        write_image(path, image)
        place = f"{studio.root.name}/{path.name}"
        _, answer = studio.ask("POST", "/api/v1/scans", {"places": [place]})
        studio.wait_for(answer["jobs"][0]["id"])


def measure_soak(options: argparse.Namespace) -> None:
    """Print what the processes hold over a long time of modest work."""
    with opened_studio() as studio:
        found = soak(studio, 60 * options.minutes, written=options.written)
    counts = ", ".join(f"{number} {name}" for name, number in sorted(found.counts.items()))
    print(f"soak of {options.minutes:g} min: {counts}; {len(found.errors)} errors")
    for error in found.errors[:5]:
        print(f"  {error}")
    print_slopes(found.samples)


def print_slopes(samples: Sequence[Sample]) -> None:
    """Print what each process held after a third of the time, at the end, and the slope between."""
    for process in ("server", "jobs", "worker"):
        held = [one.processes[process] for one in samples if process in one.processes]
        third, last = held[len(held) // 3], held[-1]
        for name in ("private", "rss"):
            slope, half = slope_per_hour(samples, process, name)
            print(
                f"  {process} {name}: {getattr(third, name) / 1e6:.1f} to "
                f"{getattr(last, name) / 1e6:.1f} MB, {slope / 1e6:+.2f} +- {half / 1e6:.2f} MB/h"
            )
        print(
            f"  {process}: open files {third.fds} to {last.fds}, at most "
            f"{max(one.fds for one in held)}; threads {third.threads} to {last.threads}"
        )


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "start": measure_start,
    "viewers": measure_viewers,
    "listeners": measure_listeners,
    "soak": measure_soak,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS][:-1])
    parser.add_argument("--runs", type=int, default=7, help="starts")
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--spread", type=float, default=60.0, help="seconds they come within")
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=30, help="jobs that listeners hear of")
    parser.add_argument("--minutes", type=float, default=60.0, help="length of the soak")
    parser.add_argument("--written", type=Path, help="file for the samples of the soak")
    options = parser.parse_args()
    for part in options.parts:
        PARTS[part](options)


if __name__ == "__main__":
    main()
