"""The printed help in docs/apps.md is the commands' own, tables of options are the models'."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from counterface.apps.cli.main import NOUNS
from counterface.apps.cli.option_tables import TABLE, option_table, refresh
from counterface.apps.cli.reference import MARKER, noun_section
from counterface.registry import SWAP_MODELS
from counterface.swap.conversion.settings import ConvertConfig
from counterface.swap.merge.settings import MergeSettings
from counterface.swap.training.train import SwapTrainConfig

PAGE = Path(__file__).resolve().parents[3] / "docs" / "apps.md"


@pytest.mark.parametrize("noun", NOUNS)
def test_the_page_shows_the_help_as_it_is(noun: str):
    generated = PAGE.read_text(encoding="utf-8").split(MARKER)[1]
    assert noun_section(noun) in generated, f"refresh: {MARKER}"


PAGES = {
    path.name: text
    for path in sorted(PAGE.parent.glob("*.md"))
    if "<!-- options: " in (text := path.read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("name", PAGES)
def test_tables_of_options_are_the_models_own(name: str):
    refreshed = refresh(PAGES[name])
    assert refreshed == PAGES[name], "python -m counterface.apps.cli.option_tables docs/*.md"


def test_every_option_of_making_has_a_table():
    told = {
        (found[2], *found[3].split()[:1]) for t in PAGES.values() for found in TABLE.finditer(t)
    }
    kinds = [SWAP_MODELS.load(name).Config for name in SWAP_MODELS.built_in]
    for kind in kinds:
        assert (f"{kind.__module__}:{kind.__name__}", "-template") in told
    for kind in (SwapTrainConfig, ConvertConfig, MergeSettings):
        assert (f"{kind.__module__}:{kind.__name__}",) in told
    parts = [n for n, v in SwapTrainConfig() if isinstance(v, BaseModel)]
    assert {part for _, *rest in told for part in rest} >= {*parts, "smooth"}


class Drawn(BaseModel):
    """With one of each kind of field."""

    way: Literal["a", "b"] | None = Field(None, description="one | other")
    share: float = Field(0.5, ge=0, lt=1, description="of all")
    side: int = Field(64, gt=8, multiple_of=8, description="pixels")
    names: tuple[str, ...] = Field((), description="of people")
    gone: int = Field(1, description="left out")


def test_a_table_tells_defaults_choices_and_ranges():
    lines = option_table(f"{__name__}:Drawn", ["-gone"]).splitlines()[2:]
    assert lines == [
        r"| `way` | unset | a, b | one \| other |",
        "| `share` | 0.5 | 0 to under 1 | of all |",
        "| `side` | 64 | over 8, steps of 8 | pixels |",
        "| `names` | none |  | of people |",
    ]
