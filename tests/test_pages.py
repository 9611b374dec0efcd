"""The Python examples on the pages about faces, facesets and weights run."""

from __future__ import annotations

import re
from pathlib import Path

import actors
import pytest

from counterface.media.image import write_image

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.mark.parametrize(
    "page",
    [
        pytest.param("curate.md", marks=pytest.mark.slow),
        pytest.param("faces.md", marks=pytest.mark.slow),
        pytest.param("faceset.md", marks=pytest.mark.slow),
        "weights.md",
    ],
)
def test_the_examples_on_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(tmp_path / "portrait.png", actors.draw_actor(1, size=400).image)
    for name in ("clip.mp4", "interview.mp4"):
        actors.write_clip(tmp_path / name, actors.draw_clip([1, 2], 12, 480, 270))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
