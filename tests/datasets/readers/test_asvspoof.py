"""ASVspoof's protocols and keys: what they tell, and lines that contradict themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from drawn_trees import DRAWN

from counterface.datasets.readers.layout import load_reader
from counterface.errors import DatasetError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    return folder


def test_attacks_codecs_and_speakers_are_told(tree: Path):
    DRAWN["asvspoof"](tree)
    found = {entry.path.stem: entry for entry in load_reader("asvspoof").read(tree)}
    told = found["LA_E_9"]
    assert (told.method, told.generator, told.compression) == ("A07", "A07", "alaw")
    assert found["LA_T_1"].method == "speech"
    assert found["LA_T_1"].generator == ""


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("LA_0079 LA_T_1 - - spoof", "'LA_T_1' is 'spoof' by '-'"),
        ("LA_0079 LA_T_1 - A01 bonafide", "'LA_T_1' is 'bonafide' by 'A01'"),
        ("LA_0079 LA_T_1 - A01 unsure", "use bonafide with -, or spoof"),
        ("LA_0079 ../LA_T_1 - A01 spoof", "'../LA_T_1' is no name of a recording"),
        ("LA_0079 LA_T_1", "has not 5 columns"),
    ],
)
def test_a_line_that_contradicts_itself_is_refused(line: str, says: str, tree: Path):
    DRAWN["asvspoof"](tree)
    path = tree / "ASVspoof2019_LA_cm_protocols" / "ASVspoof2019.LA.cm.train.trn.txt"
    path.write_text(line + "\n")
    with pytest.raises(DatasetError, match=re.escape(says)):
        load_reader("asvspoof").read(tree)


def test_a_list_of_no_known_part_and_a_folder_without_lists_are_refused(tree: Path):
    with pytest.raises(DatasetError, match="no list ASVspoof2019"):
        load_reader("asvspoof").read(tree)
    (tree / "ASVspoof2019.LA.cm.more.txt").write_text("LA_0079 LA_T_1 - - bonafide\n")
    with pytest.raises(DatasetError, match="names neither train, dev nor eval"):
        load_reader("asvspoof").read(tree)
