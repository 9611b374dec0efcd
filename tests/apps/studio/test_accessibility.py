"""Everybody can use the studio: contrast, names, narrow windows, no jumps, keys alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import page_checks
import pytest
from studio_running import RunningStudio
from studio_views import VIEWS, draw_lab, run_jobs

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(900)]
WIDTHS = {1280: "Tab", 390: "Shift+Tab"}  # of the window, and the way through the page
FITS = """([wanted, text]) => document.activeElement.matches(wanted)
  && document.activeElement.textContent.includes(text)"""
GOOD_SHIFT = 0.1  # of web-vitals; the pages are far below


@pytest.fixture(scope="module")
def root(root: Path) -> Path:
    draw_lab(root)
    return root


@pytest.fixture(scope="module")
def lab(studio: RunningStudio) -> RunningStudio:
    """A studio with scans, a run, and an evaluation."""
    run_jobs(studio)
    return studio


@pytest.mark.parametrize("name", VIEWS)
def test_everybody_can_use(name: str, page: Any, lab: RunningStudio) -> None:
    page.add_init_script(page_checks.WATCH_SHIFTS)
    faults, shifts = list[str](), dict[int, float]()
    for width, key in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        VIEWS[name].open(page, lab)
        shifts[width] = page_checks.shift(page)
        VIEWS[name].act(page)
        if page_checks.is_wider_than_the_window(page):
            faults.append(f"{width}: scrolls sideways")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            faults += [f"{width}, {scheme}: {one}" for one in page_checks.axe_findings(page)]
        faults += [f"{width}: {one}" for one in page_checks.walk_by_tab(page, key)]
    assert faults == [], "\n".join(faults)
    print(f"{name}: layout shift {shifts}")  # noqa: T201
    assert max(shifts.values()) < GOOD_SHIFT, shifts


def test_faults_are_found(browser: Any) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_content(
        """<html lang="en"><title>Faults</title><style>a:focus { outline: none }</style><main>
        <h1 style="color: #bbb">Pale</h1><img src="data:,"><p style="width: 500px">Wide</p>
        <a href="#">Not marked</a><span role="button">Not reached</span>
        <button onkeydown="event.preventDefault()">Trap</button></main></html>"""
    )
    rules = {one.split(":")[0] for one in page_checks.axe_findings(page)}
    assert rules >= {"serious color-contrast", "critical image-alt"}
    assert page_checks.is_wider_than_the_window(page)
    faults = page_checks.walk_by_tab(page)
    assert [one.split("<")[0] for one in faults] == [
        "focus not marked: ",
        "Tab does not leave ",
        "Tab does not come to ",
    ]
    page.close()


def tab_to(page: Any, wanted: str, text: str = "") -> None:
    """Press Tab until what has the focus fits a selector and contains a text."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate(FITS, [wanted, text]):
            return
    raise AssertionError(f"Tab does not come to {wanted} {text}")


def test_a_file_is_judged_and_looked_at_by_keys_alone(page: Any, lab: RunningStudio) -> None:
    VIEWS["scan"].open(page, lab)
    tab_to(page, "button", "Choose on this machine")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_text("clip.mp4", exact=True).wait_for()
    tab_to(page, ".files button", "clip.mp4")
    page.keyboard.press("Enter")
    tab_to(page, "button", "Choose")
    page.keyboard.press("Enter")
    page.locator(".queue li a").wait_for()
    tab_to(page, ".queue li a")
    page.keyboard.press("Enter")
    page.locator(".player[data-pts]").wait_for()
    first = float(page.get_attribute(".player", "data-pts"))
    tab_to(page, ".player-view")
    page.keyboard.press("ArrowRight")
    page.locator(f'.player[data-pts="{first + 1 / 24}"]').wait_for()
    page.keyboard.press("n")
    later = float(page.get_attribute(".player", "data-pts"))
    assert later > first + 1 / 24


def test_crops_are_deleted_and_brought_back_by_keys_alone(page: Any, lab: RunningStudio) -> None:
    VIEWS["facesets"].open(page, lab)
    tab_to(page, "a", "lab/jane")
    page.keyboard.press("Enter")
    page.wait_for_selector(".crop img[src]")
    tab_to(page, ".crop-grid")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.get_by_text("2 of 60 selected").wait_for()
    page.keyboard.press("Delete")
    page.get_by_text("58 crops", exact=True).wait_for()
    page.get_by_text("2 crops moved to the trash").wait_for()
    assert page.evaluate("document.activeElement.matches('.crop-grid')")
    page.keyboard.press("Control+z")
    page.get_by_text("2 of 60 selected").wait_for()


@pytest.mark.parametrize("name", ["faceset", "data"])
def test_arrows_go_along_the_tabs(name: str, page: Any, lab: RunningStudio) -> None:
    VIEWS[name].open(page, lab)
    tabs = page.get_by_role("tab")
    tab_to(page, "[role=tab]")
    for key, number in (("ArrowRight", 1), ("End", tabs.count() - 1), ("ArrowRight", 0)):
        page.keyboard.press(key)
        here = tabs.nth(number)
        assert here.get_attribute("aria-selected") == "true"
        assert here.evaluate("one => one === document.activeElement")
        assert here.get_attribute("id") == page.get_attribute("[role=tabpanel]", "aria-labelledby")
