"""Commands as processes of their own, as a user starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE_S = 600.0  # of a busy machine
_IN_FOLDER = f'cd "$0" && exec "{sys.executable}" -P -m counterface "$@"'


def start(
    words: str,
    folder: Path,
    under: Sequence[str] = (),
    more: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """The process of a command in a folder, with its private files inside; all it says is stdout.

    Args:
        words: its arguments.
        folder: as the command sees it.
        under: words in front of it, such as nsenter.
        more: variables of its environment.
    """
    own = {"COUNTERFACE_HOME": f"{folder}/own", "OMP_NUM_THREADS": "1", **(more or {})}
    return subprocess.Popen(
        [*under, "sh", "-c", _IN_FOLDER, str(folder), *words.split()],
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and what it said, once it has ended."""
    said, _ = process.communicate(timeout=PATIENCE_S)
    return process.returncode, said


def command(
    words: str,
    folder: Path,
    under: Sequence[str] = (),
    more: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """The same of a command that is run to its end; see `start`."""
    return finish(start(words, folder, under, more))
