"""Reports as one HTML file: styles, script and pictures inside, nothing loaded from elsewhere.

A content security policy in the page forbids every request and every script but ours, so that a
hostile file name could not reach out even if it slipped through the escaping.
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from counterface import __version__
from counterface.detect.findings import Report
from counterface.detect.pool import show_interval, show_percent
from counterface.detect.weigh import Weighing
from counterface.files import replacing
from counterface.report import figures
from counterface.report.views import (
    VERDICTS,
    count_states,
    detectors_of,
    file_views,
    limits_of,
    row_view,
)
from counterface.wording import spoken


def write_html(reports: Sequence[Report], path: str | Path) -> None:
    """Write one self-contained page for one or many reports, in place at once.

    Args:
        reports: in the order shown.
        path: path of the page; its folder must exist.

    Raises:
        MediaError: the page cannot be written there.
    """
    path = Path(path)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(_template().generate(**_page(reports, printed=False)))


def render_html(reports: Sequence[Report], *, printed: bool = False) -> str:
    """The page of `write_html` as text.

    Args:
        reports: in the order shown.
        printed: for paper: nothing is folded, what can be pointed at stands there, no script.
    """
    return _template().render(**_page(reports, printed))


def show_name(text: str) -> str:
    r"""A file name with control and direction-changing characters as visible escapes.

    A right-to-left override would otherwise let `gpj.exe` read as `exe.jpg`.
    """
    return "".join(
        c.encode("unicode_escape").decode()
        if unicodedata.category(c)[0] in "CZ" and c != " "
        else c
        for c in text
    )


def show_bytes(count: int | None) -> str:
    """A size in B, kB, MB or GB, decimal."""
    if count is None:
        return "unknown"
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def show_container(names: str, file_name: str) -> str:
    """One name of FFmpeg's list for a container family: that of the file's suffix where listed."""
    family = names.split(",")
    suffix = Path(file_name).suffix.lower().lstrip(".")
    return suffix if suffix in family else family[0]


@cache
def load_template(name: str, **filters: Callable[..., Any]) -> Template:
    """A template of the reports, compiled once a process.

    It escapes what it shows, and refuses a name without a value.

    Args:
        name: file in `templates`.
        filters: filters beside `visible`, which is `show_name`.
    """
    environment = Environment(
        loader=PackageLoader("counterface.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters, visible=show_name)
    return environment.get_template(name)


def _template() -> Template:
    return load_template(
        "page.html.j2",
        size=show_bytes,
        percent=show_percent,
        interval=show_interval,
        clock=figures.clock_time,
        card_rows=card_rows,
        bin_rows=bin_rows,
        container=show_container,
        spoken=spoken,
    )


def _page(reports: Sequence[Report], printed: bool) -> dict[str, Any]:
    style, script = read_asset("print.css" if printed else "page.css"), read_asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {
        "rows": [row_view(report) for report in reports],
        "files": file_views(reports),
        "counts": count_states(reports),
        "detectors": detectors_of(reports),
        "limits": limits_of(reports),
        "style": Markup(style),  # our own asset
        "script": Markup(script),
        "script_hash": f"sha256-{digest}",
        "verdicts": VERDICTS,
        "version": __version__,
        "printed": printed,
    }


def read_asset(name: str) -> str:
    """A style sheet or script of the pages, a file in `templates`."""
    return (files("counterface.report") / "templates" / name).read_text(encoding="utf-8")


def card_rows(card: dict[str, Any]) -> list[tuple[str, str]]:
    """A model card's summary as (label, text) rows; nested values on one line."""

    def text(value: Any) -> str:
        if isinstance(value, dict):
            return "; ".join(f"{_label(k)}: {text(v)}" for k, v in value.items())
        if isinstance(value, list | tuple):
            return ", ".join(text(v) for v in value)
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    rows = [(_label(key), text(value)) for key, value in card.items() if value not in (None, "")]
    return [(label[:1].upper() + label[1:], value) for label, value in rows]


def bin_rows(weighing: Weighing | None) -> list[tuple[str, str]]:
    """What each bin of quality asks for, weighs and promises, as (label, text) rows."""
    if weighing is None:
        return []
    return [(f"Quality: {bin_.name}", weighing.describe(bin_)) for bin_ in weighing.bins]


def _label(key: str) -> str:
    words = str(key).replace("_", " ").split()
    return " ".join(
        w.upper() if w in ("auc", "eer", "ece", "tpr", "fpr", "url") else w for w in words
    )
