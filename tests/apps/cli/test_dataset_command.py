"""`counterface dataset` from the outside: from a folder to a split, balanced manifest."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from drawn_trees import DRAWN, touch

from counterface.apps.cli.dataset.manifest import index
from counterface.apps.cli.main import main
from counterface.datasets.manifest import read_manifest
from counterface.registry import DATASET_READERS


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    touch(folder, *(f"genuine/{n}.jpg" for n in range(5)), *(f"made/{n}.jpg" for n in range(20)))
    return folder


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["dataset", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_help_names_every_layout() -> None:
    assert set(DATASET_READERS.names()) <= set(re.findall(r"\w+", index.__doc__ or ""))


def test_from_a_folder_to_a_balanced_manifest(tree: Path, capsys):
    out = tree / "manifest.parquet"
    code, text, _ = run(
        capsys, "index", "two_folders", tree, "--set", "real=genuine", "--set", "fake=made"
    )
    assert code == 0
    assert "25 entries; 25 files read for their hash, 0 known, 0 failed" in text
    assert "5 real, 20 fake, 4.00 fakes to a real" in text

    words = ("split", out, "--train", 0.6, "--val", 0.2, "--test", 0.2, "--json")
    code, text, _ = run(capsys, *words)
    assert code == 0
    report = json.loads(text)
    assert report["shares"] == {"train": 0.6, "val": 0.2, "test": 0.2}
    code, text, _ = run(capsys, "balance", out, "--ratio", 4)
    assert (code, "real: 3 entries, drawn 3 times before, 12 now" in text) == (0, True)
    assert sum(e.repeat for e in read_manifest(out) if e.label == 0) == 12 + 2

    code, text, _ = run(capsys, "info", out, "--json")
    facts = json.loads(text)
    assert (code, facts["drawn_real"], facts["leaks"], facts["missing"]) == (0, 14, [], [])


def test_a_wrong_tree_is_answered_with_the_expected_one_line_by_line(tree: Path, capsys):
    code, text, error = run(capsys, "index", "celeb_df", tree)
    assert (code, text) == (1, "")
    lines = error.splitlines()
    assert "List_of_testing_videos.txt is not there; fetch it" in lines[0]
    assert "found 'genuine/', 'made/'" in lines[0]
    assert lines[1:4] == ["expected:", "Celeb-DF-v2/", "  Celeb-real/id0_0005.mp4"]


def test_info_tells_of_leaks_and_missing_files_and_fails_for_the_latter(tree: Path, capsys):
    DRAWN["celeb_df"](tree)
    assert run(capsys, "index", "celeb_df", tree)[0] == 0
    (tree / "YouTube-real" / "00013.mp4").unlink()
    code, text, _ = run(capsys, "info", tree / "manifest.parquet")
    assert code == 2
    assert "leak      identity celeb_df:id0: " in text
    assert "leaks: 2 people, 0 sources; duplicates: 0 (0 entries without a hash)" in text
    assert "missing: 1" in text
    assert "look-alikes: not looked for" in text


def test_splits_are_told_as_a_table(tree: Path, capsys):
    run(capsys, "index", "two_folders", tree, "--set", "real=genuine", "--set", "fake=made")
    out = tree / "split.csv"
    code, text, _ = run(
        capsys, "split", tree / "manifest.parquet", "--out", out, "--val", 0, "--test", 0.2
    )
    assert code == 0
    assert "fake   -                         16       0       4         0   0.0%" in text
    assert {entry.split for entry in read_manifest(out)} == {"train", "test"}
    assert {entry.split for entry in read_manifest(tree / "manifest.parquet")} == {""}


def test_a_wrong_option_is_one_line(tree: Path, capsys):
    code, _, error = run(capsys, "index", "two_folders", tree, "--set", "reel=genuine")
    assert code == 1
    assert error == (
        "counterface: options of two_folders: unknown key 'reel'; did you mean 'real'?\n"
    )
    code, _, error = run(capsys, "balance", tree / "m.parquet", "--ratio", 2, "--even")
    assert code == 1
    assert "not both" in error
