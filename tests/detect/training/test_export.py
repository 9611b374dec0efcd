"""Detector files: what was exported is what is loaded, and a bad export replaces nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from drawn_samples import head_sample
from onnx import numpy_helper
from torch import Tensor, nn

from counterface.detect.detector import Calibration, Detector, Thresholds
from counterface.detect.models.evidence_sum import EvidenceSum
from counterface.detect.models.frame_cnn import FrameCNN, FrameCNNConfig
from counterface.detect.models.frame_statistics import FrameStatistics, FrameStatisticsConfig
from counterface.detect.models.witness import Witness, WitnessConfig
from counterface.detect.training import export
from counterface.detect.training.export import (
    LARGE,
    export_detector,
    stamp_detector,
    uncalibrated,
)
from counterface.detect.weigh import WitnessInfo, start_weighing
from counterface.errors import DetectorError
from counterface.types import Image

SMALL_NET = 4096  # numbers of a weight that is large in a net of this size
INFO = uncalibrated("a test", "whole_face", 96)
BACKBONE = "test_efficientnet"


def frame_cnn() -> nn.Module:
    torch.manual_seed(0)
    net = FrameCNN(FrameCNNConfig(backbone=BACKBONE, width=16))
    for module in net.modules():  # as after training: norms with a history
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net


def evidence_sum() -> nn.Module:
    net = FrameStatistics(FrameStatisticsConfig(backbone=BACKBONE, heads=2, cells=6))
    for head in range(2):
        net.set_head(head, torch.randn(net.weight.shape[1]) * 0.2, 0.1)
    mix = [[3.0, 0.0, 0.0], [0.0, 1.5, 0.0], [0.0, 0.0, 0.25]]
    return EvidenceSum(net, [frame_cnn()], mix, [0.0, -1.0, -1.0])


def witness() -> nn.Module:
    torch.manual_seed(0)
    net = Witness(WitnessConfig(backbone=BACKBONE, size=96))
    nn.init.normal_(net.head.line.weight, std=0.3)
    return net


def crops(count: int) -> Image:
    return np.stack([head_sample(1 + i, 96).image for i in range(count)])


@pytest.mark.parametrize("make", [frame_cnn, evidence_sum])
def test_the_loaded_file_gives_the_nets_scores(make, tmp_path: Path):
    net = make().train()  # left in training mode: the file must not be
    export_detector(net, INFO, tmp_path / "runs" / "own.onnx")
    detector = Detector.load(tmp_path / "runs" / "own.onnx")
    assert detector.info == INFO
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["own.onnx"]
    for count in (1, 3):
        logits, maps = detector.score(crops(count))
        with torch.no_grad():
            image = torch.from_numpy(crops(count)).permute(0, 3, 1, 2).float() / 255
            wanted, wanted_maps = net.eval()(image)
        assert np.allclose(logits, wanted.numpy(), atol=1e-3, rtol=1e-3)
        assert np.allclose(maps, wanted_maps.numpy(), atol=1e-3, rtol=1e-3)


@pytest.mark.slow
def test_the_file_has_the_nets_witnesses_where_they_are_named(tmp_path: Path):
    net = evidence_sum().eval()
    named = [WitnessInfo(name=name, looks_for="a trace", question="swap") for name in "abc"]
    info = INFO.model_copy(update={"weighing": start_weighing(named)})
    export_detector(net, info, tmp_path / "heard.onnx")
    detector = Detector.load(tmp_path / "heard.onnx")
    assert detector.info == info
    image = torch.from_numpy(crops(2)).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        wanted = net.witnesses(image).numpy()
    assert np.allclose(detector.judge(crops(2)).witnesses, wanted, atol=1e-3, rtol=1e-3)
    two = INFO.model_copy(update={"weighing": start_weighing(named[:2])})
    with pytest.raises(DetectorError, match=r"2 witnesses are named.*the net has witnesses \(2, 3"):
        export_detector(net, two, tmp_path / "two.onnx")
    with pytest.raises(DetectorError, match="no method `witnesses`"):
        export_detector(frame_cnn(), info, tmp_path / "none.onnx")


class Drift(nn.Module):
    """Calls a clip fake by how much it changes from frame to frame."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(5.0))

    def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        change = (clip[:, 1:] - clip[:, :-1]).abs().mean(dim=(1, 2)) * self.gain
        cells = nn.functional.avg_pool2d(change[:, None], 8)[:, 0]
        return cells.mean(dim=(1, 2)), cells


