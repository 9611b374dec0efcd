"""Records as the rows of a Parquet file and back: the fields of a record are the columns.

A field of `str, int, float, bool, bytes, Path`, or a tuple of one, lies in a column of its name, a
`Fraction` in two; `Int32` and the like are smaller, and `Annotated[X, Column(...)]` says it itself:
`Annotated[Floats, array(68, 2)]`. `X | None` may be null.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from operator import attrgetter
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from counterface.errors import CounterfaceError, MediaError
from counterface.files import make_folder, write_bytes
from counterface.project_files import parse_json, read_parquet, reading

T = TypeVar("T")
Int8 = Annotated[int, pa.int8()]
Int32 = Annotated[int, pa.int32()]
Float32 = Annotated[float, pa.float32()]
_ABOUT = b"counterface"  # the key of what a file says of itself
FLUSH_RECORDS, FLUSH_S = 32, 20.0  # a kill loses at most so much
_ELSEWHERE = "name another folder with --cache"


@dataclass(frozen=True)
class Column:
    """The columns of a field, whose name stands for "{}" in theirs, and the way there and back."""

    types: Mapping[str, pa.DataType]
    split: Callable[[Any], Sequence[Any]] = lambda value: (value,)
    join: Callable[..., Any] | None = None  # None: the one part is the value

    def read(self, parts: Sequence[pa.ChunkedArray]) -> list[Any]:
        """The values of all rows; None where a part is null."""
        lists: list[list[Any]] = [part.to_pylist() for part in parts]
        if self.join is None:
            return lists[0]
        return [None if None in part else self.join(*part) for part in zip(*lists, strict=True)]


@dataclass(frozen=True)
class _Arrays(Column):
    """Arrays of a shape: their numbers never become objects of Python, which is slow."""

    shape: tuple[int, ...] = ()

    def read(self, parts: Sequence[pa.ChunkedArray]) -> list[Any]:
        (part,) = parts
        whole = part.combine_chunks()
        if self.shape and not whole.null_count:
            numbers = whole.flatten().to_numpy(zero_copy_only=False)
            return list(np.array(numbers, np.float32).reshape(-1, *self.shape))
        return [None if (numbers := one.values) is None else self._array(numbers) for one in whole]

    def _array(self, numbers: pa.Array) -> NDArray[np.float32]:
        found = np.array(numbers.to_numpy(zero_copy_only=False), np.float32)
        return found.reshape(self.shape or -1)


def array(*shape: int) -> Column:
    """The column of a float32 array of this shape, row by row; of any length, without one."""
    return _Arrays(
        {"{}": pa.list_(pa.float32(), prod(shape) if shape else -1)},
        lambda values: (np.asarray(values, np.float32).ravel(),),
        shape=shape,
    )


_COLUMNS = {
    Path: Column({"{}": pa.string()}, lambda path: (path.as_posix(),), Path),
    Fraction: Column(
        {"{}_numerator": pa.int64(), "{}_denominator": pa.int64()},
        attrgetter("numerator", "denominator"),
        Fraction,
    ),
    str: Column({"{}": pa.string()}),
    int: Column({"{}": pa.int64()}),
    float: Column({"{}": pa.float64()}),
    bool: Column({"{}": pa.bool_()}),
    bytes: Column({"{}": pa.binary()}),
}


class Table(Generic[T]):
    """The rows of one kind of record."""

    def __init__(
        self,
        kind: Callable[..., T],
        hints: Mapping[str, Any] | None = None,
        later: Collection[str] = (),
    ) -> None:
        """Settle the columns.

        Args:
            kind: a dataclass, or `dict` with `hints`.
            hints: the fields and their types; those of the dataclass where left out.
            later: fields that files of earlier versions lack, null there.
        """
        self.kind = kind
        self.columns: list[tuple[str, list[str], Column]] = []
        kept: list[pa.Field] = []
        for name, hint in (hints or get_type_hints(kind, include_extras=True)).items():
            column, nullable = _column(hint)
            names = [key.format(name) for key in column.types]
            self.columns.append((name, names, column))
            null = nullable or name in later
            kept += map(pa.field, names, column.types.values(), [null] * len(names))
        self.schema = pa.schema(kept)
        self._later = [part for name, parts, _ in self.columns if name in later for part in parts]

    def plain(self, record: T) -> dict[str, Any]:
        """The record's value in each column."""
        row: dict[str, Any] = {}
        for name, names, column in self.columns:
            value = record.get(name) if isinstance(record, dict) else getattr(record, name)
            parts = column.split(value) if value is not None else [None] * len(names)
            row.update(zip(names, parts, strict=True))
        return row

    def to_arrow(self, records: Iterable[T]) -> pa.Table:
        """The records as an Arrow table of `schema`."""
        return pa.Table.from_pylist(list(map(self.plain, records)), schema=self.schema)

    def fit(self, table: pa.Table) -> pa.Table:
        """The columns of `schema`, in its order and types; ValueError where one is not there."""
        for field in map(self.schema.field, self._later):
            if field.name not in table.column_names:
                table = table.append_column(field, pa.nulls(len(table), field.type))
        if absent := [name for name in self.schema.names if name not in table.column_names]:
            raise ValueError(f"lacks the columns {absent}")
        return table.select(self.schema.names).cast(self.schema)

    def from_arrow(self, table: pa.Table) -> list[T]:
        """The records of an Arrow table; call inside `reading`, as values may be anything."""
        table = self.fit(table)
        fields = [name for name, _, _ in self.columns]
        values = [column.read([table[part] for part in names]) for _, names, column in self.columns]
        return [
            self.kind(**dict(zip(fields, row, strict=True))) for row in zip(*values, strict=True)
        ]

    def read(self, path: Path, error: type[CounterfaceError], advice: str = "") -> list[T]:
        """The records in a file; an error of the given type where it holds something else."""
        table = read_parquet(path, error, advice)
        with reading(path, error, advice):
            return self.from_arrow(table)


