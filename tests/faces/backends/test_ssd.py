"""OpenCV's SSD: what is read off a Caffe file, and a known answer of the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_weights import write_caffe

import counterface
from counterface import weights
from counterface.errors import WeightsError
from counterface.faces.backends.ssd import SSDFaceDetector, read_caffe_layers


def test_the_numbers_of_a_caffe_file_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    layers = {
        "conv": [rng.normal(size=(300, 3, 2, 2)).astype("f4"), np.zeros(300, "f4")],
        "relu": [],
    }
    found = read_caffe_layers(write_caffe(tmp_path / "net.caffemodel", layers))
    assert list(found) == ["conv", "relu"]
    for one, other in zip(found["conv"], layers["conv"], strict=True):
        assert np.array_equal(one, other)


def test_another_or_a_cut_network_is_refused(tmp_path: Path) -> None:
    path = write_caffe(tmp_path / "net.caffemodel", {"conv": [np.zeros((2, 3), "f4")]})
    with pytest.raises(WeightsError, match=r"net\.caffemodel: not OpenCV's SSD"):
        SSDFaceDetector(path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(WeightsError, match="reaches beyond its end"):
        SSDFaceDetector(path)
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match="no layers with numbers"):
        SSDFaceDetector(path)


@pytest.mark.slow
def test_the_portrait_has_the_box_that_opencv_4_gives() -> None:
    """OpenCV 4.10's own run of the file on the same pixels."""
    try:
        detector = SSDFaceDetector(weights.path("ssd_res10", fetch=False))
    except WeightsError as error:
        pytest.skip(str(error))
    (face,) = detector.detect(counterface.read_image(weights.path("astronaut")))
    assert face.box + 0.5 == pytest.approx(BOX, abs=1e-3)
    assert face.score == pytest.approx(SCORE, abs=1e-6)


BOX = (178.7147, 57.6242, 270.6907, 177.0814)
SCORE = 0.9999888
