"""MTCNN: pickled layers are read as data, and boxes that overlap are one."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from drawn_weights import write_layers

import counterface
from counterface import weights
from counterface.errors import WeightsError
from counterface.faces.backends.mtcnn import MTCNNFaceDetector, read_layers, suppress

REAL = Path(__file__).parents[4] / "shared/data/weights/mtcnn_npy"


def test_layers_come_out_as_they_were_pickled(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    layers = {
        "conv1": {
            "weights": np.asfortranarray(rng.normal(size=(3, 3, 3, 10)).astype("<f4")),
            "biases": np.zeros(10, "<f4"),
        }
    }
    found = read_layers(write_layers(tmp_path / "det1.npy", layers))
    for name, array in layers["conv1"].items():
        assert np.array_equal(found["conv1"][name], array)


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("trapped",)


def test_a_file_that_would_run_code_runs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_layers(tmp_path / "det1.npy", {"a": {"b": np.zeros(3, "f4")}})
    head = path.read_bytes()[: 10 + int.from_bytes(path.read_bytes()[8:10], "little")]
    path.write_bytes(head + pickle.dumps(_Trap(), 2))
    with pytest.raises(WeightsError, match=r"det1\.npy: not a \.npy of layers"):
        read_layers(path)
    assert not Path("trapped").exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "det1.npy", np.zeros(3))
    with pytest.raises(WeightsError, match="not one dictionary"):
        read_layers(tmp_path / "det1.npy")
    write_layers(tmp_path / "det1.npy", {"a": {"b": np.zeros(3)}})
    with pytest.raises(WeightsError, match="not of float32"):
        read_layers(tmp_path / "det1.npy")
    for name in ("det1.npy", "det2.npy", "det3.npy"):
        write_layers(tmp_path / name, {"a": {"b": np.zeros(3, "f4")}})
    with pytest.raises(WeightsError, match="not the networks of MTCNN"):
        MTCNNFaceDetector(tmp_path)


def test_the_best_of_overlapping_boxes_stays() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 0, 60, 10], [2, 2, 5, 5]], np.float32)
    scores = np.array([0.8, 0.9, 0.7, 0.6], np.float32)
    assert suppress(boxes, scores, 0.5).tolist() == [1, 2, 3]
    assert suppress(boxes, scores, 0.5, inside=True).tolist() == [1, 2]


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="the weights of MTCNN are not at hand")
def test_the_portrait_has_its_key_points_where_the_mesh_has_them() -> None:
    image = counterface.read_image(weights.path("astronaut"))
    (face,) = MTCNNFaceDetector(REAL).detect(image)
    (known,) = counterface.find_faces(image)
    assert face.keypoints is not None
    assert known.landmarks is not None
    truth = known.landmarks[[*range(36, 48)]].reshape(2, 6, 2).mean(axis=1)
    assert face.keypoints[:2] == pytest.approx(truth, abs=4)
    assert face.keypoints[2] == pytest.approx(known.landmarks[30], abs=8)
    assert face.keypoints[3:] == pytest.approx(known.landmarks[[48, 54]], abs=5)