def write_table(
    path: Path,
    table: pa.Table,
    error: type[CounterfaceError] = MediaError,
    advice: str = "",
    *,
    about: Mapping[str, Any] | None = None,
    compression: str = "snappy",
) -> None:
    """Write a table and what its file says of itself, whole or not at all; see `write_bytes`."""
    if about is not None:
        table = table.replace_schema_metadata({_ABOUT: json.dumps(about).encode()})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression=compression)
    write_bytes(path, bytes(sink.getvalue()), error, advice)


def read_about(table: pa.Table) -> dict[str, Any]:
    """The values that the file of a table holds about itself; call inside `reading`."""
    return dict(parse_json((table.schema.metadata or {}).get(_ABOUT, b"{}")))


class Parts(Generic[T]):
    """Records that only become more: a folder of small files, each whole or absent, never changed.

    So a kill loses little, and several processes may write beside each other.
    """

    def __init__(
        self,
        table: Table[T],
        folder: Path,
        key: Callable[[T], str],
        otherwise: str,
        *,
        flush_s: float = FLUSH_S,
    ) -> None:
        """Open the folder, made if absent.

        Args:
            table: table of the records.
            folder: folder of the files.
            key: key of a record; the last one of a key is `known`.
            otherwise: what happens where a damaged file is deleted.
            flush_s: seconds from one file to the next.

        Raises:
            MediaError: the folder cannot be made, or a file in it is damaged.
        """
        self.table, self.folder, self.key = table, folder, key
        make_folder(folder, advice=_ELSEWHERE)
        advice, parts = f"delete it, and {otherwise}", sorted(folder.glob("*.parquet"))
        found = [record for part in parts for record in table.read(part, MediaError, advice)]
        self.known = {key(record): record for record in found}
        self._new: list[T] = []
        self._flush_s = flush_s
        self._written = time.monotonic()

    def put(self, record: T) -> None:
        """Keep a record, written to disk now and then; MediaError where it cannot be written."""
        self.known[self.key(record)] = record
        self._new.append(record)
        if len(self._new) >= FLUSH_RECORDS or time.monotonic() - self._written > self._flush_s:
            self.flush()

    def flush(self) -> None:
        """Write what is new as a further file."""
        self._written = time.monotonic()
        if self._new:
            part = self.folder / f"{uuid4().hex}.parquet"
            write_table(part, self.table.to_arrow(self._new), advice=_ELSEWHERE)
            self._new = []


def _column(hint: Any) -> tuple[Column, bool]:
    """The column of a type, and whether it may be null."""
    if get_origin(hint) is Annotated:
        hint, mark = get_args(hint)
        column = mark if isinstance(mark, Column) else Column({"{}": mark})
        return column, NoneType in get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        (inner,) = [part for part in get_args(hint) if part is not NoneType]
        return _column(inner)[0], True
    if get_origin(hint) is tuple:
        inner, _ = _column(get_args(hint)[0])
        (of,) = inner.types.values()
        each = inner.join
        join = tuple if each is None else lambda all_: tuple(map(each, all_))
        return Column({"{}": pa.list_(of)}, join=join), False
    return _COLUMNS[str if get_origin(hint) is Literal else hint], False
