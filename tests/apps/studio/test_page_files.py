"""Files of the pages: sent once, sent again when they changed, and nothing beside them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the studio is not installed: counterface[web]")

from starlette.exceptions import HTTPException

from counterface.apps.studio.page_files import PageFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "static"
    (inside / "js").mkdir(parents=True)
    (inside / "js" / "app.js").write_text("start();")
    (tmp_path / "secret").write_text("not for pages")
    return inside


def test_a_file_is_sent_until_the_browser_has_it(folder: Path) -> None:
    files = PageFiles(folder)
    first = files.answer("js/app.js")
    assert first.status_code == 200
    assert first.body == b"start();"
    assert first.headers["content-type"].startswith("text/javascript")
    mark = first.headers["etag"]
    again = files.answer("js/app.js", mark)
    assert (again.status_code, again.body) == (304, b"")
    assert files.answer("js/app.js", f'"other", W/{mark}').status_code == 304
    assert files.answer("js/app.js", '"other"').status_code == 200


def test_a_file_that_changed_is_sent_anew(folder: Path) -> None:
    files = PageFiles(folder)
    mark = files.answer("js/app.js").headers["etag"]
    (folder / "js" / "app.js").write_text("begin();")
    os.utime(folder / "js" / "app.js", ns=(1, 1))
    answer = files.answer("js/app.js", mark)
    assert (answer.status_code, answer.body) == (200, b"begin();")


@pytest.mark.parametrize("name", ["", "js", "none.js", "../secret", "js/../../secret", "/js/x.js"])
def test_nothing_else_is_sent(folder: Path, name: str) -> None:
    with pytest.raises(HTTPException):
        PageFiles(folder).answer(name)
