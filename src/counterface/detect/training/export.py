"""Writes a trained frame detector as the ONNX file that a scan reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from counterface.detect.detector import DetectorInfo, Range, Thresholds
from counterface.errors import DetectorError

CLOSE = 1e-3  # logits of the file and of the net may differ by this, relatively


class _Stamped(nn.Module):
    """The net with output names and shapes of the detector format."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        logit, activation = self.net(image)
        return logit.float(), activation.float()


def export_detector(net: nn.Module, info: DetectorInfo, path: Path) -> None:
    """Writes the net and what is known of it; the file is checked before it replaces another.

    Args:
        net: RGB [0, 1] (B, 3, S, S) -> logit (B,), activation (B, h, w).
        info: stored in the file.
        path: ends in .onnx.

    Raises:
        DetectorError: the file's logits differ from the net's.
    """
    net = net.eval().cpu().float()
    # smooth, as pictures are: on white noise activations are huge and rounding errors with them
    coarse = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    example = interpolate(coarse, (info.size, info.size), mode="bilinear")
    partial = path.with_suffix(".partial.onnx")
    path.parent.mkdir(parents=True, exist_ok=True)
    axes = {name: {0: "batch"} for name in ("image", "logit", "activation")}
    with torch.no_grad():
        wanted = net(example)[0].numpy()
    torch.onnx.export(
        _Stamped(net).eval(),  # else the exporter leaves everything in training mode
        (example,),
        str(partial),
        input_names=["image"],
        output_names=["logit", "activation"],
        dynamic_axes=axes,
        opset_version=18,
        dynamo=False,
    )
    stamp_detector(partial, info)
    session = onnxruntime.InferenceSession(str(partial), providers=["CPUExecutionProvider"])
    got = session.run(["logit"], {"image": example.numpy()})[0]
    error = float((np.abs(got - wanted) / (1 + np.abs(wanted))).max())
    if not error < CLOSE:
        partial.unlink()
        raise DetectorError(f"{path}: the exported file's logits differ by {error:.2g}; not kept")
    partial.replace(path)


def uncalibrated(name: str, template: str, size: int) -> DetectorInfo:
    """What a fresh detector file says of itself: it calls nothing before its logit is extreme."""
    return DetectorInfo(
        format=1,
        name=name,
        version="0",
        template=template,
        size=size,
        thresholds=Thresholds(likely_manipulated=0.99, no_manipulation_found=0.01),
        range=Range(min_face_px=64),
        card={"summary": "Not calibrated: the numbers are not probabilities yet."},
    )


def stamp_detector(path: Path, info: DetectorInfo) -> None:
    """Writes `info` into an ONNX file, in place of what it said before."""
    model: Any = onnx.load(str(path))
    kept = [entry for entry in model.metadata_props if entry.key != "counterface"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    entry = model.metadata_props.add()
    entry.key, entry.value = "counterface", info.model_dump_json()
    partial = path.with_suffix(".stamp.onnx")
    onnx.save(model, str(partial))
    partial.replace(path)
