"""What the studio remembers: jobs, scans and uploads, in one SQLite file.

Every change of a job takes the next number of a counter, so that a page that has seen number n asks
for what came after it, whichever process wrote it.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import JSON, Engine, ForeignKey, create_engine, event, func, or_, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from counterface.errors import CounterfaceError

JobState = Literal["waiting", "running", "stopping", "done", "failed", "stopped"]
OPEN: tuple[JobState, ...] = ("waiting", "running", "stopping")
MOST_TEXT = 4000  # characters of an error that are kept


class StudioError(CounterfaceError):
    """Something that the studio was asked for and does not have."""


class Base(DeclarativeBase):
    """The tables of the studio."""


class Job(Base):
    """One command: waiting, running, or ended."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)  # of the command, "faceset extract"
    title: Mapped[str]  # for people
    words: Mapped[list[str]] = mapped_column(JSON)  # of the command line, paths absolute
    state: Mapped[str] = mapped_column(index=True)
    created: Mapped[float]  # seconds since 1970, as the next two
    started: Mapped[float | None]
    ended: Mapped[float | None]
    done: Mapped[int] = mapped_column(default=0)  # of `total`, in the command's own unit
    total: Mapped[int | None]
    text: Mapped[str] = mapped_column(default="")  # what is going on
    code: Mapped[int | None]  # exit code of the command
    error: Mapped[str] = mapped_column(default="")
    runs: Mapped[int] = mapped_column(default=0)  # how often it was begun
    change: Mapped[int] = mapped_column(index=True)  # number of its last change


@dataclass(frozen=True)
class NewJob:
    """A job to come."""

    name: str  # of the command
    title: str
    words: Sequence[str]  # of the command line
    id: str = field(default_factory=lambda: secrets.token_hex(8))


class Scan(Base):
    """One report in the history."""

    __tablename__ = "scans"

    id: Mapped[int] = mapped_column(primary_key=True)
    job: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    sha256: Mapped[str | None] = mapped_column(index=True)
    name: Mapped[str]  # of the file, as the user knows it
    place: Mapped[str]
    created: Mapped[float]
    verdict: Mapped[str]  # "failed" where there is none
    number: Mapped[float | None]  # of the headline
    settings: Mapped[str]  # of the scan, as text that can be compared
    report: Mapped[str]  # JSON of the report
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)


class Upload(Base):
    """A file that came through the browser, under a random name."""

    __tablename__ = "uploads"

    place: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(index=True)
    created: Mapped[float]


class Counter(Base):
    """The number of the last change."""

    __tablename__ = "counter"

    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]


