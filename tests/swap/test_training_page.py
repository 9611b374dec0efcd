"""docs/swap_training.md: every setting with its meaning, every recipe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from counterface.swap.train import SwapTrainConfig

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "swap_training.md").read_text()


def settings(values: BaseModel, head: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and meanings."""
    for name, field in type(values).model_fields.items():
        value = getattr(values, name)
        if isinstance(value, BaseModel):
            yield from settings(value, f"{head}{name}.")
        else:
            yield f"{head}{name}", str(field.description)


def test_the_page_has_every_setting_with_its_meaning():
    for name, meaning in settings(SwapTrainConfig()):
        rows = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
        assert len(rows) == 1, name
        assert rows[0].endswith(f"| {meaning} |"), name


def test_the_page_has_every_recipe():
    for path in (ROOT / "recipes").glob("swap_*.toml"):
        assert f"`{path.stem}`" in PAGE, path.stem
