"""Scans: files that are judged, and the history of reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from pydantic import Field

from counterface.apps.studio.api.jobs import JobRow
from counterface.apps.studio.api.jobs import row_of as job_row
from counterface.apps.studio.commands import Value, words_of
from counterface.apps.studio.doors import REPORT_POLICY
from counterface.apps.studio.history import (
    ScanRow,
    find_scans,
    read_scan,
    row_of,
    settings_text,
    tag_scan,
)
from counterface.apps.studio.store import StudioError, new_id
from counterface.apps.studio.studio import Studio, StudioHere
from counterface.config import Record
from counterface.files import file_sha256
from counterface.media.find_media import find_media

router = APIRouter(tags=["scans"])
MOST_FILES = 5000  # of one request


class ScanRequest(Record):
    """Files that are to be judged."""

    places: tuple[str, ...] = Field(min_length=1, description="pictures, videos, folders of both")
    options: dict[str, Value | None] = Field(
        default_factory=dict, description="options of 'scan' by name"
    )
    again: bool = Field(False, description="also judge files whose report is in the history")


class ScanAnswer(Record):
    """What became of the files."""

    jobs: tuple[JobRow, ...] = Field(description="a job for each file that is judged")
    known: tuple[ScanRow, ...] = Field(description="reports that are in the history already")


@router.post("/scans", status_code=201)
def scan(request: ScanRequest, studio: StudioHere) -> ScanAnswer:
    """Judge files, each as a job of its own; those that were judged before are told instead."""
    started, known = [], []
    for path in _files(studio, request.places):
        place = studio.places.name(path)
        words = words_of("scan", [place], request.options, studio.places)
        found = [] if request.again else find_scans(studio.store, sha256=file_sha256(path))
        same = [one for one in found if one.settings == settings_text(words)]
        if same:
            known.append(_row(studio, same[0]))
            continue
        number, at = new_id(), words.index("--")
        report = studio.store.folder_of(number) / "report.html"
        report.parent.mkdir(parents=True)
        words[at:at] = ["--json", f"--html={report}"]
        job = studio.submit("scan", place, words, number)
        started.append(job_row(job, studio.places))
    return ScanAnswer(jobs=tuple(started), known=tuple(known))


@router.get("/scans")
def scans(
    studio: StudioHere,
    text: Annotated[str, Query(description="part of the name, or start of the SHA-256")] = "",
    tag: str = "",
    verdict: str = "",
    job: str = "",
    most: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[ScanRow]:
    """The history, newest first."""
    found = find_scans(studio.store, text=text, tag=tag, verdict=verdict, job=job, most=most)
    return [_row(studio, one) for one in found]


@router.get("/scans/{number}")
def report(number: int, studio: StudioHere) -> dict[str, Any]:
    """A report, as `counterface scan --json` prints it, with the file's name as people know it."""
    found = read_scan(studio.store, number)
    value: dict[str, Any] = studio.places.outward_json(json.loads(found.report))
    value["file"]["name"] = found.name
    return value


@router.get("/scans/{number}/row")
def scan_row(number: int, studio: StudioHere) -> ScanRow:
    """The row of a scan."""
    return _row(studio, read_scan(studio.store, number))


@router.put("/scans/{number}/tags")
def tags(number: int, wanted: list[str], studio: StudioHere) -> ScanRow:
    """Give a scan these tags and no others."""
    return _row(studio, tag_scan(studio.store, number, wanted))


@router.get("/scans/{number}/report.html", response_class=HTMLResponse)
def page(number: int, studio: StudioHere) -> HTMLResponse:
    """The report as a page."""
    found = read_scan(studio.store, number)
    path = studio.store.folder_of(found.job) / "report.html"
    if not path.is_file():
        raise StudioError(f"scan {number} has no page")
    text = studio.places.outward(path.read_text(encoding="utf-8"))
    return HTMLResponse(text, headers={"content-security-policy": REPORT_POLICY})


def _files(studio: Studio, places: tuple[str, ...]) -> list[Path]:
    """The files of places; of a folder all below it that are pictures or videos, links left out."""
    found: list[Path] = []
    for place in places:
        path = studio.places.readable(place)
        inside = find_media([path]) if path.is_dir() else [path]
        found += [one for one in inside if not one.is_symlink()]
        if len(found) > MOST_FILES:
            raise StudioError(f"more than {MOST_FILES} files at once; name fewer")
    return found


def _row(studio: Studio, scan: Any) -> ScanRow:
    return row_of(scan, lambda place: studio.places.outward(place))
