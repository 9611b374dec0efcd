"""The page about the interface for programs is its own description, and its examples run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from actors import Expression, draw_actor
from studio_running import TOKEN, run_studio

from counterface.apps.studio.api_reference import MARKER, describe_interface, render
from counterface.media.image import write_image
from counterface.types import Pose

PAGE = Path(__file__).resolve().parents[3] / "docs" / "studio_api.md"


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    return describe_interface()


def test_the_page_is_the_interface_as_it_is(api: dict[str, Any]) -> None:
    generated = PAGE.read_text(encoding="utf-8").split(MARKER)[1]
    assert generated == f"\n\n{render(api)}", f"refresh: {MARKER}"


def test_every_operation_and_model_has_its_section(api: dict[str, Any]) -> None:
    page = render(api)
    operations = [(m, p) for p, methods in api["paths"].items() for m in methods]
    headings = {f"### `{m.upper()} {p.removeprefix('/api/v1')}`" for m, p in operations}
    models = {f"### {name} (model)" for name in api["components"]["schemas"]}
    assert set(re.findall(r"^### .*", page, re.MULTILINE)) == headings | models
    linked = set(re.findall(r"\(#(\w+)-model\)", page))
    assert linked == {name.lower() for name in api["components"]["schemas"]}


def test_every_parameter_says_what_it_is(api: dict[str, Any]) -> None:
    without = [
        f"{method} {path} {one['name']}"
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
        for one in operation.get("parameters", ())
        if not one.get("description")
    ]
    assert without == []


def test_a_table_tells_types_bounds_and_defaults() -> None:
    number = {"type": "number", "minimum": 0, "exclusiveMaximum": 1.5, "default": 1, "title": "X"}
    names = {"type": "array", "items": {"$ref": "#/components/schemas/Made"}, "maxItems": 200000}
    way = {"anyOf": [{"type": "string", "enum": ["a|b", "c"]}, {"type": "null"}]}
    model = {"type": "object", "properties": {"a": number, "b": names, "c": way}, "required": ["b"]}
    answers = {"200": {"description": "", "content": {"image/png": {"schema": {}}}}}
    refused = {"409": {"description": "it is taken"}}
    gets = {"tags": ["x"], "description": "Give.", "responses": {**answers, **refused}}
    puts = {"tags": ["x"], "description": "Take.", "responses": answers}
    api = {
        "paths": {"/api/v1/x": {"get": gets, "put": puts}},
        "components": {"schemas": {"Made": model}},
    }
    page = render(api)
    assert "| `a` | number | `1` | from 0; under 1.5 |" in page
    assert "| `b` | list of [Made](#made-model) | required | up to 200,000 items |" in page
    assert r"| `c` | string or null | unset | `a\|b`, `c` |" in page
    assert (
        "### `GET /x`\n\nGive.\n\nAnswer: 200, `image/png`.  \nRefused: 409, it is taken." in page
    )
    assert "Take.\n\nAnswer: 200, `image/png`.\n" in page


@pytest.mark.slow
def test_the_examples_on_the_page_run(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    image = draw_actor(3, Pose(0, 0, 0), Expression(), 320).image
    write_image(clips / "interview.png", image)
    page = PAGE.read_text(encoding="utf-8").replace("interview.mp4", "interview.png")
    script = page.split("```python\n")[1].split("```")[0]
    shell = page.split("```sh\n")[1].split("```")[0]
    with run_studio(tmp_path / "state", clips) as studio:
        environment = {**os.environ, "STUDIO": studio.address, "STUDIO_TOKEN": TOKEN}

        def run(*words: str) -> str:
            done = subprocess.run(
                words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
            )
            return done.stdout

        first = run(sys.executable, "-c", script)
        (scan,) = studio.ask("GET", "/api/v1/scans")[1]
        assert first == f"clips/interview.png done {scan['verdict']}\n"
        again = run(sys.executable, "-c", script)
        assert again == f"{scan['name']} {scan['verdict']}\n"
        if shutil.which("curl"):
            assert '"command":"faces list"' in run("sh", "-c", shell)
            _, jobs = studio.ask("GET", f"/api/v1/jobs?command={urllib.parse.quote('faces list')}")
            assert len(jobs) == 1
            wrong = shell.replace('X-CSRF-Token: $csrf"', 'X-CSRF-Token: none"')
            assert "lacks the token of its session" in run("sh", "-c", wrong)
