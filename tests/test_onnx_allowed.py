"""Networks from anybody: what an ONNX file may hold, wherever one is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.defs
import pytest
from onnx import TensorProto, helper
from tiny_detector import write_detector

from counterface.datasets.decoders.bank import DecoderFile
from counterface.detect.detector import Detector
from counterface.detect.lip_sync.match import LipSyncFile
from counterface.detect.synthetic_speech.pieces import SpeechFile
from counterface.errors import CounterfaceError, DetectorError
from counterface.faces.named_model import make_model
from counterface.onnx import allowed
from counterface.onnx.allowed import find_fault
from counterface.onnx.session import GuardedSession
from counterface.registry import FACE_SEGMENTERS

SHIPPED = sorted(Path(allowed.__file__).parents[1].rglob("*.onnx"))
assert SHIPPED


def external(model: Any) -> None:
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    model.graph.initializer[0].external_data.add(key="location", value="../weights.bin")


def external_and_huge(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value="/dev/zero")
    tensor.external_data.add(key="length", value=str(2**62))


def of_another_domain(model: Any) -> None:
    model.graph.node[0].domain = "com.microsoft"


def loop(model: Any) -> None:
    body = helper.make_graph([helper.make_node("Identity", ["c"], ["go"])], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["n", "t"], ["z"], body=body))


def loop_in_a_branch(model: Any) -> None:
    inner = helper.make_graph([helper.make_node("Loop", ["n", "t"], ["z"])], "b", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=inner))


def deep(model: Any) -> None:
    graph = helper.make_graph([], "b", [], [])
    for _ in range(20):
        node = helper.make_node("If", ["c"], ["z"], then_branch=graph)
        graph = helper.make_graph([node], "b", [], [])
    model.graph.node.append(graph.node[0])


def sides_beyond_any_memory(model: Any) -> None:
    model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[2**31, 2**31])


def a_negative_side(model: Any) -> None:
    model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[-1])


def a_function_of_its_own(model: Any) -> None:
    node = helper.make_node("Twice", ["x"], ["y"])
    opset = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("", "Twice", ["x"], ["y"], [node, node], opset))


HOSTILE = {
    external: "lie in another file",
    external_and_huge: "lie in another file",
    of_another_domain: "operators of 'com.microsoft'",
    loop: "the operator 'Loop'",
    loop_in_a_branch: "the operator 'Loop'",
    deep: "graphs inside graphs",
    sides_beyond_any_memory: "a tensor of 2147483648 numbers",
    a_negative_side: "a tensor of 18446744073709551615 numbers",
    a_function_of_its_own: "the operator 'Twice'",
}


def _training() -> Any:
    return pytest.importorskip("counterface.detect.training.export")  # it imports torch


OPENERS: dict[str, Callable[[Path], object]] = {
    "detector": Detector.load,
    "lip_match": LipSyncFile,
    "speech": SpeechFile,
    "segmenter": lambda path: make_model(FACE_SEGMENTERS, f"xseg:{path}"),
    "decoder": lambda path: DecoderFile(path).redraw(
        np.zeros((16, 16, 3), np.uint8), np.random.default_rng(0)
    ),
    "families": lambda path: _training().read_net(path),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_detector(tmp_path_factory.mktemp("net") / "d.onnx").read_bytes()


def changed(whole: bytes, change: Callable[[Any], None]) -> bytes:
    model = onnx.load_from_string(whole)
    change(model)
    return model.SerializeToString()


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_what_no_net_needs_is_found(change, whole: bytes):
    assert find_fault(whole) is None
    assert HOSTILE[change] in find_fault(changed(whole, change))


@pytest.mark.parametrize(
    "opener",
    [pytest.param(n, marks=pytest.mark.slow) if n == "families" else n for n in OPENERS],
)
def test_no_opener_lets_it_in(opener: str, whole: bytes, tmp_path: Path):
    path = tmp_path / "n.onnx"
    for change in (external, loop):
        path.write_bytes(changed(whole, change))
        with pytest.raises(CounterfaceError, match=HOSTILE[change]) as caught:
            OPENERS[opener](path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_files_that_ship_need_nothing_else(path: Path):
    assert find_fault(path.read_bytes()) is None


def test_the_list_holds_operators_of_onnx_alone():
    known = {schema.name.encode() for schema in onnx.defs.get_all_schemas_with_history()}
    assert known >= allowed.OPERATORS
    assert allowed.OPERATORS.isdisjoint({b"Loop", b"Scan", b"SequenceMap", b"ImageDecoder"})


def test_more_operators_than_a_net_has_are_refused(whole: bytes, monkeypatch):
    monkeypatch.setattr(allowed, "MOST_NODES", 3)
    assert "more than 3 operators" in find_fault(whole)


def filled(side: int) -> Callable[[Any], None]:
    """A net that fills side * side numbers whenever it runs."""

    def change(model: Any) -> None:
        sides = helper.make_tensor("sides", TensorProto.INT64, [2], [side, side])
        last = next(node for node in model.graph.node if node.output[0] == "logit")
        last.output[0] = "first"
        model.graph.initializer.append(sides)
        model.graph.node.extend(
            [
                helper.make_node("Mul", ["shape_of", "sides"], ["true_sides"]),
                helper.make_node("Shape", ["first"], ["shape_of"]),  # not known before it runs
                helper.make_node("ConstantOfShape", ["true_sides"], ["full"]),
                helper.make_node("ReduceMax", ["full"], ["most"], keepdims=0),
                helper.make_node("Add", ["first", "most"], ["logit"]),
            ]
        )
        nodes = list(model.graph.node)
        nodes[-5], nodes[-4] = nodes[-4], nodes[-5]
        del model.graph.node[:]
        model.graph.node.extend(nodes)

    return change


def test_a_shape_beyond_the_memory_is_one_error(whole: bytes, tmp_path: Path):
    pictures = np.zeros((1, 64, 64, 3), np.uint8)
    path = tmp_path / "n.onnx"
    path.write_bytes(changed(whole, filled(10)))
    assert Detector.load(path).score(pictures) is not None
    path.write_bytes(changed(whole, filled(100_000)))  # 40 GB
    with pytest.raises(DetectorError, match=r"n\.onnx"):
        Detector.load(path).score(pictures)


def test_weights_that_are_said_to_be_elsewhere_are_not_opened_by_the_runtime(
    whole: bytes, tmp_path: Path, monkeypatch
):
    """Where the check were passed by, the process that runs the file has no folder to look in."""
    monkeypatch.setattr("counterface.onnx.session.find_fault", lambda content: None)
    model = onnx.load_from_string(changed(whole, external_and_huge))
    with pytest.raises(DetectorError, match=r"n\.onnx"):
        GuardedSession(
            model.SerializeToString(), tmp_path / "n.onnx", "detector file", DetectorError
        )
