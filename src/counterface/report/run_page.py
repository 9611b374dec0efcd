"""A run over a manifest as one HTML page: verdicts, scores, errors, slowest files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterface.files import write_bytes
from counterface.report.lab_page import render_page


def write_run_page(path: Path, run: Mapping[str, Any]) -> None:
    """Write the page of a run, whole or not at all; it needs no matplotlib.

    Args:
        path: the page.
        run: the plain values of the run's summary.

    Raises:
        MediaError: it cannot be written there.
    """
    name = Path(run["status"]["folder"]).absolute().name
    page = render_page(
        "run.html.j2", f"Run {name}", {}, run=run, most=max(run["scores"], default=0)
    )
    write_bytes(path, page.encode())
