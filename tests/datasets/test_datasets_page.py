"""The examples on the pages about data sets run, in order, and every layout is on its page."""

from __future__ import annotations

import re
from pathlib import Path

import actors
import pytest

from counterface.media.image import write_image
from counterface.registry import DATASET_READERS

DOCS = Path(__file__).parents[2] / "docs"


def run_examples(page: str) -> int:
    blocks = re.findall(
        r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL
    )
    names: dict[str, object] = {"__name__": "example"}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    return len(blocks)


@pytest.mark.slow
def test_the_examples_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    write_image(tmp_path / "portrait.png", actors.draw_actor(1, size=400).image)
    actors.write_clip(tmp_path / "clip.mp4", actors.draw_clip([1], 12, 480, 270))
    monkeypatch.chdir(tmp_path)
    assert run_examples("datasets.md") == 5
    said = capsys.readouterr().out
    assert "12 6 6 ()" in said
    assert "10 {'train': 0.8, 'val': 0.1, 'test': 0.1} ()" in said
    assert "10 [0, 0, 1, 1]" in said
    assert "(2, 128, 128, 3) (2, 8, 8)" in said


def test_a_layout_of_ones_own_is_written_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert run_examples("dataset_layouts.md") == 1
    assert capsys.readouterr().out == "[1, 0]\n"


@pytest.mark.parametrize("layout", DATASET_READERS.built_in)
def test_the_page_has_the_tree_and_the_options_of_every_layout(layout: str):
    page = (DOCS / "dataset_layouts.md").read_text(encoding="utf-8")
    kind = DATASET_READERS.load(layout)
    section = page.split(f"\n## {layout}\n")[1].split("\n## ")[0]
    assert kind.expected in section
    assert f"| `{layout}` |" in page
    for name, field in kind.model_fields.items():
        assert name == "leave_out_missing" or f"| `{name}` |" in section
        assert name == "leave_out_missing" or field.description in section
