"""The table beside a page: what stands in it, and that no cell is a formula."""

from __future__ import annotations

import csv
import io

import pytest
from drawn_reports import a_failure, a_report
from hypothesis import given
from hypothesis import strategies as st

from counterface.report.table import COLUMNS, cell, is_table, write_csv


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_a_cell_is_never_a_formula(start):
    shown = cell(f"{start}cmd|' /C calc'!A0")
    assert shown[0] in "'\\"


@given(name=st.text(st.characters(exclude_characters="\x00"), max_size=20))
def test_every_name_is_one_cell_of_text(name):
    shown = cell(name)
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert len(shown.splitlines()) <= 1


def test_a_table_has_a_row_a_file_and_reads_back(tmp_path):
    reports = [
        a_report("=1+1.mp4", [2.0, 3.0, 2.5]),
        a_report('quo"te, comma;.mp4'),
        a_failure("broken.mp4", "broken.mp4 is cut short"),
    ]
    write_csv(reports, tmp_path / "t.csv")
    text = (tmp_path / "t.csv").read_bytes().decode("utf-8-sig")
    one, two, three = csv.DictReader(io.StringIO(text, newline=""))
    assert tuple(one) == COLUMNS
    assert one["file"] == "'=1+1.mp4"
    assert one["verdict"] == "likely_manipulated"
    assert float(one["probability_of_manipulation"]) == pytest.approx(
        reports[0].score.probability, rel=1e-5
    )
    assert (two["file"], two["verdict"], two["low"]) == ('quo"te, comma;.mp4', "no_face", "")
    assert (three["verdict"], three["error"]) == ("failed", "broken.mp4 is cut short")


def test_a_table_of_ours_is_known_by_its_first_line(tmp_path):
    write_csv([], tmp_path / "ours.csv")
    (tmp_path / "theirs.csv").write_text("file,label\n")
    assert is_table(tmp_path / "ours.csv")
    assert not is_table(tmp_path / "theirs.csv")
    assert not is_table(tmp_path / "absent.csv")
