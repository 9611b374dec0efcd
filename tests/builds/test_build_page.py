"""The Python example on the page runs, and the page names every setting."""

from __future__ import annotations

import re
from pathlib import Path

import actors
import pytest

from counterface.builds.plan import BuildConfig
from counterface.media.image import write_image

PAGE = Path(__file__).resolve().parents[2] / "docs" / "dataset_build.md"


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "portrait.png", actors.draw_actor(1, size=320).image)
    monkeypatch.chdir(tmp_path)
    [block] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(compile(block, PAGE.name, "exec"), {})
    assert (tmp_path / "blended" / "manifest.parquet").exists()


def test_every_setting_is_on_the_page() -> None:
    table = PAGE.read_text().split("## pairs.toml")[1].split("\n## ")[0]
    absent = [name for name in BuildConfig.model_fields if f"`{name}" not in table]
    assert [name for name in absent if name not in ("extract", "convert")] == []
    assert "`extract`, `convert`" in table
