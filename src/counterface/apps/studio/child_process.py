"""Child processes of the studio: started safely, and answering in lines that nothing else writes.

A child ends with its input, so that it does not outlive whoever started it, even by SIGKILL.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SAFE = {"PYTHONSAFEPATH": "1"}  # nothing is imported from the current folder


def child_words(module: str) -> list[str]:
    """The words that start a module of the studio."""
    return [sys.executable, "-P", "-m", f"counterface.apps.studio.{module}"]


def start_child(module: str, state: Path, **more: Any) -> subprocess.Popen[str]:
    """A child that is spoken with in lines, in an empty folder of the studio's state.

    Args:
        module: of the studio.
        state: folder of the studio's state.
        more: as `subprocess.Popen` takes it.
    """
    empty = state / "empty"
    empty.mkdir(exist_ok=True)
    return subprocess.Popen(
        child_words(module),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=empty,
        env={**os.environ, **SAFE},
        **more,
    )


def take_answers() -> Callable[[dict[str, Any]], None]:
    """In the child: writes an answer as a line; all else that is printed goes to its errors."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)

    def answer(value: dict[str, Any]) -> None:
        try:
            answers.write(json.dumps(value) + "\n")
        except BrokenPipeError:
            os._exit(0)

    return answer
