"""Landmarks found again, taken back, exchanged and checked; hostile files are refused."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from actors import draw_clip, write_clip
from drawn_facesets import write_person
from killed import disk_steps

from counterface import registry
from counterface.errors import FacesetError, ShapeError
from counterface.faces.align import MEAN_SHAPE, warp_points
from counterface.faceset.alignments import redo as redo_module
from counterface.faceset.alignments.change import CHANGES, undo, with_landmarks
from counterface.faceset.alignments.check import check
from counterface.faceset.alignments.draw import DrawConfig, draw, pose_axes
from counterface.faceset.alignments.exchange import export_landmarks, import_landmarks
from counterface.faceset.alignments.recut import recut
from counterface.faceset.alignments.redo import RedoConfig, face_on_crop, redo
from counterface.faceset.curate.choose import Choice, filter_
from counterface.faceset.curate.order import SortConfig, sort
from counterface.faceset.extract import ExtractConfig, extract
from counterface.faceset.masks.exchange import import_masks
from counterface.faceset.row import ROWS
from counterface.faceset.store import Faceset, save
from counterface.files import locked
from counterface.media.image import read_image, write_image
from counterface.types import Pose

SIDE = 96


class Mover:
    """A landmarker that knows the middle of what it is shown: the mean face in the box."""

    def locate(self, image, faces):
        found = []
        for face in faces:
            middle = (face.box[:2] + face.box[2:]) / 2
            wide = float((face.box[2:] - face.box[:2]).max())
            jaw = np.stack([np.linspace(-1, 1, 17), np.full(17, 0.8)], axis=1)
            points = np.concatenate([jaw, MEAN_SHAPE]) * wide / 3 + middle
            found.append(replace(face, landmarks=points.astype(np.float32)))
        return found


class Blind:
    """A landmarker that sees no face."""

    def locate(self, image, faces):
        return faces


class Lost:
    """A landmarker that finds every face outside of the picture."""

    def locate(self, image, faces):
        return [replace(face, landmarks=np.full((68, 2), -1e5, np.float32)) for face in faces]


class Nothing:
    """A landmarker whose numbers are none."""

    def locate(self, image, faces):
        return [replace(face, landmarks=np.full((68, 2), np.nan, np.float32)) for face in faces]


@pytest.fixture(autouse=True)
def landmarkers(monkeypatch: pytest.MonkeyPatch):
    for kind in (Mover, Blind, Lost, Nothing):
        name = f"{kind.__module__}:{kind.__name__}"
        monkeypatch.setitem(registry.LANDMARKERS.built_in, kind.__name__.lower(), name)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "jane"
    write_person(folder, 1, 4, side=SIDE)
    return folder


@pytest.fixture
def jane(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "jane"))


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a drawn clip, and the faceset that was extracted from it."""
    folder = tmp_path_factory.mktemp("cut")
    write_clip(folder / "clip.mp4", draw_clip([1], 6, 320, 240))
    extract(folder / "clip.mp4", folder / "fs", ExtractConfig(size=SIDE))
    return folder


@pytest.fixture
def clip(cut: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(cut, tmp_path / "cut"))


def files(folder: Path) -> dict[str, bytes]:
    return {row.file: (folder / row.file).read_bytes() for row in Faceset.open(folder)}


def table(folder: Path):
    return ROWS.to_arrow(Faceset.open(folder).rows)


def test_landmarks_are_found_again_on_crops_and_taken_back(jane: Path):
    before, crops = Faceset.open(jane), files(jane)
    with locked(jane, FacesetError):
        known = [replace(row, identity=np.ones(4, np.float32)) for row in before]
        save(replace(before, rows=tuple(known)))
    first = table(jane)
    found = redo(jane, RedoConfig(landmarker="mover"))
    assert (found.changed, found.problems) == (4, ())
    assert found.median_shift is not None
    assert 0 < found.median_shift < 1
    for was, row in zip(before, Faceset.open(jane), strict=True):
        expected = Mover().locate(None, [face_on_crop(was)])[0].landmarks
        assert np.abs(warp_points(row.landmarks, row.frame_to_crop) - expected).max() < 1e-3
        assert row.identity is None
        assert row.pose is not None
        assert abs(row.pose.yaw) < 3  # a mean face, whatever was drawn
        assert np.array_equal(row.frame_to_crop, was.frame_to_crop)
    assert files(jane) == crops
    taken = undo(jane)
    assert (taken.crops, taken.left, taken.more) == (4, 0, 0)
    assert table(jane) == first
    with pytest.raises(FacesetError, match="no change of its landmarks"):
        undo(jane)


