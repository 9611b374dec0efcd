"""A run's diary: one JSON object a line, and the same numbers for TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from counterface.errors import TrainingError
from counterface.files import sole_writer, write_bytes
from counterface.learn.board import Board
from counterface.project_files import read_json_lines, writing

LOG_FILE = "log.jsonl"  # of a run


class RunLog:
    """Appends to `log.jsonl` and `tensorboard/`; what came after the resumed step is taken back.

    While it is open, no other process can train in the folder. A killed run has logged steps that
    its last checkpoint does not know; they will be run again.
    """

    def __init__(self, out: Path, step: int, *, tensorboard: bool) -> None:
        self.path = out / LOG_FILE
        self._held = ExitStack()
        self._held.enter_context(sole_writer(out, TrainingError))
        _forget_after(self.path, step)
        with writing(self.path, TrainingError):
            self._file = self.path.open("a", encoding="utf-8")
        self._board = Board(out, step + 1) if tensorboard else None

    def write(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Add one line, flushed at once: `{"kind": "train", "step": 100, "loss": 0.4, ...}`.

        Raises:
            TrainingError: it cannot be written, as on a full disk.
        """
        with writing(self.path, TrainingError):
            self._file.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
            self._file.flush()
        if self._board is not None:
            self._board.add_numbers({f"{kind}/{name}": v for name, v in values.items()}, step)

    def close(self) -> None:
        """Close both logs."""
        self._held.close()
        self._file.close()
        if self._board is not None:
            self._board.close()


def read_log(out: Path) -> list[dict[str, float | str]]:
    """The lines of a run's `log.jsonl`; a line cut short by a kill is left out."""
    path = out / LOG_FILE
    advice = "restore it, or delete it: the run goes on without"
    rows = read_json_lines(path, TrainingError, advice)
    return [row for row in rows if isinstance(row, dict) and _is_entry(row)]


def _is_entry(row: dict[str, object]) -> bool:
    """Whether a line says what it is of, at which step, and numbers alone."""
    values = {key: value for key, value in row.items() if key != "kind"}
    numbers = all(isinstance(value, int | float) for value in values.values())
    return isinstance(row.get("kind"), str) and "step" in row and numbers


def _forget_after(path: Path, step: int) -> None:
    """Rewrite the log without the lines after a step, atomically."""
    if not path.is_file():
        return
    kept = [row for row in read_log(path.parent) if float(row["step"]) <= step]
    lines = "".join(json.dumps(row) + "\n" for row in kept)
    write_bytes(path, lines.encode(), TrainingError)
