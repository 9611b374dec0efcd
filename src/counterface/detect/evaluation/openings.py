"""The log of the test split: who opened it, when, and with which detector.

Numbers on a test set are honest only while nothing was chosen by them. Nobody can be kept from
looking twice, but a report can say how often it was looked at: each opening is one line of JSON
beside the manifest, added and never removed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, ValidationError

from counterface.config import Record
from counterface.errors import ConfigError
from counterface.project_files import read_json_lines, writing

LOG_NAME = "test_openings.jsonl"


class Opening(Record):
    """One time that a test split was scored."""

    time: str = Field(description="time, UTC, ISO 8601; empty for a line that cannot be read")
    purpose: str = Field(description="command that opened it: evaluate, compare, robustness")
    manifest: str = Field(description="name of the manifest in the same folder")
    manifest_sha256: str
    detectors: tuple[str, ...] = Field(description="SHA-256 of each detector file")
    names: tuple[str, ...] = ()


UNREADABLE = Opening(time="", purpose="", manifest="", manifest_sha256="", detectors=())


def log_opening(
    manifest: Path,
    manifest_sha256: str,
    purpose: str,
    detectors: Sequence[tuple[str, str]],
    now: datetime | None = None,
) -> tuple[Opening, ...]:
    """The earlier openings of this manifest's test split; the new one is added to the log.

    Args:
        manifest: the log lies in its folder.
        manifest_sha256: SHA-256 of its content.
        purpose: the verb that opens it.
        detectors: (name, SHA-256) of each that is about to be measured.
        now: the clock; the machine's where None.

    Raises:
        ConfigError: the log cannot be written.
    """
    opening = Opening(
        time=(now or datetime.now(UTC)).isoformat(timespec="seconds"),
        purpose=purpose,
        manifest=manifest.name,
        manifest_sha256=manifest_sha256,
        detectors=tuple(sha256 for _, sha256 in detectors),
        names=tuple(name for name, _ in detectors),
    )
    earlier = read_openings(manifest)
    log = manifest.with_name(LOG_NAME)
    advice = (
        "openings of the test split are logged there, so copy the manifest to a folder that can be "
        "written, or name another split"
    )
    with writing(log, ConfigError, advice):
        _append(log, opening.model_dump_json())
    return earlier


def read_openings(manifest: Path) -> tuple[Opening, ...]:
    """The logged openings of a manifest's test split, oldest first.

    A line that was cut short or changed still counts as one.
    """
    log = manifest.with_name(LOG_NAME)
    if not os.path.lexists(log):
        return ()
    found = []
    for values in read_json_lines(log, ConfigError, "restore it from a copy"):
        try:
            found.append(Opening.model_validate(values))
        except ValidationError:
            found.append(UNREADABLE)
    return tuple(o for o in found if o.manifest in (manifest.name, ""))


def _append(log: Path, line: str) -> None:
    """Append in one write, so that lines of two processes never mix."""
    with log.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        cut_short = end > 0 and file.read(1) != b"\n"
        file.write((("\n" if cut_short else "") + line + "\n").encode())
        file.flush()
        os.fsync(file.fileno())
