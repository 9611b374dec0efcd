"""Indexing: the manifest of a tree, with hashes that are not computed twice."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from drawn_trees import DRAWN

from counterface.datasets import index as module
from counterface.datasets.index import IndexConfig, index_dataset
from counterface.datasets.manifest import read_manifest, write_manifest
from counterface.errors import ConfigError, DatasetError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    DRAWN["uadfv"](folder)
    return folder


def test_the_manifest_has_the_entries_and_the_hash_of_every_file(tree: Path):
    out = tree / "manifest.parquet"
    summary = index_dataset("uadfv", tree, out)
    assert (summary.entries, summary.hashed, summary.reused) == (4, 4, 0)
    entries = read_manifest(out)
    assert [entry.label for entry in entries] == [1, 1, 0, 0]
    for entry in entries:
        assert entry.sha256 == hashlib.sha256(entry.path.read_bytes()).hexdigest()


def test_only_new_and_changed_files_are_read_again(tree: Path):
    out = tree / "manifest.parquet"
    index_dataset("uadfv", tree, out)
    changed, touched = tree / "real/0000.mp4", tree / "real/0001.mp4"
    changed.write_bytes(b"other")
    os.utime(touched, (1, 1))
    (tree / "real/0002.mp4").write_bytes(b"new")
    summary = index_dataset("uadfv", tree, out)
    assert (summary.hashed, summary.reused) == (3, 2)
    found = {entry.path.name: entry.sha256 for entry in read_manifest(out)}
    assert found["0000.mp4"] == hashlib.sha256(b"other").hexdigest()
    assert index_dataset("uadfv", tree, out).hashed == 0


def test_a_stopped_run_goes_on_where_it_was(tree: Path, monkeypatch: pytest.MonkeyPatch):
    out = tree / "manifest.parquet"
    read: list[str] = []
    real_hash = module.file_sha256

    def stops(path: Path) -> str:
        if len(read) == 2:
            raise KeyboardInterrupt
        read.append(path.name)
        return real_hash(path)

    monkeypatch.setattr(module, "file_sha256", stops)
    with pytest.raises(KeyboardInterrupt):
        index_dataset("uadfv", tree, out)
    assert not out.exists()
    log = tree / "manifest.hashes.jsonl"
    log.write_text(log.read_text() + '["real/0000.mp4", 3')  # cut short, as by a crash
    monkeypatch.setattr(module, "file_sha256", real_hash)
    summary = index_dataset("uadfv", tree, out)
    assert (summary.hashed, summary.reused) == (2, 2)
    assert index_dataset("uadfv", tree, out).reused == 4  # the line after the cut one counts


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_done(tree: Path):
    (tree / "real/0000.mp4").write_bytes(b"")
    summary = index_dataset("uadfv", tree, tree / "m.csv")
    (failure,) = summary.failures
    assert failure.file.endswith("0000.mp4")
    assert "empty" in failure.reason
    assert sum(entry.sha256 == "" for entry in read_manifest(tree / "m.csv")) == 1


def test_a_name_that_is_no_text_is_told_and_the_others_are_done(tmp_path: Path):
    for part in ("real", "fake"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "a.jpg").write_bytes(b"a")
    Path(os.fsdecode(os.fsencode(tmp_path / "real") + b"/\xff.jpg")).write_bytes(b"b")
    summary = index_dataset("two_folders", tmp_path, tmp_path / "m.parquet")
    (failure,) = summary.failures
    assert failure.file.endswith("\\udcff.jpg")
    assert (summary.entries, summary.hashed) == (2, 2)


def test_hashing_can_be_left_out(tree: Path):
    summary = index_dataset("uadfv", tree, tree / "m.parquet", IndexConfig(hash=False))
    assert (summary.hashed, summary.reused) == (0, 0)
    assert not (tree / "m.hashes.jsonl").exists()


def test_a_manifest_that_was_split_since_is_not_replaced_unasked(tree: Path):
    out = tree / "manifest.parquet"
    index_dataset("uadfv", tree, out)
    write_manifest([replace(entry, split="test") for entry in read_manifest(out)], out)
    with pytest.raises(ConfigError, match=r"was split or balanced since .*--redo"):
        index_dataset("uadfv", tree, out)
    index_dataset("uadfv", tree, out, IndexConfig(redo=True))
    assert {entry.split for entry in read_manifest(out)} == {""}


def test_a_wrong_tree_writes_nothing(tree: Path):
    with pytest.raises(DatasetError, match="expected:"):
        index_dataset("celeb_df", tree, tree / "manifest.parquet")
    assert sorted(path.name for path in tree.iterdir()) == ["fake", "real"]


def test_a_name_too_long_for_the_file_of_hashes_is_one_clear_line(tree: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"has 243 bytes, and at most 242 are possible.*shorter"):
        index_dataset("uadfv", tree, tmp_path / ("m" * 243 + ".parquet"))
    index_dataset("uadfv", tree, tmp_path / ("m" * 242 + ".parquet"))
