"""Pages in a real browser: nothing leaves, nothing breaks, and the cursor shows the frame."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_reports import a_failure, a_report, a_still
from drawn_scores import some_scores

from counterface.detect.evaluate import evaluate_files
from counterface.report.evaluation import write_evaluation
from counterface.report.html import write_html

BROWSER = next((p for p in map(shutil.which, ("chromium", "chromium-browser")) if p), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine"),
]
EVIL = '"><img src=http://192.0.2.1/x onerror=alert(1)><script>alert(1)</script>.mp4'


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    tracks = [2.0, 3.0, 2.5, 2.8] * 4, [-3.0, -2.0, -2.5, -1.0] * 4
    write_html(
        [a_report("clip.mp4", *tracks), a_report(EVIL, *tracks), a_failure(EVIL, EVIL)], path
    )
    return path


@pytest.fixture(scope="module")
def many_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("many") / "report.html"
    reports = [
        a_report("b10.mp4", [-3.0, -3.1, -3.2]),
        a_report("b9.mp4", [3.0, 3.1, 3.2]),
        a_report("a.mp4", [-1.0, 0.1, 1.2]),
        a_failure("broken.mp4", "broken.mp4 is cut short"),
    ]
    write_html(reports, path)
    return path


def open_page(browser, path, **options):
    """The page, the addresses it asked for, and what went wrong in it."""
    page = browser.new_context(**options).new_page()
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.goto(path.as_uri())
    return page, asked, wrong


def test_no_request_leaves_and_no_foreign_script_runs(browser, page_file):
    page, asked, wrong = open_page(browser, page_file)
    page.mouse.wheel(0, 5000)
    page.wait_for_timeout(200)
    assert [a for a in asked if not a.startswith("data:")] == [page_file.as_uri()]
    assert wrong == []


WIDTH = "document.documentElement.scrollWidth"


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_at_any_width(browser, page_file, scheme):
    page, _, _ = open_page(browser, page_file, color_scheme=scheme)
    for width in (360, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(WIDTH) <= width


@pytest.mark.slow
def test_the_frame_under_the_cursor_is_shown(browser, page_file):
    page, _, wrong = open_page(browser, page_file)
    timeline = page.locator(".timeline").first
    canvas = timeline.locator(".canvas")
    canvas.scroll_into_view_if_needed()
    area = canvas.bounding_box()
    page.mouse.move(area["x"] + area["width"] * 0.5, area["y"] + 10)
    assert timeline.locator(".at").inner_text() == "0:02.0"
    middle = timeline.locator(".screen img").get_attribute("src")
    canvas.focus()
    page.keyboard.press("Home")
    assert timeline.locator(".at").inner_text() == "0:00.0"
    assert timeline.locator(".screen img").get_attribute("src") != middle
    page.keyboard.press("ArrowRight")
    assert timeline.locator(".at").inner_text() == "0:00.2"
    assert canvas.get_attribute("aria-valuetext").startswith("0:00.2")
    assert wrong == []


CONTRAST = """
() => {
  const luminance = (c) => {
    const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = c.map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const backdrop = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const c = numbers(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.offsetParent || ["SCRIPT", "STYLE"].includes(e.tagName)) continue;
    const [a, b] = [numbers(getComputedStyle(e).color).slice(0, 3), backdrop(e)].map(luminance);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push([e.className || e.tagName, e.textContent.slice(0, 30), ratio]);
  }
  return poor;
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_has_the_contrast_of_wcag_aa(browser, page_file, scheme):
    page, _, _ = open_page(browser, page_file, color_scheme=scheme)
    assert page.evaluate(CONTRAST) == []


@pytest.mark.slow
def test_print_is_light_and_starts_each_file_on_its_own_page(browser, page_file):
    page, _, _ = open_page(browser, page_file, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    breaks = page.evaluate(
        "[...document.querySelectorAll('.file')].map(e => getComputedStyle(e).breakBefore)"
    )
    assert breaks[1:] == ["page", "page"]


def names(page):
    return page.locator(".files tbody tr:visible a").all_inner_texts()


@pytest.mark.slow
def test_the_overview_sorts_and_filters(browser, many_file):
    page, asked, wrong = open_page(browser, many_file)
    assert names(page) == ["b10.mp4", "b9.mp4", "a.mp4", "broken.mp4"]
    page.get_by_role("button", name="File").click()
    assert names(page) == ["a.mp4", "b9.mp4", "b10.mp4", "broken.mp4"]
    page.get_by_role("button", name="Probability").click()  # the highest first, none at the end
    assert names(page)[0] == "b9.mp4"
    assert names(page)[-1] == "broken.mp4"
    page.get_by_role("button", name="Verdict").click()  # the gravest first
    assert names(page)[0] == "b9.mp4"
    page.locator(".filter-text").fill("B1")
    assert names(page) == ["b10.mp4"]
    assert page.locator("article:visible").count() == 1
    assert page.locator(".filter-count").inner_text() == "1 of 4"
    page.locator(".filter-text").fill("")
    page.locator(".filter-state").select_option("failed")
    assert names(page) == ["broken.mp4"]
    assert wrong == []
    assert [a for a in asked if not a.startswith("data:")] == [many_file.as_uri()]


@pytest.mark.slow
def test_without_script_the_overview_is_whole(browser, many_file):
    page, _, _ = open_page(browser, many_file, java_script_enabled=False)
    assert names(page) == ["b10.mp4", "b9.mp4", "a.mp4", "broken.mp4"]
    assert not page.locator(".filter").is_visible()
    assert page.locator("article").count() == 4


@pytest.mark.slow
def test_pictures_of_many_faces_stick_out_nowhere(browser, tmp_path):
    reports = [
        a_still("group.jpg", *([[3.0]] * 12)),
        a_still("x" * 200 + ".jpg"),
        a_report("c.mp4"),
    ]
    write_html(reports, tmp_path / "page.html")
    page, _, _ = open_page(browser, tmp_path / "page.html")
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(WIDTH) <= width


LOAD = """
() => Promise.all([...document.images].map((e) => { e.loading = "eager"; return e.decode(); }))
"""
UNEVEN = """
() => [...document.querySelectorAll("img")].filter((e) => {
  const cover = getComputedStyle(e).objectFit === "cover" && !e.closest(".pair");
  const [w, h] = [e.clientWidth, e.clientHeight];
  return !cover && w && Math.abs(w / h - e.naturalWidth / e.naturalHeight) > 0.03;
}).map((e) => e.alt)
"""


@pytest.mark.slow
def test_no_picture_is_stretched(browser, tmp_path):
    reports = [a_still("group.jpg", [9.0], [9.0]), a_report("a.mp4", [9.0] * 8), a_report("b.mp4")]
    write_html(reports, tmp_path / "page.html")
    page, _, _ = open_page(browser, tmp_path / "page.html")
    page.add_style_tag(content=".many .file{content-visibility:visible}")
    for width in (400, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(LOAD)
        assert page.evaluate(UNEVEN) == []


@pytest.fixture(scope="module")
def lab_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("lab") / "page.html"
    write_evaluation(evaluate_files(some_scores(40, 2.0), 0.6, rounds=100), html=path)
    return path


def ink_against_paper(png: bytes) -> float:
    """How much lighter the lines of a chart are than what they are drawn on, grey levels."""
    grey = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE).astype(float)
    off = grey - np.median(grey)
    return float(off.flat[np.abs(off).argmax()])


TALLEST = "Math.max(...[...document.querySelectorAll('.numbers tr')].map(r => r.offsetHeight))"


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_of_a_lab_page_follow_the_paper_and_nothing_is_asked_for(browser, lab_file, scheme):
    page, asked, wrong = open_page(
        browser, lab_file, color_scheme=scheme, viewport={"width": 390, "height": 800}
    )
    assert asked == [lab_file.as_uri()]
    assert wrong == []
    gap = ink_against_paper(page.locator("img.chart").first.screenshot())
    assert (gap > 80) if scheme == "dark" else (gap < -80)
    assert page.evaluate(WIDTH) <= 390  # fits a telephone
    assert page.evaluate(TALLEST) < 200  # no column is squeezed to a letter a line
