"""Files of the project, read under limits: whatever is wrong with one is one error that names it.

Recipes, facesets, manifests, checkpoints and the like may come from anybody, or be damaged. Every
reader goes through this module: its functions limit size and depth and refuse numbers and text that
nothing after them could use, and `reading` turns what a parser raises into the caller's error.
`writing` does the same for what a disk refuses.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import sqlite3
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from reprlib import Repr
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from counterface.errors import CounterfaceError, is_disk_full

if TYPE_CHECKING:
    import pyarrow as pa

DEEPEST = 64  # values inside values
MOST_BYTES = 500_000_000  # of a file that is read whole
MOST_ROWS = 50_000_000  # of a Parquet file, whose columns may be thousands of times smaller on disk
_MOST_WORDS = 1000  # characters of a reason in an error
_MOST_FAULTS = 8  # values named in an error
_TOO_DEEP = f"values nested deeper than {DEEPEST}"
_INTEGERS = range(-(2**63), 2**64)
_UNWRITTEN = "cannot be written"
_STEPS = {
    errno.ENOENT: "check the path",
    errno.EACCES: "change its permissions, or name another",
    errno.EPERM: "change its permissions, or name another",
    errno.ENOTDIR: "check the path, a part of it is a file",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
}
_WRITE_STEPS = _STEPS | {
    errno.ENOENT: "make its folder first",
    errno.EISDIR: "a folder is there; name a file",
    errno.EEXIST: "move away what is there, or name another",
    errno.EROFS: "name another place",
    errno.EFBIG: "raise the limit on the size of a file ('ulimit -f'), or name another disk",
}

Model = TypeVar("Model", bound=BaseModel)

_brief = Repr()
_brief.maxstring = _brief.maxother = 200
_brief.maxlist = _brief.maxtuple = _brief.maxdict = 8


@contextmanager
def reading(
    path: Path,
    error: type[CounterfaceError],
    advice: str = "",
    *,
    what: str = "cannot be read",
    model: type[BaseModel] | None = None,
) -> Iterator[None]:
    """A block that reads a file: all that goes wrong in it is one error with the file's name.

    An error of the project that is raised inside keeps its type and text, and gets the name in
    front where it lacks it. Put nothing into the block that may fail for another reason.

    Args:
        path: the file.
        error: kind of error of the folder that reads it.
        advice: the next step, at the end of the text.
        what: what is wrong, where the reason alone does not say it.
        model: model of the content; an unknown key gets a hint of the known ones.

    Raises:
        CounterfaceError: one of the type `error`.
    """
    try:
        yield
    except CounterfaceError as known:
        _name(known, path, what)
        raise
    except Exception as fault:  # noqa: BLE001  # parsers and what walks their values raise anything
        refused = _as_os_error(fault)
        then = _next_step(refused, advice, _STEPS)
        raise error(f"{path}: {what}: {_reason(fault, model)}{then}") from refused or fault


@contextmanager
def writing(path: Path, error: type[CounterfaceError], advice: str = "") -> Iterator[None]:
    """A block that writes a file or makes a folder: what the disk refuses is one error of its name.

    An error of the project that is raised inside keeps its type and text, and gets the name in
    front where it lacks it. What is neither is a fault of the program, and goes through.

    Args:
        path: what is written, not the temporary file beside it.
        error: kind of error of the folder that writes it.
        advice: the next step, where the reason does not tell it.

    Raises:
        CounterfaceError: one of the type `error`.
    """
    try:
        yield
    except CounterfaceError as known:
        _name(known, path, _UNWRITTEN)
        raise
    except Exception as fault:
        refused = _as_os_error(fault)
        if refused is None:
            raise
        then = _next_step(refused, advice, _WRITE_STEPS)
        raise error(f"{path} {_UNWRITTEN}: {_reason(refused, None)}{then}") from refused


def read_bytes(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """The content of a regular file; call inside `reading`.

    Raises:
        OSError: it cannot be read.
        ValueError: it is a folder, a pipe or a device, or larger than `most_bytes`.
    """
    size = require_file(path)
    if size > most_bytes:
        raise ValueError(f"{size} bytes, more than the {most_bytes} that are read")
    return path.read_bytes()


def require_file(path: Path) -> int:
    """The size of a regular file, bytes; call inside `reading`.

    Raises:
        OSError: it is not there.
        ValueError: it is a folder, a pipe or a device.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its writer
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
        raise ValueError(f"it is {kind}, not a file")
    return status.st_size


