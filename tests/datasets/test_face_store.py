"""The store of cut faces: a scan's own crops, kept by content, whole clips or none."""

from __future__ import annotations

import shutil
from pathlib import Path

import actors
import numpy as np
import pytest

from counterface.apps.cli.main import main
from counterface.datasets import face_store
from counterface.datasets.face_store import (
    FaceStoreConfig,
    place_in_clip,
    store_faces,
    stored_hashes,
)
from counterface.datasets.manifest import Entry, read_manifest, write_manifest
from counterface.errors import FacesetError
from counterface.faces.align import align
from counterface.faces.face_detector import find_faces
from counterface.faceset.store import Faceset
from counterface.media.image import read_image, write_image
from counterface.media.video_reader import read_video

CLIPS = FaceStoreConfig(moments=2, frames=3, template="face", size=64)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 24 frames, the same content under another name, a picture, a broken file."""
    folder = tmp_path_factory.mktemp("footage")
    actors.write_clip(folder / "clip.mp4", actors.draw_clip((2,), 24, 320, 240))
    shutil.copyfile(folder / "clip.mp4", folder / "again.mp4")
    write_image(folder / "one.png", actors.draw_actor(1, size=256).image)
    (folder / "broken.mp4").write_bytes(b"no video at all" * 50)
    return folder


def entries(folder: Path, *names: str) -> list[Entry]:
    return [Entry(folder / name, number % 2) for number, name in enumerate(names)]


@pytest.mark.slow
def test_a_clip_is_consecutive_frames_and_its_crops_are_a_scans(files: Path, tmp_path: Path):
    summary = store_faces(entries(files, "clip.mp4"), tmp_path / "store", CLIPS)
    assert [(file.status, file.clips) for file in summary.files] == [("done", 2)]
    store = Faceset.open(tmp_path / "store")
    assert [place_in_clip(row.file) for row in store] == [
        (moment, place) for moment in (0, 1) for place in (0, 1, 2)
    ]
    indices = [row.frame_index for row in store]
    assert np.diff(indices).tolist() == [1, 1, indices[3] - indices[2], 1, 1]
    frames = {frame.index: frame.image for frame in read_video(files / "clip.mp4")}
    for row in store:
        image = frames[row.frame_index]
        wanted = align(image, find_faces(image)[0], "face", 64).image
        assert np.array_equal(store.read(row).image, wanted)  # PNG: not a bit is lost


def test_the_same_content_under_another_name_is_not_read_again(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store_faces(entries(files, "clip.mp4"), tmp_path / "store", CLIPS)
    monkeypatch.setattr(face_store, "cut_clips", lambda path, config: pytest.fail(str(path)))
    summary = store_faces(entries(files, "again.mp4"), tmp_path / "store", CLIPS)
    assert [file.status for file in summary.files] == ["already"]
    listed = read_manifest(tmp_path / "store" / "manifest.parquet")
    assert {e.path.name for e in listed} == {"clip.mp4", "again.mp4"}
    assert len({e.sha256 for e in listed}) == 1


def test_a_bad_file_is_told_and_remembered_and_tried_again_when_asked(files: Path, tmp_path: Path):
    config = FaceStoreConfig(size=64)
    items = entries(files, "broken.mp4", "one.png", "absent.png")
    for wanted in ("done", "already"):
        summary = store_faces(items, tmp_path / "store", config)
        assert [file.status for file in summary.files] == ["failed", wanted, "failed"]
        assert "broken.mp4" in (summary.files[0].error or "")
    broken = files / "broken.mp4"
    (source,) = [
        s for s in Faceset.open(tmp_path / "store").header.sources if s.name == str(broken)
    ]
    assert source.error
    assert store_faces(items, tmp_path / "store", config, redo=True).files[1].status == "already"


def test_a_killed_call_goes_on_where_it_was(files: Path, tmp_path: Path):
    items = entries(files, "clip.mp4", "one.png")

    def kill(done: int, total: int | None, name: str) -> None:
        raise KeyboardInterrupt

    config = FaceStoreConfig(moments=2, size=64)
    with pytest.raises(KeyboardInterrupt):
        store_faces(items, tmp_path / "store", config, progress=kill)
    summary = store_faces(items, tmp_path / "store", config)
    assert [file.status for file in summary.files] == ["already", "done"]
    whole = store_faces(items, tmp_path / "whole", config)
    assert summary.crops == whole.crops == 3
    assert [r.file for r in Faceset.open(tmp_path / "store")] == [
        r.file for r in Faceset.open(tmp_path / "whole")
    ]


def test_crops_of_other_settings_are_not_mixed(files: Path, tmp_path: Path):
    items = entries(files, "clip.mp4")
    store_faces(items, tmp_path / "store", CLIPS)
    other = CLIPS.model_copy(update={"frames": 2})
    with pytest.raises(FacesetError, match=r"other settings.*frames 3 -> .*--redo"):
        store_faces(items, tmp_path / "store", other)
    summary = store_faces(items, tmp_path / "store", other, redo=True)
    assert (summary.files[0].status, summary.crops) == ("done", 4)
    with pytest.raises(FacesetError, match="choose another folder"):
        store_faces(items, tmp_path / "store", CLIPS.model_copy(update={"size": 96}))


def test_a_picture_has_no_clip_and_a_clip_needs_all_its_frames(files: Path, tmp_path: Path):
    summary = store_faces(entries(files, "one.png"), tmp_path / "store", CLIPS)
    assert [(file.status, file.clips) for file in summary.files] == [("done", 0)]


@pytest.mark.slow
def test_the_person_seen_most_is_another_than_the_largest(tmp_path: Path):
    """One face is larger but leaves halfway; the smaller one stays."""
    clip = actors.draw_clip((1, 2), 8, 480, 270)
    sizes = [float(np.prod(actor.box[2:] - actor.box[:2])) for actor in clip[0].actors]
    big = int(np.argmax(sizes))
    gone = []
    for number, frame in enumerate(clip):
        left, top, right, bottom = (int(v) for v in frame.actors[big].box)
        if number >= 4:
            frame.frame.image[max(0, top - 40) : bottom + 40, max(0, left - 20) : right + 20] = 90
        gone.append(frame)
    path = actors.write_clip(tmp_path / "two.mp4", gone)
    config = FaceStoreConfig(moments=4, size=64)
    by_size, _ = face_store.cut_clips(path, config)
    by_time, _ = face_store.cut_clips(path, config.model_copy(update={"pick": "persistent"}))

    def side(clips: list[tuple[int, face_store.Clip]]) -> list[float]:
        return [float(clip[0].face.box[0]) for _, clip in clips]

    small = float(clip[0].actors[1 - big].box[0])
    assert len(by_size) == len(by_time) == 4
    assert np.ptp(side(by_time)) < np.ptp(side(by_size))
    assert all(abs(x - small) < 60 for x in side(by_time))


def test_hashes_come_from_the_store_where_the_manifest_has_none(files: Path, tmp_path: Path):
    items = entries(files, "clip.mp4")
    store_faces(items, tmp_path / "store", CLIPS)
    moved = [Entry(files / "clip.mp4", 1), Entry(files / "absent.png", 0)]
    known = Faceset.open(tmp_path / "store").header.sources[0].sha256
    assert stored_hashes(moved, tmp_path / "store") == [known, ""]


def test_the_command_says_what_it_cut(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_manifest(entries(files, "one.png", "broken.mp4"), tmp_path / "list.csv")
    words = ["dataset", "faces", str(tmp_path / "list.csv"), str(tmp_path / "store")]
    assert main([*words, "--size", "64", "--moments", "2"]) == 2
    shown = capsys.readouterr().out
    assert "1 file cut, 0 were there, 1 failed" in shown
    (row,) = Faceset.open(tmp_path / "store")
    assert read_image(tmp_path / "store" / row.file).shape == (64, 64, 3)
