"""The Python examples on the pages about watermark and fingerprints run."""

from __future__ import annotations

import re
from pathlib import Path

import actors
import pytest

from counterface.media.image import write_image

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("page", ["watermark.md", "fingerprints.md"])
def test_the_examples_on_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("portrait.png", "swap.png"):
        write_image(tmp_path / name, actors.draw_actor(1, size=400).image)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNTERFACE_HOME", str(tmp_path / "home"))
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), {})
