"""A training in the studio: begun by a form, watched, stopped, gone on with, kept over a crash."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from drawn_facesets import write_person
from studio_running import RunningStudio, run_studio

from counterface.learn.checkpoint import checkpoints, step_of
from counterface.learn.run_log import read_log

pytestmark = pytest.mark.slow
SETTINGS: dict[str, Any] = {
    "model": "lightweight",
    "options": {"width": 8, "code": 16},
    "source": ["lab/anna"],
    "target": ["lab/ben"],
    "preview_every": 10,
    "preview_rows": 1,
    "preview_history": True,
    "loop": {
        "steps": 20,
        "batch_size": 2,
        "log_every": 1,
        "checkpoint_every": 50,
        "tensorboard": False,
        "device": "cpu",
    },
}


@pytest.fixture(scope="module")
def root(root: Path) -> Path:
    write_person(root / "anna", 1, 4, template="head", side=128)
    write_person(root / "ben", 2, 4, template="head", side=128)
    return root


def settings(out: str, steps: int = 20) -> dict[str, Any]:
    return {**SETTINGS, "out": out, "loop": {**SETTINGS["loop"], "steps": steps}}


def begin(studio: RunningStudio, out: str, steps: int) -> str:
    body = {"command": "swap train", "options": {"set": settings(out, steps)}}
    status, job = studio.ask("POST", "/api/v1/jobs", body)
    assert status == 201, job
    return str(job["id"])


def wait_for_step(studio: RunningStudio, place: str, step: int, within_s: float = 120) -> Any:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        status, state = studio.ask("GET", f"/api/v1/runs/state?place={place}")
        if status == 200 and state["run"]["step"] >= step:
            return state
        time.sleep(0.2)
    raise AssertionError(f"{place} has not come to step {step}: {state}")


def test_a_training_outlives_the_server(
    root: Path, tmp_path: Path, no_home_of_the_user: None
) -> None:
    with run_studio(tmp_path / "state", root) as first:
        number = begin(first, "lab/kept", 100_000)
        before = wait_for_step(first, "lab/kept", 5)["run"]["step"]
        first.process.kill()  # as kill -9
        first.process.wait()
        with run_studio(tmp_path / "state", root) as second:
            state = wait_for_step(second, "lab/kept", before + 20)
            assert state["run"]["job"]["id"] == number
            assert state["run"]["job"]["state"] == "running"
            _, (found, *_) = second.ask("GET", "/api/v1/runs")
            assert (found["place"], found["job"]["state"]) == ("lab/kept", "running")
            second.ask("POST", f"/api/v1/jobs/{number}/stop")
            ended = second.wait_for(number)
            assert ended["job"]["state"] == "stopped"
    last = int(read_log(root / "kept")[-1]["step"])
    assert step_of(checkpoints(root / "kept" / "checkpoints")[-1]) == last


def test_a_form_begins_a_training_that_is_watched(
    studio: RunningStudio, page: Any, root: Path
) -> None:
    page.set_default_timeout(120_000)  # the first form loads torch into the server
    page.goto(f"{studio.address}/#/train/new")
    page.get_by_label("Model", exact=True).select_option("lightweight")
    page.get_by_label("width").wait_for(state="attached")
    page.get_by_label("source", exact=True).fill("lab/anna")
    page.get_by_label("target", exact=True).fill("lab/ben")
    page.get_by_label("out", exact=True).fill("lab/formed")
    page.get_by_label("steps", exact=True).first.fill("100000")
    page.get_by_label("batch size").fill("2")
    page.get_by_text("Options of the model").click()
    page.get_by_label("width").fill("8")
    page.get_by_label("code", exact=True).fill("16")
    page.get_by_text("Loop", exact=True).click()
    page.get_by_label("log every").fill("1")
    page.get_by_text("Start and pictures").click()
    page.get_by_label("preview every").fill("10")
    page.get_by_role("button", name="Start training").click()

    page.get_by_role("heading", name="lab/formed").wait_for()
    wait_for_step(studio, "lab/formed", 25)
    page.locator(".run-legend .mono").first.wait_for()
    page.locator("img.run-picture[src]").wait_for()
    page.evaluate("document.querySelector('.run-picture').decode()")
    assert page.evaluate("document.querySelector('.run-picture').naturalWidth") > 500
    history = page.get_by_label("Step of the picture")
    page.locator("input[aria-label='Step of the picture']:enabled").wait_for()
    history.focus()
    page.keyboard.press("Home")
    page.get_by_text("step 1", exact=True).wait_for()

    page.get_by_role("button", name="Stop and save").click()
    page.get_by_role("button", name="Go on").wait_for()
    stopped = checkpoints(root / "formed" / "checkpoints")[-1]
    assert step_of(stopped) >= 25
    page.get_by_role("button", name="Go on").click()
    wait_for_step(studio, "lab/formed", step_of(stopped) + 10)
    page.get_by_role("button", name="Stop and save").click()
    page.get_by_role("button", name="Go on").wait_for()


def test_nothing_is_typed_into_a_form_that_is_about_to_go(studio: RunningStudio, page: Any) -> None:
    page.set_default_timeout(120_000)  # the first form loads torch into the server
    page.goto(f"{studio.address}/#/train/new")
    source, start = page.get_by_label("source", exact=True), page.get_by_text("Start training")
    source.fill("lab/anna")
    held = list[Any]()
    lightweight = "**/trainings/form?model=lightweight"
    page.route(lightweight, lambda route: held.append(route))
    with page.expect_request(lightweight):
        page.get_by_label("Model", exact=True).select_option("lightweight")
    assert source.is_disabled()
    assert start.is_disabled()
    held.pop().continue_()
    page.get_by_label("width").wait_for(state="attached")
    assert source.input_value() == "lab/anna"
    assert not start.is_disabled()
    page.route("**/trainings/form?model=df", lambda route: route.abort())
    page.get_by_label("Model", exact=True).select_option("df")
    page.get_by_text("Failed to fetch").wait_for()
    assert page.get_by_label("Model", exact=True).input_value() == "lightweight"
    assert source.input_value() == "lab/anna"
    assert not source.is_disabled()


def test_runs_are_compared_and_a_run_gives_a_form(studio: RunningStudio, page: Any) -> None:
    for name in ("lab/one", "lab/two"):
        assert studio.wait_for(begin(studio, name, 6))["job"]["state"] == "done"
    page.goto(f"{studio.address}/#/train")
    for name in ("lab/one", "lab/two"):
        page.get_by_label(f"Compare {name}").check()
    legend = page.locator(".run-legend")
    legend.get_by_text("lab/one").wait_for()
    legend.get_by_text("lab/two").wait_for()
    _check_range(page)
    page.goto(f"{studio.address}/#/train/new/lab%2Fone")
    page.get_by_label("width").wait_for(state="attached")
    assert page.get_by_label("width").input_value() == "8"
    assert page.get_by_label("source", exact=True).input_value() == "lab/anna"


def _check_range(page: Any) -> None:
    """Dragging over the chart of steps 1 to 6 chooses some; a double click all again."""
    over = page.locator(".chart .u-over")
    box = over.bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 50, steps=4)
    page.mouse.up()
    assert page.get_by_label("First step").input_value() == "2"
    assert page.get_by_label("Last step").input_value() == "5"
    over.dblclick()
    assert page.get_by_label("Last step").input_value() == ""


def test_a_recipe_that_is_refused_says_why(studio: RunningStudio, page: Any) -> None:
    page.goto(f"{studio.address}/#/train/new")
    page.get_by_label("out", exact=True).fill("elsewhere/run")
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("no place below a folder").wait_for()
