"""Jobs: commands that are run for a page, with their progress as it happens."""

from __future__ import annotations

import json
import shlex
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse
from pydantic import Field

from counterface.apps.studio.api.answers import Events
from counterface.apps.studio.commands import Value, read_command, words_of
from counterface.apps.studio.doors import REPORT_POLICY
from counterface.apps.studio.places import Places
from counterface.apps.studio.store import Job, JobState, NewJob, StudioError
from counterface.apps.studio.studio import StudioHere
from counterface.config import Record
from counterface.errors import ConfigError

router = APIRouter(tags=["jobs"])
PAGE = "report.html"
Number = Annotated[str, InPath(description="id of the job")]


class JobRequest(Record):
    """A command that is to be run."""

    command: str = Field(description="its name, as 'faceset extract'", max_length=60)
    arguments: tuple[str, ...] = Field((), description="its arguments; files are places")
    options: dict[str, Value | list[Value] | dict[str, Any] | None] = Field(
        default_factory=dict, description="its options by name, without the dashes"
    )
    title: str = Field("", max_length=200, description="for people; unset: the first argument")
    page: bool = Field(False, description="also write the page of a command that has --html")


class JobRow(Record):
    """A job as pages show it."""

    id: str = Field(description="what it is asked for by")
    command: str = Field(description="name of the command")
    title: str = Field(description="for people")
    line: str = Field(description="the command line, with places for paths")
    state: JobState = Field(description="where it stands; the last three are final")
    created: float = Field(description="seconds since 1970")
    started: float | None = Field(description="seconds since 1970; null: not yet")
    ended: float | None = Field(description="seconds since 1970; null: not yet")
    done: int = Field(description="of `total`, in the command's own unit")
    total: int | None = Field(description="null: it is not known")
    text: str = Field(description="what is going on")
    code: int | None = Field(description="exit code: 0 done, 2 some inputs failed")
    error: str = Field(description="what the command said of its failure; empty: nothing")
    change: int = Field(description="number of the last change")


class JobResult(Record):
    """A job, and what its command printed with `--json`."""

    job: JobRow
    results: list[Any] = Field(
        description="a value for each line; empty until its command has ended"
    )


def row_of(job: Job, places: Places) -> JobRow:
    """The row of a job."""
    shown = [word for word in job.words if word != "--json"]
    line = " ".join(shlex.quote(places.outward(word)) for word in ("counterface", *shown))
    return JobRow(
        id=job.id,
        command=job.name,
        title=places.outward(job.title),
        line=line,
        state=job.state,
        created=job.created,
        started=job.started,
        ended=job.ended,
        done=job.done,
        total=job.total,
        text=places.outward(job.text),
        code=job.code,
        error=places.outward(job.error),
        change=job.change,
    )


def event_of(job: Job, places: Places) -> str:
    """The server-sent event that tells of a change of a job."""
    data = json.dumps(row_of(job, places).model_dump())
    return f"id: {job.change}\nevent: job\ndata: {data}\n\n"


def written_page(path: Path, places: Places) -> HTMLResponse:
    """A page that a command wrote, for a frame that runs nothing."""
    text = places.outward(path.read_text(encoding="utf-8"))
    return HTMLResponse(text, headers={"content-security-policy": REPORT_POLICY})


@router.post("/jobs", status_code=201)
def submit(request: JobRequest, studio: StudioHere) -> JobRow:
    """Run a command."""
    words = words_of(request.command, request.arguments, request.options, studio.places)
    title = request.title or (request.arguments[0] if request.arguments else request.command)
    job, own = NewJob(request.command, title, ()), ["--json"]
    if request.page and any(one.name == "html" for one in read_command(request.command).options):
        studio.store.folder_of(job.id).mkdir(parents=True)
        own.append(f"--html={studio.store.folder_of(job.id) / PAGE}")
    at = words.index("--") if "--" in words else len(words)
    words[at:at] = own
    return row_of(studio.submit([replace(job, words=words)])[0], studio.places)


@router.get("/jobs")
def jobs(
    studio: StudioHere,
    command: Annotated[str, Query(description="noun or name of the command")] = "",
    state: Annotated[list[JobState] | None, Query(description="states that are wanted")] = None,
    most: Annotated[int, Query(ge=1, le=1000, description="jobs that are given")] = 200,
) -> list[JobRow]:
    """The jobs that changed last, newest first."""
    found = studio.store.jobs(states=state or (), most=most, name=command)
    return [row_of(job, studio.places) for job in found]


@router.get("/jobs/counts")
def counts(studio: StudioHere) -> dict[str, int]:
    """How many jobs there are by state."""
    return studio.store.counts()


@router.get("/jobs/{number}")
def job(number: Number, studio: StudioHere) -> JobResult:
    """A job; with its results, once its command has ended: what is being written is in pieces."""
    found = studio.store.job(number)
    results = studio.store.results(number) if found.code is not None else []
    return JobResult(job=row_of(found, studio.places), results=studio.places.outward_json(results))


@router.get("/jobs/{number}/page", response_class=HTMLResponse)
def page(number: Number, studio: StudioHere) -> HTMLResponse:
    """The page that a job's command wrote."""
    path = studio.store.folder_of(studio.store.job(number).id) / PAGE
    if not path.is_file():
        raise StudioError(f"job {number} has no page")
    return written_page(path, studio.places)


@router.post("/jobs/{number}/stop")
def stop(number: Number, studio: StudioHere) -> JobRow:
    """Stop a job; what a command has done is kept where the command keeps it."""
    return row_of(studio.store.stop(number), studio.places)


@router.post("/jobs/{number}/again", status_code=201)
def again(number: Number, studio: StudioHere) -> JobRow:
    """Run the command of a job that has ended once more; most go on where they were stopped."""
    old = studio.store.job(number)
    if old.ended is None:
        raise ConfigError(f"job {number} has not ended")
    return row_of(studio.submit_again(old, old.words), studio.places)


@router.get("/events", response_class=Events)
async def events(
    request: Request,
    after: Annotated[
        int,
        Query(ge=-1, description="number of the last change seen; -1: begin with the last jobs"),
    ] = -1,
) -> Events:
    """Changes of jobs as server-sent events named `job`, each with the number of its change."""
    seen = request.headers.get("last-event-id", "")
    first = int(seen) if seen.isdigit() else after

    async def lines() -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        async for changed in request.app.state.feed.changes(first):
            yield "".join(one.event for one in changed) or ": still here\n\n"

    return Events(lines())
