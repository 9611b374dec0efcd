"""Scans: files that are judged, and the history of reports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, Response
from pydantic import Field

from counterface.apps.studio.api.answers import Jpeg, Pdf
from counterface.apps.studio.api.jobs import PAGE, JobRow, written_page
from counterface.apps.studio.api.jobs import row_of as job_row
from counterface.apps.studio.commands import Value, words_of
from counterface.apps.studio.frame_pack import FramePack
from counterface.apps.studio.history import (
    ScanRow,
    count_tags,
    delete_scan,
    find_scans,
    read_scan,
    row_of,
    settings_text,
    tag_scan,
)
from counterface.apps.studio.store import NewJob, Scan, StudioError, Upload
from counterface.apps.studio.studio import Studio, StudioHere
from counterface.config import Record
from counterface.errors import ConfigError
from counterface.files import file_sha256, find_differences
from counterface.media.find_media import VIDEO_SUFFIXES, find_media
from counterface.media.image import IMAGE_SUFFIXES
from counterface.report.page_faces import ShownFace, read_faces
from counterface.report.pdf import require_weasyprint

router = APIRouter(tags=["scans"])
PDF = "report.pdf"
MOST_FILES = 5000  # of one request
MOST_OF_A_FILE = 50  # scans of the same file that are named
WithPdf = Annotated[bool, Query(description="also write the report as PDF")]
Number = Annotated[int, InPath(description="number of the scan")]
FRAMES_FOR = {"cache-control": "private, max-age=3600"}  # a frame of a number never changes


class ScanRequest(Record):
    """Files that are to be judged."""

    places: tuple[str, ...] = Field(
        min_length=1,
        max_length=MOST_FILES,
        description="pictures, videos, folders of both; a path below a folder of the studio also",
    )
    options: dict[str, Value | None] = Field(
        default_factory=dict, description="options of 'scan' by name"
    )
    again: bool = Field(False, description="also judge files whose report is in the history")
    pdf: bool = Field(False, description="also write the report as PDF, where PDFs can be made")


class ScanAnswer(Record):
    """What became of the files."""

    jobs: tuple[JobRow, ...] = Field(description="a job for each file that is judged")
    known: tuple[ScanRow, ...] = Field(description="reports that are in the history already")


class ScanAbout(Record):
    """What there is of a scan."""

    row: ScanRow
    html: bool = Field(description="whether its report is there as a page")
    pdf: bool = Field(description="whether its report is there as PDF")
    present: bool = Field(description="whether the file is still where it was")
    line: str = Field(description="command line of its job, with places for paths")
    others: tuple[ScanRow, ...] = Field(description="other scans of a file of the same content")


class Difference(Record):
    """A setting in which two scans differ."""

    name: str = Field(description="dotted name")
    first: Any = Field(description="value in the first; null: it has none")
    second: Any = Field(description="value in the second; null: it has none")


class Comparison(Record):
    """What differs between two scans besides what they found."""

    same_file: bool = Field(description="whether both files have the same content")
    settings: tuple[Difference, ...]
    detector: tuple[Difference, ...] = Field(description="name, version and hash of the detector")


@router.post("/scans", status_code=201)
def scan(request: ScanRequest, studio: StudioHere) -> ScanAnswer:
    """Judge files, each as a job of its own; those that were judged before are told instead."""
    wanted, known = list[NewJob](), []
    files = _files(studio, request.places)
    some = request.places[0].strip()  # options are checked once for all files: it is slow
    head = words_of("scan", [studio.places.outward(some)], request.options, studio.places)[:-2]
    settings = settings_text(head)
    for path in files:
        upload = _upload(studio, path)
        sha256 = "" if request.again else upload.sha256 if upload else file_sha256(path)
        found = find_scans(studio.store, sha256=sha256) if sha256 else []
        same = [one for one in found if one.settings == settings]
        if same:
            here = [one for one in same if one.place == str(path)]
            known.append(_row(studio, (here or same)[0]))
            continue
        job = NewJob("scan", upload.name if upload else studio.places.name(path), ())
        folder = studio.store.folder_of(job.id)
        folder.mkdir(parents=True)
        words = [*head, "--json", *_outputs(folder, request.pdf), "--", str(path)]
        wanted.append(replace(job, words=words))
    started = studio.submit(wanted)
    return ScanAnswer(
        jobs=tuple(job_row(job, studio.places) for job in started), known=tuple(known)
    )


@router.get("/scans")
def scans(
    studio: StudioHere,
    text: Annotated[str, Query(description="part of the name, or start of the SHA-256")] = "",
    tag: Annotated[str, Query(description="a tag that it bears")] = "",
    verdict: Annotated[str, Query(description="as in the report")] = "",
    job: Annotated[str, Query(description="id of its job")] = "",
    before: Annotated[int | None, Query(description="number; older scans are given")] = None,
    most: Annotated[int, Query(ge=1, le=500, description="scans that are given")] = 100,
) -> list[ScanRow]:
    """The history, newest first."""
    found = find_scans(
        studio.store, text=text, tag=tag, verdict=verdict, job=job, before=before, most=most
    )
    return [_row(studio, one) for one in found]


@router.get("/scans/tags")
def all_tags(studio: StudioHere) -> dict[str, int]:
    """How many scans bear each tag, by name."""
    return count_tags(studio.store)


@router.get("/scans/suffixes")
def suffixes() -> list[str]:
    """Ends of the names of pictures and videos, each with its full stop."""
    return sorted(VIDEO_SUFFIXES | IMAGE_SUFFIXES)


@router.post("/scans/stop")
def stop_all(studio: StudioHere) -> int:
    """Stop every scan that waits or runs; gives how many."""
    return studio.store.stop_all("scan")


@router.get("/scans/compare/{first}/{second}")
def compare(first: Number, second: Number, studio: StudioHere) -> Comparison:
    """What differs between two scans besides what they found."""
    one, two = (json.loads(read_scan(studio.store, n).report) for n in (first, second))
    facts = [
        {name: (report.get("detector") or {}).get(name) for name in ("name", "version", "sha256")}
        for report in (one, two)
    ]
    return Comparison(
        same_file=one["file"].get("sha256") == two["file"].get("sha256"),
        settings=_differences(studio, one["config"], two["config"]),
        detector=_differences(studio, *facts),
    )


@router.get("/scans/{number}")
def report(number: Number, studio: StudioHere) -> dict[str, Any]:
    """A report, as `counterface scan --json` prints it, with the file's name as people know it."""
    return _report(studio, read_scan(studio.store, number))


