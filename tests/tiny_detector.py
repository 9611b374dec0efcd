"""A detector file small enough to calculate by hand: mean brightness in, logit out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

GAIN = 8.0  # logit = GAIN * (mean brightness - 0.5)


def metadata(**changes: Any) -> dict[str, Any]:
    """The metadata of the tiny detector, with fields changed."""
    return {
        "format": 1,
        "name": "tiny",
        "version": "0",
        "template": "whole_face",
        "size": 64,
        "calibration": {"scale": 1.0, "offset": 0.0},
        "thresholds": {"likely_manipulated": 0.8, "no_manipulation_found": 0.2},
        "range": {"min_face_px": 64},
        "card": {"purpose": "a test"},
        **changes,
    }


def weighing(*slopes: Sequence[float], questions: str = "ab", **changes: Any) -> dict[str, Any]:
    """What a tiny detector of as many witnesses as questions says of them: a bin for each slopes.

    Args:
        slopes: of the witnesses, in the bin "bin 0" and those after it.
        questions: a letter for each witness.
        changes: of every bin.
    """
    names = [f"witness {number}" for number in range(len(questions))]
    return {
        "witnesses": [
            {"name": name, "looks_for": "bright faces", "question": question}
            for name, question in zip(names, questions, strict=True)
        ],
        "bins": [
            {
                "name": f"bin {number}",
                "slopes": list(row),
                "offsets": [0.0] * len(row),
                "line": 0.8,
                **changes,
            }
            for number, row in enumerate(slopes or [(1.0,) * len(questions)])
        ],
    }


def write_detector(
    path: Path,
    info: dict[str, Any] | None = None,
    *,
    gain: float = GAIN,
    witnesses: Sequence[tuple[float, float]] = (),
) -> Path:
    """An ONNX file with logit = gain * (mean - 0.5) and the same of 8x8 cells as activation.

    Args:
        path: to write.
        info: metadata; none is written where it is an empty dict.
        gain: NaN makes a detector whose numbers are all NaN.
        witnesses: of each a and b; it says a * (mean - b).
    """
    info = metadata() if info is None else info
    size = info.get("size", 64)
    constants = {
        "half": np.float32(0.5),
        "gain": np.float32(gain),
        "axes_all": np.array([1, 2, 3], np.int64),
        "axes_channel": np.array([1], np.int64),
    }
    cell = size // 8
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes_all"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "half"], ["centred"]),
        helper.make_node("Mul", ["centred", "gain"], ["logit"]),
        helper.make_node(
            "AveragePool", ["image"], ["cells"], kernel_shape=[cell, cell], strides=[cell, cell]
        ),
        helper.make_node("ReduceMean", ["cells", "axes_channel"], ["grey"], keepdims=0),
        helper.make_node("Sub", ["grey", "half"], ["grey_centred"]),
        helper.make_node("Mul", ["grey_centred", "gain"], ["activation"]),
    ]
    outputs = []
    if witnesses:
        gains, centres = (np.array(part, np.float32) for part in zip(*witnesses, strict=True))
        constants |= {"gains": gains, "shifts": -gains * centres}
        nodes += [
            helper.make_node("Unsqueeze", ["mean", "axes_channel"], ["column"]),
            helper.make_node("Mul", ["column", "gains"], ["scaled"]),
            helper.make_node("Add", ["scaled", "shifts"], ["witnesses"]),
        ]
        shape = ["b", len(witnesses)]
        outputs.append(helper.make_tensor_value_info("witnesses", TensorProto.FLOAT, shape))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["b", 3, size, size])],
        [
            helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["b"]),
            helper.make_tensor_value_info("activation", TensorProto.FLOAT, ["b", 8, 8]),
            *outputs,
        ],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    if info:
        helper.set_model_props(model, {"counterface": json.dumps(info)})
    onnx.save(model, str(path))
    return path


def write_clip_detector(path: Path, frames: int = 3, step: int = 1) -> Path:
    """An ONNX file that judges clips: logit = GAIN * (brightness of the last frame - of the first).

    Its activation is the mean picture of the clip, (b, 64, 64).
    """
    info = metadata(frames=frames, step=step)
    size = info["size"]
    ramp = np.zeros(frames, np.float32)
    ramp[0], ramp[-1] = -GAIN, GAIN
    constants = {
        "ramp": ramp,
        "axes_picture": np.array([2, 3, 4], np.int64),
        "axes_clip": np.array([1, 2], np.int64),
    }
    nodes = [
        helper.make_node("ReduceMean", ["clip", "axes_picture"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "ramp"], ["logit"]),
        helper.make_node("ReduceMean", ["clip", "axes_clip"], ["activation"], keepdims=0),
    ]
    shape = ["b", frames, 3, size, size]
    graph = helper.make_graph(
        nodes,
        "tiny_clip",
        [helper.make_tensor_value_info("clip", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["b"]),
            helper.make_tensor_value_info("activation", TensorProto.FLOAT, ["b", size, size]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"counterface": json.dumps(info)})
    onnx.save(model, str(path))
    return path
