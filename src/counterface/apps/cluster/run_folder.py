"""The folder of a run: what it was begun with, and a Parquet file for each shard that is done.

    run.json            job, settings, the manifest's hash, rows of a shard
    results/00000.parquet   the results of the first rows, in order; whole or absent
    facesets/00000/...      what an extraction wrote, a faceset for each file

A shard whose file is there is done; nothing else is kept of how far a run has come, so whatever
stopped it, the same call goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from pydantic import Field

from counterface import __version__
from counterface.apps.cluster.manifest import Manifest
from counterface.apps.cluster.results import ResultRow, read_facts, write_shard
from counterface.config import Record
from counterface.errors import ConfigError
from counterface.files import LOCK_FILE, lock, locked, make_folder, name_differences, write_bytes
from counterface.project_files import read_json, reading, writing
from counterface.wording import counted

RUN_FILE, RESULTS_FOLDER, FACESETS_FOLDER = "run.json", "results", "facesets"
Job = Literal["scan", "extract"]


class ManifestFacts(Record):
    """Which files a run works through."""

    place: str = Field(description="path or address of the manifest when the run began")
    rows: int = Field(ge=1)
    sha256: str = Field(description="hash of the names of all files, in order")


class RunRecord(Record):
    """What a run was begun with; a call that goes on with it must say the same."""

    format: Literal[1] = 1
    id: str
    created: datetime
    version: str = Field(description="version of Counterface")
    job: Job
    shard_rows: int = Field(ge=1, description="rows of a shard")
    manifest: ManifestFacts
    settings: dict[str, Any] = Field(description="settings on which results depend")

    @classmethod
    def new(
        cls, job: Job, manifest: Manifest, shard_rows: int, settings: dict[str, Any]
    ) -> RunRecord:
        """The record of a run that begins now."""
        readable = manifest.place.encode(errors="backslashreplace").decode()
        facts = ManifestFacts(place=readable, rows=len(manifest), sha256=manifest.sha256)
        return cls(
            id=uuid4().hex,
            created=datetime.now(UTC),
            version=__version__,
            job=job,
            shard_rows=shard_rows,
            manifest=facts,
            settings=json.loads(json.dumps(settings)),
        )


class RunFolder:
    """A run's record and its shards."""

    def __init__(self, out: Path, record: RunRecord) -> None:
        """The folder of a run with this record, which `read_run` and `open_run` give."""
        self.out, self.record = out, record
        self.results = out / RESULTS_FOLDER

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.record.manifest.rows // self.record.shard_rows)

    def rows_of(self, shard: int) -> range:
        """The rows of a shard."""
        first = shard * self.record.shard_rows
        return range(first, min(first + self.record.shard_rows, self.record.manifest.rows))

    def shard_of(self, row: int) -> int:
        """The shard of a row."""
        return row // self.record.shard_rows

    def path_of(self, shard: int) -> Path:
        """The file of a shard."""
        return self.results / f"{shard:05d}.parquet"

    def done(self) -> list[int]:
        """The shards that are done."""
        return [shard for shard in range(self.shards) if self.path_of(shard).is_file()]

    def write(self, shard: int, rows: list[ResultRow]) -> None:
        """Write a shard.

        Raises:
            ConfigError: it cannot be written.
        """
        write_shard(self.path_of(shard), rows, {"run": self.record.id, "shard": shard})

    def facts(self, shard: int) -> list[ResultRow]:
        """The rows of a shard that is done, without their reports.

        Raises:
            ConfigError: it cannot be read, or holds other rows than it should.
        """
        path = self.path_of(shard)
        rows = read_facts(path)
        if [row.row for row in rows] != list(self.rows_of(shard)):
            raise ConfigError(
                f"{path}: holds other rows than those of its shard; delete it, and run the same "
                "command again"
            )
        return rows


def read_run(out: Path) -> RunFolder:
    """The run in a folder.

    Raises:
        ConfigError: there is none, or its record cannot be read.
    """
    path, advice = out / RUN_FILE, "name the folder of 'counterface cluster scan' or 'extract'"
    values = read_json(path, ConfigError, advice)
    with reading(path, ConfigError, advice, what="is no record of a run", model=RunRecord):
        return RunFolder(out, RunRecord.model_validate(values))


@contextmanager
def open_run(out: Path, wanted: RunRecord) -> Iterator[RunFolder]:
    """The run in a folder, begun or gone on with, for one process at a time.

    Raises:
        ConfigError: the folder holds something else or cannot be written, or the run in it was
            begun with other settings or another manifest.
    """
    _require_ours(out)
    make_folder(out, ConfigError)
    with locked(out / RESULTS_FOLDER, ConfigError):
        if (out / RUN_FILE).exists():
            run = read_run(out)
            _require_same(run, wanted)
        else:
            run = RunFolder(out, wanted)
            write_bytes(out / RUN_FILE, wanted.model_dump_json(indent=2).encode(), ConfigError)
        yield run


def is_running(run: RunFolder) -> bool:
    """Whether a process works on the run at this moment, as far as this machine can tell."""
    try:
        with lock(run.results / LOCK_FILE, wait=False):
            return False
    except BlockingIOError:
        return True
    except OSError:  # no lock file, or one that is only to be read
        return False


def _require_ours(out: Path) -> None:
    """Refuse a folder with files of something else, before anything is written there."""
    if (out / RUN_FILE).exists():
        return
    with writing(out, ConfigError):
        found = [path.name for path in out.iterdir()] if out.exists() else []
        shards = list((out / RESULTS_FOLDER).glob("*.parquet"))
    others = sorted(name for name in found if name != RESULTS_FOLDER and not name.startswith("."))
    if others or shards:
        shown = ", ".join(others[:3]) or str(shards[0])
        raise ConfigError(
            f"{out}: holds {shown} and no {RUN_FILE}, so it is not the folder of a run; name an "
            "empty one"
        )


def _require_same(run: RunFolder, wanted: RunRecord) -> None:
    """Refuse to go on with other settings or another manifest."""
    old, new = run.record.manifest, wanted.manifest
    if old.sha256 != new.sha256:
        raise ConfigError(
            f"{run.out}: the manifest has changed since this run began with {old.place} "
            f"({counted(old.rows, 'file')} then, {new.rows} now); name the manifest as it was, or "
            "another folder"
        )
    names = ("version", "job", "shard_rows", "settings")
    then, now = ({n: getattr(r, n) for n in names} for r in (run.record, wanted))
    if differ := name_differences(then, now):
        raise ConfigError(
            f"{run.out}: this run was begun otherwise: {differ}; say the same again, or name "
            "another folder"
        )
