"""The page of a report card: hostile names stay text, gaps are named, nothing is loaded."""

from __future__ import annotations

import re
from pathlib import Path

from counterface.report.report_card import card_lines, render_card, write_card
from counterface.swap.quality import ReportCard, Statistic

NAME = "<script>alert(1)</script>\u202egpj.mp4"


def make_card(**changes: object) -> ReportCard:
    fields: dict[str, object] = dict.fromkeys(ReportCard.model_fields)
    number = Statistic(mean=0.25, p5=0.125, p95=0.5, frames=7)
    known = {
        "out": NAME,
        "target": "t.mp4",
        "source_faceset": "jane",
        "frames": 8,
        "faces": 7,
        "sound": "identical",
        "pose_error": number,
    }
    return ReportCard.model_validate(fields | known | changes)


def test_every_number_of_the_card_is_on_the_page() -> None:
    numbers = [n for n, f in ReportCard.model_fields.items() if f.annotation == (Statistic | None)]
    full = Statistic(mean=0.25, p5=0.125, p95=0.5, frames=7)
    lines = card_lines(make_card(**dict.fromkeys(numbers, full), source_to_target=0.75))
    assert sum(line.value.startswith("0.25") for line in lines) == len(numbers)
    assert any(line.value == "0.75" for line in lines)


def test_what_was_not_measured_is_said_and_names_cannot_break_out() -> None:
    page = render_card(make_card())
    assert "not measured" in page
    assert "0.12 to 0.50, 7 frames" in page
    assert "<script" not in page
    assert "\u202e" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)\s*=\s*["']?\s*(https?:|//)""", page)


def test_the_file_is_the_page(tmp_path: Path) -> None:
    write_card(make_card(), tmp_path / "card.html")
    assert (tmp_path / "card.html").read_text(encoding="utf-8") == render_card(make_card())
