"""What can be measured of a page in a browser: axe's findings, shifts, width, the way of Tab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCRIPTS = [HERE / "vendor" / "axe" / "axe.min.js", HERE / "page_checks.js"]
GRAVE = ("serious", "critical")
WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) shifts.push(one.value);
}).observe({ type: "layout-shift", buffered: true });
"""
IS_WIDER = "document.scrollingElement.scrollWidth > document.documentElement.clientWidth"


def axe_findings(page: Any) -> list[str]:
    """The serious and critical findings of axe-core in the page as it is, one for each element."""
    _inject(page)
    return [
        f"{impact} {rule}: {element}\n    {text}"
        for rule, impact, text, elements in page.evaluate("pageChecks.axe()")
        if impact in GRAVE
        for element in elements
    ]


def shift(page: Any) -> float:
    """The sum of all layout shifts that no input explains; for a page with `WATCH_SHIFTS`."""
    return float(page.evaluate("shifts.reduce((sum, value) => sum + value, 0)"))


def is_wider_than_the_window(page: Any) -> bool:
    """Whether the page scrolls sideways."""
    return bool(page.evaluate(IS_WIDER))


def walk_by_tab(page: Any, key: str = "Tab", most: int = 500) -> list[str]:
    """Go once round a page or its open dialog: what was not met, not marked, not seen, a trap."""
    _inject(page)
    page.evaluate("pageChecks.begin()")
    faults = list[str]()
    for _ in range(most):
        page.keyboard.press(key)
        here = page.evaluate("pageChecks.here()")
        if here is None or here["frame"]:  # the page of a frame shows what has the focus in it
            continue
        if here["stuck"]:
            faults.append(f"{key} does not leave {here['html']}")
        if here["again"]:
            break
        if not here["marked"]:
            faults.append(f"focus not marked: {here['html']}")
        if not here["seen"]:
            faults.append(f"out of sight with the focus: {here['html']}")
    else:
        faults.append(f"{key} does not come round in {most} steps")
    return faults + [
        f"{key} does not come to {one}" for one in page.evaluate("pageChecks.notMet()")
    ]


def _inject(page: Any) -> None:
    """Put the scripts into the page, past its policy, which holds for the page's own alone."""
    if not page.evaluate("'pageChecks' in window"):
        for script in SCRIPTS:
            page.evaluate(f"() => {{ {script.read_text()} }}")
