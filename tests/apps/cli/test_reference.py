"""The printed help in docs/apps.md is the commands' own."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterface.apps.cli.main import NOUNS
from counterface.apps.cli.reference import MARKER, noun_section

PAGE = Path(__file__).resolve().parents[3] / "docs" / "apps.md"


@pytest.mark.parametrize("noun", NOUNS)
def test_the_page_shows_the_help_as_it_is(noun: str):
    generated = PAGE.read_text(encoding="utf-8").split(MARKER)[1]
    assert noun_section(noun) in generated, f"refresh: {MARKER}"
