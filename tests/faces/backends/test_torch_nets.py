"""S3FD and 2DFAN: own networks with the tensors of files; drawn weights whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from counterface.errors import WeightsError
from counterface.faces.backends import fan, s3fd
from counterface.faces.backends.fan import FAN2D
from counterface.faces.backends.s3fd import S3FDFaceDetector
from counterface.types import Face

pytestmark = pytest.mark.slow


def quiet_s3fd() -> dict[str, np.ndarray]:
    """Weights that find nothing: no features, and background everywhere."""
    arrays = {name: np.zeros(shape, np.float32) for name, shape in s3fd.tensor_shapes().items()}
    for name in arrays:
        if name.endswith("mbox_conf.bias"):
            arrays[name][:-1] = 9
    return arrays


def bright_s3fd() -> dict[str, np.ndarray]:
    """Weights that find a face, at stride 16, where the picture is brighter than elsewhere."""
    arrays = quiet_s3fd()
    names = [name for block in s3fd._TRUNK for name, _, _ in block]
    for name in names:  # hand the red channel on, from layer to layer
        arrays[f"{name}.weight"][0, 2 if name == "conv1_1" else 0, 1, 1] = 1
    arrays["conv1_1.bias"][0] = -50
    arrays["conv5_3_norm.weight"][:] = 10
    arrays["conv5_3_norm_mbox_conf.weight"][1, 0, 1, 1] = 9
    arrays["conv5_3_norm_mbox_conf.bias"][:] = 40, 0
    return arrays


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", "-old.pth"])
def test_s3fd_decodes_the_box_that_its_weights_say(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    arrays = bright_s3fd()
    if suffix == ".safetensors":
        save_file(arrays, path)
    else:
        state = {name: torch.from_numpy(array) for name, array in arrays.items()}
        torch.save(state, path, _use_new_zipfile_serialization=suffix == ".pth")
    image = np.zeros((192, 256, 3), np.uint8)
    image[64:80, 96:112] = 255
    (face,) = S3FDFaceDetector(path).detect(image)
    assert face.box == pytest.approx(np.array([72, 40, 136, 104]) - 0.5)  # an anchor of 64 px
    assert face.score > 0.99


def test_s3fd_of_quiet_weights_finds_nothing_and_bears_tiny_pictures(tmp_path: Path) -> None:
    save_file(quiet_s3fd(), tmp_path / "net.safetensors")
    detector = S3FDFaceDetector(tmp_path / "net.safetensors")
    for shape in ((1, 1, 3), (3, 500, 3), (120, 160, 3)):
        assert detector.detect(np.zeros(shape, np.uint8)) == []


def test_files_of_other_networks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file({"conv1_1.weight": np.zeros((64, 3, 3, 3), np.float32)}, path)
    with pytest.raises(WeightsError, match=r"no tensor 'conv1_1\.bias'; is it of"):
        S3FDFaceDetector(path)
    with pytest.raises(WeightsError, match=r"no tensor 'conv1\.weight'"):
        FAN2D(path)
    save_file({**quiet_s3fd(), "fc7.bias": np.zeros(7, np.float32)}, path)
    with pytest.raises(WeightsError, match=r"fc7\.bias is float32 \(7,\), the network's"):
        S3FDFaceDetector(path)


def drawn_fan(stacked: int) -> dict[str, np.ndarray]:
    """Weights of random convolutions and plain norms."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, shape in fan.tensor_shapes(stacked).items():
        if name.endswith(("running_var", ".weight")) and len(shape) == 1:
            arrays[name] = np.ones(shape, np.float32)
        elif len(shape) == 1:
            arrays[name] = np.zeros(shape, np.float32)
        else:
            spread = 1 / np.sqrt(np.prod(shape[1:]))
            arrays[name] = rng.normal(0, spread, shape).astype(np.float32)
    return arrays


@pytest.mark.parametrize("stacked", [1, 2])
def test_fan_places_points_where_its_heat_maps_peak(stacked: int, tmp_path: Path) -> None:
    save_file(drawn_fan(stacked), tmp_path / "net.safetensors")
    marker = FAN2D(tmp_path / "net.safetensors")
    image = np.random.default_rng(1).integers(0, 256, (200, 240, 3), dtype=np.uint8)
    box = np.array([60, 50, 140, 150], np.float32)
    (face,) = marker.locate(image, [Face(box, 0.9)])
    assert face.landmarks is not None
    assert face.landmarks.shape == (68, 2)
    side = fan.MARGIN * 180
    centre = np.array([100, 100 - fan.HIGHER * 100])
    assert (np.abs(face.landmarks - centre) <= side / 2).all()
    assert np.array_equal(face.box, box)


def test_a_peak_leans_towards_its_higher_neighbour() -> None:
    heat = np.zeros((2, 64, 64), np.float32)
    heat[0, 10, 20], heat[0, 10, 21], heat[0, 9, 20] = 1, 0.5, 0.5
    heat[1, 0, 63] = 1
    assert fan.peaks(heat) == pytest.approx(np.array([[20.75, 10.25], [63.5, 0.5]]))
