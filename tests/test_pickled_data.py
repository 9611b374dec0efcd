"""Pickles are listed as data: plain values come out, and what they name is never called."""

from __future__ import annotations

import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterface.pickled_data import Made, read_pickled_data

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
PLAIN = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(PLAIN, st.sampled_from([2, 4, 5]))
def test_plain_values_come_out_as_they_went_in(value: object, protocol: int) -> None:
    stream = io.BytesIO(pickle.dumps(value, protocol) + b"more")
    assert read_pickled_data(stream) == value
    assert stream.read() == b"more"


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("trapped",)


@pytest.mark.parametrize("protocol", [0, 1, 2, 5])
def test_a_call_is_named_and_not_made(
    protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = read_pickled_data(io.BytesIO(pickle.dumps(_Trap(), protocol)))
    assert found == Made("posix mkdir", ("trapped",))
    assert not Path("trapped").exists()


def test_objects_are_told_with_their_items_and_state() -> None:
    found = read_pickled_data(io.BytesIO(pickle.dumps(OrderedDict(a=1, b=[2]), 2)))
    assert found.maker == "collections OrderedDict"
    assert found.items == {"a": 1, "b": [2]}
    array = read_pickled_data(io.BytesIO(pickle.dumps(np.arange(3, dtype="<f4"), 2)))
    assert array.state[1] == (3,)


@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x02.", b"\x80\x02K\x01", b"\x80\x02b."])
def test_what_is_no_pickle_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        read_pickled_data(io.BytesIO(content))


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_name_that_is_not_allowed_is_refused(protocol: int) -> None:
    pickled = pickle.dumps([OrderedDict(a=1)], protocol)
    assert read_pickled_data(io.BytesIO(pickled), {"collections OrderedDict"})
    with pytest.raises(ValueError, match="collections OrderedDict"):
        read_pickled_data(io.BytesIO(pickled), {"numpy ndarray"})


def test_keys_that_would_overflow_the_stack_are_refused() -> None:
    with pytest.raises(ValueError, match="tuples in tuples"):
        read_pickled_data(io.BytesIO(b"\x80\x02})" + b"\x85" * 100_000 + b"K\x01s."))
