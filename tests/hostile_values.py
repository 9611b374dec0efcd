"""Whole project files with other values in them: JSON, lines of JSON, CSV and Parquet.

`damaged` of `test_project_files` changes bytes; these files can always be parsed, and say what
nobody would: values of another kind, size or sign, keys too many or too few, other columns.
"""

from __future__ import annotations

import csv
import io
import json
from copy import deepcopy
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2**31,
        2**53 + 1,
        -(2**63),
        2**63 - 1,
        2**64 - 1,
        1e308,
        -1e-308,
    ),
    *("", " ", "x" * 5000, "../../etc/passwd", "/etc/passwd", "a\nb", "\x1b[31m", "%s{0}", "1/0"),
    *("nan", "1e999", "2024-13-45T99:99:99Z", "\u202e", "C:\\x", "-1", [], {}, [[]], {"": {}}),
    *([0] * 1000, [[1, 2], [3]], {"a": None}, "file:///etc/passwd", "=cmd()", "9" * 400),
)
MOST_ROWS = 100  # of a table that is changed once more: two changes may repeat it 90,000 times
_CELLS = (*(str(v) for v in VALUES if not isinstance(v, list | dict)), '"', "'", ",")


def with_other_values(data: bytes, suffix: str, chance: Random) -> bytes | None:
    """The file with one to three values changed.

    None where its kind is not known here, and for a table of more than `MOST_ROWS` rows.
    """
    if suffix == ".json":
        return json.dumps(_changed(json.loads(data), chance)).encode()
    if suffix == ".jsonl":
        lines = [line for line in data.splitlines() if line.strip()]
        at = chance.randrange(len(lines))
        lines[at] = json.dumps(_changed(json.loads(lines[at]), chance)).encode()
        return b"\n".join(lines * chance.choice((1, 1, 50))) + b"\n"
    if suffix == ".csv":
        return _changed_csv(data.decode(), chance)
    if suffix == ".parquet" and pq.read_metadata(pa.BufferReader(data)).num_rows <= MOST_ROWS:
        return _changed_table(data, chance)
    return None


def _changed(values: Any, chance: Random) -> Any:
    for _ in range(chance.randint(1, 3)):
        values = _with_one_changed(values, chance)
    return values


def _with_one_changed(values: Any, chance: Random) -> Any:
    places = list(_places(values))
    if not places:
        return deepcopy(chance.choice(VALUES))
    holder, key = chance.choice(places)
    kind = chance.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder[key:key] = [deepcopy(holder[key]) for _ in range(chance.choice((1, 50)))]
    elif kind == 2 and isinstance(holder, dict):
        holder[str(chance.choice(VALUES))] = deepcopy(holder[key])
    elif kind == 3 and len(places) < 5000:
        holder[key] = json.loads(json.dumps(chance.choice(places)[0]))  # something from elsewhere
    else:
        holder[key] = deepcopy(chance.choice(VALUES))
    return values


def _places(values: Any) -> list[tuple[Any, Any]]:
    found, waiting = [], [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            keys: list[Any] = list(value)
        elif isinstance(value, list):
            keys = list(range(len(value)))
        else:
            continue
        found.extend((value, key) for key in keys)
        waiting.extend(value[key] for key in keys)
    return found


def _changed_csv(text: str, chance: Random) -> bytes:
    rows = list(csv.reader(io.StringIO(text)))
    for _ in range(chance.randint(1, 3)):
        row = chance.choice(rows)
        if row:
            row[chance.randrange(len(row))] = chance.choice(_CELLS)
        if chance.random() < 0.2:
            row.extend(chance.choices(_CELLS, k=chance.choice((1, 100))))
    out = io.StringIO()
    csv.writer(out, delimiter=chance.choice((",", ",", ",", ";", "\t"))).writerows(rows)
    return out.getvalue().encode("utf-8", "surrogatepass")


_COLUMNS: tuple[Any, ...] = (
    *(None, "", "x" * 300, "../../a", "a\0b", -1, 2**63 - 1, float("nan"), float("inf"), True),
    *(b"\xff\xfe", [], [1.0], [[1]], {"a": 1}, 1e300, "9" * 300),
)


def _changed_table(data: bytes, chance: Random) -> bytes:
    table = pq.read_table(pa.BufferReader(data))
    for _ in range(chance.randint(1, 2)):
        names = table.column_names
        if not names:
            break
        at, kind = chance.randrange(len(names)), chance.randrange(6)
        if kind == 0:
            table = table.remove_column(at)
        elif kind == 1:
            table = table.rename_columns([n if i != at else f"{n}_" for i, n in enumerate(names)])
        elif kind == 2:
            table = pa.concat_tables([table] * chance.choice((2, 300))) if table.num_rows else table
        elif kind == 3:
            table = table.slice(0, 0)
        else:
            column = pa.array([chance.choice(_COLUMNS)] * table.num_rows)
            table = table.set_column(at, names[at], column)
    if chance.random() < 0.3 and table.schema.metadata:
        said = {key: chance.choice((b"", b"{}", b"[", b"\xff")) for key in table.schema.metadata}
        table = table.replace_schema_metadata(said)
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()
