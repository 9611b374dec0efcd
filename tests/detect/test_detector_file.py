"""Detector files from anyone: one clear error each, and nothing outside the file is read."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper
from tiny_detector import metadata, write_detector

from counterface.detect.detector import Detector
from counterface.errors import DetectorError
from counterface.onnx import allowed, session
from counterface.onnx.allowed import find_fault

GUARDED = True  # these are about the child


def changed(path, change):
    model = onnx.load(str(write_detector(path)))
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def point_elsewhere(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")


def point_elsewhere_inside_a_branch(model):
    tensor = helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [0.0])
    tensor.external_data.add(key="location", value="/etc/hostname")
    branch = helper.make_graph([helper.make_node("Constant", [], ["y"], value=tensor)], "b", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=branch))


def use_another_domain(model):
    model.graph.node[0].domain = "evil"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (point_elsewhere, "lie in another file"),
        (point_elsewhere_inside_a_branch, "lie in another file"),
        (use_another_domain, "operators of 'evil'"),
    ],
)
def test_what_reaches_outside_of_the_file_is_refused_unseen(tmp_path, monkeypatch, change, why):
    monkeypatch.setattr(session.subprocess, "Popen", None)  # no process is started
    path = changed(tmp_path / "d.onnx", change)
    with pytest.raises(DetectorError, match=why) as caught:
        Detector.load(path)
    assert str(path) in str(caught.value)


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(content):
    assert find_fault(content) is None or isinstance(find_fault(content), str)


@pytest.mark.slow
def test_a_loop_without_end_is_stopped(tmp_path, monkeypatch):
    def loop(model):
        one = helper.make_tensor("n", onnx.TensorProto.INT64, [], [2**62])
        true = helper.make_tensor("t", onnx.TensorProto.BOOL, [], [True])
        info = helper.make_tensor_value_info
        body = helper.make_graph(
            [
                helper.make_node("Identity", ["c"], ["go"]),
                helper.make_node("Add", ["x", "x"], ["y"]),
            ],
            "body",
            [
                info("i", onnx.TensorProto.INT64, []),
                info("c", onnx.TensorProto.BOOL, []),
                info("x", onnx.TensorProto.FLOAT, ["b"]),
            ],
            [info("go", onnx.TensorProto.BOOL, []), info("y", onnx.TensorProto.FLOAT, ["b"])],
        )
        model.graph.initializer.extend([one, true])
        last = next(node for node in model.graph.node if node.output[0] == "logit")
        last.output[0] = "first"
        node = helper.make_node("Loop", ["n", "t", "first"], ["logit"], body=body)
        model.graph.node.append(node)

    monkeypatch.setattr(session, "CPU_S", 1)
    path = changed(tmp_path / "d.onnx", loop)
    with pytest.raises(DetectorError, match="needs the operator 'Loop'"):
        Detector.load(path)
    monkeypatch.setattr(allowed, "OPERATORS", allowed.OPERATORS | {b"Loop"})
    detector = Detector.load(path)
    with pytest.raises(DetectorError, match="gave no result within 1 s of CPU") as caught:
        detector.score(np.zeros((1, 64, 64, 3), np.uint8))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 5000, "nested deeper"),
        (json.dumps(metadata(card={"x": 1}))[:-1], "cannot be used"),
        (json.dumps(metadata(calibration={"scale": 1.0, "offset": float("nan")})), "offset"),
        ("[1]", "cannot be used"),
    ],
)
def test_metadata_that_cannot_be_used_is_one_line(tmp_path, text, why):
    def put(model):
        helper.set_model_props(model, {"counterface": text})

    with pytest.raises(DetectorError, match=why) as caught:
        Detector.load(changed(tmp_path / "d.onnx", put))
    assert "\n" not in str(caught.value)
