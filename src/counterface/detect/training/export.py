"""Writes a trained detector, of frames or of clips, as the ONNX file that a scan reads."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn.functional import interpolate

from counterface.detect.detector import (
    NOT_CALIBRATED,
    DetectorInfo,
    Range,
    Thresholds,
    input_name,
)
from counterface.detect.models.detector_model import DetectorModel
from counterface.detect.training.fold_pads import fold_pads, with_known_borders
from counterface.errors import DetectorError
from counterface.files import make_folder, replacing
from counterface.onnx.allowed import find_fault
from counterface.project_files import read_bytes, reading
from counterface.types import Floats

CLOSE = 1e-3  # logits of the file and of the net may differ by this, relatively
CLOSE_HALF = 1e-2  # where weights are stored in 16 bits
# weights of that many numbers are stored in 16 bits: smaller ones save little, and err most
LARGE = 20_000


class _Stamped(nn.Module):
    """The net with output names and shapes of the detector format."""

    def __init__(self, net: nn.Module, *, heard: bool) -> None:
        super().__init__()
        self.net: Any = net
        self.heard = heard

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        logit, activation = self.net(images)
        embed: Any = getattr(self.net, "embedding", None)
        features = () if embed is None else (embed(images).float(),)
        witnesses = (self.net.witnesses(images).float(),) if self.heard else ()
        return (logit.float(), activation.float(), *features, *witnesses)


def export_detector(net: nn.Module, info: DetectorInfo, path: Path, *, half: bool = False) -> None:
    """Write the net and what is known of it; the file is checked before it replaces another.

    Args:
        net: RGB [0, 1] (B, 3, S, S), or (B, T, 3, S, S) where `info.frames` is T > 1, to
            logit (B,) and activation (B, h, w). Where it has a method `embedding`, features (B, D),
            the file has the output `features`.
        info: stored in the file. Where it has a `weighing`, the net has a method `witnesses`, the
            raw logits (B, W), and the file that output.
        path: ends in .onnx.
        half: stores large weights in 16 bits, which halves the file; they are computed in 32.

    Raises:
        DetectorError: the file's logits differ from the net's, the net has other witnesses than are
            named, or the file cannot be written.
    """
    heard = info.weighing is not None
    net = net.eval().cpu().float()
    example = _example(info)
    name = input_name(info)
    outputs = ["logit", "activation"]
    outputs += ["features"] * hasattr(net, "embedding") + ["witnesses"] * heard
    axes = {axis: {0: "batch"} for axis in (name, *outputs)}
    with torch.no_grad():
        wanted = {"logit": net(example)[0].numpy()}
        if heard:
            wanted["witnesses"] = _witnesses(net, example, info)
    make_folder(path.parent, DetectorError)
    with replacing(path, DetectorError) as partial:
        with warnings.catch_warnings():  # of the tracer; what it wrote is compared below
            warnings.simplefilter("ignore")
            stamped = _Stamped(with_known_borders(net, example), heard=heard)
            torch.onnx.export(
                stamped.eval(),  # else the exporter leaves everything in training mode
                (example,),
                str(partial),
                input_names=[name],
                output_names=outputs,
                dynamic_axes=axes,
                opset_version=18,
                dynamo=False,
            )
        fold_pads(partial)
        if half:
            store_half(partial)
        stamp_detector(partial, info)
        session = onnxruntime.InferenceSession(str(partial), providers=["CPUExecutionProvider"])
        got = session.run(list(wanted), {name: example.numpy()})
        off = [np.abs(a - b) / (1 + np.abs(b)) for a, b in zip(got, wanted.values(), strict=True)]
        error = float(np.concatenate([part.ravel() for part in off]).max())
        if not error < (CLOSE_HALF if half else CLOSE):
            raise DetectorError(f"{path}: the file's logits differ by {error:.2g}; not kept")


def _witnesses(net: Any, example: Tensor, info: DetectorInfo) -> Floats:
    """The raw logits of the net's witnesses, (2, W).

    Raises:
        DetectorError: it has none, or others than are named.
    """
    names = [witness.name for witness in info.weighing.witnesses] if info.weighing else []
    said = net.witnesses(example).numpy() if hasattr(net, "witnesses") else None
    if said is None or said.shape != (len(example), len(names)):
        has = "no method `witnesses`" if said is None else f"witnesses {said.shape}"
        raise DetectorError(f"{len(names)} witnesses are named ({names}), but the net has {has}")
    return np.asarray(said)


def _example(info: DetectorInfo) -> Tensor:
    """Two items: smooth, as pictures are; on white noise activations are huge, and so are errors.

    The frames of a clip drift apart a little, as a face does.
    """
    clips = torch.rand((2, info.frames, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    frames = (0.9 * clips[:, :1] + 0.1 * clips).flatten(0, 1)
    smooth = interpolate(frames, (info.size, info.size), mode="bilinear")
    return smooth if info.frames == 1 else smooth.reshape(2, info.frames, *smooth.shape[1:])


def uncalibrated(
    name: str, template: str, size: int, frames: int = 1, step: int = 1
) -> DetectorInfo:
    """What a fresh detector file says of itself: it calls nothing before its logit is extreme."""
    return DetectorInfo(
        format=1,
        name=name,
        version="0",
        template=template,
        size=size,
        frames=frames,
        step=step,
        thresholds=Thresholds(likely_manipulated=0.99, no_manipulation_found=0.01),
        range=Range(min_face_px=64),
        card={"summary": NOT_CALIBRATED},
    )


def describe_net(net: DetectorModel, name: str) -> DetectorInfo:
    """What the file of a net says of itself before it is calibrated."""
    c = net.config
    return uncalibrated(name, c.template, c.size, net.frames, net.step)


def store_half(path: Path) -> None:
    """Store large float32 weights of an ONNX file as float16, each with a cast back.

    A runtime casts once, when it loads the file. Weights that float16 cannot hold stay.
    """
    model: Any = onnx.load(str(path))
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < LARGE:
            continue
        if not np.abs(values).max() <= np.finfo(np.float16).max:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(
            onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, str(path))


def read_net(path: Path) -> Any:
    """The model in an ONNX file that may be anybody's; no other file is read.

    Raises:
        DetectorError: it cannot be read, or holds what is not run here.
    """
    with reading(path, DetectorError, what="not a usable detector file"):
        content = read_bytes(path)
        if fault := find_fault(content):
            raise ValueError(fault)
        return onnx.load_from_string(content)


def stamp_detector(path: Path, info: DetectorInfo) -> None:
    """Write `info` into an ONNX file, in place of what it said before."""
    model = read_net(path)
    said = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, said | {"counterface": info.model_dump_json()})
    with replacing(path, DetectorError) as temporary:
        onnx.save(model, str(temporary))
