"""`counterface demo`: a genuine portrait and two swaps, judged by their pixels, then by a mark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from pydantic import Field

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.config import Record
from counterface.files import make_folder

if TYPE_CHECKING:
    from counterface.detect.findings import Report


class DemoConfig(Record):
    """Where the demonstration is written."""

    out: Path = Field(Path("out/demo"), description="folder for the pictures, clips and the report")


def demo(
    *,
    config: Annotated[DemoConfig, Parameter(name="*")] = DemoConfig(),  # noqa: B008  (frozen)
    json_output: Json = False,
) -> int:
    """Scan a genuine portrait and two face swaps in it.

    One swap is typical, one mild. Pictures and short clips are judged by their pixels alone; then
    the marks of a signed file are read, too. The portrait is NASA's of Eileen Collins, in the
    public domain.
    """
    from counterface.apps.cli.demo_files import make_files
    from counterface.apps.cli.provenance import describe as describe_marks
    from counterface.detect.scanning.scan import ScanConfig
    from counterface.detect.scanning.scan_files import scan_files
    from counterface.provenance.verify import verify_file
    from counterface.report.html import write_html

    make_folder(config.out)
    with output.progress("demo") as progress, home_of(config.out / "home"):
        progress(0, None, "making a genuine portrait and two swaps")
        made = make_files(config.out)
        reports = list(scan_files(made.files, ScanConfig(marks=False), progress=progress))
        marked = list(scan_files([made.signed]))
        marks = verify_file(made.signed)
    page = config.out / "report.html"
    write_html([*reports, *marked], page)
    verdicts = [
        f"{file.name:14} {describe(report)}"
        for file, report in zip(made.files, reports, strict=True)
    ]
    lines = [
        *verdicts,
        "",
        "The face was replaced in 'swapped', and by 40 % in 'mild'. These verdicts rest on",
        "the pixels alone; docs/model_card.md says how well the detector does, and on what.",
        "What is made here says so itself; 'signed' is 'swapped' with its marks read:",
        "",
        made.signed.name,
        *describe_marks(marks),
        "",
        f"The report: {page.resolve()}",
    ]
    failed = any(report.status == "failed" for report in (*reports, *marked))
    return output.tell([*reports, *marked], lines, json_output, failed=failed)


def describe(report: Report) -> str:
    """The verdict in words, with the probability and its interval where there is one."""
    from counterface.detect.pool import show_percent

    if report.verdict is None:
        return f"could not be scanned: {report.error or ''}"
    words = report.verdict.value.replace("_", " ")
    if report.score is None:
        return words
    low, middle, high = (
        show_percent(p) for p in (report.score.low, report.score.probability, report.score.high)
    )
    return f"{words:24} probability of manipulation {middle} ({low} to {high})"


@contextmanager
def home_of(folder: Path) -> Iterator[None]:
    """A block in which this process signs with, and knows, an identity of its own.

    The user's registry of known fakes must not hold a portrait that is nearly the genuine one.
    """
    before = os.environ.get("COUNTERFACE_HOME")
    os.environ["COUNTERFACE_HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["COUNTERFACE_HOME"]
        else:
            os.environ["COUNTERFACE_HOME"] = before