def test_a_clip_detector_is_exported_with_its_frames(tmp_path: Path):
    info = uncalibrated("a test of clips", "face", 64, frames=3, step=2)
    net = Drift()
    export_detector(net, info, tmp_path / "clip.onnx")
    detector = Detector.load(tmp_path / "clip.onnx")
    assert (detector.info.frames, detector.info.step) == (3, 2)
    clips = np.random.default_rng(0).integers(0, 256, (5, 3, 64, 64, 3), dtype=np.uint8)
    logits, maps = detector.score(clips)
    with torch.no_grad():
        wanted, _ = net(torch.from_numpy(clips).permute(0, 1, 4, 2, 3).float() / 255)
    assert np.allclose(logits, wanted.numpy(), atol=1e-4)
    assert maps.shape == (5, 8, 8)


def test_stamping_changes_the_metadata_alone(tmp_path: Path):
    path = tmp_path / f"{'y' * 250}.onnx"  # leaves no room for a longer name beside it
    other = tmp_path / f"{'y' * 244}.stamp.onnx"
    other.write_bytes(b"somebody's")
    export_detector(frame_cnn(), INFO, path)
    before = onnx.load(str(path))
    entry = before.metadata_props.add()
    entry.key, entry.value = "origin", "kept"
    onnx.save(before, str(path))
    scores = Detector.load(path).score(crops(2))
    info = INFO.model_copy(
        update={
            "calibration": Calibration(scale=2.5, offset=-0.5),
            "thresholds": Thresholds(likely_manipulated=0.9, no_manipulation_found=0.1),
        }
    )
    stamp_detector(path, info)
    after = onnx.load(str(path))
    assert after.graph.SerializeToString() == before.graph.SerializeToString()
    assert sorted(e.key for e in after.metadata_props) == ["counterface", "origin"]
    detector = Detector.load(path)
    assert detector.info == info
    for one, two in zip(scores, detector.score(crops(2)), strict=True):
        assert np.array_equal(one, two)
    assert other.read_bytes() == b"somebody's"
    assert sorted(tmp_path.iterdir()) == sorted([path, other])


class Counts(nn.Module):
    """A net that says something else each time, so that no file can say the same."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += 1
        cells = image.mean(dim=1) * self.calls
        return cells.mean(dim=(1, 2)), cells


def test_a_file_that_differs_from_the_net_is_not_kept_and_replaces_nothing(tmp_path: Path):
    path = tmp_path / "own.onnx"
    path.write_bytes(b"the one before")
    with pytest.raises(DetectorError, match=r"logits differ by .*not kept") as caught:
        export_detector(Counts(), INFO, path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"the one before"
    assert [p.name for p in tmp_path.iterdir()] == ["own.onnx"]


def test_an_uncalibrated_file_says_so_and_calls_only_the_extreme():
    assert "Not calibrated" in INFO.card["summary"]
    assert INFO.thresholds.likely_manipulated >= 0.99
    assert INFO.thresholds.no_manipulation_found <= 0.01


@pytest.mark.slow
def test_weights_in_16_bits_halve_the_file_and_keep_the_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(export, "LARGE", SMALL_NET)
    net = witness()
    export_detector(net, INFO, tmp_path / "whole.onnx")
    export_detector(net, INFO, tmp_path / "half.onnx", half=True)
    sizes = [(tmp_path / name).stat().st_size for name in ("whole.onnx", "half.onnx")]
    assert sizes[1] < 0.75 * sizes[0]  # a tiny net: the graph itself is a third of it
    whole, half = (Detector.load(tmp_path / name) for name in ("whole.onnx", "half.onnx"))
    (logits, maps), (near, near_maps) = whole.score(crops(3)), half.score(crops(3))
    assert not np.array_equal(logits, near)
    assert np.allclose(logits, near, atol=1e-2, rtol=1e-2)
    assert np.allclose(maps, near_maps, atol=5e-2, rtol=5e-2)


@pytest.mark.slow
def test_small_weights_stay_in_32_bits(tmp_path: Path):
    export_detector(witness(), INFO, tmp_path / "half.onnx", half=True)
    for tensor in onnx.load(tmp_path / "half.onnx").graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT16:
            assert numpy_helper.to_array(tensor).size >= LARGE


@pytest.mark.slow
def test_a_weight_that_16_bits_cannot_hold_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(export, "LARGE", SMALL_NET)
    net = witness()
    with torch.no_grad():
        large = next(w for w in net.backbone.parameters() if w.numel() >= SMALL_NET)
        large[0, 0] = 1e6
    export_detector(net, INFO, tmp_path / "half.onnx", half=True)
    kinds = Counter(t.data_type for t in onnx.load(tmp_path / "half.onnx").graph.initializer)
    whole = [
        numpy_helper.to_array(t)
        for t in onnx.load(tmp_path / "half.onnx").graph.initializer
        if t.data_type == onnx.TensorProto.FLOAT
    ]
    assert kinds[onnx.TensorProto.FLOAT16] > 0
    assert max(values.size for values in whole) >= SMALL_NET
