"""Data and detectors in the browser: a data set is looked into, two detectors are measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from studio_running import RunningStudio
from studio_views import draw_measured

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def data(root: Path) -> Path:
    """The data set and the detectors of the tests."""
    folder = root / "data"
    draw_measured(folder)
    return folder


def fill(page: Any, section: str, **values: str) -> Any:
    """The section of a form, with some of its fields filled."""
    found = page.locator("section.sheet", has=page.get_by_role("heading", name=section, exact=True))
    for name, value in values.items():
        found.get_by_label(name, exact=False).first.fill(value)
    return found


def test_a_data_set_is_looked_into(page: Any, data: Path) -> None:
    page.goto(page.url.split("#")[0] + "#/data/manifests")
    section = fill(page, "Look into a data set", manifest="lab/data/drawn.csv")
    section.get_by_role("button", name="Look").click()
    section.get_by_role("heading", name="8 entries: 4 real, 4 fake").wait_for()
    section.get_by_text("8 entries say nothing of who is shown").wait_for()


def test_two_detectors_are_measured_and_stand_on_the_board(
    page: Any, data: Path, studio: RunningStudio
) -> None:
    page.goto(page.url.split("#")[0] + "#/data/evaluate")
    section = fill(
        page,
        "Evaluate",
        manifests="lab/data/drawn.csv",
        detector="lab/data/one.onnx, lab/data/two.onnx",
    )
    section.get_by_role("button", name="Evaluate").click()
    board = page.locator("section.sheet", has=page.get_by_role("heading", name="Leaderboard"))
    board.get_by_text("other 0").wait_for()
    rows = board.locator("tbody tr")
    assert rows.count() == 2
    assert {rows.nth(n).locator("td").nth(1).inner_text().split("\n")[0] for n in range(2)} == {
        "tiny 0",
        "other 0",
    }
    _, told = studio.ask("GET", "/api/v1/evaluations")
    shown = f"{told[0]['values']['auc'][0]:.3f}"
    assert shown in rows.first.inner_text()
    rows.first.get_by_role("button", name="Charts").click()
    frame = page.frame_locator("iframe.report")
    frame.locator("body").wait_for()
    assert "tiny" in frame.locator("body").inner_text()


def test_the_card_of_a_detector_is_shown(page: Any, data: Path) -> None:
    page.goto(page.url.split("#")[0] + "#/data/detectors")
    page.get_by_text("judges crops of the template").first.wait_for()
    page.get_by_role("button", name="Open a detector file").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("data", exact=True).click()
    dialog.get_by_text("one.onnx").click()
    dialog.get_by_role("button", name="Choose").click()
    page.get_by_role("heading", name="tiny 0").wait_for()
    assert page.get_by_text("a test").count() == 1


def test_a_form_tells_what_a_command_refuses(page: Any) -> None:
    page.goto(page.url.split("#")[0] + "#/data/manifests")
    section = fill(page, "Look into a data set", manifest="elsewhere/drawn.csv")
    section.get_by_role("button", name="Look").click()
    page.locator("#told").get_by_text("no place below a folder of the studio").wait_for()
