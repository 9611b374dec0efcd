"""Landmarks in and out: JSON, iBUG .pts, faceswap's JSON; hostile files are refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_facesets import write_person

from counterface.errors import FacesetError
from counterface.faces.align import warp_points
from counterface.faceset.alignments.exchange import export_landmarks, import_landmarks
from counterface.faceset.alignments.faceswap import frame_name
from counterface.faceset.alignments.ibug import read_pts, write_pts
from counterface.faceset.row import ROWS
from counterface.faceset.store import Faceset, save
from counterface.files import locked

SIDE = 96


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "jane"
    write_person(folder, 1, 4, side=SIDE)
    return folder


@pytest.fixture
def jane(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "jane"))


def table(folder: Path):
    return ROWS.to_arrow(Faceset.open(folder).rows)


def shift(folder: Path) -> None:
    """Move all landmarks of a faceset a little."""
    faceset = Faceset.open(folder)
    with locked(folder, FacesetError):
        rows = tuple(replace(row, landmarks=row.landmarks + 3) for row in faceset)
        save(replace(faceset, rows=rows))


@pytest.mark.parametrize("form", ["json", "faceswap"])
def test_json_gives_the_same_landmarks_back_to_the_bit(jane: Path, tmp_path: Path, form):
    first = table(jane)
    out = tmp_path / "a.json"
    assert export_landmarks(jane, out, form).faces == 4
    shift(jane)
    found = import_landmarks(jane, out)
    assert (found.changed, found.problems) == (4, ())
    assert table(jane)["landmarks"] == first["landmarks"]


@pytest.mark.parametrize(("space", "most"), [("frame", 1e-5), ("crop", 1e-3)])
def test_pts_give_the_same_landmarks_back_nearly(jane: Path, tmp_path: Path, space, most: float):
    before = list(Faceset.open(jane))
    export_landmarks(jane, tmp_path / "pts", "pts", space)
    shift(jane)
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
    shift(jane)
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
    shift(jane)
    found = import_landmarks(jane, tmp_path / "a.json")
    assert found.changed == 1
    reasons = " ".join(problem.reason for problem in found.problems)
    assert all(part in reasons for part in ("another source", "frame 77", "no crop", "already"))
