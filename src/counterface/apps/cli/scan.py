"""`counterface scan`: a verdict on each image and video, as words, JSON Lines or one HTML page."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.output import Json
from counterface.detect.scan import ScanConfig
from counterface.errors import ConfigError

if TYPE_CHECKING:
    from counterface.report.schema import Report

HEADLINES = {
    "likely_manipulated": "LIKELY MANIPULATED",
    "no_manipulation_found": "no manipulation found",
    "inconclusive": "inconclusive",
    "no_face": "no face found",
    "failed": "could not be scanned",
}
NO_MARK = ("none", "not_found", "no_match", "not_run")


def scan(
    paths: Annotated[tuple[Path, ...], Parameter(help="files, folders, globs", negative="")],
    /,
    *,
    config: Annotated[ScanConfig, Parameter(name="*")] = ScanConfig(),  # noqa: B008  (frozen)
    html: Annotated[Path | None, Parameter(help="write one self-contained page here")] = None,
    jobs: Annotated[int, Parameter(help="processes; each loads its own models")] = 1,
    json_output: Json = False,
) -> int:
    """Judge images and videos of faces: made or changed by a machine?

    Marks of origin are looked for too (credentials, watermark, known fakes); one that only its
    maker can leave decides, whatever the detector thinks.

    Paths are files, folders (every image and video below) and globs. A file that cannot be opened
    is reported and the rest goes on. Exit code 0: all scanned; 2: some failed; 1: wrong use.
    """
    from counterface.detect.scan_files import scan_files
    from counterface.media.find_media import find_media
    from counterface.report.build import build_report
    from counterface.report.html import write_html

    if not paths:
        raise ConfigError("no file named; say 'counterface scan clip.mp4', a folder or a glob")
    if jobs < 1:
        raise ConfigError(f"--jobs {jobs}: at least one process is needed")
    if html is not None and not html.absolute().parent.is_dir():
        raise ConfigError(f"--html {html}: its folder does not exist; make it first")
    config = config.model_copy(update={"pictures": config.pictures and html is not None})
    files = find_media(paths)
    reports: list[Report] = []
    tally: Counter[str] = Counter()
    with (
        output.progress("scan") as progress,
        closing(scan_files(files, config, jobs=jobs, progress=progress)) as outcomes,
    ):
        for outcome in outcomes:
            report = build_report(outcome)
            tally[report.verdict.value if report.verdict else "failed"] += 1
            if json_output:
                output.print_json(report)
            else:
                print("\n".join(describe(report)), flush=True)
            if html is not None:
                reports.append(report)
    if html is not None:
        write_html(reports, html)
    if not json_output:
        print_summary(tally, html)
    return 2 if tally["failed"] else 0


def describe(report: Report) -> list[str]:
    """The report in a few lines of plain words."""
    from counterface.detect.pool import show_percent

    name = output.printable(report.file.path)
    if report.verdict is None:
        return [name, f"  {HEADLINES['failed']}: {output.printable(report.error or '')}"]
    headline = HEADLINES[report.verdict.value]
    if report.score is not None:
        low, middle, high = (
            show_percent(p) for p in (report.score.low, report.score.probability, report.score.high)
        )
        whose = "detector alone " if report.provenance and report.provenance.mark else ""
        headline += f"   {whose}{middle} (interval {low} to {high})"
    notices = [
        f"  ! {'' if notice.track is None else f'Face {notice.track + 1}: '}"
        f"{output.printable(notice.text)}"
        for notice in report.notices
    ]
    reasons = [f"  {output.printable(reason)}" for reason in report.reasons]
    family = describe_family(report)
    return [name, f"  {headline}", *reasons, *family, *notices, *describe_marks(report)]


def describe_family(report: Report) -> list[str]:
    """The family of methods of the face that decided, where the question was asked: one line."""
    from counterface.detect.pool import show_percent

    found = next((t.attribution for t in report.tracks if t.id == report.decided_by), None)
    if found is None:
        return []
    sure = "" if found.confidence is None else f", {show_percent(found.confidence)} of those known"
    family = output.printable(found.family.replace("_", " "))
    return [f"  Family, if manipulated: {family}{sure}. {output.printable(found.note)}"]


def describe_marks(report: Report) -> list[str]:
    """The marks of origin: one line, or one for each mark that was found."""
    found = report.provenance
    if found is None:
        return []
    lines = [f"  Marks of origin: {output.printable(found.in_a_line)}"]
    said = (*report.reasons, *(notice.text for notice in report.notices))
    for block in (found.credentials, found.watermark, found.known_fake, found.record):
        if not found.nothing and block.reason not in said and block.state not in NO_MARK:
            lines.append(f"    {output.printable(block.reason)}")
    return lines


def print_summary(tally: Counter[str], html: Path | None) -> None:
    """What was found in all, what was not looked at, and where the page lies."""
    if tally.total() > 1:
        counts = ", ".join(
            f"{tally[s]} {words.lower()}" for s, words in HEADLINES.items() if tally[s]
        )
        print(f"\n{tally.total()} files: {counts}")
    print("\nOf the content only faces were judged; sound and motion were not.")
    if html is not None:
        print(f"Report: {output.printable(str(html))}")
