"""Tables of numbers in Markdown, and the place in docs/results.md where they stand."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results.md"


def row(*cells: object) -> str:
    """One line of a table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def head(*names: str) -> list[str]:
    """The names of the columns, and the line below them."""
    return [row(*names), "|" + "---|" * len(names)]


def write_section(name: str, lines: Iterable[str]) -> None:
    """Replace what stands between the section's two marks in docs/results.md."""
    begin, end = (f"<!-- {name}: {edge} -->" for edge in ("begin", "end"))
    page = RESULTS.read_text(encoding="utf-8")
    before, rest = page.split(begin)
    text = "\n".join(lines)
    RESULTS.write_text(f"{before}{begin}\n{text}\n\n{end}{rest.split(end)[1]}", encoding="utf-8")
