"""Whatever a project file holds, its reader reads it or says in one error what is wrong with it."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from project_readers import READERS, Reader

from counterface.errors import ConfigError, CounterfaceError
from counterface.project_files import parse_json, parse_toml, read_json, read_toml

NUMBERS = ("-1", "0", "1e999", "9" * 25, "9" * 5000, "null", "NaN", "1e308", "[]", "true")
TEXTS = ('""', "null", "1", "{}", '"' + "A" * 10000 + '"', r'"\u0000"', r'"\ud800"', '"1/0"')
DEEP = "[" * 3000 + "]" * 3000


def damaged(data: bytes, seed: int, count: int) -> Iterator[bytes]:
    """The content with something wrong: cut short, bytes changed, values of other kinds."""
    chance = random.Random(seed)
    yield from (b"", data[:1], data[: len(data) // 3], data[:-1], data * 2, b"\xff\xfe" + data)
    yield from (b"[]", b"null", b"{}", b"[1]", b"[" * 50000, b"\0" * len(data), b'{"a": ' * 2000)
    for _ in range(count):
        flipped = bytearray(data)
        for _ in range(chance.choice((1, 1, 3, 20))):
            flipped[chance.randrange(min(len(data), chance.choice((64, 10**9))))] ^= chance.choice(
                (1, 128, 255)
            )
        yield bytes(flipped)
        start = chance.randrange(len(data))
        yield data[:start] + data[start + chance.randrange(1, 9) :]
    text = data.decode("utf-8", "replace")
    if text.encode() == data:
        yield from (changed.encode() for changed in _other_values(text, chance, count))


def _other_values(text: str, chance: random.Random, count: int) -> Iterator[str]:
    numbers = list(re.finditer(r"-?\d+(\.\d+)?", text))
    texts = list(re.finditer(r'"[^"\n]*"', text))
    yield text.replace("{", '{"x":' + DEEP + ",", 1)
    yield f"x = {DEEP}\n{text}"
    for _ in range(count):
        for places, values in ((numbers, NUMBERS), (texts, TEXTS)):
            if places:
                place = chance.choice(places)
                yield text[: place.start()] + chance.choice(values) + text[place.end() :]


def check(path: Path, read: Callable[[], object]) -> None:
    """Nothing, if the file is read or refused as it should be."""
    try:
        read()
    except CounterfaceError as error:
        text = str(error)
        assert path.name in text, text[:3000]
        assert len(text) < 3000, text[:3000]


def search(reader: Reader, change: Callable[[bytes], Iterator[bytes]]) -> None:
    """Every change of the valid file, one after the other."""
    path, read = reader
    data = path.read_bytes()
    read()
    for number, content in enumerate(change(data)):
        path.write_bytes(content)
        try:
            check(path, read)
        except Exception as error:
            raise AssertionError(f"change {number}: {content[:400]!r}") from error


@pytest.mark.parametrize("make", READERS, ids=lambda make: make.__name__)
def test_a_damaged_file_is_one_error_that_names_it(
    make: Callable[[Path], Reader], tmp_path: Path
) -> None:
    search(make(tmp_path), lambda data: damaged(data, 0, 8))


@pytest.mark.slow
@pytest.mark.parametrize("make", READERS, ids=lambda make: make.__name__)
def test_a_damaged_file_is_one_error_that_names_it_at_length(
    make: Callable[[Path], Reader], tmp_path: Path
) -> None:
    search(make(tmp_path), lambda data: damaged(data, 1, 300))


@pytest.mark.parametrize("make", READERS, ids=lambda make: make.__name__)
def test_what_is_no_file_is_one_error_that_names_it(
    make: Callable[[Path], Reader], tmp_path: Path
) -> None:
    path, read = make(tmp_path)
    data = path.read_bytes()
    path.unlink()
    try:
        read()
    except CounterfaceError as error:
        assert str(tmp_path) in str(error)  # noqa: PT017  # it may well do without
    path.unlink(missing_ok=True)
    path.mkdir()
    check(path, read)
    path.rmdir()
    os.mkfifo(path, 0o600)  # waits for its writer, for ever, when it is opened
    check(path, read)
    path.unlink()
    path.write_bytes(data)
    path.chmod(0)
    check(path, read)


def test_brackets_in_texts_are_no_depth() -> None:
    names = ["clip[1.mp4"] * 1000
    assert parse_json('["' + '", "'.join(names) + '"]') == names
    assert parse_toml(f"# it's [[[\na = {names}")["a"] == names


@pytest.mark.parametrize("text", ["[" * 65 + "]" * 65, "[" * 10**6, "NaN", "[1e999]", "9" * 21])
def test_json_beyond_use_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"deeper than|finite|bits"):
        parse_json(text)


@pytest.mark.parametrize("value", ["nan", "1e999", "9" * 21, r'"\u0000"', DEEP])
def test_toml_beyond_use_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"deeper than|no number|no finite number|bits|NUL"):
        parse_toml(f"a = {value}")


def test_infinity_may_be_written_in_toml() -> None:
    assert parse_toml("a = inf") == {"a": float("inf")}


def test_a_file_past_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    with path.open("wb") as file:
        file.truncate(10**8)
    with pytest.raises(ConfigError, match=r"large.toml: .* 100000000 bytes"):
        read_toml(path, ConfigError)
    with path.open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(ConfigError, match=r"large.toml: .* 10000000000 bytes"):
        read_json(path, ConfigError)


_READ_PARQUET = """
import os, sys, pathlib
import pyarrow.parquet
from counterface.project_files import read_parquet
before = len(os.listdir("/proc/self/task"))
read_parquet(pathlib.Path(sys.argv[1]), Exception)
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux does")
def test_parquet_is_read_in_one_thread(tmp_path: Path) -> None:
    """A thread of Arrow's that frees Python's bytes while Python ends would abort the command."""
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), file)
    command = [sys.executable, "-P", "-c", _READ_PARQUET, str(file)]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"0\n"
