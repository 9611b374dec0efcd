"""The history of scans: what each report said, found again by name, tag, verdict and content."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field
from sqlalchemy import String, cast, or_, select
from sqlalchemy.orm import Session

from counterface.apps.studio.store import OPEN, Job, Scan, Store, StudioError, Upload
from counterface.config import Record
from counterface.errors import ConfigError

MOST = 500  # rows of one answer
MOST_TAG, MOST_TAGS = 60, 40  # characters of a tag, and tags of a scan
REPORTS = ("report.html", "report.pdf", "result.jsonl")  # what the job of a scan leaves


def keep_result(store: Store, job: Job) -> None:
    """Keep what a job that has ended found, where it is of a kind that is looked up again."""
    if job.name == "scan":
        for report in store.results(job.id):
            _keep_report(store, job, report)


def settings_text(words: Sequence[str]) -> str:
    """The options of a scan that change what it finds, as text that can be compared."""
    left_out = ("--html", "--pdf", "--csv", "--json", "--jobs")
    options = (w for w in words if w.startswith("--") and w != "--")
    return " ".join(sorted(w for w in options if not w.startswith(left_out)))


def find_scans(
    store: Store,
    *,
    text: str = "",
    tag: str = "",
    verdict: str = "",
    sha256: str = "",
    job: str = "",
    before: int | None = None,
    most: int = MOST,
) -> list[Scan]:
    """The scans that fit all that is asked, newest first.

    Args:
        store: of the studio.
        text: part of the file's name, or start of its SHA-256.
        tag: one of its tags.
        verdict: value of its verdict, or "failed".
        sha256: of the file's content.
        job: id of its job.
        before: number of the last scan of the rows before; older ones are given.
        most: how many at most.
    """
    asked = select(Scan).order_by(Scan.id.desc()).limit(min(most, MOST))
    if before is not None:
        asked = asked.where(Scan.id < before)
    if text:
        like = text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
        asked = asked.where(
            or_(Scan.name.ilike(f"%{like}%", escape="\\"), Scan.sha256.startswith(text.lower()))
        )
    if tag:
        quoted = json.dumps(tag).replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
        asked = asked.where(cast(Scan.tags, String).like(f"%{quoted}%", escape="\\"))
    for column, value in ((Scan.verdict, verdict), (Scan.sha256, sha256), (Scan.job, job)):
        if value:
            asked = asked.where(column == value)
    with store.session() as session:
        return list(session.scalars(asked))


def read_scan(store: Store, number: int) -> Scan:
    """The scan of a number.

    Raises:
        StudioError: there is none.
    """
    with store.session() as session:
        return _scan_in(session, number)


def tag_scan(store: Store, number: int, tags: Sequence[str]) -> Scan:
    """The scan with these tags and no others.

    Raises:
        ConfigError: a tag is too long, or there are too many.
        StudioError: there is none.
    """
    wanted = sorted({tag.strip() for tag in tags if tag.strip()})
    long = [tag for tag in wanted if len(tag) > MOST_TAG]
    if long or len(wanted) > MOST_TAGS:
        what = f"tag {long[0]!r} is too long" if long else f"{len(wanted)} tags are too many"
        raise ConfigError(f"{what}; at most {MOST_TAGS} tags of {MOST_TAG} characters are kept")
    with store.session() as session:
        scan = _scan_in(session, number)
        scan.tags = wanted
    return scan


def count_tags(store: Store) -> dict[str, int]:
    """How many scans bear each tag, by name."""
    with store.session() as session:
        counts = Counter(tag for tags in session.scalars(select(Scan.tags)) for tag in tags)
    return dict(sorted(counts.items()))


def delete_scan(store: Store, number: int) -> Scan:
    """The scan that was taken out of the history; with it go its page and an upload of its own.

    A file below the user's folders is never deleted; an upload is, once no other scan is of it.

    Raises:
        StudioError: there is none.
    """
    with store.session() as session:
        scan = _scan_in(session, number)
        session.delete(scan)
        session.flush()
        alone = session.scalars(select(Scan).where(Scan.job == scan.job)).first() is None
        upload = session.get(Upload, scan.place)
        if upload is not None and not _is_used(session, scan.place):
            session.delete(upload)
            Path(upload.place).unlink(missing_ok=True)
    for path in REPORTS if alone else ():
        (store.folder_of(scan.job) / path).unlink(missing_ok=True)
    return scan


class ScanRow(Record):
    """A scan as lists show it."""

    id: int = Field(description="number of the scan")
    job: str = Field(description="id of its job")
    sha256: str | None = Field(description="hash of the file; null: it could not be read")
    name: str = Field(description="name of the file, for people")
    place: str = Field(description="where the file was")
    created: float = Field(description="seconds since 1970")
    verdict: str = Field(description="as in the report")
    number: float | None = Field(description="that the report leads with; null: it has none")
    tags: tuple[str, ...] = Field(description="given by people")


def row_of(scan: Scan, name_of: Any) -> ScanRow:
    """The row of a scan.

    Args:
        scan: in the history.
        name_of: gives the place of a path.
    """
    return ScanRow(
        id=scan.id,
        job=scan.job,
        sha256=scan.sha256,
        name=scan.name,
        place=name_of(scan.place),
        created=scan.created,
        verdict=scan.verdict,
        number=scan.number,
        tags=tuple(scan.tags),
    )


def _scan_in(session: Session, number: int) -> Scan:
    scan = session.get(Scan, number) if number.bit_length() < 64 else None  # SQLite has 64 bits
    if scan is None:
        raise StudioError(f"no scan {number}")
    return scan


def _is_used(session: Session, place: str) -> bool:
    """Whether a scan in the history, or a job that has not ended, is of the file."""
    if session.scalars(select(Scan).where(Scan.place == place)).first() is not None:
        return True
    waiting = session.scalars(select(Job).where(Job.state.in_(OPEN)))
    return any(place in job.words for job in waiting)


def _keep_report(store: Store, job: Job, report: Mapping[str, Any]) -> None:
    file = report["file"]
    path = str(file["path"])
    with store.session() as session:
        upload = session.get(Upload, path)
        known = session.scalars(select(Scan).where(Scan.job == job.id, Scan.place == path)).first()
        if known is not None:  # the job was run again after a crash
            session.delete(known)
        session.add(
            Scan(
                job=job.id,
                sha256=file.get("sha256"),
                name=upload.name if upload else str(file["name"]),
                place=path,
                created=time.time(),
                verdict=report.get("verdict") or "failed",
                number=(report.get("headline") or {}).get("number"),
                settings=settings_text(job.words),
                report=json.dumps(report),
                tags=[],
            )
        )
