"""Which files paths, folders and globs mean."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from counterface.errors import MediaError
from counterface.media import sandbox
from counterface.media.find_media import describe_left_out, find_media
from counterface.media.open_file import check_file


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


@pytest.mark.parametrize(
    "name", ["a.jfif", "a.JPE", "a.vob", "a.asf", "a.h264", "a.hevc", "a.mjpeg", "a.apng", "a.m2v"]
)
def test_rarer_suffixes_are_media_too(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"x")
    assert find_media([tmp_path]) == [tmp_path / name]


def test_what_a_folder_holds_besides_is_counted_by_suffix(tree: Path):
    for name in ("readme", "deep/more.TXT", "table.csv"):
        (tree / name).write_bytes(b"x")
    left_out: Counter[str] = Counter()
    find_media([tree, tree / "deep", tree / "table.csv"], left_out)
    assert left_out == {".txt": 2, "": 1}  # a file that was named itself is not left out
    assert describe_left_out(left_out) == (
        "3 other files were left out, by suffix neither picture nor video: 2 .txt, "
        "1 without a suffix"
    )


@pytest.mark.parametrize(
    "address", ["https://host/a.mp4?x=1", "rtsp://host/stream", "ftp://h/a.jpg"]
)
def test_an_address_is_not_fetched_and_told_so(address: str):
    for path in (address, Path(address)):
        (found,) = find_media([path])
        for ask in (check_file, sandbox.probe):
            with pytest.raises(MediaError, match="is an address; nothing is fetched") as caught:
                ask(found)
        assert address in str(caught.value)


def test_a_pattern_that_matches_nothing_is_called_one(tmp_path: Path):
    (found,) = find_media([tmp_path / "**" / "*.mov"])
    with pytest.raises(MediaError, match=r"no file matches .*mov.*; check the pattern"):
        check_file(found)
