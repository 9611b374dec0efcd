"""The Python examples on the pages about marks run, and the rights record on its page is one."""

from __future__ import annotations

import re
from pathlib import Path

import actors
import pytest
from made_files import draw_frames, write_frames

from counterface.media.image import write_image
from counterface.provenance.rights import read_rights

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("page", ["watermark.md", "fingerprints.md", "provenance.md"])
def test_the_examples_on_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("portrait.png", "swap.png"):
        write_image(tmp_path / name, actors.draw_actor(1, size=400).image)
    write_frames(tmp_path / "clip.mp4", [frame.image for frame in draw_frames(3)])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNTERFACE_HOME", str(tmp_path / "home"))
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), {})


def test_the_rights_record_on_the_page_is_one(tmp_path: Path) -> None:
    (block,) = re.findall(
        r"```toml\n(.*?)```", (DOCS / "responsible_use.md").read_text(), re.DOTALL
    )
    (tmp_path / "rights.toml").write_text(block)
    assert read_rights(tmp_path / "rights.toml").basis == "consent"
