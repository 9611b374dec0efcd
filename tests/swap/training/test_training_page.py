"""docs/swap_training.md knows every recipe."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_has_every_recipe():
    page = (ROOT / "docs" / "swap_training.md").read_text()
    for path in (ROOT / "recipes").glob("swap_*.toml"):
        assert f"`{path.stem}`" in page, path.stem
