"""The Merge page: a knob changes the picture, spans, keys, a grid, a render that is verified."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from studio_running import RunningStudio
from swap_files import write_df
from swap_targets import draw_images, write_target

from counterface.provenance.rights import Rights
from counterface.swap.merge.plan import MergePlan

pytestmark = pytest.mark.slow
RIGHTS = Rights(shown="a drawn face", basis="synthetic", reference="tests/actors.py")
PICTURE = "document.querySelector('img.after').src"


@pytest.fixture(scope="module")
def root(root: Path) -> Path:
    write_df(root / "df.safetensors", RIGHTS)
    write_target(root / "clip.mp4", draw_images((1,), 12, 320, 240))
    (root / "rights.toml").write_text(
        'shown = "a drawn face"\nbasis = "synthetic"\nreference = "tests/actors.py"\n'
    )
    return root


@pytest.fixture
def opened(studio: RunningStudio, page: Any, root: Path) -> Any:
    page.goto(f"{studio.address}/#/merge/lab%2Fdf.safetensors/lab%2Fclip.mp4")
    page.get_by_label("out *").fill("lab/out.mp4")
    page.get_by_role("button", name="Open", exact=True).click()
    until(page, f"{PICTURE}.startsWith('blob:')")
    page.locator("img.film").first.wait_for()
    return page


def changed(page: Any, do: Any) -> None:
    """Do something that gives another picture."""
    old = page.evaluate(PICTURE)
    do()
    until(page, f"{PICTURE} !== '{old}'")


def until(page: Any, true: str, within_s: float = 60) -> None:
    """Wait for an expression; the policy of the pages keeps Playwright from doing so itself."""
    end = time.monotonic() + within_s
    while not page.evaluate(true):
        assert time.monotonic() < end, true
        page.wait_for_timeout(50)


def test_a_knob_changes_the_picture_and_a_wipe_shows_both(opened: Any) -> None:
    page = opened
    changed(page, lambda: page.get_by_label("opacity", exact=True).fill("30"))
    changed(page, lambda: page.get_by_label("color transfer", exact=True).select_option("mkl"))
    page.locator(".wipe").focus()
    changed(page, lambda: page.keyboard.press("w"))
    assert page.get_by_label("erode", exact=True).input_value() == "5"
    changed(page, lambda: page.keyboard.press("Shift+S"))
    assert page.get_by_label("erode", exact=True).input_value() == "0"
    changed(page, lambda: page.keyboard.press("5"))
    assert page.get_by_label("blend", exact=True).input_value() == "raw"
    page.get_by_label("these keys work").uncheck()
    page.locator(".wipe").focus()
    page.keyboard.press("w")
    page.keyboard.press("1")
    assert page.get_by_label("blend", exact=True).input_value() == "raw"
    assert page.get_by_label("erode", exact=True).input_value() == "0"
    page.get_by_label("these keys work").check()
    page.locator(".wipe").focus()
    clip = "document.querySelector('img.after').style.clipPath"
    page.keyboard.press("]")
    assert "5%" in page.evaluate(clip)
    page.keyboard.press("`")
    assert "100%" in page.evaluate(clip)


def test_spans_are_made_split_and_saved(opened: Any, root: Path) -> None:
    page = opened
    page.get_by_label("Moment, s", exact=True).fill("0.2")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Add span here").click()
    page.get_by_label("To, s").fill("0.8")
    page.keyboard.press("Enter")
    changed(page, lambda: page.get_by_label("erode", exact=True).fill("20"))
    page.get_by_label("Moment, s", exact=True).fill("0.5")
    changed(page, lambda: page.keyboard.press("Enter"))
    page.get_by_role("button", name="Split here").click()
    page.get_by_role("button", name="Span 2").click()
    page.get_by_label("erode", exact=True).fill("-4")
    page.get_by_label("File of the plan").fill("lab/plan.toml")
    page.get_by_role("button", name="Save plan").click()
    page.get_by_text("lab/plan.toml is written").wait_for()
    plan = MergePlan.read(root / "plan.toml")
    assert [plan.at(moment).erode for moment in (0.0, 0.3, 0.6, 0.9)] == [4, 20, -4, 4]
    page.get_by_role("button", name="Delete span").click()
    assert page.locator("button.plan-span").count() == 1


def test_a_grid_and_a_render_that_says_what_it_is(opened: Any, root: Path) -> None:
    page = opened
    page.get_by_label("Downwards").fill("blend=overlay,raw")
    page.get_by_label("To the right").fill("erode=0,10")
    page.get_by_role("button", name="Make the grid").click()
    page.locator("img.merge-grid").wait_for()
    page.get_by_label("File of the plan").fill("lab/render.toml")
    page.get_by_role("button", name="Render").click()
    page.get_by_role("heading", name="lab/out.mp4").wait_for()
    page.get_by_text("24 of 24 frames have a new face").wait_for()
    page.locator(".run-facts").get_by_text("found", exact=True).wait_for()  # the watermark
    assert (root / "out.mp4").is_file()
    assert (root / "render.toml").is_file()


def test_missing_rights_are_told(studio: RunningStudio, page: Any, root: Path) -> None:
    folder = root / "bare"
    folder.mkdir()
    (folder / "clip.mp4").write_bytes((root / "clip.mp4").read_bytes())
    page.goto(f"{studio.address}/#/merge/lab%2Fdf.safetensors/lab%2Fbare%2Fclip.mp4")
    page.get_by_role("button", name="Open", exact=True).click()
    page.locator(".notice.bad").wait_for()
    assert "rights" in page.locator(".notice.bad").inner_text()
