import json
import os

import numpy as np
import onnx
import pytest
from onnx import helper
from tiny_detector import GAIN, metadata, weighing, write_detector

from counterface.detect.detector import BATCH, Detector
from counterface.errors import DetectorError

GUARDED = True  # as files from anyone are


@pytest.fixture
def detector(tmp_path):
    return Detector.load(write_detector(tmp_path / "tiny.onnx"))


def test_the_logit_of_a_known_crop_is_exact(detector):
    crops = np.stack([np.full((64, 64, 3), grey, np.uint8) for grey in (0, 51, 255)])
    logits, maps = detector.score(crops)
    assert logits == pytest.approx([-GAIN / 2, GAIN * (0.2 - 0.5), GAIN / 2], abs=1e-5)
    assert maps.shape == (3, 8, 8)
    assert maps.mean(axis=(1, 2)) == pytest.approx(logits, abs=1e-4)


def test_channels_arrive_as_rgb_and_cells_row_by_row(tmp_path, detector):
    crop = np.zeros((1, 64, 64, 3), np.uint8)
    crop[0, :8, 8:16] = 255  # first row of cells, second column
    maps = detector.score(crop)[1][0]
    assert np.unravel_index(maps.argmax(), maps.shape) == (0, 1)


def test_witnesses_are_told_beside_the_logit(tmp_path, detector):
    info = metadata(weighing=weighing())
    path = write_detector(tmp_path / "heard.onnx", info, witnesses=[(2.0, 0.5), (-4.0, 0.25)])
    heard = Detector.load(path)
    crops = np.stack([np.full((64, 64, 3), grey, np.uint8) for grey in (0, 51, 255)])
    judged = heard.judge(crops)
    assert judged.witnesses == pytest.approx(np.array([[-1, 1], [-0.6, 0.2], [1, -3]]), abs=1e-5)
    assert judged.item(2).witnesses.shape == (1, 2)
    assert heard.judge(crops[:0]).witnesses.shape == (0, 2)
    assert judged.logits == pytest.approx(detector.score(crops)[0])
    assert detector.judge(crops).witnesses is None


def test_a_file_that_names_other_witnesses_than_it_has_is_refused(tmp_path):
    info = metadata(weighing=weighing())
    with pytest.raises(DetectorError, match="'witnesses'"):
        Detector.load(write_detector(tmp_path / "mute.onnx", info))
    three = write_detector(tmp_path / "three.onnx", info, witnesses=[(1.0, 0.5)] * 3)
    with pytest.raises(DetectorError, match=r"'witnesses' .*\(1, 3\).*does not keep the format"):
        Detector.load(three).judge(np.zeros((1, 64, 64, 3), np.uint8))


def test_batching_does_not_change_a_score(detector):
    crops = np.random.default_rng(0).integers(0, 256, (2 * BATCH + 3, 64, 64, 3)).astype(np.uint8)
    together = detector.score(crops)[0]
    alone = np.concatenate([detector.score(crop[None])[0] for crop in crops])
    assert together == pytest.approx(alone, abs=1e-6)


def test_no_crops_give_no_scores(detector):
    logits, maps = detector.score(np.zeros((0, 64, 64, 3), np.uint8))
    assert logits.shape == (0,)
    assert len(maps) == 0


@pytest.mark.parametrize(
    "crops",
    [np.zeros((1, 32, 32, 3), np.uint8), np.zeros((1, 64, 64, 3)), np.zeros((64, 64, 3), np.uint8)],
    ids=["size", "type", "dimensions"],
)
def test_crops_that_do_not_fit_are_refused_with_both_shapes(detector, crops):
    with pytest.raises(DetectorError, match=r"takes uint8 crops \(B, 64, 64, 3\).*got"):
        detector.score(crops)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"format": 2}, "format"),
        ({"template": "no_such"}, "no_such"),
        ({"surprise": 1}, "surprise"),
        ({"thresholds": {"likely_manipulated": 0.2, "no_manipulation_found": 0.8}}, "above"),
        ({"calibration": {"scale": -1, "offset": 0}}, "scale"),
        ({"thresholds": {"likely_manipulated": 0.9}}, "no_manipulation_found"),
        ({"weighing": weighing((1, 1, 1))}, "3 slopes for 2 witnesses"),
    ],
)
def test_metadata_that_cannot_be_trusted_is_refused(tmp_path, change, word):
    path = write_detector(tmp_path / "odd.onnx", metadata(**change))
    with pytest.raises(DetectorError, match=word):
        Detector.load(path)


def test_a_file_without_metadata_is_refused(tmp_path):
    with pytest.raises(DetectorError, match="no 'counterface' metadata"):
        Detector.load(write_detector(tmp_path / "bare.onnx", {}))


def test_metadata_that_disagrees_with_the_network_is_refused(tmp_path):
    path = write_detector(tmp_path / "tiny.onnx")
    model = onnx.load(str(path))
    helper.set_model_props(model, {"counterface": json.dumps(metadata(size=96))})
    onnx.save(model, str(path))
    with pytest.raises(DetectorError, match="96 px crops"):
        Detector.load(path)


def test_a_missing_file_and_a_file_that_is_no_onnx_are_named(tmp_path):
    with pytest.raises(DetectorError, match=r"absent\.onnx.*cannot be read"):
        Detector.load(tmp_path / "absent.onnx")
    text = tmp_path / "text.onnx"
    text.write_text("not a network")
    with pytest.raises(DetectorError, match="not a usable ONNX file"):
        Detector.load(text)


def test_limits_that_a_later_file_states_are_kept(tmp_path):
    extra = metadata(range={"min_face_px": 48, "max_blur": 3})
    info = Detector.load(write_detector(tmp_path / "later.onnx", extra)).info
    assert info.range.min_face_px == 48
    assert info.range.model_dump()["max_blur"] == 3


def test_trained_weights_and_their_run_are_told_to_be_exported_first(tmp_path):
    run = tmp_path / "a run"
    run.mkdir()
    (run / "best.safetensors").write_bytes(b"weights")
    for path in (run / "best.safetensors", run, tmp_path / "absent.safetensors"):
        with pytest.raises(DetectorError, match="counterface detect export") as refused:
            Detector.load(path)
        assert ".onnx" in str(refused.value)
    with pytest.raises(DetectorError, match="cannot be read"):
        Detector.load(tmp_path)


def test_a_pipe_in_the_place_of_a_file_is_named_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    for name, why in (("pipe.onnx", "a pipe or device"), ("gone.onnx", "No such file")):
        with pytest.raises(DetectorError, match=rf"{name}: .*{why}.*name an ONNX file"):
            Detector.load(tmp_path / name)
