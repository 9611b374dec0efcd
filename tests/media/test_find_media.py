"""Which files paths, folders and globs mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterface.media.find_media import find_media


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    names = ["b.mp4", "a.JPG", "deep/c.webm", ".hidden/d.mp4", ".e.png", "notes.txt", "x[1].png"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_a_folder_means_its_visible_media_at_any_depth_in_order(tree: Path):
    names = [p.relative_to(tree).as_posix() for p in find_media([tree])]
    assert names == ["a.JPG", "b.mp4", "x[1].png", "deep/c.webm"]


def test_a_named_file_is_taken_whatever_its_suffix_or_name(tree: Path):
    wanted = [tree / "notes.txt", tree / "x[1].png", tree / ".e.png"]
    assert find_media(wanted) == wanted


def test_each_file_comes_once_in_the_order_given(tree: Path):
    found = find_media([tree / "b.mp4", tree, tree / "*.mp4"])
    assert found[0] == tree / "b.mp4"
    assert len(found) == len(set(found)) == 4


def test_a_glob_is_expanded_and_one_without_a_match_stays_to_be_reported(tree: Path):
    assert find_media([str(tree / "**" / "*.webm")]) == [tree / "deep" / "c.webm"]
    assert find_media([tree / "no*.mp4"]) == [tree / "no*.mp4"]


def test_a_folder_without_media_stays_to_be_reported(tmp_path: Path):
    assert find_media([tmp_path]) == [tmp_path]


def test_links_to_folders_do_not_make_a_loop(tree: Path):
    (tree / "deep" / "loop").symlink_to(tree)
    assert len(find_media([tree])) == 4
