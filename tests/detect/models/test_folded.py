"""Backbones that start from folded weights compute what the folded layers compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, relu6

from counterface.detect.models.frame_cnn import FrameCNN, FrameCNNConfig
from counterface.detect.models.parts.folded import load_folded, read_folded
from counterface.errors import TrainingError


class Plain(nn.Module):
    """Three convolutions with batch norms; the second is depth-wise."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU6(),
            nn.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU6(),
            nn.Conv2d(8, 5, 1, bias=False),
            nn.BatchNorm2d(5),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)


def made_layers(backbone: nn.Module) -> list[tuple[np.ndarray, np.ndarray]]:
    """Random weights and biases of a backbone's convolutions, scaled to keep the signal alive."""
    rng = np.random.default_rng(0)
    layers = []
    for conv in (m for m in backbone.modules() if isinstance(m, nn.Conv2d)):
        inputs = conv.weight[0].numel()
        weight = rng.normal(0, (2 / inputs) ** 0.5, tuple(conv.weight.shape))
        bias = rng.normal(0, 0.2, conv.weight.shape[0])
        layers.append((weight.astype(np.float32), bias.astype(np.float32)))
    return layers


def faces(count: int = 4, size: int = 64) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(3)) * 2 - 1


def by_hand(image: Tensor, layers: list[tuple[np.ndarray, np.ndarray]]) -> Tensor:
    (w0, b0), (w1, b1), (w2, b2) = [[torch.from_numpy(a) for a in pair] for pair in layers]
    x = relu6(conv2d(image, w0, b0, stride=2, padding=1))
    x = relu6(conv2d(x, w1, b1, padding=1, groups=8))
    return conv2d(x, w2, b2)


@torch.no_grad()
def test_evaluation_mode_computes_convolution_bias_and_activation():
    net = Plain()
    layers = made_layers(net)
    load_folded(net, layers, faces())
    other = faces(3, 48)  # not the faces that set the batch norms
    assert torch.allclose(net.eval()(other), by_hand(other, layers), atol=1e-4)


@torch.no_grad()
def test_training_mode_computes_the_same_on_the_faces_that_set_the_norms():
    net = Plain()
    layers = made_layers(net)
    load_folded(net, layers, faces())
    assert torch.allclose(net.train()(faces()), by_hand(faces(), layers), atol=1e-3)


@torch.no_grad()
def test_a_timm_backbone_computes_the_same_in_training_and_in_evaluation():
    torch.manual_seed(0)
    net = FrameCNN(FrameCNNConfig(backbone="mobilenetv2_035", pad_type="same", width=16)).backbone
    layers = made_layers(net)
    load_folded(net, layers, faces(8, 96))
    still = net.eval()(faces(8, 96))[0]
    lively = net.train()(faces(8, 96))[0]
    assert still.std() > 1e-3
    assert torch.allclose(still, lively, atol=1e-2 * float(still.abs().max()))


@torch.no_grad()
def test_a_timm_backbones_first_layers_are_the_files():
    net = timm.create_model("mobilenetv2_035", features_only=True, out_indices=(0,))
    layers = made_layers(net)
    load_folded(net, layers, faces())
    seen: list[Tensor] = []
    net.blocks[0][0].conv_dw.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0]))
    net.eval()(faces(2))
    weight, bias = (torch.from_numpy(array) for array in layers[0])
    wanted = relu6(conv2d(faces(2), weight, bias, stride=2, padding=1))
    assert torch.allclose(seen[0], wanted, atol=1e-4)


def test_a_shorter_backbone_takes_the_first_layers():
    net = Plain()
    layers = made_layers(net)
    load_folded(
        net, [*layers, (np.zeros((2, 5, 1, 1), np.float32), np.zeros(2, np.float32))], faces()
    )
    assert torch.equal(net.layers[6].weight, torch.from_numpy(layers[2][0]))


def test_another_architecture_is_refused():
    net = Plain()
    layers = made_layers(net)
    with pytest.raises(TrainingError, match="backbone has 3 layers, the file 2"):
        load_folded(net, layers[:2], faces())
    wrong = [layers[0], (np.zeros((8, 8, 3, 3), np.float32), layers[1][1]), layers[2]]
    with pytest.raises(TrainingError, match=r"layer 1: .*\(8, 1, 3, 3\).*\(8, 8, 3, 3\)"):
        load_folded(net, wrong, faces())


def test_no_hook_stays_behind():
    net = Plain()
    load_folded(net, made_layers(net), faces())
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net.eval()(faces(2) + 0.5)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_what_is_no_tflite_file_is_refused(tmp_path: Path):
    path = tmp_path / "weights.tflite"
    path.write_bytes(b"no weights at all" * 10)
    with pytest.raises(TrainingError, match="not a TFLite file") as caught:
        read_folded(path)
    assert str(path) in str(caught.value)
    with pytest.raises(TrainingError, match=r"absent\.tflite"):
        read_folded(tmp_path / "absent.tflite")


@pytest.mark.footage
def test_the_layers_of_a_published_file_fit_its_architecture(footage: Path):
    found = sorted((footage / "weights" / "mobilenet_v2_imagenet").glob("*.tflite"))
    if not found:
        pytest.skip(f"no TFLite file in {footage / 'weights' / 'mobilenet_v2_imagenet'}")
    layers = read_folded(found[0])
    net = FrameCNN(FrameCNNConfig(backbone="mobilenetv2_100", pad_type="same", stage=4)).backbone
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert len(layers) >= len(convs) == 51
    for conv, (weight, bias) in zip(convs, layers, strict=False):
        assert conv.weight.shape == weight.shape
        assert bias.shape == weight.shape[:1]
        assert np.isfinite(weight).all()
        assert 1e-3 < np.abs(weight).max() < 1e2
    load_folded(net, layers, faces(8, 96))
    with torch.no_grad():
        image = faces(2, 96)
        weight, bias = (torch.from_numpy(array) for array in layers[0])
        padded = torch.nn.functional.pad(image, (0, 1, 0, 1))  # TensorFlow pads at the end
        wanted = relu6(conv2d(padded, weight, bias, stride=2))
        seen: list[Tensor] = []
        net.blocks[0][0].conv_dw.register_forward_pre_hook(lambda m, i: seen.append(i[0]))
        net.eval()(image)
        assert torch.allclose(seen[0], wanted, atol=1e-3)
