"""The page Scan in a browser: from a dropped clip to its report, its tags and a comparison."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from actors import Expression, draw_actor, draw_clip, write_clip
from studio_running import TOKEN, RunningStudio
from test_scan_api import fetch, scan

from counterface.media.image import write_image
from counterface.types import Pose

pytestmark = [pytest.mark.slow, pytest.mark.browser]
HOSTILE = "<script>alert(1)<b>\u202egpj.mp4"
SHOWN = r"<script>alert(1)<b>\u{202e}gpj.mp4"
DROP = """([name, text]) => {
  const transfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  transfer.items.add(new File([bytes], name, { type: "video/mp4" }));
  return transfer;
}"""


@pytest.fixture(scope="module")
def clip(root: Path) -> Path:
    return write_clip(root / "clip.mp4", draw_clip([1, 2], frames=36, width=480, height=270))


def drop(page: Any, name: str, file: Path) -> None:
    given = page.evaluate_handle(DROP, [name, base64.b64encode(file.read_bytes()).decode()])
    page.dispatch_event(".scan-drop", "drop", {"dataTransfer": given})


def picture(page: Any) -> str:
    """A hash of what the player shows."""
    data = page.eval_on_selector(".player-picture", "one => one.toDataURL()")
    return hashlib.sha256(data.encode()).hexdigest()


def shown_s(page: Any, seconds: float) -> None:
    """Wait until the player shows the frame of a time."""
    page.locator(f'.player[data-pts="{seconds}"]').wait_for()


def test_from_a_dropped_clip_to_a_comparison(
    page: Any, studio: RunningStudio, clip: Path, tmp_path: Path
) -> None:
    drop(page, HOSTILE, clip)
    link = page.locator(".queue a")
    link.wait_for()
    assert link.inner_text() == SHOWN
    link.click()
    page.locator(".player[data-pts]").wait_for()
    assert page.locator("h1").inner_text() == SHOWN
    _check_player(page)
    _check_tags(page, studio)
    number = int(page.url.rpartition("/")[2])
    _check_downloads(page, studio, number, tmp_path)

    other = scan(studio, "lab/clip.mp4", options={"frames": 5})
    page.goto(f"{studio.address}/#/scan/compare/{number}/{other['id']}")
    page.locator(".chart canvas").wait_for()
    cells = page.locator("section", has_text="What differs").locator("tbody td").all_inner_texts()
    assert cells == ["frames", "32", "5"]
    assert page.locator(".verdict").count() == 2


def _check_player(page: Any) -> None:
    """Seeking by key and mouse changes the picture and the marker, in step."""
    page.locator(".playhead").wait_for(state="attached")
    page.focus(".player-view")
    page.keyboard.press("Home")
    shown_s(page, 0)
    first, left = picture(page), page.eval_on_selector(".playhead", "one => one.style.left")
    page.keyboard.press("Shift+ArrowRight")
    shown_s(page, 1)
    assert picture(page) != first
    assert page.eval_on_selector(".playhead", "one => one.style.left") != left
    page.keyboard.press("ArrowRight")
    shown_s(page, 25 / 24)
    page.keyboard.press("p")
    assert float(page.get_attribute(".player", "data-pts")) < 25 / 24
    assert page.get_attribute(".player", "data-boxes") == "2"
    chart = page.locator(".chart .u-over")
    width = chart.evaluate("one => one.clientWidth")
    chart.click(position={"x": width * 0.51, "y": 20})  # of 1.5 s
    shown_s(page, 0.75)
    page.keyboard.press("End")
    shown_s(page, 35 / 24)


def _check_tags(page: Any, studio: RunningStudio) -> None:
    page.fill("[aria-label='New tag']", "<b>court</b>")
    page.press("[aria-label='New tag']", "Enter")
    tag = page.locator(".tags .tag")
    tag.wait_for()
    assert tag.inner_text().startswith("<b>court</b>")
    assert studio.ask("GET", "/api/v1/scans/tags")[1] == {"<b>court</b>": 1}


def _check_downloads(page: Any, studio: RunningStudio, number: int, folder: Path) -> None:
    _, row = studio.ask("GET", f"/api/v1/scans/{number}/row")
    _, ended = studio.ask("GET", f"/api/v1/jobs/{row['job']}")
    for kind in ("JSON", "HTML"):
        with page.expect_download() as started:
            page.get_by_role("link", name=kind, exact=True).click()
        started.value.save_as(folder / kind)
    found = json.loads((folder / "JSON").read_bytes())
    assert found["file"].pop("name") == HOSTILE
    said = ended["results"][0]
    said["file"].pop("name")
    assert found == said
    assert (folder / "HTML").read_bytes() == fetch(studio, f"/scans/{number}/report.html")[0]


def test_a_known_file_is_told_and_can_be_judged_again(
    page: Any, studio: RunningStudio, clip: Path
) -> None:
    scan(studio, "lab/clip.mp4", options={"frames": 3}, again=True)
    page.reload()  # the queue of the page before has that scan in it
    page.locator("summary", has_text="Options of the scan").click()
    page.get_by_label("frames", exact=True).fill("3")
    page.fill("#scan-path", "lab/clip.mp4")
    page.get_by_role("button", name="Judge", exact=True).click()
    row = page.locator(".queue li", has_text="judged before")
    row.wait_for()
    before = studio.ask("GET", "/api/v1/scans")[1]
    row.get_by_role("button", name="Scan again").click()
    new = page.locator(".queue li").nth(1).locator("a")  # it stands below the one that is known
    new.wait_for()
    newest = studio.ask("GET", "/api/v1/scans")[1][0]["id"]
    assert newest > before[0]["id"]
    assert new.get_attribute("href") == f"#/scan/{newest}"


def test_what_cannot_be_read_says_why(page: Any, root: Path) -> None:
    (root / "broken.mp4").write_bytes(b"no video" * 99)
    page.fill("#scan-path", "lab/broken.mp4")
    page.press("#scan-path", "Enter")
    page.locator(".queue .tag", has_text="could not be scanned").wait_for()
    page.fill("#scan-path", "lab/nothing.mp4")
    page.press("#scan-path", "Enter")
    page.locator(".queue-error", has_text="is not there").wait_for()


def test_a_deleted_scan_leaves_the_history(page: Any, studio: RunningStudio, clip: Path) -> None:
    row = scan(studio, "lab/clip.mp4", again=True)
    page.reload()
    line = page.locator(f"[data-scan='{row['id']}']")
    line.get_by_role("button", name="Delete").click()
    page.locator("dialog").get_by_role("button", name="Delete", exact=True).click()
    line.wait_for(state="detached")
    assert studio.ask("GET", f"/api/v1/scans/{row['id']}")[0] == 404


def test_hundreds_of_files_are_listed_in_parts(page: Any, studio: RunningStudio) -> None:
    page.evaluate(
        """async () => {
          const queue = await import("/static/pages/scan/queue.js");
          const file = (n) => new File([], `${n}.png`, { type: "image/png" });
          queue.addFiles(Array.from({ length: 400 }, (_, n) => file(n)), { options: {} });
        }"""
    )
    page.locator(".queue li").nth(39).wait_for()
    assert page.locator(".queue li").count() == 40
    page.get_by_role("button", name="Stop all").click()
    page.locator("section", has_text="400 of 400 ended").first.wait_for()


def test_an_answer_that_comes_after_the_end_of_its_job_changes_nothing(
    page: Any, studio: RunningStudio, root: Path
) -> None:
    write_image(root / "late.png", draw_actor(3, Pose(0, 0, 0), Expression(), 96).image)

    def late(route: Any) -> None:
        answer = route.fetch()
        (job,) = answer.json()["jobs"]
        assert job["state"] == "waiting"
        studio.wait_for(job["id"])
        time.sleep(1)  # the feed tells of the end first
        route.fulfill(response=answer)

    page.route("**/api/v1/scans", late)
    page.evaluate(
        """async () => {
          const queue = await import("/static/pages/scan/queue.js");
          await queue.addPlaces(["lab/late.png"], { options: {} });
        }"""
    )
    page.locator("section", has_text="1 of 1 ended").first.wait_for()


def test_the_first_page_is_light(browser: Any, studio: RunningStudio) -> None:
    context = browser.new_context()
    sizes = dict[str, int]()
    opened = context.new_page()
    opened.on(
        "response",
        lambda one: sizes.update({one.url: len(one.body())}) if one.status == 200 else None,
    )
    opened.goto(f"{studio.address}/?token={TOKEN.replace(' ', '+')}")
    opened.locator(".scan-drop").wait_for()
    own = {url: size for url, size in sizes.items() if "/events" not in url}
    context.close()
    assert sum(own.values()) < 300_000, sizes
    assert not any("uplot" in url for url in own)