def read_json(
    path: Path, error: type[CounterfaceError], advice: str = "", *, finite: bool = True
) -> Any:
    """The plain values in a JSON file; see `parse_json`.

    Raises:
        CounterfaceError: one of the type `error`: it cannot be read or parsed.
    """
    with reading(path, error, advice):
        data = read_bytes(path)
    with reading(path, error, advice, what="is not JSON"):
        return parse_json(data, finite=finite)


def read_toml(
    path: Path, error: type[CounterfaceError], advice: str = "", most_bytes: int = 10_000_000
) -> dict[str, Any]:
    """The plain values in a TOML file; see `parse_toml`.

    Raises:
        CounterfaceError: one of the type `error`: it cannot be read or parsed.
    """
    with reading(path, error, advice):
        data = read_bytes(path, most_bytes)
    with reading(path, error, advice, what="is not TOML"):
        return parse_toml(data.decode("utf-8"))


def read_json_lines(path: Path, error: type[CounterfaceError], advice: str = "") -> list[Any]:
    """The value of each line of a file that grows line by line; None for one that is damaged.

    Empty lines are passed over.

    Raises:
        CounterfaceError: one of the type `error`: the file cannot be read.
    """
    with reading(path, error, advice):
        lines = read_bytes(path).splitlines()
    return [_line(line) for line in lines if line.strip()]


