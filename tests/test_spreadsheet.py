"""No cell of a table is a formula, and none is changed for those who read it back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterface.spreadsheet import bare_cell, guard_cell

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d")


@pytest.mark.parametrize("start", STARTS)
def test_what_a_spreadsheet_runs_becomes_text(start):
    assert guard_cell(f"{start}1+1") == f"'{start}1+1"


@given(text=st.text(st.sampled_from("'=+-@\t a"), max_size=6) | st.text(max_size=20))
def test_every_text_is_no_formula_and_reads_back(text):
    guarded = guard_cell(text)
    assert not guarded.startswith(STARTS)
    assert bare_cell(guarded) == text
