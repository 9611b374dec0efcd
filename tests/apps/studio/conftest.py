"""A studio over a folder of drawn files, and a browser on its pages."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from studio_running import BROWSER, TOKEN, RunningStudio, run_studio

pytest.importorskip("fastapi", reason="the studio is not installed: counterface[web]")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Add to the report of a failed test what its page showed."""
    report = yield
    page = getattr(item, "funcargs", {}).get("page")
    if report.when == "call" and report.failed and page is not None and not page.is_closed():
        report.sections.append((f"page {page.url}", page.locator("main").inner_text()))
    return report


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the studio may look into; tests of a module put their files there."""
    folder = tmp_path_factory.mktemp("studio") / "lab"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def studio(root: Path, no_home_of_the_user: None) -> Iterator[RunningStudio]:
    """A studio that runs, for the tests of a module."""
    with run_studio(root.parent / "state", root) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, without a window; of one module, for two of Playwright's loops cannot be open."""
    if BROWSER is None:
        pytest.skip("no chromium on this machine")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser: Any, studio: RunningStudio) -> Iterator[Any]:
    """A page of the studio, let in; the test fails if it asks elsewhere or a script fails."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    elsewhere, faults = list[str](), list[str]()

    def asked(request: Any) -> None:
        if not request.url.startswith((studio.address, "data:", "blob:")):
            elsewhere.append(request.url)

    context.on("request", asked)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on(
        "console", lambda said: faults.append(said.text) if "Security Policy" in said.text else None
    )
    opened.goto(f"{studio.address}/?token={TOKEN.replace(' ', '+')}")
    opened.wait_for_selector("#nav a[aria-current]")
    yield opened
    context.close()
    assert elsewhere == []
    assert faults == []