def read_parquet(
    path: Path,
    error: type[CounterfaceError],
    advice: str = "",
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The table in a Parquet file, every value of it checked; a folder of parts is none.

    Args:
        path: the file.
        error: kind of error of the folder that reads it.
        advice: the next step.
        columns: those that are wanted, where not all; one that is not there is left out.

    Raises:
        CounterfaceError: one of the type `error`: it cannot be read, or holds text that is no text.
    """
    with reading(path, error, advice):
        import pyarrow as pa
        import pyarrow.parquet as pq

        # In this thread alone: one of Arrow's that frees the bytes while Python ends aborts it.
        with pq.ParquetFile(pa.BufferReader(read_bytes(path)), pre_buffer=False) as file:
            if file.metadata.num_rows > MOST_ROWS:
                raise ValueError(f"{file.metadata.num_rows} rows, more than {MOST_ROWS}")
            table = file.read(columns, use_threads=False)
        table.validate(full=True)
        require_text(table)
        return table


def parse_json(text: str | bytes, *, finite: bool = True) -> Any:
    """The plain values of JSON text.

    Args:
        text: or its bytes in UTF-8, UTF-16 or UTF-32.
        finite: whether NaN and infinities are refused.

    Raises:
        ValueError: no JSON, nested deeper than `DEEPEST`, or with a number or text beyond use.
    """
    try:
        values = json.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    require_plain(values, finite=finite)
    return values


def parse_toml(text: str) -> dict[str, Any]:
    """The plain values of TOML text; `inf` may stand in it where it is written so.

    Raises:
        ValueError: as `parse_json`.
    """
    try:
        values = tomllib.loads(text, parse_float=_toml_float)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    require_plain(values, finite=False)
    return values


def require_plain(values: Any, *, finite: bool = True) -> None:
    """Refuse values nested deeper than `DEEPEST`, and numbers and texts that cannot be used.

    Raises:
        ValueError: they are deeper; or a whole number of more than 64 bits, a number that is not
            finite, or text with a NUL or half a character.
    """
    waiting: list[tuple[Any, int, str]] = [(values, 0, "")]
    while waiting:
        value, depth, where = waiting.pop()
        if isinstance(value, dict | list):
            if depth == DEEPEST:
                raise ValueError(_TOO_DEEP)
            if isinstance(value, dict):
                waiting.extend((key, depth + 1, where) for key in value)
                waiting.extend((v, depth + 1, f"{where}{key}.") for key, v in value.items())
            else:
                waiting.extend((v, depth + 1, f"{where}{i}.") for i, v in enumerate(value))
        elif fault := _fault(value, finite):
            raise ValueError(f"{where[:-1][:200]}{': ' if where else ''}{fault}")


def describe_error(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """A pydantic error in one line: each key, what is wrong with it, the value seen."""
    parts = []
    problems = error.errors(include_url=False)
    for problem in problems[:_MOST_FAULTS]:
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            *path, name = problem["loc"]
            known = _known_keys(model, path)
            near = get_close_matches(str(name), known, n=1)
            head = ".".join(map(str, [*path, ""]))
            hint = f"; did you mean {head + near[0]!r}?" if near else f"; known: {', '.join(known)}"
            parts.append(f"unknown key {key!r}{hint if known else ''}")
        else:
            unseen = not key or problem["type"] == "missing"
            seen = "" if unseen else f" (got {_brief.repr(problem['input'])})"
            wrong = marked_problem(problem).replace("`", "")
            parts.append(f"{key + ': ' if key else ''}{wrong}{seen}")
    if len(problems) > _MOST_FAULTS:
        parts.append(f"and {len(problems) - _MOST_FAULTS} more")
    return "; ".join(parts)


def marked_problem(problem: Mapping[str, Any]) -> str:
    """The text of one problem of a pydantic error, with the `marks` that our validators set."""
    if problem["type"] == "missing":
        return "is missing"
    text = str(problem["msg"]).removeprefix("Value error, ").split(", unable to")[0]
    return re.sub(r"^(Input|String|List|Tuple|Dictionary|Value) should", "must", text)


def _name(error: CounterfaceError, path: Path, what: str) -> None:
    """Put the file's name in front of an error's text that lacks it."""
    if path.name not in str(error):
        error.args = (f"{path}: {error.args[0] if error.args else what}", *error.args[1:])


def _as_os_error(fault: Exception) -> OSError | None:
    """The error of the system behind an error of a library; None where there is none."""
    if isinstance(fault, OSError):
        return fault
    if isinstance(getattr(fault, "errno", None), int):  # FFmpeg
        return OSError(fault.errno, fault.strerror)  # type: ignore[attr-defined]
    if isinstance(fault, sqlite3.Error):
        full = is_disk_full(fault)
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if full else None
    number = re.search(r"\(os error (\d+)\)", str(fault))  # safetensors, c2pa
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else None


def _next_step(refused: OSError | None, advice: str, steps: Mapping[int, str]) -> str:
    """The end of an error: the advice, or what helps against what the system said."""
    own = steps.get(refused.errno or 0, "") if refused else ""
    then = own if is_disk_full(refused) or not advice else advice
    return f"; {then}" if then else ""


def _reason(fault: Exception, model: type[BaseModel] | None) -> str:
    """The text of an exception, in one line."""
    if isinstance(fault, ValidationError):
        words = describe_error(fault, model)
    elif isinstance(fault, OSError):
        words = fault.strerror or str(fault)
    elif isinstance(fault, KeyError):
        words = f"lacks {fault}"
    elif isinstance(fault, RecursionError):
        words = _TOO_DEEP
    elif isinstance(fault, MemoryError):
        words = "it needs more memory than there is"
    else:
        words = str(fault)
    line = " ".join(words.split()) or type(fault).__name__
    return line if len(line) <= _MOST_WORDS else f"{line[:_MOST_WORDS]}..."


def _line(line: bytes) -> Any:
    try:
        return parse_json(line, finite=False)
    except ValueError:
        return None


def _toml_float(text: str) -> float:
    value = float(text)
    if math.isinf(value) and "inf" not in text:
        raise ValueError(f"{_brief.repr(text)} is no number that can be used")
    return value


def _fault(value: Any, finite: bool) -> str:
    """The reason why a plain value cannot be used; empty for a good one."""
    if isinstance(value, float) and (math.isnan(value) or (finite and math.isinf(value))):
        return f"{value} is no finite number"
    if isinstance(value, int) and value not in _INTEGERS:
        return f"a whole number of {value.bit_length()} bits; 64 are the most"
    if not isinstance(value, str):
        return ""
    if "\0" in value:
        return f"{_brief.repr(value)} holds a NUL"
    try:
        value.encode(errors="surrogateescape")  # as names of files that are not UTF-8 have it
    except UnicodeEncodeError:
        return f"{_brief.repr(value)} holds half a character"
    return ""


def require_text(table: pa.Table) -> None:
    """Raise a ValueError where a column of text holds a NUL, which no file name can."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_string(column.type) and pc.any(pc.match_substring(column, "\0")).as_py():
            raise ValueError(f"a text of the column {name!r} holds a NUL")


def _known_keys(model: type[BaseModel] | None, path: Sequence[str | int]) -> list[str]:
    """The keys of the settings model at a path of keys and positions; none where there is none."""
    for part in path:
        field = model.model_fields.get(str(part)) if model else None
        if field is not None:
            model = _inner_model(field.annotation)
        elif not isinstance(part, int):  # a position in a list stays with the list's model
            return []
    return sorted(model.model_fields) if model else []


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    """The settings model within a type such as `Loop`, `Loop | None` or `tuple[Loop, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_inner_model(part) for part in get_args(annotation))
    return next((model for model in found if model is not None), None)
