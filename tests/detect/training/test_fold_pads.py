"""Borders that become padding: the same numbers, no Pad left where a convolution can do it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from counterface.detect.training.fold_pads import fold_pads, with_known_borders


def write(net: nn.Module, path: Path, side: int) -> Tensor:
    example = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    torch.onnx.export(net.eval(), (example,), str(path), opset_version=18, dynamo=False)
    return example


def run(path: Path, image: Tensor) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: image.numpy()})


def count(path: Path, kind: str) -> int:
    return sum(node.op_type == kind for node in onnx.load(str(path)).graph.node)


@pytest.mark.parametrize("side", [64, 60])  # 60 is odd after two halvings
def test_a_same_padded_backbone_keeps_its_numbers_and_loses_its_pads(side: int, tmp_path: Path):
    torch.manual_seed(0)
    net = timm.create_model(
        "test_efficientnet", features_only=True, pad_type="same", out_indices=(2, 4)
    ).eval()
    path = tmp_path / "net.onnx"
    example = write(with_known_borders(net, torch.rand(1, 3, side, side)), path, side)
    assert count(path, "Pad") > 0
    fold_pads(path)
    assert count(path, "Pad") == 0
    with torch.no_grad():
        for got, wanted in zip(run(path, example), net(example), strict=True):
            assert np.allclose(got, wanted.numpy(), atol=1e-4)


class Bordered(nn.Module):
    """A border that a convolution cannot make by itself."""

    def __init__(self, mode: str, value: float) -> None:
        super().__init__()
        self.mode, self.value = mode, value
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, image: Tensor) -> Tensor:
        fill = {"value": self.value} if self.mode == "constant" else {}
        out: Tensor = self.conv(pad(image, (0, 1, 0, 1), mode=self.mode, **fill))
        return out


@pytest.mark.parametrize(("mode", "value"), [("reflect", 0.0), ("constant", 0.5)])
def test_a_border_that_is_not_of_zeros_stays(mode: str, value: float, tmp_path: Path):
    torch.manual_seed(0)
    net = Bordered(mode, value).eval()
    path = tmp_path / "net.onnx"
    example = write(net, path, 16)
    fold_pads(path)
    assert count(path, "Pad") == 1
    with torch.no_grad():
        assert np.allclose(run(path, example)[0], net(example).numpy(), atol=1e-5)


def test_the_net_itself_is_not_changed():
    net = timm.create_model("test_efficientnet", pad_type="same").eval()
    before = [type(module) for module in net.modules()]
    with_known_borders(net, torch.rand(1, 3, 64, 64))
    assert [type(module) for module in net.modules()] == before
