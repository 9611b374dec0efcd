"""The page of facesets, as a person uses it: by mouse and keys, on drawn crops."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_facesets import write_person
from studio_running import RunningStudio

from counterface.faces.align import warp_points
from counterface.faceset.masks.polygons import read_polygons
from counterface.faceset.store import Faceset

pytestmark = pytest.mark.slow
CROPS = 60


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A faceset that tests copy."""
    return write_person(tmp_path_factory.mktemp("drawn") / "jane", 1, CROPS).folder


@pytest.fixture
def jane(drawn: Path, root: Path) -> Iterator[Path]:
    """A faceset in the folder of the studio."""
    yield Path(shutil.copytree(drawn, root / "jane"))
    shutil.rmtree(root / "jane")


@pytest.fixture
def desk(page: Any, jane: Path, studio: RunningStudio) -> Any:
    """The page of the open faceset, its grid drawn."""
    page.goto(f"{studio.address}/#/facesets")
    page.get_by_role("link", name="lab/jane").click()
    page.wait_for_selector(".crop img[src]")
    return page


def wait_until(page: Any, condition: str) -> None:
    """Wait for a condition in the page; its policy forbids Playwright's own way, which is eval."""
    end = time.monotonic() + 60
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(50)


def titles(page: Any, cells: str) -> list[str]:
    """The titles of cells in their order, read at once: rows come and go while one looks."""
    return list(
        page.evaluate(
            """(cells) => [...document.querySelectorAll(cells)]
              .map((cell) => [Number(cell.id.slice(5)), cell.title])
              .sort((one, other) => one[0] - other[0]).map(([, title]) => title)""",
            cells,
        )
    )


def files_in_sight(page: Any) -> list[str]:
    return titles(page, ".crop-row:not([hidden]) .crop:not([hidden])")


def selected(page: Any) -> list[str]:
    return titles(page, ".crop[aria-selected=true]:not([hidden])")


def test_only_the_rows_in_sight_are_in_the_page(desk: Any) -> None:
    cells = desk.locator(".crop").count()
    assert 12 <= cells < CROPS
    assert files_in_sight(desk)[0] == "person1_0000.jpg"
    desk.evaluate("document.querySelector('.crop-grid').scrollTop = 1e6")
    desk.wait_for_selector(f"#crop-{CROPS - 1} img[src]")
    assert files_in_sight(desk)[-1] == f"person1_{CROPS - 1:04d}.jpg"
    assert desk.locator("#crop-0").count() == 0 or not desk.locator("#crop-0").is_visible()


def test_crops_are_sorted_with_the_value_below_each(desk: Any) -> None:
    desk.select_option("#sort-by", "yaw")
    desk.check("#sort-reverse")
    desk.get_by_role("button", name="Sort", exact=True).click()
    wait_until(desk, "document.querySelector('#crop-0 .crop-text')?.textContent === '20'")
    assert desk.input_value("#order") == "place"
    assert files_in_sight(desk)[0] == f"person1_{CROPS - 1:04d}.jpg"
    desk.select_option("#order", "source")
    assert files_in_sight(desk)[0] == "person1_0000.jpg"
    desk.select_option("#value", "blur")
    wait_until(desk, "document.querySelector('#crop-0 .crop-text')?.textContent === '0.01'")


def test_crops_are_selected_by_keys_deleted_and_brought_back(desk: Any, jane: Path) -> None:
    desk.focus(".crop-grid")
    desk.keyboard.press("ArrowRight")
    desk.keyboard.press("Shift+ArrowRight")
    desk.keyboard.press("Control+ArrowRight")
    desk.keyboard.press("Control+ArrowRight")
    desk.keyboard.press("Space")
    wanted = [f"person1_{number:04d}.jpg" for number in (1, 2, 4)]
    assert selected(desk) == wanted
    desk.keyboard.press("Delete")
    wait_until(desk, "document.body.textContent.includes('3 crops moved to the trash')")
    assert not {row.file for row in Faceset.open(jane)} & set(wanted)
    assert not set(files_in_sight(desk)) & set(wanted)
    desk.click("#tab-trash")
    end = time.monotonic() + 60
    while files_in_sight(desk) != wanted:
        assert time.monotonic() < end, files_in_sight(desk)
        desk.wait_for_timeout(50)
    desk.focus(".crop-grid")
    desk.keyboard.press("Control+z")  # in the trash it takes nothing back, and forgets nothing
    desk.click("#tab-crops")
    desk.wait_for_selector(".crop-page #crop-0")
    desk.focus(".crop-grid")
    desk.keyboard.press("Control+z")
    wait_until(
        desk, "document.querySelectorAll('.crop[aria-selected=true]:not([hidden])').length === 3"
    )
    assert selected(desk) == wanted
    assert len(Faceset.open(jane)) == CROPS
    desk.keyboard.press("Control+a")
    assert desk.get_by_text(f"{CROPS} of {CROPS} selected").is_visible()


