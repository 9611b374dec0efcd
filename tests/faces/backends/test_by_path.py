"""`NAME:PATH` where a face detector or landmarker is named; files that are not what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import counterface
from counterface import weights
from counterface.errors import RegistryError, ShapeError, WeightsError
from counterface.faces.face_detector import load_models
from counterface.faces.named_model import make_model, split_name
from counterface.faces.own_process import OwnProcess, pack_faces, unpack_faces
from counterface.registry import FACE_DETECTORS, LANDMARKERS
from counterface.types import Face, Pose


def test_a_name_is_taken_with_and_without_a_path() -> None:
    assert split_name("auto") == ("auto", None)
    assert split_name("yunet:C:/nets/a.onnx") == ("yunet", Path("C:/nets/a.onnx"))
    assert split_name("yunet:~/a.onnx") == ("yunet", Path.home() / "a.onnx")


@pytest.mark.parametrize("name", ["yunet", "s3fd", "mtcnn", "manual"])
def test_a_face_detector_without_its_weights_says_how_to_name_them(name: str) -> None:
    with pytest.raises(WeightsError, match=f"'{name}' needs .*; name it as '{name}:PATH'"):
        make_model(FACE_DETECTORS, name)


def test_a_landmarker_without_its_weights_says_how_to_name_them() -> None:
    with pytest.raises(WeightsError, match="name it as 'fan2d:PATH'"):
        make_model(LANDMARKERS, "fan2d")


def test_paths_that_cannot_be_used_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="'auto' takes no weights file"):
        make_model(FACE_DETECTORS, f"auto:{tmp_path}")
    with pytest.raises(WeightsError, match=r"gone\.onnx: no such file"):
        make_model(FACE_DETECTORS, f"yunet:{tmp_path / 'gone.onnx'}")
    with pytest.raises(RegistryError, match="did you mean 'yunet'"):
        make_model(FACE_DETECTORS, "yunett:a.onnx")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("registry", "name"),
    [
        *((FACE_DETECTORS, n) for n in ("yunet", "s3fd", "ssd", "dlib_cnn", "haar", "manual")),
        (FACE_DETECTORS, "mediapipe"),
        *((LANDMARKERS, n) for n in ("mediapipe_mesh", "mediapipe478", "fan2d", "dlib68")),
    ],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04" + bytes(90), b"\x08" * 999])
def test_a_file_that_is_something_else_is_one_error(
    registry: counterface.registry.Registry, name: str, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"file\.bin"):
        make_model(registry, f"{name}:{path}")


@pytest.mark.slow
def test_weights_of_others_run_in_a_process_of_their_own_with_the_same_results() -> None:
    image = counterface.read_image(weights.path("astronaut"))
    path = weights.path("face_detection_short_range")
    mesh = weights.path("face_landmark")
    apart = load_models(f"mediapipe:{path}", f"mediapipe_mesh:{mesh}")
    assert all(isinstance(model, OwnProcess) for model in apart)
    detector = FACE_DETECTORS.load("mediapipe")(weights=path)
    here = detector.detect(image)
    found = apart[0].detect(image)
    assert len(found) == len(here) == 1
    assert np.array_equal(found[0].box, here[0].box)
    (one,) = LANDMARKERS.load("mediapipe_mesh")().locate(image, here)
    (other,) = apart[1].locate(image, found)
    assert np.array_equal(one.landmarks, other.landmarks)
    assert one.pose == other.pose
    assert load_models(f"mediapipe:{path}", "mediapipe_mesh")[0] is apart[0]  # kept for the thread
    with pytest.raises(ShapeError):
        apart[0].detect(image[..., 0])


def test_faces_survive_the_way_between_processes() -> None:
    rng = np.random.default_rng(0)
    box = np.array([1, 2, 30, 40], np.float32)
    points = rng.uniform(0, 9, (68, 2)).astype(np.float32)
    faces = [Face(box, 0.5), Face(box, 1.0, points[:5], points, points, Pose(1, 2, 3))]
    back = unpack_faces(*pack_faces(faces))
    for face, again in zip(faces, back, strict=True):
        assert (face.score, face.pose) == (again.score, again.pose)
        for name in ("box", "keypoints", "landmarks", "dense"):
            assert np.array_equal(getattr(face, name), getattr(again, name), equal_nan=False) or (
                getattr(face, name) is getattr(again, name) is None
            )


@pytest.mark.parametrize("wrong", [{"score": 2.0}, {"score": float("nan")}])
def test_impossible_faces_from_another_process_are_refused(wrong: dict) -> None:
    message, arrays = pack_faces([Face(np.array([1, 2, 30, 40], np.float32), 0.5)])
    message["faces"][0].update(wrong)
    with pytest.raises(WeightsError, match="score"):
        unpack_faces(message, arrays)
    message["faces"][0]["score"] = 0.5
    arrays["0 box"] = np.array([1, 2, np.inf, 4], np.float32)
    with pytest.raises(WeightsError, match="box"):
        unpack_faces(message, arrays)