class Store:
    """The file, shared by the server and the process of the jobs."""

    def __init__(self, folder: Path) -> None:
        """Open the file `studio.db` of a folder; it is made where it is not there."""
        self.folder = folder
        self._engine: Engine = create_engine(f"sqlite:///{folder / 'studio.db'}")
        event.listen(self._engine, "connect", _set_up)
        Base.metadata.create_all(self._engine)
        with self.session() as session:
            if session.get(Counter, 1) is None:
                session.merge(Counter(id=1, value=0))

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction that writes: all of it or nothing."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    def add_jobs(self, wanted: Sequence[NewJob]) -> list[Job]:
        """New jobs that wait, all of them or, where this process dies, none."""
        with self.session() as session:
            jobs = [
                Job(
                    id=one.id,
                    name=one.name,
                    title=one.title,
                    words=list(one.words),
                    state="waiting",
                    created=time.time(),
                    change=_next_change(session),
                )
                for one in wanted
            ]
            session.add_all(jobs)
        return jobs

    def job(self, number: str) -> Job:
        """The job of an id.

        Raises:
            StudioError: there is none.
        """
        with self.session() as session:
            return _job_in(session, number)

    def jobs(self, *, states: Sequence[str] = (), most: int = 200, name: str = "") -> list[Job]:
        """The jobs that changed last, newest change first."""
        asked = select(Job).order_by(Job.change.desc()).limit(most)
        if states:
            asked = asked.where(Job.state.in_(states))
        if name:
            asked = asked.where(or_(Job.name == name, Job.name.startswith(f"{name} ")))
        with self.session() as session:
            return list(session.scalars(asked))

    def changed_after(self, change: int, most: int = 200) -> list[Job]:
        """The jobs that changed after a number, oldest change first: none is passed over."""
        asked = select(Job).where(Job.change > change).order_by(Job.change).limit(most)
        with self.session() as session:
            return list(session.scalars(asked))

    def counts(self) -> dict[str, int]:
        """How many jobs there are by state."""
        with self.session() as session:
            found = session.execute(select(Job.state, func.count()).group_by(Job.state))
            return {state: number for state, number in found}  # noqa: C416  (rows, no pairs)

    def last_change(self) -> int:
        """The number of the last change."""
        with self.session() as session:
            return int(session.scalars(select(Counter.value)).one())

    def claim(self, number: str) -> Job | None:
        """The job, now running; None where it does not wait, so that nothing is run twice."""
        with self.session() as session:
            taken = session.execute(
                update(Job)
                .where(Job.id == number, Job.state == "waiting")
                .values(state="running", started=time.time(), ended=None, runs=Job.runs + 1)
            )
            if taken.rowcount == 0:  # type: ignore[attr-defined]
                return None
            job = session.get_one(Job, number)
            job.change = _next_change(session)
            return job

    def change(self, number: str, **values: Any) -> Job:
        """The job with some of its columns changed."""
        with self.session() as session:
            job = _job_in(session, number)
            for name, value in values.items():
                setattr(job, name, value[:MOST_TEXT] if isinstance(value, str) else value)
            job.change = _next_change(session)
        return job

    def stop(self, number: str) -> Job:
        """The job, stopped if it waits, and stopping if it runs; an ended one stays as it is."""
        with self.session() as session:
            job = _job_in(session, number)
            _stop(session, job)
        return job

    def stop_all(self, name: str) -> int:
        """Stop every job of a command that waits or runs; gives how many."""
        with self.session() as session:
            asked = select(Job).where(Job.state.in_(OPEN), Job.name == name)
            found = list(session.scalars(asked))
            for job in found:
                _stop(session, job)
        return len(found)

    def wait_again(self) -> list[Job]:
        """The jobs that are to be put into the queues: those that wait, and those cut off.

        For the process of the jobs as it starts, when none of them can be running.
        """
        with self.session() as session:
            found = list(session.scalars(select(Job).where(Job.state.in_(OPEN))))
            for job in found:
                if job.state == "stopping":
                    job.state, job.ended = "stopped", time.time()
                elif job.state == "running":
                    job.state = "waiting"
                job.change = _next_change(session)
        return [job for job in found if job.state == "waiting"]

    def folder_of(self, number: str) -> Path:
        """The folder of what a job wrote beside its result."""
        return self.folder / "jobs" / number

    def results(self, number: str) -> list[Any]:
        """What the command of a job printed, as JSON; empty where it has not ended."""
        path = self.folder_of(number) / "result.jsonl"
        if not path.is_file():
            return []
        with path.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines if line.strip()]


def _job_in(session: Session, number: str) -> Job:
    job = session.get(Job, number)
    if job is None:
        raise StudioError(f"no job {number!r}")
    return job


def _stop(session: Session, job: Job) -> None:
    if job.state == "waiting":
        job.state, job.ended = "stopped", time.time()
    elif job.state == "running":
        job.state = "stopping"
    job.change = _next_change(session)


def _set_up(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA busy_timeout=20000")
    connection.execute("PRAGMA foreign_keys=ON")


def _next_change(session: Session) -> int:
    session.execute(update(Counter).where(Counter.id == 1).values(value=Counter.value + 1))
    return int(session.scalars(select(Counter.value).where(Counter.id == 1)).one())
