"""Project files that can be parsed and say what nobody would: read, or one error with the name."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hostile_values import with_other_values
from hypothesis import given, settings
from hypothesis import strategies as st
from project_readers import READERS, Reader
from test_project_files import search

from counterface.datasets.manifest import read_manifest
from counterface.errors import ConfigError
from counterface.pickled_data import read_pickled_data


def search_values(reader: Reader, count: int, seed: int) -> None:
    suffix = reader[0].suffix

    def change(data: bytes) -> Iterator[bytes]:
        for number in range(count):
            content = with_other_values(data, suffix, Random(f"{seed} {number}"))
            if content is None:
                return
            yield content

    search(reader, change)


@pytest.mark.parametrize("make", READERS, ids=lambda make: make.__name__)
def test_other_values_are_read_or_one_error_that_names_the_file(
    make: Callable[[Path], Reader], tmp_path: Path
):
    search_values(make(tmp_path), count=12, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("make", READERS, ids=lambda make: make.__name__)
def test_other_values_at_length(make: Callable[[Path], Reader], tmp_path: Path):
    search_values(make(tmp_path), count=200, seed=1)


_OPCODES = st.sampled_from(sorted(code.code for code in pickletools.opcodes))
_PIECES = st.one_of(
    _OPCODES.map(lambda code: code.encode("latin-1")),
    st.binary(min_size=1, max_size=6),
    st.just(pickle.dumps({"a": [np.zeros(2), 1.5, "x"]}, 2)),
)


@settings(max_examples=300)
@given(st.lists(_PIECES, max_size=30).map(b"".join))
def test_any_instructions_of_a_pickle_are_a_value_or_a_value_error(content: bytes):
    refused = ""
    try:
        read_pickled_data(io.BytesIO(content))
    except ValueError as error:
        refused = str(error)
    assert len(refused) < 1000


@pytest.mark.parametrize("column", ["path", "mask"])
def test_a_manifest_names_no_file_that_cannot_be(column: str, tmp_path: Path):
    path = tmp_path / "m.csv"
    names = {"path": "a.png", "mask": "m.png", column: f"deep/{'9' * 300}.png"}
    path.write_text(f"path,label,mask\n{names['path']},real,{names['mask']}\n")
    with pytest.raises(ConfigError, match=r"m\.csv, line 2: a name of 309 characters"):
        read_manifest(path)
