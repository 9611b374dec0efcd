"""How the studio is started: its folders, its address and its limits."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field

from counterface.config import Record
from counterface.errors import ConfigError
from counterface.project_files import reading

SHORTEST_TOKEN = 16


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
        None,
        min_length=SHORTEST_TOKEN,
        description="secret of the first page; unset: a new one each time",
    )
    token_file: Path | None = Field(
        None, description="file whose first line is the secret; it is then not printed"
    )
    upload_mb: int = Field(2000, ge=1, description="size of the largest upload, MB (million bytes)")
    uploads: int = Field(5000, ge=1, description="number of uploads that are kept")
    jobs: int = Field(1, ge=1, le=32, description="quick jobs that run at once")
    start_jobs: bool = Field(
        True, description="start the process that runs the jobs; off where another container does"
    )


def given_token(config: StudioConfig) -> str | None:
    """The secret that the user gave, by itself or in a file; None: a new one is wanted.

    Raises:
        ConfigError: both were given, or the file holds no secret that is long enough.
    """
    if config.token_file is None:
        return config.token
    if config.token is not None:
        raise ConfigError("--token and --token-file: give one of them")
    with reading(config.token_file, ConfigError, "name a file with the secret in it"):
        lines = config.token_file.read_text(encoding="utf-8").splitlines()
    token = lines[0].strip() if lines else ""
    if len(token) < SHORTEST_TOKEN:
        raise ConfigError(
            f"--token-file {config.token_file}: its first line has {len(token)} characters; write "
            f"a secret of {SHORTEST_TOKEN} or more into it"
        )
    return token
