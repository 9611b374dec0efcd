"""Labelled lists: what is read, what is refused, and folds that keep groups together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from counterface.datasets.manifest import Labelled, fold_groups, read_manifest
from counterface.errors import ConfigError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_are_read_with_paths_beside_the_list(tmp_path: Path):
    text = "file,label,method,group\na.mp4,real,,ann\nsub/b.png,FAKE,swap,\nc.mp4,1,,\n"
    items = read_manifest(write(tmp_path / "list.csv", text))
    assert items == [
        Labelled(tmp_path / "a.mp4", 0, "", "ann"),
        Labelled(tmp_path / "sub" / "b.png", 1, "swap", "sub/b.png"),
        Labelled(tmp_path / "c.mp4", 1, "", "c.mp4"),
    ]


def test_method_and_group_may_be_absent_and_paths_may_be_whole(tmp_path: Path):
    other = tmp_path / "elsewhere" / "x.mp4"
    (item,) = read_manifest(write(tmp_path / "list.csv", f"label,file\n0,{other}\n"))
    assert item == Labelled(other, 0, "", str(other))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"needs rows with the columns 'file' and 'label', found \[\]"),
        ("file,label\n", "needs rows"),
        ("path,label\na,real\n", r"found \['path', 'label'\]"),
        ("file,label\na,real\nb,maybe\n", "line 3: label 'maybe'; use real or fake"),
        ("file,label\na\n", "line 2: label None"),
        ("file,label\n,real\n", "line 2: no file"),
        ("file,label\na,real\na,fake\n", r"named more than once: \[.*a'\]"),
    ],
)
def test_a_wrong_list_is_refused_with_the_reason(tmp_path: Path, text: str, says: str):
    path = write(tmp_path / "list.csv", text)
    with pytest.raises(ConfigError, match=says) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ConfigError, match="not a readable CSV"):
        read_manifest(path)
    with pytest.raises(ConfigError, match="not a readable CSV"):
        read_manifest(tmp_path / "absent.csv")


def test_a_list_with_a_byte_order_mark_is_read(tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_bytes(b"\xef\xbb\xbffile,label\na.mp4,fake\n")  # as spreadsheets write it
    assert read_manifest(path)[0].label == 1


@pytest.mark.parametrize("folds", [1, 2, 3, 5])
def test_a_group_is_never_split_and_folds_are_balanced(folds: int):
    rng = np.random.default_rng(folds)
    groups = [f"g{rng.integers(30)}" for _ in range(200)]
    fold = fold_groups(groups, folds)
    homes: dict[str, set[int]] = {}
    for group, home in zip(groups, fold, strict=True):
        homes.setdefault(group, set()).add(home)
    assert all(len(found) == 1 for found in homes.values())
    counts = [fold.count(k) for k in range(folds)]
    largest = max(groups.count(g) for g in set(groups))
    assert max(counts) - min(counts) <= largest


def test_folds_do_not_depend_on_the_order_of_the_items():
    groups = ["a", "b", "b", "c", "d", "d", "d"]
    forth = dict(zip(groups, fold_groups(groups, 2), strict=True))
    back = dict(zip(groups[::-1], fold_groups(groups[::-1], 2), strict=True))
    assert forth == back


def test_every_fold_gets_a_group_or_the_request_is_refused():
    assert sorted(fold_groups(["a", "b", "c"], 3)) == [0, 1, 2]
    with pytest.raises(ConfigError, match="2 groups cannot fill 3 folds"):
        fold_groups(["a", "b", "b"], 3)
