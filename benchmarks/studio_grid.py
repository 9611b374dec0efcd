"""How smoothly the studio's grid scrolls over many crops, and what its requests take.

    python benchmarks/studio_grid.py                 # 10,000 drawn crops of 256 px
    python benchmarks/studio_grid.py --crops 2000

Chromium scrolls the whole faceset in steps of 200 pixels a frame, first with no thumbnail kept,
then with all; a frame is late after 50 ms. Times are by the clock.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from curate_speed import fill

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from studio_running import BROWSER, TOKEN, RunningStudio, run_studio

SCROLL = """
async ([step, most]) => {
  const grid = document.querySelector(".crop-grid"), gaps = [];
  let blocked = 0;
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) blocked += one.duration - 50;
  }).observe({ entryTypes: ["longtask"] });
  const frame = () => new Promise(requestAnimationFrame);
  grid.scrollTop = 0;
  let before = await frame();
  for (let n = 0; n < most && grid.scrollTop + grid.clientHeight < grid.scrollHeight - 1; n += 1) {
    grid.scrollTop += step;
    const now = await frame();
    gaps.push(now - before);
    before = now;
  }
  return { gaps, blocked, cells: document.querySelectorAll(".crop").length };
}
"""
ALL_SHOWN = """[...document.querySelectorAll(".crop-row:not([hidden]) .crop:not([hidden]) img")]
    .every((one) => one.src)"""


def measure(page: Any, name: str) -> None:
    """Scroll through all crops and print how it went."""
    start = time.perf_counter()
    found = page.evaluate(SCROLL, [200, 5000])
    took, gaps = time.perf_counter() - start, sorted(found["gaps"])
    end = time.perf_counter()
    while not page.evaluate(ALL_SHOWN):
        time.sleep(0.01)
    settled = time.perf_counter() - end
    late = sum(gap > 50 for gap in gaps)
    print(
        f"  {name:10s} {len(gaps)} frames in {took:.1f} s, median {gaps[len(gaps) // 2]:.1f} ms, "
        f"95 % {gaps[int(0.95 * len(gaps))]:.1f} ms, longest {gaps[-1]:.0f} ms, {late} late; "
        f"blocked {found['blocked']:.0f} ms; {found['cells']} cells in the page; "
        f"all shown {settled:.2f} s after the last",
        flush=True,
    )


def ask(studio: RunningStudio, folder: str) -> None:
    """Print what the requests of the page take."""
    path = f"/api/v1/facesets/rows?place=lab/{folder}"
    for turn in ("first", "again"):
        start = time.perf_counter()
        status, view = studio.ask("GET", path)
        assert status == 200, view
        print(f"  rows, {turn}: {time.perf_counter() - start:.2f} s", flush=True)
    names = view["crops"]["file"]
    for title, verb in (("to the trash", "set-aside"), ("back", "bring-back")):
        start = time.perf_counter()
        body = {"place": f"lab/{folder}", "files": names[:100]}
        status, moved = studio.ask("POST", f"/api/v1/facesets/{verb}", body)
        assert len(moved["moved"]) == 100
        print(f"  100 crops {title}: {time.perf_counter() - start:.2f} s", flush=True)


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crops", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "lab"
        root.mkdir()
        fill(root / "drawn", options.crops)
        print(f"{options.crops} crops, load {psutil.getloadavg()[0]:.1f}", flush=True)
        with run_studio(Path(place) / "state", root) as studio, sync_playwright() as playwright:
            ask(studio, "drawn")
            browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(f"{studio.address}/?token={TOKEN.replace(' ', '+')}")
            page.goto(f"{studio.address}/#/facesets/lab%2Fdrawn")
            page.wait_for_selector(".crop img[src]")
            measure(page, "first")
            measure(page, "again")
            browser.close()


if __name__ == "__main__":
    main()
