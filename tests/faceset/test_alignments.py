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
from counterface.faceset.alignments.faceswap import frame_name
from counterface.faceset.alignments.ibug import read_pts, write_pts
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


@pytest.mark.parametrize("form", ["json", "faceswap"])
def test_json_gives_the_same_landmarks_back_to_the_bit(jane: Path, tmp_path: Path, form):
    first = table(jane)
    out = tmp_path / "a.json"
    assert export_landmarks(jane, out, form).faces == 4
    redo(jane, RedoConfig(landmarker="mover"))
    found = import_landmarks(jane, out)
    assert (found.changed, found.problems) == (4, ())
    assert table(jane)["landmarks"] == first["landmarks"]


@pytest.mark.parametrize(("space", "most"), [("frame", 1e-5), ("crop", 1e-3)])
def test_pts_give_the_same_landmarks_back_nearly(jane: Path, tmp_path: Path, space, most: float):
    before = list(Faceset.open(jane))
    export_landmarks(jane, tmp_path / "pts", "pts", space)
    redo(jane, RedoConfig(landmarker="mover"))
    assert import_landmarks(jane, tmp_path / "pts", space).changed == 4
    for was, row in zip(before, Faceset.open(jane), strict=True):
        assert np.abs(was.landmarks - row.landmarks).max() < most


def test_pts_count_from_one_and_a_crops_points_are_its_own(jane: Path, tmp_path: Path):
    write_pts(tmp_path / "a.pts", np.zeros((68, 2)))
    assert "\n1.000000 1.000000\n" in (tmp_path / "a.pts").read_text()
    assert np.array_equal(read_pts(tmp_path / "a.pts"), np.zeros((68, 2)))
    export_landmarks(jane, tmp_path / "pts", "pts")
    row = next(iter(Faceset.open(jane)))
    points = read_pts(tmp_path / "pts" / f"{Path(row.file).stem}.pts")
    assert np.abs(points - warp_points(row.landmarks, row.frame_to_crop)).max() < 1e-4


def test_faceswap_calls_frames_of_a_video_by_number(jane: Path, tmp_path: Path):
    row = next(iter(Faceset.open(jane)))
    assert frame_name(row) == "person1_000001.png"
    assert frame_name(replace(row, source="in/photo.png")) == "photo.png"
    export_landmarks(jane, tmp_path / "a.json", "faceswap")
    faces = json.loads((tmp_path / "a.json").read_text())["person1_000001.png"]
    assert faces[0]["landmarks_2d"] == row.landmarks.tolist()
    left, top, right, bottom = faces[0]["detected"]
    kept = {  # as its own alignments have them
        "x": left,
        "y": top,
        "w": right - left,
        "h": bottom - top,
        "landmarks_xy": (row.landmarks + 2).tolist(),
        "mask": {},
    }
    strange = {**kept, "x": left + 1000}
    data = {"__meta__": {"version": 2.3}, "__data__": {"person1_000001.png": {"faces": [kept]}}}
    data["__data__"]["person1_000002.png"] = {"faces": [strange]}
    data["__data__"]["other_000001.png"] = {"faces": [kept]}
    (tmp_path / "b.json").write_text(json.dumps(data))
    found = import_landmarks(jane, tmp_path / "b.json")
    assert found.changed == 1
    reasons = [problem.reason for problem in found.problems]
    assert reasons == [
        "no crop of that frame lies where it does",
        "the faceset has no crop of that frame",
    ]
    assert np.array_equal(next(iter(Faceset.open(jane))).landmarks, row.landmarks + 2)


@pytest.mark.parametrize("content", [b"x\x9c\x01\x02", b"\x80\x04]q\x00.", b"{}"])
def test_the_compressed_pickle_of_faceswap_is_refused(jane: Path, tmp_path: Path, content: bytes):
    name = "a.fsa" if content == b"{}" else "a.json"
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FacesetError, match="never read; write it as JSON in faceswap"):
        import_landmarks(jane, tmp_path / name)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "begin with"),
        ("version: 1\nn_points: 5\n{\n1 1\n1 1\n1 1\n1 1\n1 1\n}", "says 5 points and has 5; 68"),
        ("version: 1\nn_points: 68\n{\n1 1\n}", "says 68 points and has 1"),
        ("version: 1\nn_points: 68\n{\n" + "nan 1\n" * 68 + "}", "'nan 1' is no point"),
        ("version: 1\nn_points: 68\n{\n" + "1e999 1\n" * 68 + "}", "no numbers"),
        ("version: 1\nn_points: 68\n{\n" + "900 900\n" * 68 + "}", "lie outside the image"),
        ("version: 1\nn_points: 68\n" + "1 1\n" * 68, "no points in braces"),
        ("x" * 200_000, "more than"),
    ],
)
def test_a_bad_pts_file_ends_no_run(jane: Path, tmp_path: Path, text: str, reason: str):
    out = tmp_path / "pts"
    export_landmarks(jane, out, "pts")
    redo(jane, RedoConfig(landmarker="mover"))
    bad = sorted(out.iterdir())[1]
    bad.write_text(text)
    (out / "stranger.pts").write_text("")
    found = import_landmarks(jane, out)
    assert found.changed == 3
    assert [problem.file for problem in found.problems] == [bad.name, "stranger.pts"]
    assert reason in found.problems[0].reason


def test_a_bad_json_file_is_one_error(jane: Path, tmp_path: Path):
    export_landmarks(jane, tmp_path / "a.json", "json")
    good = json.loads((tmp_path / "a.json").read_text())
    five = json.loads(json.dumps(good))
    five["faces"][1]["landmarks"] = five["faces"][1]["landmarks"][:5]
    swapped = {"person1_000001.png": [{"detected": [0, 0, 9, 9], "landmarks_2d": [["a", "b"]]}]}
    for values, reason in (
        (five, "5 landmarks; 68 are needed"),
        ({**good, "format": 2}, "format"),
        ({**good, "faces": [{**good["faces"][0], "hat": 1}]}, "unknown key"),
        ([1, 2], "no list of frames"),
        (swapped, "something else than numbers"),
        ({"person1_000001.png": [{"landmarks_2d": [[1, 2]]}]}, "none of pixels"),
    ):
        (tmp_path / "b.json").write_text(json.dumps(values))
        with pytest.raises(FacesetError, match=rf"b\.json.*{reason}"):
            import_landmarks(jane, tmp_path / "b.json")
    few = {"person1_000001.png": [{"detected": [0, 0, 256, 256], "landmarks_2d": [[1, 2]] * 5}]}
    (tmp_path / "b.json").write_text(json.dumps(few))
    (problem,) = import_landmarks(jane, tmp_path / "b.json").problems
    assert "5 landmarks; 68" in problem.reason or "no crop" in problem.reason


def test_landmarks_of_other_footage_are_not_taken(jane: Path, tmp_path: Path):
    export_landmarks(jane, tmp_path / "a.json", "json")
    values = json.loads((tmp_path / "a.json").read_text())
    values["faces"][0]["source_sha256"] = "f" * 64
    values["faces"][1]["frame"] = 77
    values["faces"][2]["file"] = "stranger.jpg"
    values["faces"].append(values["faces"][3])
    (tmp_path / "a.json").write_text(json.dumps(values))
    redo(jane, RedoConfig(landmarker="mover"))
    found = import_landmarks(jane, tmp_path / "a.json")
    assert found.changed == 1
    reasons = " ".join(problem.reason for problem in found.problems)
    assert all(part in reasons for part in ("another source", "frame 77", "no crop", "already"))


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
