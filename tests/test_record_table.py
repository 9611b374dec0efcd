"""Records survive the way into a Parquet file, whatever their fields are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pytest

from counterface.errors import DetectorError, MediaError
from counterface.table import Column, Float32, Int32, Parts, Table, array, read_about, write_table
from counterface.types import Floats


@dataclass(frozen=True)
class Point:
    x: float
    y: float


POINT = Column({"x": pa.float64(), "y": pa.float64()}, attrgetter("x", "y"), Point)


@dataclass(frozen=True)
class Record:
    name: str
    count: Int32
    time: Fraction
    share: Float32 | None
    kind: Literal["a", "b"]
    file: Path
    words: tuple[tuple[str, ...], ...]
    place: Annotated[Point | None, POINT] = None
    note: str = ""


TABLE = Table(Record, later=("note",))
FULL = Record(
    "n", 3, Fraction(1001, 30000), 0.5, "b", Path("x/y"), (("a",), ()), Point(1, 2), "told"
)
BARE = replace(FULL, name="bare", share=None, words=(), place=None, note="")


def test_records_come_back(tmp_path: Path):
    write_table(tmp_path / "t.parquet", TABLE.to_arrow([FULL, BARE]), about={"format": 1})
    assert TABLE.read(tmp_path / "t.parquet", MediaError) == [FULL, BARE]
    assert TABLE.from_arrow(TABLE.to_arrow([])) == []
    names = ["name", "count", "time_numerator", "time_denominator", "share", "kind", "file"]
    assert TABLE.schema.names == [*names, "words", "x", "y", "note"]
    nullable = [field.name for field in TABLE.schema if field.nullable]
    assert nullable == ["share", "x", "y", "note"]


def test_arrays_keep_their_shape_and_precision():
    table = Table(
        dict, {"points": Annotated[Floats, array(2, 2)], "all": Annotated[Floats, array()]}
    )
    record = {"points": np.eye(2, dtype=np.float32), "all": np.arange(5, dtype=np.float32) / 3}
    (back,) = table.from_arrow(table.to_arrow([record]))
    for name, values in record.items():
        assert back[name].dtype == np.float32
        np.testing.assert_array_equal(back[name], values)


def test_arrays_may_be_absent_and_come_from_any_part_of_a_table():
    table = Table(
        dict,
        {"points": Annotated[Floats | None, array(2, 2)], "all": Annotated[Floats | None, array()]},
    )
    rng = np.random.default_rng(0)
    kept = [
        {
            "points": None if number == 3 else rng.random((2, 2), np.float32),
            "all": None if number % 3 == 0 else rng.random(number, np.float32),
        }
        for number in range(9)
    ]
    whole = table.to_arrow(kept)
    for first, end in ((0, 9), (2, 5), (4, 9), (3, 4), (5, 5)):
        found = table.from_arrow(pa.concat_tables([whole[first:end], whole[:1]]))
        for back, record in zip(found, [*kept[first:end], kept[0]], strict=True):
            for name, values in record.items():
                if values is None:
                    assert back[name] is None
                else:
                    np.testing.assert_array_equal(back[name], values)
                    back[name] += 1  # its own, and no view of what was read


def test_a_later_field_may_be_absent_and_no_other(tmp_path: Path):
    path, table = tmp_path / "t.parquet", TABLE.to_arrow([FULL])
    write_table(path, table.drop_columns(["note"]))
    assert TABLE.read(path, MediaError) == [replace(FULL, note=None)]
    write_table(path, table.drop_columns(["kind", "x"]))
    with pytest.raises(
        DetectorError, match=r"t\.parquet: .*lacks the columns \['kind', 'x'\].*; a"
    ):
        TABLE.read(path, DetectorError, "advice")


def test_a_table_says_what_it_is():
    assert read_about(TABLE.to_arrow([])) == {}
    assert read_about(
        TABLE.schema.empty_table().replace_schema_metadata({b"counterface": b'{"a": 1}'})
    ) == {"a": 1}


def test_parts_grow_and_are_all_found_again(tmp_path: Path):
    parts = [Parts(TABLE, tmp_path / "parts", attrgetter("name"), "it is made anew") for _ in "ab"]
    for part, name in zip(parts, ("a", "b"), strict=True):
        part.put(replace(FULL, name=name))
        part.flush()
        part.flush()
    assert len(list((tmp_path / "parts").iterdir())) == 2
    again = Parts(TABLE, tmp_path / "parts", attrgetter("name"), "it is made anew")
    assert again.known == {name: replace(FULL, name=name) for name in ("a", "b")}
    next((tmp_path / "parts").iterdir()).write_bytes(b"PAR1")
    with pytest.raises(MediaError, match="delete it, and it is made anew"):
        Parts(TABLE, tmp_path / "parts", attrgetter("name"), "it is made anew")
