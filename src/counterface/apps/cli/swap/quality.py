"""`counterface swap quality`: a report card of what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.swap.quality import QualityConfig


def quality(
    out: Path,
    target: Path,
    source: Path,
    /,
    *,
    config: Annotated[QualityConfig, Parameter(name="*")] = QualityConfig(),  # noqa: B008
    html: Annotated[Path | None, Parameter(help="write the card as a page here")] = None,
    json_output: Json = False,
) -> int:
    """Measure a result: likeness to the source, truth to the target, steadiness, seams, sound.

    Args:
        out: The file that `swap convert` wrote.
        target: The footage that it was made from.
        source: A faceset of the person whose face was put in.
    """
    from counterface.report.report_card import card_lines, write_card
    from counterface.swap.quality import measure_quality

    if html is not None:
        output.require_place(html, "--html")
    with output.progress("quality") as report:
        card = measure_quality(out, target, source, config, report)
    if html is not None:
        write_card(card, html)
    lines = (f"{line.label:36} {line.value:>12}   {line.spread}" for line in card_lines(card))
    return output.tell(card, lines, json_output)