@router.delete("/scans/{number}")
def delete(number: Number, studio: StudioHere) -> ScanRow:
    """Take a scan out of the history, with its page; an upload that nothing else is of goes too."""
    found = delete_scan(studio.store, number)
    studio.packs.forget(_stem(studio, found))
    return _row(studio, found)


@router.get("/scans/{number}/row")
def scan_row(number: Number, studio: StudioHere) -> ScanRow:
    """The row of a scan."""
    return _row(studio, read_scan(studio.store, number))


@router.get("/scans/{number}/about")
def about(number: Number, studio: StudioHere) -> ScanAbout:
    """What there is of a scan."""
    found = read_scan(studio.store, number)
    folder = studio.store.folder_of(found.job)
    sha256 = found.sha256 or "unknown"  # of a file that could not be read
    same = find_scans(studio.store, sha256=sha256, most=MOST_OF_A_FILE)
    return ScanAbout(
        row=_row(studio, found),
        html=(folder / PAGE).is_file(),
        pdf=(folder / PDF).is_file(),
        present=Path(found.place).is_file(),
        line=job_row(studio.store.job(found.job), studio.places).line,
        others=tuple(_row(studio, one) for one in same if one.id != found.id),
    )


@router.put("/scans/{number}/tags")
def tags(number: Number, wanted: list[str], studio: StudioHere) -> ScanRow:
    """Give a scan these tags and no others."""
    return _row(studio, tag_scan(studio.store, number, wanted))


@router.post("/scans/{number}/again", status_code=201)
def again(number: Number, studio: StudioHere, pdf: WithPdf = False) -> JobRow:
    """Judge the file of a scan once more, with the same options; with a PDF too, if asked."""
    found = read_scan(studio.store, number)
    if not Path(found.place).is_file():
        raise StudioError(f"{found.name}: is no longer where it was; add it anew")
    old = studio.store.job(found.job)
    words = old.words[: old.words.index("--")]
    if pdf and not any(word.startswith("--pdf=") for word in words):
        require_weasyprint()
        words.append(f"--pdf={studio.store.folder_of(old.id) / PDF}")
    words += ["--", found.place]
    return job_row(studio.submit_again(old, words), studio.places)