def test_crops_are_selected_by_mouse_and_rubber_band(desk: Any) -> None:
    def middle(index: int) -> tuple[float, float]:
        box = desk.locator(f"#crop-{index}").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    desk.mouse.click(*middle(1))
    assert selected(desk) == ["person1_0001.jpg"]
    desk.keyboard.down("Shift")
    desk.mouse.click(*middle(3))
    desk.keyboard.up("Shift")
    assert len(selected(desk)) == 3
    desk.keyboard.down("Control")
    desk.mouse.click(*middle(2))
    desk.keyboard.up("Control")
    assert selected(desk) == ["person1_0001.jpg", "person1_0003.jpg"]
    columns = int(desk.get_attribute(".crop-grid", "aria-colcount"))
    desk.mouse.move(*middle(0))
    desk.mouse.down()
    desk.mouse.move(*middle(columns + 1), steps=5)
    desk.locator(".crop-band").wait_for()
    desk.mouse.up()
    numbers = [0, 1, columns, columns + 1]
    assert selected(desk) == [f"person1_{number:04d}.jpg" for number in numbers]


def test_a_filter_is_tried_before_it_moves_anything(desk: Any, jane: Path) -> None:
    desk.locator("summary", has_text="Filter").click()
    sides = desk.locator(".crop-sides details", has_text="Crops that fit stay")
    sides.get_by_label("by", exact=True).fill("blur")
    sides.get_by_label("max", exact=True).fill("0.5")
    move = sides.get_by_role("button", name="Move to the trash")
    assert move.is_disabled()
    sides.get_by_role("button", name="Dry run").click()
    desk.get_by_text("10 crops would go; they are selected.").wait_for()
    assert len(Faceset.open(jane)) == CROPS
    move.click()
    desk.get_by_role("button", name="Move them").click()
    desk.get_by_text("10 crops are in the trash.").wait_for()
    assert len(Faceset.open(jane)) == CROPS - 10


def test_a_landmark_is_moved_by_keys_and_mouse_saved_and_taken_back(desk: Any, jane: Path) -> None:
    def points() -> np.ndarray:
        row = Faceset.open(jane).rows[0]
        return np.asarray(warp_points(row.landmarks, row.frame_to_crop))

    before = points()
    desk.focus(".crop-grid")
    desk.keyboard.press("Home")
    desk.get_by_role("button", name="Landmarks", exact=True).click()
    desk.wait_for_selector("[data-point='0']")
    desk.keyboard.press("Tab")  # from the stage to the first point
    desk.keyboard.press("Tab")
    desk.keyboard.press("ArrowRight")
    desk.keyboard.press("Shift+ArrowDown")
    dot = desk.locator("[data-point='30']").bounding_box()
    desk.mouse.move(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2)
    desk.mouse.down()
    desk.mouse.move(dot["x"] + 60, dot["y"] + 60, steps=3)
    desk.mouse.up()
    desk.keyboard.press("Control+s")
    desk.get_by_text("The landmarks are saved.").wait_for()
    moved = points() - before
    assert moved[1] == pytest.approx([0.5, 5], abs=0.01)
    assert (moved[30] > 5).all()
    assert np.abs(np.delete(moved, [1, 30], axis=0)).max() < 0.01
    desk.get_by_role("button", name="Take back the last change of landmarks").click()
    desk.get_by_text("Taken back: edit, 1 crop.").wait_for()
    assert np.allclose(points(), before, atol=0.01)


def test_polygons_are_drawn_by_mouse_and_keys_and_copied_to_the_next_crop(
    desk: Any, jane: Path
) -> None:
    desk.focus(".crop-grid")
    desk.keyboard.press("Home")
    desk.get_by_role("button", name="Mask", exact=True).click()
    desk.get_by_text("No polygon yet").wait_for()
    box = desk.locator("svg.stage image").first.bounding_box()

    def click(x: float, y: float) -> None:
        scale = box["width"] / 128
        desk.mouse.click(box["x"] + scale * (x + 0.5), box["y"] + scale * (y + 0.5))

    desk.keyboard.press("i")
    for x, y in ((20, 20), (108, 20), (108, 110), (20, 110)):
        click(x, y)
    desk.keyboard.press("Enter")
    desk.keyboard.press("e")
    desk.keyboard.press("Space")  # at the cross, in the middle
    for _ in range(5):
        desk.keyboard.press("ArrowRight")
    desk.keyboard.press("Space")
    for _ in range(5):
        desk.keyboard.press("ArrowDown")
    desk.keyboard.press("Space")
    desk.keyboard.press("Enter")
    click(64, 20)  # on the line above: a point between
    assert desk.get_by_text("include, 5 points").is_visible()
    desk.keyboard.press("Control+s")
    desk.get_by_text("The mask is saved.").wait_for()
    kept = read_polygons(jane / "masks" / "person1_0000.json")
    assert [one.kind for one in kept.polygons] == ["include", "exclude"]
    assert np.allclose(kept.polygons[0].points[1], (64, 20), atol=0.6)
    assert kept.polygons[1].points == ((64, 64), (74, 64), (74, 74))
    desk.keyboard.press("c")
    desk.get_by_role("heading", name="person1_0001.jpg").wait_for()
    desk.keyboard.press("Control+s")
    desk.get_by_text("The mask is saved.").nth(1).wait_for()
    assert read_polygons(jane / "masks" / "person1_0001.json").polygons == kept.polygons


