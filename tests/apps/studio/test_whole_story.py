"""From two clips to a signed swap, in the browser alone: cut, mask, train, merge, verify."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from actors import draw_clip, write_clip
from studio_running import RunningStudio

from counterface.faceset.store import Faceset

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(900)]
RIGHTS = {"shown": "drawn faces", "basis": "synthetic", "reference": "tests/actors.py"}
PICTURES = os.environ.get("COUNTERFACE_STORY_PICTURES")  # a folder: pictures of the pages go there


@pytest.fixture(scope="module")
def root(root: Path) -> Path:
    write_clip(root / "two.mp4", draw_clip([1, 2], frames=48, width=480, height=270))
    write_clip(root / "one.mp4", draw_clip([3], frames=48, width=320, height=270))
    (root / "rights.toml").write_text("".join(f'{n} = "{v}"\n' for n, v in RIGHTS.items()))
    return root


def test_from_two_clips_to_a_signed_swap(page: Any, studio: RunningStudio, root: Path) -> None:
    page.set_default_timeout(180_000)  # the first jobs load nets and torch
    _cut_faces(page, studio, "lab/two.mp4", "lab/pair")
    _keep_one_person(page, root / "pair")
    _mask(page, root / "pair")
    _cut_faces(page, studio, "lab/one.mp4", "lab/other")
    _train(page, studio, root / "run")
    _merge(page, studio, root / "swap.mp4")
    _verify(page, studio)


def _cut_faces(page: Any, studio: RunningStudio, clip: str, out: str) -> None:
    page.goto(f"{studio.address}/#/facesets")
    form = page.locator("form", has=page.get_by_label("source *"))
    form.get_by_label("source *").fill(clip)
    form.get_by_label("out *").fill(out)
    form.get_by_label("every", exact=True).fill("2")
    form.get_by_label("size", exact=True).fill("128")
    form.get_by_label("template", exact=True).select_option("head")
    form.get_by_label("shown", exact=True).fill(RIGHTS["shown"])
    form.get_by_label("basis", exact=True).select_option(RIGHTS["basis"])
    form.get_by_label("reference", exact=True).fill(RIGHTS["reference"])
    page.get_by_role("button", name="Cut faces").click()
    page.get_by_role("heading", name=out).wait_for()
    page.get_by_role("heading", name="person 1").wait_for()
    _keep_picture(page, f"people-{out.rpartition('/')[2]}")


def _keep_one_person(page: Any, folder: Path) -> None:
    page.get_by_label("distance").fill("0.25")  # drawn people look alike
    page.get_by_role("button", name="Tell people apart").click()
    page.get_by_role("region", name="person 2").wait_for()
    before = Faceset.open(folder).rows
    page.get_by_role("region", name="person 1").get_by_role("button", name="Keep only this").click()
    page.get_by_role("dialog").get_by_role("button", name="Move them").click()
    page.get_by_role("region", name="person 2").wait_for(state="detached")
    kept = Faceset.open(folder).rows
    assert {row.group for row in kept} == {"person 1"}
    assert 0 < len(kept) < len(before)


def _mask(page: Any, folder: Path) -> None:
    page.click("#tab-commands")
    page.select_option("#command", "faceset mask apply")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("heading", name="Result").wait_for()
    assert len(list((folder / "masks").glob("*.png"))) == len(Faceset.open(folder).rows)
    page.click("#tab-crops")
    page.wait_for_selector(".crop img[src]")
    _keep_picture(page, "crops")


def _train(page: Any, studio: RunningStudio, run: Path) -> None:
    page.goto(f"{studio.address}/#/train/new")
    page.get_by_label("Model", exact=True).select_option("lightweight")
    page.get_by_label("source", exact=True).fill("lab/pair")
    page.get_by_label("target", exact=True).fill("lab/other")
    page.get_by_label("out", exact=True).fill("lab/run")
    page.get_by_label("steps", exact=True).first.fill("20")
    page.get_by_label("batch size").fill("2")
    page.get_by_text("Options of the model").click()
    page.get_by_label("width").fill("8")
    page.get_by_label("code", exact=True).fill("16")
    page.get_by_text("Start and pictures").click()
    page.get_by_label("preview every").fill("10")
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("heading", name="lab/run").wait_for()
    page.locator("img.run-picture[src]").wait_for()
    page.get_by_text("done", exact=True).first.wait_for()
    assert list((run / "checkpoints").iterdir())
    _keep_picture(page, "train")


def _merge(page: Any, studio: RunningStudio, out: Path) -> None:
    page.goto(f"{studio.address}/#/merge/lab%2Frun/lab%2Fone.mp4")
    page.get_by_label("out *").fill("lab/swap.mp4")
    page.get_by_role("button", name="Open", exact=True).click()
    page.locator("img.after[src^='blob:']").wait_for()
    page.locator("img.film").first.wait_for()
    _keep_picture(page, "merge")
    page.get_by_label("File of the plan").fill("lab/plan.toml")
    page.get_by_role("button", name="Render").click()
    page.get_by_role("heading", name="lab/swap.mp4").wait_for()
    assert out.is_file()


def _verify(page: Any, studio: RunningStudio) -> None:
    page.goto(f"{studio.address}/#/origin")
    page.get_by_role("button", name="Choose on this machine").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("swap.mp4", exact=True).click()
    dialog.get_by_role("button", name="Choose").click()
    card = page.locator("section.sheet", has=page.get_by_role("heading", name="lab/swap.mp4"))
    card.get_by_text("Made by a machine.").wait_for()
    assert "Content Credentials" in card.inner_text()
    _keep_picture(page, "origin")


def _keep_picture(page: Any, name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(800)
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)
