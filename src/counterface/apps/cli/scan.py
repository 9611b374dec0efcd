"""`counterface scan`: a verdict on each image and video, in words, JSON Lines, pages or a table.

The page, the PDF and the table are written whatever happens before: what was scanned is not lost
when the console goes away or somebody stops the work. What a kill leaves is kept beside them until
the same command has got through.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.detect.scanning.scan import ScanConfig
from counterface.errors import ConfigError
from counterface.wording import counted, spoken

if TYPE_CHECKING:
    from counterface.detect.findings import Notice, Report

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
    pdf: Annotated[
        Path | None, Parameter(help="write the page as PDF here; needs counterface[pdf]")
    ] = None,
    csv: Annotated[
        Path | None, Parameter(help="write a table here; beside the page by default, if many files")
    ] = None,
    jobs: Annotated[int, Parameter(help="processes; each loads its own models")] = 1,
    json_output: Json = False,
) -> int:
    """Judge images and videos: made or changed by a machine?

    Marks of origin are looked for too (credentials, watermark, known fakes); one that only its
    maker can leave decides, whatever the detector thinks.

    Paths are files, folders (every image and video below) and globs. A file that cannot be opened
    is reported and the rest goes on. Ctrl-C writes the page of what was scanned. A scan of many
    files into a page or table that was stopped, or killed, goes on where it was: run it again. Exit
    code 0: all scanned; 2: some failed; 1: wrong use.
    """
    from counterface.detect.scanning.kept_reports import keep_reports
    from counterface.detect.scanning.scan_files import scan_files
    from counterface.media.find_media import describe_left_out, find_media

    if not paths:
        raise ConfigError("no file named; say 'counterface scan clip.mp4', a folder or a glob")
    if jobs < 1:
        raise ConfigError(f"--jobs {jobs}: at least one process is needed")
    left_out: Counter[str] = Counter()
    files = find_media(paths, left_out)
    if left_out:
        print(output.printable(describe_left_out(left_out)), file=sys.stderr)
    outputs = Outputs(html, csv, pdf, count=len(files))
    shown = html is not None or pdf is not None
    config = config.model_copy(update={"pictures": config.pictures and shown})
    tally: Counter[str] = Counter()
    stopped = True
    with ExitStack() as stack:
        kept = None
        if (place := outputs.first) is not None and len(files) > 1:
            kept = stack.enter_context(keep_reports(place, config))
        try:
            with (
                output.progress("scan") as progress,
                closing(
                    scan_files(files, config, jobs=jobs, progress=progress, kept=kept)
                ) as outcomes,
            ):
                _tell(outcomes, outputs, tally, json_output)
            stopped = False
        finally:
            outputs.write()
            if stopped and tally:
                scanned = f"{tally.total()} of {counted(len(files), 'file')} scanned"
                for line in (scanned, *outputs.lines()):
                    print(output.printable(line), file=sys.stderr)
        if kept is not None:
            kept.remove()
    lines = (*summary_lines(tally), *outputs.lines())
    return output.tell([], lines, json_output, failed=tally["failed"])


class Outputs:
    """The page, the PDF and the table that a scan leaves, and the reports that they will show."""

    def __init__(
        self, html: Path | None, csv: Path | None, pdf: Path | None = None, *, count: int
    ) -> None:
        """Check that all can be written.

        Args:
            html: Path of the page, if one is wanted.
            csv: Path of the table; beside the page by default.
            pdf: Path of the PDF, if one is wanted.
            count: Number of files; of several, a table is of use.

        Raises:
            ConfigError: a file cannot be written there, or must not be written over; a PDF of so
                many files, or any PDF, cannot be made.
        """
        beside = html is not None and count > 1 and csv is None
        self.html, self.csv = html, html.with_suffix(".csv") if html and beside else csv
        self.pdf = pdf
        self.reports: list[Report] = []
        if self.html is not None and self.html == self.csv:
            raise ConfigError(
                f"--html {self.html}: the table has this name; give the page one in .html"
            )
        if self.html is not None:
            output.require_place(self.html, "--html")
            _require_no_media(self.html, "--html")
        if self.pdf is not None:
            _require_pdf(self.pdf, (self.html, self.csv), count)
        if self.csv is not None:
            from counterface.report.table import is_table

            output.require_place(self.csv, "--csv")
            _require_no_media(self.csv, "--csv")
            if self.csv.exists() and not is_table(self.csv):
                raise ConfigError(f"--csv {self.csv}: is there already and no table of a scan")

    @property
    def first(self) -> Path | None:
        """The page, else the table, else the PDF, if anything is to be written."""
        return next((path for path in (self.html, self.csv, self.pdf) if path is not None), None)

    @property
    def wanted(self) -> bool:
        """Whether anything is to be written."""
        return self.first is not None

    def write(self) -> None:
        """Write the page, the table and the PDF of what was scanned, if anything was."""
        from counterface.report.html import write_html
        from counterface.report.pdf import write_pdf
        from counterface.report.table import write_csv

        if not self.reports:
            return
        with ExitStack() as writers:  # each for itself; the last in is written first
            for write, path in (
                (write_pdf, self.pdf),
                (write_csv, self.csv),
                (write_html, self.html),
            ):
                if path is not None:
                    writers.callback(write, self.reports, path)

    def lines(self) -> Iterator[str]:
        """Where the page, the PDF and the table lie, if anything is in them."""
        for title, path in (("Report", self.html), ("PDF", self.pdf), ("Table", self.csv)):
            if path is not None and self.reports:
                yield f"{title}: {path}"


def _require_pdf(path: Path, others: Sequence[Path | None], count: int) -> None:
    """Refuse a PDF that could not be made, or that would take the place of another file."""
    from counterface.report.pdf import require_few, require_weasyprint

    if path in others:
        raise ConfigError(f"--pdf {path}: another output has this name; give the PDF one in .pdf")
    output.require_place(path, "--pdf")
    _require_no_media(path, "--pdf")
    require_few(count)
    require_weasyprint()


def _require_no_media(path: Path, flag: str) -> None:
    """Refuse the name of a picture or video where a page goes: `--html *.mp4` would give one."""
    from counterface.media.find_media import VIDEO_SUFFIXES
    from counterface.media.image import IMAGE_SUFFIXES

    if path.suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES:
        raise ConfigError(f"{flag} {path}: is the name of a picture or video; name the page first")


def _tell(
    outcomes: Generator[Report, None, None],
    outputs: Outputs,
    tally: Counter[str],
    json_output: bool,
) -> None:
    """Print each result as it comes and keep it for the page."""
    for report in outcomes:
        tally[report.verdict.value if report.verdict else "failed"] += 1
        if outputs.wanted:
            outputs.reports.append(report)
        try:
            output.tell(report, describe(report), json_output)
        except BrokenPipeError:
            if not outputs.wanted:
                raise
            output.leave_console()  # the page is still wanted


def describe(report: Report) -> list[str]:
    """The report in a few lines of plain words."""
    from counterface.detect.pool import show_interval, show_percent

    name = report.file.path
    if report.verdict is None:
        return [name, f"  {HEADLINES['failed']}: {report.error or ''}"]
    headline = report.headline.title if report.headline else report.verdict.value
    if report.verdict.value == "likely_manipulated":
        headline = headline.upper()
    if report.headline and report.headline.number is not None and report.score is not None:
        headline += f"   {report.headline.number_name}: {show_percent(report.headline.number)}"
        headline += f" (interval {show_interval(report.score.low, report.score.high)})"
    notices = [notice for notice in report.notices if not _is_said(notice, report)]
    first = [_notice_line(notice) for notice in notices if notice.level == "trust"]
    rest = [_notice_line(notice) for notice in notices if notice.level != "trust"]
    reasons = [f"  {reason}" for reason in report.reasons]
    heard = [*describe_witnesses(report), *describe_cues(report)]
    own = [
        *reasons,
        *describe_parts(report),
        *heard,
        *describe_family(report),
        *rest,
        *describe_metadata(report),
    ]
    return [name, f"  {headline}", *first, *own, *describe_marks(report)]


def _notice_line(notice: Notice) -> str:
    whose = "" if notice.track is None else f"Face {notice.track + 1}: "
    return f"  ! {whose}{notice.text}"


def describe_metadata(report: Report) -> list[str]:
    """One line with the camera, editing programs and place that the file names, if any."""
    found = report.metadata
    if found is None:
        return []
    place = found.place
    parts = [
        f"camera {found.camera}" if found.camera else "",
        *(f"edited with {p.name}" for p in found.programs if p.role == "editor"),
        f"place {place.latitude:.6f}, {place.longitude:.6f}" if place else "",
    ]
    said = "; ".join(filter(None, parts))
    return [f"  The file says of itself: {said}."] if said else []


def _is_said(notice: Notice, report: Report) -> bool:
    """Whether the reasons already say why the notice's face does not count."""
    aside = next((t.aside for t in report.tracks if t.id == notice.track), None)
    if aside is None or aside.text not in notice.text:
        return False
    return any(aside.text in reason for reason in report.reasons)