def test_changes_are_taken_back_one_by_one_under_other_names(jane: Path, tmp_path: Path):
    first = [row.landmarks.tolist() for row in Faceset.open(jane)]
    export_landmarks(jane, tmp_path / "first.json", "json")
    redo(jane, RedoConfig(landmarker="mover"))
    second = [row.landmarks.tolist() for row in Faceset.open(jane)]
    import_landmarks(jane, tmp_path / "first.json")
    assert [row.landmarks.tolist() for row in Faceset.open(jane)] == first
    sort(jane, SortConfig(by="blur", reverse=True, rename=True))
    assert undo(jane).more == 1
    assert [row.landmarks.tolist() for row in Faceset.open(jane)] == second
    assert undo(jane).crops == 4
    assert [row.landmarks.tolist() for row in Faceset.open(jane)] == first
    assert [row.place for row in Faceset.open(jane)] == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("landmarker", "reason"),
    [
        ("blind", "sees no face"),
        ("lost", "outside"),
        ("nothing", "no numbers"),
        ("manual", "sees no face"),
    ],
)
def test_what_cannot_be_placed_stays(jane: Path, landmarker: str, reason: str):
    first = table(jane)
    found = redo(jane, RedoConfig(landmarker=landmarker))
    assert found.changed == 0
    assert len(found.problems) == 4
    assert all(reason in problem.reason for problem in found.problems)
    assert table(jane) == first
    assert list((jane / CHANGES).iterdir()) == []


def test_an_unreadable_crop_and_a_wrong_size_end_no_run(jane: Path):
    names = [row.file for row in Faceset.open(jane)]
    (jane / names[1]).write_bytes(b"no picture")
    write_image(jane / names[2], np.zeros((32, 32, 3), np.uint8))
    found = redo(jane, RedoConfig(landmarker="mover"))
    assert found.changed == 2
    assert [problem.file for problem in found.problems] == names[1:3]


def test_rows_with_damaged_numbers_are_told(jane: Path):
    faceset = Faceset.open(jane)
    bad = np.full((68, 2), np.nan, np.float32)
    rows = list(faceset.rows)
    rows[0] = replace(rows[0], landmarks=bad)
    rows[1] = replace(rows[1], box=np.full(4, np.inf, np.float32))
    rows[2] = replace(rows[2], frame_to_crop=np.zeros((2, 3), np.float32))
    with locked(jane, FacesetError):
        save(replace(faceset, rows=tuple(rows)))
    found = redo(jane, RedoConfig(landmarker="mover"))
    assert [problem.file for problem in found.problems] == [rows[1].file, rows[2].file]
    assert found.changed == 2  # landmarks that were none are found again
    json.dumps(found.model_dump(mode="json"), allow_nan=False)


def test_an_empty_faceset_one_crop_and_no_faceset(tmp_path: Path):
    Faceset.create(tmp_path / "empty", "face", 64)
    with pytest.raises(FacesetError, match="holds no crops"):
        redo(tmp_path / "empty", RedoConfig(landmarker="mover"))
    with pytest.raises(FacesetError, match="is not a faceset"):
        redo(tmp_path, RedoConfig(landmarker="mover"))
    assert draw(tmp_path / "empty", tmp_path / "out").pictures == 0
    write_person(tmp_path / "one", 1, 1, side=SIDE)
    assert redo(tmp_path / "one", RedoConfig(landmarker="mover")).changed == 1
    assert undo(tmp_path / "one").crops == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_refused(jane: Path):
    jane.chmod(0o500)
    try:
        with pytest.raises(FacesetError, match="cannot be written"):
            redo(jane, RedoConfig(landmarker="mover"))
    finally:
        jane.chmod(0o700)


