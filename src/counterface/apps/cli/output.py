"""What commands print: results on stdout, progress on stderr; and whether a file can be written.

A console shows what its encoding has, the rest as escapes; a console that goes away ends no work
whose result is a file.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterface.errors import ConfigError

if TYPE_CHECKING:  # it loads NumPy, which no help page needs
    from rich.console import Console

    from counterface.faceset.inspect import Problem
    from counterface.types import Progress

_bar_console: Console | None = None  # of the bar, while one is drawn
_listener: Progress | None = None  # who is told instead of the console
LINE_EVERY_S = 5.0  # plain progress lines are for logs: seldom enough not to fill them


def guard_console() -> None:
    """Show characters that the console lacks as escapes, so that no text can end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def leave_console() -> None:
    """Discard what is still printed, as its reader went away (`counterface ... | head`)."""
    with suppress(OSError, ValueError):  # a test's console has no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def exit_code(stopped_by: int | None) -> int:
    """0, or 128 and the number of the signal that stopped the work, as shells have it."""
    return 0 if stopped_by is None else 128 + stopped_by


def tell(value: Any, lines: Iterable[str], json_output: bool, *, failed: object = False) -> int:
    """Print a result, as JSON or in words, and return the command's exit code: 0, or 2 if `failed`.

    Args:
        value: The result, as `print_json` takes it; each item of a list becomes a line.
        lines: The result in words; made `printable` here, and not read where JSON is printed.
        json_output: Whether the user gave `--json`.
        failed: True or not empty if some inputs failed.
    """
    if json_output:
        for one in value if isinstance(value, list) else [value]:
            print_json(one)
    else:
        for line in lines:
            say(printable(line))
    return 2 if failed else 0


def print_json(value: Any) -> None:
    r"""Print one line of JSON: a pydantic model, a dataclass, or plain values.

    In ASCII: a name that would turn the line, clear the screen, or that the console cannot show
    stands as \u escapes and reads back as it was.
    """
    say(json.dumps(value, default=_plain, ensure_ascii=True, allow_nan=False))


def say(text: str) -> None:
    """Print the text at once, above the bar where both are on one terminal."""
    if _bar_console is not None and sys.stdout is not None and sys.stdout.isatty():
        _bar_console.print(text, soft_wrap=True, markup=False, highlight=False, emoji=False)
    else:
        print(text, flush=True)


def printable(text: str) -> str:
    """The text on one line, with controls (C0, C1), turns of direction and lone surrogates escaped.

    File names are hostile: they could move the cursor, or make `gpj.exe` read as `exe.jpg`.
    """
    line = re.sub(r"\s*[^\S ]\s*", " ", text)  # line ends, tabs; plain spaces stay as they are
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


def problem_lines(problems: Iterable[Problem]) -> Iterator[str]:
    """A line for each file that could not be used."""
    return (f"problem  {problem.file}: {problem.reason}" for problem in problems)


def numbers_text(numbers: Mapping[str, float]) -> str:
    """The numbers of a step of a training, in a line."""
    return ", ".join(f"{name} {value:.3g}" for name, value in numbers.items())


def require_place(path: Path, flag: str) -> None:
    """Refuse a path at which no file could be written when the work is done.

    Args:
        path: Path of a file that may exist already.
        flag: Flag that named the path, for the message.

    Raises:
        ConfigError: the path is a folder or a device, its name is too long, or its folder does not
            exist or cannot be written.
    """
    shown = f"{flag} {path}"
    if os.path.isdir(path):  # noqa: PTH112  (False for a name that is too long)
        example = path / f"report{path.suffix or '.html'}"
        raise ConfigError(f"{shown}: is a folder; name a file in it, such as {example}")
    if not os.path.isdir(path.absolute().parent):  # noqa: PTH112
        raise ConfigError(f"{shown}: its folder does not exist; make it first")
    try:
        if os.path.lexists(path) and not path.is_file():
            raise ConfigError(f"{shown}: is there already and no regular file; name another")
        path.lstat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ConfigError(f"{shown}: {error.strerror or error}; name another") from error
    import tempfile  # takes a while, and few commands write a page

    try:
        with tempfile.TemporaryFile(dir=path.absolute().parent):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"{shown}: its folder cannot be written: {reason}") from error


def _plain(value: Any) -> Any:
    """A value that JSON knows, for one that it does not."""
    if hasattr(value, "model_dump"):  # of pydantic
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


def listen(listener: Progress) -> None:
    """Tell progress to a program that runs commands in its own process, not to the console."""
    global _listener
    _listener = listener


@contextmanager
def progress(label: str) -> Iterator[Progress]:
    """A callback that shows progress: a bar on a terminal, a plain line now and then elsewhere."""
    if _listener is not None:
        yield _listener
        return
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
        TextColumn("{task.fields[count]}"),
        TextColumn("{task.fields[text]}", markup=False),
        TimeElapsedColumn(),
    )
    global _bar_console
    _bar_console = Console(stderr=True)
    # With `redirect_stdout` what is meant for a file behind stdout would end above the bar.
    with Progress(*columns, console=_bar_console, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(label, total=None, text="", count="")

        def report(done: int, total: int | None, text: str) -> None:
            count = f"{done} of {total}" if total else str(done)
            bar.update(task, completed=done, total=total, text=printable(text), count=count)

        try:
            yield report
        finally:
            _bar_console = None
