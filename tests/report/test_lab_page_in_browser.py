"""A page of the laboratory in a real browser: nothing leaves, and both papers are readable."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_scores import some_scores

from counterface.detect.evaluate import evaluate_files
from counterface.report.evaluation import write_evaluation

BROWSER = next((p for p in map(shutil.which, ("chromium", "chromium-browser")) if p), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine"),
]
TALLEST = "Math.max(...[...document.querySelectorAll('.numbers tr')].map(r => r.offsetHeight))"


def ink_against_paper(png: bytes) -> float:
    """How much lighter the lines of a chart are than what they are drawn on, grey levels."""
    grey = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE).astype(float)
    off = grey - np.median(grey)
    return float(off.flat[np.abs(off).argmax()])


def test_charts_follow_the_paper_and_nothing_is_asked_for(tmp_path: Path):
    path = tmp_path / "page.html"
    write_evaluation(evaluate_files(some_scores(40, 2.0), 0.6, rounds=100), html=path)
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 800})
            page = page.new_page()
            asked, wrong = [], []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("console", lambda message, wrong=wrong: wrong.append(message.text))
            page.goto(path.as_uri())
            assert asked == [path.as_uri()]
            assert wrong == []
            gap = ink_against_paper(page.locator("img.chart").first.screenshot())
            assert (gap > 80) if scheme == "dark" else (gap < -80)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390  # fits a telephone
            assert page.evaluate(TALLEST) < 200  # no column is squeezed to a letter a line
        browser.close()
