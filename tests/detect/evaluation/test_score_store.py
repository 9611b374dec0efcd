"""Kept scores: nothing is scanned twice, nothing of another way of scanning is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from scan_media import drawn_picture, tiny_config

from counterface.datasets.manifest import Entry
from counterface.detect.detector import Detector
from counterface.detect.evaluation import score_files as module
from counterface.detect.evaluation.score_files import score_files
from counterface.detect.evaluation.score_store import ScoreStore
from counterface.detect.scanning.scan import ScanConfig
from counterface.errors import MediaError
from counterface.files import file_sha256


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that were scanned and not taken from the store."""
    names: list[str] = []
    scan = module.scan_files

    def counted(paths, *rest, **options):
        for outcome in scan(paths, *rest, **options):
            names.append(Path(outcome.file.path).name)
            yield outcome

    monkeypatch.setattr(module, "scan_files", counted)
    return names


def store_of(folder: Path, config: ScanConfig, change: str = "") -> ScoreStore:
    sha256 = Detector.load(config.detector).sha256
    return ScoreStore(folder / "scores", sha256, config, change)


def test_a_second_look_scans_only_what_is_new_and_gives_the_same(
    tmp_path: Path, scanned: list[str]
):
    config = tiny_config(tmp_path)
    items = [Entry(drawn_picture(tmp_path / f"{i}.png", i), i % 2) for i in range(2)]
    first = score_files(items, config, store=store_of(tmp_path, config))
    assert scanned == ["0.png", "1.png"]
    items.append(Entry(drawn_picture(tmp_path / "2.png", 2), 0, "new"))
    again = score_files(items, config, store=store_of(tmp_path, config))
    assert scanned == ["0.png", "1.png", "2.png"]
    assert again[:2] == first
    assert again[2].method == "new"
    moved = [Entry(items[0].path.rename(tmp_path / "moved.png"), 1, "other")]
    (found,) = score_files(moved, config, store=store_of(tmp_path, config))
    assert len(scanned) == 3  # known by content, whatever it is called
    assert (found.logit, found.label, found.method) == (first[0].logit, 1, "other")
    assert found == score_files(moved, config)[0]  # and just as a scan finds it


def test_an_interrupted_run_has_kept_what_it_did(
    tmp_path: Path, scanned: list[str], monkeypatch: pytest.MonkeyPatch
):
    config = tiny_config(tmp_path)
    items = [Entry(drawn_picture(tmp_path / f"{i}.png", i), i % 2) for i in range(3)]

    def stop(done: int, total: int | None, name: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_files(items, config, store=store_of(tmp_path, config), progress=stop)
    scanned.clear()
    assert len(score_files(items, config, store=store_of(tmp_path, config))) == 3
    assert scanned == ["2.png"]


def test_other_settings_have_other_scores(tmp_path: Path):
    config = tiny_config(tmp_path)
    other = tiny_config(tmp_path, gain=2.0)
    folders = {
        store_of(tmp_path, config).folder,
        store_of(tmp_path, config.model_copy(update={"frames": 8})).folder,
        store_of(tmp_path, config.model_copy(update={"thorough": True})).folder,
        store_of(tmp_path, config, "blur-2").folder,
        store_of(tmp_path, other).folder,
    }
    assert len(folders) == 5
    same = config.model_copy(update={"pictures": False, "marks": False})
    assert store_of(tmp_path, same).folder in folders


def test_a_failure_is_tried_again(tmp_path: Path, scanned: list[str]):
    config = tiny_config(tmp_path)
    (tmp_path / "late.png").write_bytes(b"half a picture")
    items = [Entry(tmp_path / "late.png", 0), Entry(tmp_path / "gone.png", 1)]
    broken, gone = score_files(items, config, store=store_of(tmp_path, config))
    assert (broken.verdict, gone.verdict) == ("failed", "failed")
    assert "gone.png" in (gone.error or "")
    again = score_files(items[:1], config, store=store_of(tmp_path, config))
    assert again[0].error
    assert scanned == ["late.png", "late.png"]


def test_a_file_that_is_not_what_the_manifest_lists_is_an_error(tmp_path: Path):
    path = drawn_picture(tmp_path / "a.png")
    right, wrong = Entry(path, 0, sha256=file_sha256(path)), Entry(path, 0, sha256="0" * 64)
    config = tiny_config(tmp_path)
    found = score_files([right], config) + score_files([wrong], config)
    assert found[0].logit is not None
    assert found[1].logit is None
    assert "not what the manifest lists" in (found[1].error or "")


def test_a_damaged_part_is_named(tmp_path: Path):
    config = tiny_config(tmp_path)
    (store_of(tmp_path, config).folder / "bad.parquet").write_bytes(b"no table")
    with pytest.raises(MediaError, match=r"bad\.parquet.*delete it"):
        store_of(tmp_path, config)
