"""What commands print: JSON lines on stdout, progress on stderr."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from pydantic import BaseModel

if TYPE_CHECKING:  # it loads NumPy, which no help page needs
    from counterface.types import Progress

Json = Annotated[bool, Parameter(name="--json", negative="", help="print one JSON object a line")]
LINE_EVERY_S = 5.0  # plain progress lines are for logs: seldom enough not to fill them


def print_json(value: Any) -> None:
    """One line of JSON on stdout: a pydantic model, a dataclass, or plain values."""
    text = json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name that is no valid UTF-8
        text = json.dumps(value, default=_plain, allow_nan=False)
    print(text)


def printable(text: str) -> str:
    """The text on one line, control characters escaped: file names are hostile."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(text.split()))


def _plain(value: Any) -> Any:
    """A value that JSON knows, for one that it does not."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be printed as JSON")


@contextmanager
def progress(label: str) -> Iterator[Progress]:
    """A callback that shows progress: a bar on a terminal, a plain line now and then elsewhere."""
    if sys.stderr.isatty():
        with _bar(label) as report:
            yield report
        return
    last = time.monotonic()

    def line(done: int, total: int | None, text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY_S:
            last = time.monotonic()
            of = f"/{total}" if total else ""
            print(f"{label}: {done}{of} {printable(text)}", file=sys.stderr, flush=True)

    yield line


@contextmanager
def _bar(label: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}"),
        TextColumn("{task.fields[text]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None, text="")

        def report(done: int, total: int | None, text: str) -> None:
            bar.update(task, completed=done, total=total, text=printable(text))

        yield report