def test_landmarks_far_off_leave_the_template(jane: Path):
    found = redo_module.changed(jane, 0, 0, [], [])
    faceset = Faceset.open(jane)
    turned = [replace(row, landmarks=row.landmarks * 1.5 - 60) for row in faceset]
    with locked(jane, FacesetError):
        save(replace(faceset, rows=tuple(turned)))
    again = redo_module.changed(jane, 0, 0, [], [])
    assert (found.off_template, again.off_template) == (0, 4)


def test_landmarks_are_checked_before_they_are_taken(jane: Path):
    row = next(iter(Faceset.open(jane)))
    for points, reason in (
        (row.landmarks[:5], "5 landmarks; 68"),
        (row.landmarks + np.inf, "no numbers of pixels"),
        (row.landmarks - 1000, "lie outside the image"),
        (row.landmarks + 100, "outside of its 96"),
        (np.ones((68, 2), np.float32), "same point"),
    ):
        with pytest.raises(ShapeError, match=reason):
            with_landmarks(row, points, SIDE)


@pytest.mark.slow
def test_frames_are_looked_at_where_the_source_is_there(clip: Path):
    fs = clip / "fs"
    found = redo(fs, RedoConfig(landmarker="mover", source=(clip / "clip.mp4",)))
    assert (found.changed, found.problems) == (6, ())
    for row in Faceset.open(fs):
        expected = Mover().locate(None, [row.face])[0].landmarks
        assert np.array_equal(row.landmarks, expected)
    (clip / "other.mp4").write_bytes((clip / "clip.mp4").read_bytes() + b"x")
    with pytest.raises(FacesetError, match="none of the files named is a source"):
        redo(fs, RedoConfig(landmarker="mover", source=(clip / "other.mp4",)))


@pytest.mark.slow
def test_crops_are_cut_anew_and_come_back(clip: Path):
    fs, source = clip / "fs", (clip / "clip.mp4",)
    (clip / "masks").mkdir()
    for row in Faceset.open(fs):
        mask = np.zeros((SIDE, SIDE, 3), np.uint8)
        mask[30:60, 40:70] = 255
        write_image(clip / "masks" / f"{Path(row.file).stem}.png", mask)
    import_masks(fs, clip / "masks")
    crops, first = files(fs), table(fs)
    assert recut(fs, source).changed == 0  # they lie as they should
    redo(fs, RedoConfig(landmarker="mover"))
    moved = table(fs)
    found = recut(fs, source)
    assert (found.changed, found.problems, found.off_template) == (6, (), 0)
    for row in Faceset.open(fs):
        was = next(r for r in ROWS.from_arrow(moved) if r.file == row.file)
        old, new = (np.vstack([m, [0, 0, 1]]) for m in (was.frame_to_crop, row.frame_to_crop))
        middle = (new @ np.linalg.inv(old) @ [54.5, 44.5, 1])[:2]
        ys, xs = np.nonzero(read_image(fs / row.mask)[..., 0] > 127)
        assert np.abs(np.array([xs.mean(), ys.mean()]) - middle).max() < 0.6
        assert (fs / row.file).read_bytes() != crops[row.file]
    assert undo(fs).crops == 6
    assert table(fs) == moved
    assert files(fs) == crops
    undo(fs)
    assert table(fs) == first


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, to kill what it forked")
@pytest.mark.parametrize("what", ["redo", "undo"])
def test_a_killed_change_is_whole_and_goes_on(jane: Path, tmp_path: Path, what: str, monkeypatch):
    from counterface.faceset.alignments import change

    monkeypatch.setattr(change, "BATCH", 2)
    config = RedoConfig(landmarker="mover")
    old = table(jane)
    if what == "undo":
        redo(jane, config)
    shutil.copytree(jane, tmp_path / "first")

    def run() -> None:
        redo(jane, config) if what == "redo" else undo(jane)

    steps = disk_steps(run, jane)
    end = table(jane)
    for kill_at in range(2, len(steps), 3):
        shutil.rmtree(jane)
        shutil.copytree(tmp_path / "first", jane)
        disk_steps(run, jane, kill_at)
        assert len(Faceset.open(jane)) == 4
        try:
            run()
        except FacesetError:  # it was killed when all was taken back
            assert what == "undo"
        assert table(jane) == end
        if what == "redo":
            undo(jane)
            assert table(jane) == old


