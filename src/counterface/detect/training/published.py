"""Weights that the authors of an architecture published, as a detector file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterface.detect.detector import DetectorInfo
from counterface.detect.models.detector_model import build_detector
from counterface.detect.training.export import describe_net, export_detector
from counterface.errors import TrainingError
from counterface.files import file_sha256


def import_published(
    architecture: str, weights: Path, path: Path, options: Mapping[str, Any] | None = None
) -> DetectorInfo:
    """What the new detector file says of itself; it is not calibrated.

    Args:
        architecture: a name in `DETECTORS` whose `load_published` reads such files.
        weights: the file as it was published.
        path: ends in .onnx.
        options: options of the architecture; the published net's where left out.

    Raises:
        ConfigError: an unknown architecture or option.
        TrainingError: no published weights are known for it, or the file is none.
        DetectorError: the exported file's logits differ from the net's.
    """
    net = build_detector(architecture, options, fetch=False).eval()
    net.load_published(weights)
    info = describe_net(net, architecture)
    card = {
        "summary": f"{info.card['summary']} Published weights, not trained here.",
        "architecture": architecture,
        "options": net.config.model_dump(mode="json"),
        "weights": weights.name,
        "weights_sha256": file_sha256(weights, TrainingError),
        "weights_from": net.PUBLISHED,
    }
    info = info.model_copy(update={"card": card})
    export_detector(net, info, path)
    return info
