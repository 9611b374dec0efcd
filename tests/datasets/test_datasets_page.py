"""The examples on the page about datasets run, in order."""

from __future__ import annotations

import re
from pathlib import Path

import actors
import pytest

from counterface.media.image import write_image

PAGE = Path(__file__).parents[2] / "docs" / "datasets.md"


def test_the_examples_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    write_image(tmp_path / "portrait.png", actors.draw_actor(1, size=400).image)
    actors.write_clip(tmp_path / "clip.mp4", actors.draw_clip([1], 12, 480, 270))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {"__name__": "example"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    said = capsys.readouterr().out
    assert "(2, 128, 128, 3) (2, 8, 8)" in said
    assert "[0, 1, 0] [0, 0, 1]" in said
    assert len(blocks) == 3