def test_what_is_not_saved_is_asked_about(desk: Any) -> None:
    desk.focus(".crop-grid")
    desk.keyboard.press("Home")
    desk.get_by_role("button", name="Landmarks", exact=True).click()
    desk.focus("[data-point='5']")
    desk.keyboard.press("ArrowUp")
    desk.get_by_role("button", name="Next").click()
    desk.get_by_text("What was changed on this crop is not saved.").wait_for()
    desk.get_by_role("button", name="Cancel").click()
    assert desk.get_by_role("heading", name="person1_0000.jpg").is_visible()


def test_coverage_rights_and_groups_are_told(desk: Any, jane: Path) -> None:
    desk.click("#tab-coverage")
    desk.get_by_text("nothing beyond 30 degrees to the left").wait_for()
    wait_until(desk, "document.querySelector('.coverage').naturalWidth > 600")
    desk.click("#tab-rights")
    desk.get_by_label("shown").fill("Jane Doe")
    desk.get_by_role("button", name="Save the record").click()
    desk.get_by_text("The rights record is saved.").wait_for()
    rights = Faceset.open(jane).header.rights
    assert rights is not None
    assert rights.shown == "Jane Doe"
    desk.click("#tab-crops")
    desk.locator("summary", has_text="Group").click()
    desk.fill("#group-bins", "3")
    desk.get_by_role("button", name="Group", exact=True).click()
    wait_until(desk, "document.querySelectorAll('#only option').length === 4")
    desk.click("#tab-people")
    desk.locator(".group").first.get_by_role("button", name="Show").click()
    desk.wait_for_selector("#crop-0")
    count = len([row for row in Faceset.open(jane) if row.group and "-20" in row.group])
    desk.get_by_text(f"{count} crops", exact=False).first.wait_for()
    assert len(files_in_sight(desk)) <= count


def test_crops_that_are_gone_from_the_disk_are_told(desk: Any, jane: Path) -> None:
    (jane / "person1_0001.jpg").unlink()
    desk.focus(".crop-grid")
    desk.keyboard.press("ArrowRight")
    desk.keyboard.press("Delete")
    desk.get_by_text("1 crop is not there any more: person1_0001.jpg").wait_for()
    (jane / "person1_0005.jpg").unlink()
    desk.get_by_role("button", name="Load again").click()
    desk.get_by_text("1 rows have no file any more").wait_for()


def test_a_command_is_not_run_before_its_form_is_there(desk: Any) -> None:
    desk.click("#tab-commands")
    run = desk.get_by_role("button", name="Run", exact=True)
    run.wait_for()
    held = list[Any]()
    desk.route("**/commands/faceset%20pack", lambda route: held.append(route))
    with desk.expect_request("**/commands/faceset%20pack"):
        desk.select_option("#command", "faceset pack")
    run.wait_for(state="detached")  # it would run the command before
    desk.select_option("#command", "faceset dedupe")
    run.wait_for()
    with desk.expect_response("**/commands/faceset%20pack"):
        held.pop().continue_()
    desk.wait_for_timeout(200)
    assert desk.locator("#command").input_value() == "faceset dedupe"
    assert desk.get_by_label("out").count() == 0


def test_every_other_command_has_a_form(desk: Any, jane: Path, root: Path) -> None:
    desk.click("#tab-commands")
    desk.select_option("#command", "faceset pack")
    desk.get_by_label("out").fill("lab/jane.parquet")
    desk.get_by_role("button", name="Run", exact=True).click()
    desk.get_by_role("heading", name="Result").wait_for()
    assert (root / "jane.parquet").is_file()
    (root / "jane.parquet").unlink()
    offered = desk.locator("#command option").all_inner_texts()
    for name in ("dedupe", "merge", "unpack", "align redo", "align recut", "mask train"):
        assert name in offered
