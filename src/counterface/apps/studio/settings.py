"""How the studio is started: its folders, its address and its limits."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field

from counterface.config import Record


def default_state() -> Path:
    """The folder of jobs, uploads and history, where the user names none."""
    root = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return root / "counterface" / "studio"


class StudioConfig(Record):
    """How the studio is started."""

    root: tuple[Path, ...] = Field(
        (), description="folder that the pages may read and write: one or several; unset: this one"
    )
    state: Path | None = Field(
        None, description="folder of jobs, uploads and history; unset: the user's data folder"
    )
    host: str = Field(
        "127.0.0.1", description="address to listen on; one that others can reach needs --token"
    )
    port: int = Field(8377, ge=0, le=65535, description="port to listen on; 0 = any that is free")
    token: str | None = Field(
        None, min_length=16, description="secret of the first page; unset: a new one each time"
    )
    upload_mb: int = Field(2000, ge=1, description="size of the largest upload, MB (million bytes)")
    uploads: int = Field(5000, ge=1, description="number of uploads that are kept")
    jobs: int = Field(1, ge=1, le=32, description="quick jobs that run at once")
    start_jobs: bool = Field(
        True, description="start the process that runs the jobs; off where another container does"
    )
