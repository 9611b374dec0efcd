"""Pages of the detection lab: one HTML file each, charts inside, no script, nothing loaded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from counterface import __version__
from counterface.detect.evaluation.measure import Estimate
from counterface.files import write_bytes
from counterface.report.drawing import figure_uri, write_pngs
from counterface.report.html import card_rows, load_template, read_asset
from counterface.wording import spoken

Figures = dict[str, tuple[Any, str]]  # by name, a chart of matplotlib and what it shows
METRICS = {  # name -> (label, what it says)
    "auc": ("AUC", "chance that a fake scores above a real one; 0.5 is guessing"),
    "ap": ("Average precision", "mean precision over the fakes found"),
    "eer": ("Equal error rate", "misses and false alarms where they are equal; less is better"),
    "tpr_at_1_fpr": ("Fakes found at 1 % false alarms", "under 100 real files: at none at all"),
    "tpr_at_5_fpr": ("Fakes found at 5 % false alarms", "under 20 real files: at none at all"),
    "log_loss": ("Log loss", "nats; 0.693 is always saying 50 %; less is better"),
    "ece": ("Calibration error", "mean gap of what was said and what was so; less is better"),
    "brier": ("Brier score", "mean squared gap; 0.25 is always saying 50 %; less is better"),
    "accuracy": ("Accuracy", "share of files on the right side of the line"),
    "precision": ("Precision", "share of calls that are right, in this mixture of files"),
    "recall": ("Recall", "share of fakes called fake"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "specificity": ("Specificity", "share of real files not called fake"),
}


def show_number(number: Estimate | None, digits: int = 3) -> str:
    """The value with its interval, in words where there is none."""
    if number is None:
        return "not measured"
    value = f"{number.value:.{digits}f}"
    if number.low is None or number.high is None:
        return value
    return f"{value} ({number.low:.{digits}f} to {number.high:.{digits}f})"


def render_page(template: str, title: str, figures: Figures, **values: Any) -> str:
    """The page as text.

    Args:
        template: in `templates/lab`.
        title: title of the page.
        figures: charts of the page.
        values: what else the template names.
    """
    loaded = load_template(
        f"lab/{template}", number=show_number, card_rows=card_rows, spoken=spoken
    )
    drawn = {name: (figure_uri(figure, name), label) for name, (figure, label) in figures.items()}
    return loaded.render(
        title=title,
        charts=drawn,
        style=Markup(read_asset("page.css") + read_asset("lab/lab.css")),
        metrics=METRICS,
        version=__version__,
        created=datetime.now(UTC),
        **values,
    )


def write_outputs(
    html: Path | None,
    png: Path | None,
    template: str,
    title: str,
    draw: Callable[[], Figures],
    **values: Any,
) -> None:
    """Write the page and the charts, where they are wanted; nothing is drawn where neither is.

    Args:
        html: path of the page.
        png: folder of the charts.
        template: file in `templates/lab`.
        title: title of the page.
        draw: draws the charts.
        values: further values that the template names.

    Raises:
        ConfigError: matplotlib is not installed.
        MediaError: they cannot be written there.
    """
    if html is None and png is None:
        return
    figures = draw()
    if png is not None:
        write_pngs({name: figure for name, (figure, _) in figures.items()}, png)
    if html is not None:
        write_bytes(html, render_page(template, title, figures, **values).encode())
