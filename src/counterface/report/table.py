"""The table of a scan of many files: CSV for a spreadsheet, a row for each file.

File names are hostile input: a cell that a spreadsheet would take for a formula is made text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from counterface.detect.findings import Report
from counterface.files import write_bytes
from counterface.report.html import show_name
from counterface.spreadsheet import guard_cell

COLUMNS = (
    *("file", "verdict", "probability_of_manipulation", "low", "high", "faces", "deciding_face"),
    *("notices", "reasons", "error", "kind", "width", "height", "duration_s", "sha256", "path"),
)


def cell(value: Any) -> str:
    """A value as text that no spreadsheet runs: `=1+1` becomes `'=1+1`."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return guard_cell(show_name(str(value)))


def write_csv(reports: Sequence[Report], path: Path) -> None:
    """Write the table; a failure leaves the file as it was.

    Args:
        reports: one a row, in this order.
        path: path of the table; UTF-8 with the mark by which spreadsheets know it.

    Raises:
        MediaError: it cannot be written there.
    """
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    rows.writerows([cell(value) for value in _row(report)] for report in reports)
    write_bytes(path, text.getvalue().encode("utf-8-sig"))


def is_table(path: Path) -> bool:
    """Whether a file is such a table, by its first line; False where it cannot be read."""
    head = ",".join(COLUMNS).encode("utf-8-sig")
    try:
        with path.open("rb") as stream:
            return stream.read(len(head)) == head
    except OSError:
        return False


def _row(report: Report) -> Iterator[Any]:
    score, media = report.score, report.media
    yield report.file.name
    yield "failed" if report.verdict is None else report.verdict.value
    yield from (score.probability, score.low, score.high) if score else (None, None, None)
    yield len(report.tracks)
    yield None if report.decided_by is None else report.decided_by + 1
    yield " ".join(dict.fromkeys(notice.code for notice in report.notices))
    yield " ".join(report.reasons)
    yield report.error
    yield from (media.kind, media.width, media.height) if media else (None, None, None)
    yield media.duration_s if media else None
    yield report.file.sha256
    yield report.file.path
