"""MediaPipe's models by path, .tflite and .task, and the irises of the mesh of 478 points."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from actors import draw_actor

import counterface
from counterface import weights
from counterface.errors import WeightsError
from counterface.faces.backends.iris import MediapipeIris
from counterface.faces.backends.mediapipe import MediapipeFaceDetector, MediapipeMesh
from counterface.faces.landmarks import eye_centres
from counterface.types import Pose

pytestmark = pytest.mark.slow


def bundle(path: Path) -> Path:
    """A .task as MediaPipe packs one, of the models of the weight store."""
    with zipfile.ZipFile(path, "w") as file:
        for name, row in (
            ("face_detector.tflite", "face_detection_short_range"),
            ("face_landmarks_detector.tflite", "face_landmark"),
        ):
            file.write(weights.path(row), name)
    return path


def test_a_bundle_gives_what_its_members_give(tmp_path: Path) -> None:
    image = draw_actor(1, size=192).image
    task = bundle(tmp_path / "face_landmarker.task")
    alone = MediapipeFaceDetector(weights.path("face_detection_short_range")).detect(image)
    found = MediapipeFaceDetector(task).detect(image)
    assert np.array_equal(found[0].box, alone[0].box)
    (one,), (other,) = (m.locate(image, found) for m in (MediapipeMesh(task), MediapipeMesh()))
    assert np.array_equal(one.landmarks, other.landmarks)


def test_files_of_other_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not 468 or 478 points"):
        MediapipeMesh(weights.path("face_detection_short_range"))
    with zipfile.ZipFile(tmp_path / "hand.task", "w") as file:
        file.writestr("hand_detector.tflite", b"")
    with pytest.raises(WeightsError, match=r"hand\.task: .*face_detector\.tflite"):
        MediapipeFaceDetector(tmp_path / "hand.task")


@pytest.mark.parametrize("roll", [0, 40, 180])
def test_irises_lie_in_their_eyes_whichever_way_up(roll: float) -> None:
    image = counterface.read_image(weights.path("astronaut"))[:320, :400]
    turns = {0: 0, 180: 2}
    if roll in turns:
        image = np.ascontiguousarray(np.rot90(image, turns[roll]))
    else:
        image = draw_actor(2, Pose(0, 0, roll), size=256).image
    (face,) = counterface.find_faces(image, landmarker="mediapipe478")
    assert face.dense is not None
    assert face.dense.shape == (478, 2)
    assert face.landmarks is not None
    width = np.linalg.norm(face.landmarks[36] - face.landmarks[39])
    for eye, iris in zip(eye_centres(face.landmarks), np.split(face.dense[468:], 2), strict=True):
        assert np.linalg.norm(iris[0] - eye) < 0.35 * width
        assert np.linalg.norm(iris[1:].mean(axis=0) - iris[0]) < 0.1 * width
        rim = np.linalg.norm(iris[1:] - iris[0], axis=1) / width
        assert (rim > 0.08).all()
        assert (rim < 0.35).all()


def test_the_mesh_is_the_same_with_and_without_irises() -> None:
    actor = draw_actor(4, size=256)
    found = MediapipeFaceDetector().detect(actor.image)
    (one,) = MediapipeIris().locate(actor.image, found)
    (other,) = MediapipeMesh().locate(actor.image, found)
    assert one.dense is not None
    assert np.array_equal(one.dense[:468], other.dense)
    assert np.array_equal(one.landmarks, other.landmarks)