def describe_witnesses(report: Report) -> list[str]:
    """One line for each witness's opinion of the face that the title is about."""
    face = report.headline.face if report.headline else report.decided_by
    said = next((track.witnesses for track in report.tracks if track.id == face), ())
    return [f"    {one.text}" for one in said]


def describe_cues(report: Report) -> list[str]:
    """One line for each cue that speaks for or against something, of the same face or the sound."""
    face = report.headline.face if report.headline else report.decided_by
    cues = next((track.cues for track in report.tracks if track.id == face), ())
    said = [c for c in (*cues, *report.sound_cues) if c.says in ("for", "against")]
    lines = [f"    {cue.text}" for cue in said]
    if any(cue.share for cue in said):
        return ["  Cues:", *lines]
    return ["  Cues, which do not enter the verdict:", *lines] if lines else []


def describe_parts(report: Report) -> list[str]:
    """A line for the picture, the sound and their match of a video."""
    if len(report.parts) < 2:
        return []
    from counterface.detect.findings import PART_TITLES

    return [f"  {PART_TITLES[part.name]}: {part.says}. {part.text}" for part in report.parts]


def describe_family(report: Report) -> list[str]:
    """One line with the family of methods of the face that decided, if the detector names any."""
    from counterface.detect.pool import show_percent

    found = next((t.attribution for t in report.tracks if t.id == report.decided_by), None)
    if found is None:
        return []
    sure = "" if found.confidence is None else f", {show_percent(found.confidence)} of those known"
    return [f"  Family, if manipulated: {spoken(found.family)}{sure}. {found.note}"]


def describe_marks(report: Report) -> list[str]:
    """The marks of origin: one line, or one for each mark that was found."""
    found = report.provenance
    if found is None:
        return []
    lines = [f"  Marks of origin: {found.in_a_line}"]
    said = (*report.reasons, *(notice.text for notice in report.notices))
    for block in (found.credentials, found.watermark, found.known_fake, found.record):
        if not found.nothing and block.reason not in said and block.state not in NO_MARK:
            lines.append(f"    {block.reason}")
    return lines


def summary_lines(tally: Counter[str]) -> Iterator[str]:
    """What was found in all, and what was not looked at."""
    if tally.total() > 1:
        counts = ", ".join(
            f"{tally[s]} {words.lower()}" for s, words in HEADLINES.items() if tally[s]
        )
        yield from ("", f"{counted(tally.total(), 'file')}: {counts}")
    if tally.total() > tally["failed"]:
        yield from ("", "Of the content only faces and speech were judged.")
