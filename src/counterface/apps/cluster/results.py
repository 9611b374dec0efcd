"""The rows that a run writes, one for each file of its manifest, a Parquet file for each shard."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from counterface.errors import ConfigError
from counterface.project_files import read_parquet, reading
from counterface.table import Int32, Table, write_table

FORMAT = 1
DIED = "worker_died"  # kind of error of a file that ended its worker
_AGAIN = "delete it, and run the same command again"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file."""

    status: str  # done, failed; stopped: no file of the run can be done
    seconds: float = 0.0  # that the worker took, fetching included
    verdict: str | None = None  # of a scan
    score: float | None = None  # of a scan: probability in [0, 1], 1 = fake
    crops: int | None = None  # of an extraction
    faceset: str | None = None  # of an extraction, relative to the folder of the run
    error_kind: str | None = None
    error: str | None = None
    report: str | None = None  # JSON: the report of a scan, or the result of an extraction


@dataclass(frozen=True, slots=True)
class ResultRow:
    """The outcome of one row of the manifest."""

    row: int  # from 0
    path: str  # as in the manifest
    status: str
    seconds: float
    verdict: str | None
    score: float | None
    crops: int | None
    faceset: str | None
    error_kind: str | None
    error: str | None
    report: str | None
    tries: Int32
    ended: float  # seconds since 1970

    @classmethod
    def of(cls, row: int, path: str, outcome: Outcome, tries: int, ended: float) -> ResultRow:
        """The row of an outcome; bytes of a name that are not UTF-8 become escapes."""
        readable = path.encode(errors="backslashreplace").decode()
        return cls(row=row, path=readable, tries=tries, ended=ended, **asdict(outcome))


RESULTS = Table(ResultRow, later=("report",))  # which `read_facts` leaves out


def write_shard(path: Path, rows: list[ResultRow], about: dict[str, Any]) -> None:
    """Write the rows of a shard in the manifest's order, whole or not at all.

    Raises:
        ConfigError: it cannot be written there.
    """
    in_order = RESULTS.to_arrow(sorted(rows, key=lambda one: one.row))
    write_table(path, in_order, ConfigError, about={"format": FORMAT, **about}, compression="zstd")


def read_shard(path: Path) -> list[ResultRow]:
    """The rows of a shard.

    Raises:
        ConfigError: it cannot be read, or is no shard.
    """
    return _read(path, RESULTS.schema.names)


def read_facts(path: Path) -> list[ResultRow]:
    """The rows of a shard without their reports, which are most of its bytes.

    Raises:
        ConfigError: as `read_shard`.
    """
    return _read(path, [name for name in RESULTS.schema.names if name != "report"])


def _read(path: Path, columns: list[str]) -> list[ResultRow]:
    table = read_parquet(path, ConfigError, _AGAIN, columns)
    with reading(path, ConfigError, _AGAIN, what="is no shard of results"):
        return RESULTS.from_arrow(table)
