"""Origin in the browser: a signed picture says what it is, a plain one that it has no mark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from actors import Expression, draw_actor
from made_files import make_file

from counterface.media.image import write_image
from counterface.types import Pose

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_made_picture_says_so(page: Any, root: Path) -> None:
    make_file(root / "made.png")
    page.goto(page.url.split("#")[0] + "#/origin")
    page.get_by_role("button", name="Choose on this machine").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("made.png", exact=True).click()
    dialog.get_by_role("button", name="Choose").click()
    card = page.locator("section.sheet", has=page.get_by_role("heading", name="lab/made.png"))
    card.get_by_text("Made by a machine.").wait_for()
    shown = card.inner_text()
    assert "Content Credentials" in shown
    assert "agrees" in shown


def test_a_plain_picture_that_was_sent_carries_no_mark(page: Any, root: Path) -> None:
    name = "<b>plain</b>.png"
    write_image(root / "plain.png", draw_actor(1, Pose(0, 0, 0), Expression(), 256).image)
    page.goto(page.url.split("#")[0] + "#/origin")
    page.locator("#origin-files").set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": (root / "plain.png").read_bytes()}
    )
    card = page.locator("section.sheet", has=page.get_by_role("heading", name=name))
    card.get_by_text("No mark of a machine was found.").wait_for()
