"""The pages about training: the example runs, and every recipe has its section."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import actors
import pytest

from counterface.media.image import write_image

ROOT = Path(__file__).resolve().parents[3]


def test_the_example_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for number, name in enumerate(("real.png", "fake.png")):
        write_image(tmp_path / name, actors.draw_actor(number + 1, size=256).image)
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "detect_training.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(block, "detect_training.md", "exec"), {})
    assert capsys.readouterr().out == "2\n(64, 64, 3) 1.0\n"


def test_every_recipe_of_a_detector_has_a_section():
    page = (ROOT / "docs" / "detect_training.md").read_text(encoding="utf-8")
    recipes_part = page.split("\n## Published systems as recipes\n")[1]
    sections = set(re.findall(r"^### `(\w+)`", recipes_part, re.MULTILINE))
    recipes = {path.stem for path in (ROOT / "recipes").glob("*.toml")}
    told = {name: tomllib.loads((ROOT / f"recipes/{name}.toml").read_text()) for name in recipes}
    trained = {
        name for name, said in told.items() if "data" in said and "name" in said.get("model", {})
    }
    assert len(trained) > 4
    assert trained <= sections <= recipes