@router.get("/scans/{number}/report.json")
def report_file(number: Number, studio: StudioHere) -> Response:
    """The report as a file of JSON, one line."""
    text = json.dumps(_report(studio, read_scan(studio.store, number)), separators=(",", ":"))
    return Response(text + "\n", media_type="application/json")


@router.get("/scans/{number}/report.html", response_class=HTMLResponse)
def page(number: Number, studio: StudioHere) -> HTMLResponse:
    """The report as a page."""
    return written_page(_output(studio, number, PAGE), studio.places)


@router.get("/scans/{number}/report.pdf", response_class=Pdf)
def pdf(number: Number, studio: StudioHere) -> Pdf:
    """The report as PDF."""
    return Pdf(_output(studio, number, PDF))


@router.get("/scans/{number}/faces")
def faces(number: Number, studio: StudioHere) -> tuple[ShownFace, ...]:
    """The faces that the report's page shows, with their heat maps."""
    return read_faces(_output(studio, number, PAGE))


@router.get("/scans/{number}/frames")
def frames(number: Number, studio: StudioHere) -> FramePack:
    """The frames of the file as far as they are there; asking begins to make them."""
    found = read_scan(studio.store, number)
    tracks = json.loads(found.report)["tracks"]
    scored = [frame["pts_s"] for track in tracks for frame in track["frames"]]
    pack = studio.packs.pack(_stem(studio, found), Path(found.place), found.sha256, scored)
    return pack.model_copy(update={"error": studio.places.outward(pack.error)})


@router.get("/scans/{number}/frames/{frame}.jpg", response_class=Jpeg)
def frame_picture(
    number: Number,
    frame: Annotated[int, InPath(description="its number in the list of frames")],
    studio: StudioHere,
) -> Jpeg:
    """One frame of the file, as JPEG."""
    jpeg = studio.packs.picture(_stem(studio, read_scan(studio.store, number)), frame)
    return Jpeg(jpeg, headers=FRAMES_FOR)


def _files(studio: Studio, places: Sequence[str]) -> list[Path]:
    """The files of places; of a folder all below it that are pictures or videos, links left out."""
    found: list[Path] = []
    for place in places:
        path = studio.places.readable(studio.places.outward(place.strip()))
        inside = find_media([path]) if path.is_dir() else [path]
        found += [one for one in inside if not one.is_symlink()]
        if len(found) > MOST_FILES:
            raise StudioError(f"more than {MOST_FILES} files at once; name fewer")
    return found


def _upload(studio: Studio, path: Path) -> Upload | None:
    with studio.store.session() as session:
        return session.get(Upload, str(path))


def _outputs(folder: Path, pdf: bool) -> list[str]:
    """The options that leave the report as files in the folder of its job."""
    kinds = ("html", "pdf") if pdf and _can_write_pdf() else ("html",)
    return [f"--{kind}={folder / f'report.{kind}'}" for kind in kinds]


@cache
def _can_write_pdf() -> bool:
    try:
        require_weasyprint()
    except ConfigError:
        return False
    return True


def _output(studio: Studio, number: int, name: str) -> Path:
    path = studio.store.folder_of(read_scan(studio.store, number).job) / name
    if not path.is_file():
        raise StudioError(f"scan {number} has no {name}")
    return path


def _report(studio: Studio, found: Scan) -> dict[str, Any]:
    value: dict[str, Any] = studio.places.outward_json(json.loads(found.report))
    value["file"]["name"] = found.name
    return value


def _differences(
    studio: Studio, one: dict[str, Any], two: dict[str, Any]
) -> tuple[Difference, ...]:
    found = studio.places.outward_json(
        [[name, *values] for name, values in find_differences(one, two).items()]
    )
    return tuple(Difference(name=n, first=first, second=second) for n, first, second in found)


def _stem(studio: Studio, scan: Scan) -> Path:
    return studio.store.folder_of(scan.job) / f"scan-{scan.id}"


def _row(studio: Studio, scan: Scan) -> ScanRow:
    return row_of(scan, lambda place: studio.places.outward(place))
