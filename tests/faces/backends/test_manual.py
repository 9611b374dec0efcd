"""Faces from a list: read from CSV and JSON, told apart by frame, followed through a video."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from actors import draw_actor

from counterface.errors import WeightsError
from counterface.faces.backends.manual import ManualFaceDetector, ManualLandmarker
from counterface.faces.face_detector import find_faces
from counterface.faces.follow import FaceFollower
from counterface.types import Frame

ACTOR = draw_actor(1, size=160)
HEAD = ["frame", "left", "top", "right", "bottom"]


def csv_list(path: Path, frames: list[str], *, landmarks: bool = True) -> Path:
    names = [f"{axis}{i}" for i in range(68) for axis in "xy"] if landmarks else []
    values = [*ACTOR.box, *(ACTOR.landmarks.ravel() if landmarks else [])]
    rows = [",".join([frame, *(f"{v:.3f}" for v in values)]) for frame in frames]
    path.write_text("\n".join([",".join([*HEAD, *names]), *rows]) + "\n")
    return path


def json_list(path: Path, frames: list[str]) -> Path:
    face = {"box": ACTOR.box.tolist(), "landmarks": ACTOR.landmarks.tolist()}
    path.write_text(json.dumps({"frames": {frame: [face] for frame in frames}}))
    return path


@pytest.mark.parametrize("write", [csv_list, json_list])
def test_a_list_of_one_picture_is_what_find_faces_gives(write, tmp_path: Path) -> None:
    path = write(tmp_path / f"faces.{write.__name__[:-5]}", ["portrait.png"])
    (face,) = find_faces(ACTOR.image, f"manual:{path}", "manual")
    assert face.box == pytest.approx(ACTOR.box, abs=1e-3)
    assert face.landmarks == pytest.approx(ACTOR.landmarks, abs=1e-3)
    assert face.pose is not None
    assert abs(face.pose.yaw) < 13


def test_boxes_alone_go_to_a_landmarker(tmp_path: Path) -> None:
    path = csv_list(tmp_path / "boxes.csv", ["0"], landmarks=False)
    (face,) = find_faces(ACTOR.image, f"manual:{path}", "mediapipe_mesh")
    assert face.landmarks is not None
    (bare,) = find_faces(ACTOR.image, f"manual:{path}", "manual")
    assert bare.landmarks is None


def test_frames_of_a_video_have_the_faces_of_their_numbers(tmp_path: Path) -> None:
    detector = ManualFaceDetector(csv_list(tmp_path / "faces.csv", ["1", "3", "3"]))
    follower = FaceFollower(detector, ManualLandmarker())
    frames = [Frame(ACTOR.image, index, Fraction(index, 25)) for index in range(5)]
    counts = [len(faces) for piece in follower.walk(frames, 4) for _, faces in piece]
    assert counts == [0, 1, 0, 1, 0]  # the two of frame 3 are one face


def test_a_picture_is_known_by_its_file_name(tmp_path: Path) -> None:
    detector = ManualFaceDetector(csv_list(tmp_path / "faces.csv", ["a.png", "b.png"]))
    follower = FaceFollower(detector, ManualLandmarker())
    assert len(follower.find(ACTOR.image, still=True, frame="a.png")) == 1
    assert follower.find(ACTOR.image, still=True, frame="c.png") == []
    with pytest.raises(WeightsError, match="lists 2 frames"):
        detector.detect(ACTOR.image)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "frame,left,top\n0,1,2\n", "no column right, bottom"),
        ("a.csv", "frame,left,top,right,bottom\n0,1,2,x,4\n", "line 2: .* are not numbers"),
        (
            "a.csv",
            "frame,left,top,right,bottom\n0,1,2,nan,4\n",
            "line 2: .* are not numbers of pixels",
        ),
        ("a.csv", "frame,left,top,right,bottom\n0,9,2,3,4\n", "line 2: .* is no box"),
        ("a.csv", "frame,left,top,right,bottom,x0,y0\n0,1,2,3,4,5,6\n", "are not numbers"),
        ("a.json", "[]", "no .*frames"),
        ("a.json", '{"frames": {"0": [{"box": [1, 2, 3]}]}}', "frame '0': .* is no box"),
        (
            "a.json",
            '{"frames": {"0": [{"box": [1, 2, 3, 4], "landmarks": [[1, 2]]}]}}',
            r"landmarks \(1, 2\), not \(68, 2\)",
        ),
        ("a.json", '{"frames": {"0": [3]}}', "not a list of faces"),
    ],
)
def test_a_list_that_cannot_be_used_says_where(
    name: str, text: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(WeightsError, match=told):
        ManualFaceDetector(path)


def test_landmarks_of_the_list_are_not_changed() -> None:
    (kept,) = ManualLandmarker().locate(ACTOR.image, [ACTOR.face])
    assert kept.landmarks is ACTOR.face.landmarks
    assert np.array_equal(kept.box, ACTOR.face.box)
