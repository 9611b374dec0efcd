"""`counterface swap ...`: train swap models, convert footage, look at what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from counterface.apps.cli import output
from counterface.swap.quality import QualityConfig

app = App(
    name="swap",
    help="Train swap models and convert footage; every output is signed and recorded.",
)

Json = Annotated[bool, Parameter(name="--json", negative="", help="print one JSON object a line")]


@app.command
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
        out: What `swap convert` wrote.
        target: What it was made from.
        source: A faceset of the person whose face was put in.
    """
    from counterface.report.report_card import card_lines, write_card
    from counterface.swap.quality import measure_quality

    with output.progress("quality") as report:
        card = measure_quality(out, target, source, config, report)
    if html is not None:
        write_card(card, html)
    if json_output:
        output.print_json(card)
        return 0
    for line in card_lines(card):
        print(f"{line.label:36} {line.value:>12}   {line.spread}")
    return 0


@app.command
def info(model: Path, /, *, json_output: Json = False) -> int:
    """Say what a trained model is: architecture, options, who it knows by what right, its sizes.

    Args:
        model: A training run's folder, a weights file or a checkpoint.
    """
    from counterface.apps.cli.swap_info import describe_model, model_lines
    from counterface.swap.swap_model import read_model

    facts = describe_model(read_model(model))
    if json_output:
        output.print_json(facts)
        return 0
    for line in model_lines(facts):
        print(line)
    return 0