@pytest.mark.slow
def test_gaps_and_frames_without_faces_are_told(clip: Path):
    fs, source = clip / "fs", [clip / "clip.mp4"]
    whole = check(fs, source)
    assert (whole.sources[0].with_face, whole.sources[0].none, whole.incomplete) == (6, 0, False)
    names = {row.frame_index: row.file for row in Faceset.open(fs)}
    for index in (2, 3):
        (fs / names[index]).unlink()
    found = check(fs, source)
    (one,) = found.sources
    assert (one.frames, one.with_face, one.none, one.gap, one.unread) == (6, 4, 2, 2, 0)
    assert [(s.kind, s.first_frame, s.last_frame) for s in one.spans] == [
        ("gap", 2, 3),
        ("none", 2, 3),
    ]
    assert one.spans[0].first_s == pytest.approx(2 / 24, abs=0.02)
    assert found.incomplete
    (fs / names[5]).unlink()
    assert check(fs, source).sources[0].gap == 2  # nobody knows of a face after the last
    write_person(clip / "jane", 1, 2)
    with pytest.raises(FacesetError, match="none of the files named is a source"):
        check(clip / "jane", source)


@pytest.mark.slow
def test_crops_in_the_trash_are_no_gap_and_two_faces_are_many(clip: Path):
    fs, source = clip / "fs", [clip / "clip.mp4"]
    filter_(fs, Choice(by="original", min=3))
    assert check(fs, source).incomplete is False
    faceset = Faceset.open(fs)
    row = faceset.rows[-1]
    shutil.copy(fs / row.file, fs / "twin.jpg")
    twin = replace(row, file="twin.jpg", face_index=1, box=row.box + 100)
    with locked(fs, FacesetError):
        save(replace(faceset, rows=(*faceset.rows, twin)))
    (one,) = check(fs, source).sources
    assert (one.many, one.none, one.gap) == (1, 0, 0)
    assert check(fs, source, faces=2).sources[0].many == 0


def test_pictures_are_drawn_outside_of_the_faceset(jane: Path, tmp_path: Path):
    before = files(jane)
    found = draw(jane, tmp_path / "out", DrawConfig(most=2))
    assert (found.pictures, found.problems) == (2, ())
    row = next(iter(Faceset.open(jane)))
    picture = read_image(tmp_path / "out" / f"{Path(row.file).stem}.jpg").astype(int)
    crop = read_image(jane / row.file).astype(int)
    off = np.abs(picture - crop).sum(axis=2)
    points = np.round(warp_points(row.landmarks, row.frame_to_crop)).astype(int)
    inside = points[(points >= 0).all(axis=1) & (points < SIDE).all(axis=1)]
    assert np.median([off[y, x] for x, y in inside]) > 100
    assert files(jane) == before
    for place in (jane, jane / "drawn"):
        with pytest.raises(FacesetError, match="lies in the faceset"):
            draw(jane, place)
    (jane / row.file).write_bytes(b"no picture")
    assert len(draw(jane, tmp_path / "out").problems) == 1


def test_the_axes_of_a_head_point_where_it_looks():
    right, up, out = pose_axes(Pose(0, 0, 0))
    assert np.allclose([right, up, out], [[1, 0], [0, -1], [0, 0]])
    assert pose_axes(Pose(30, 0, 0))[2][0] > 0.4  # to the image's right
    assert pose_axes(Pose(0, 30, 0))[2][1] < -0.4  # up
    assert pose_axes(Pose(0, 0, 30))[0][1] > 0.4  # clockwise
