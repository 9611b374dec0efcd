"""MesoNet: the published weights give the published scores; the order of a Keras file is ours."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from drawn_keras import write_keras
from torch import nn

from counterface.detect.models.detector_model import build_detector
from counterface.detect.models.mesonet import Meso4, MesoConfig
from counterface.errors import TrainingError
from counterface.media.image import read_image

PUBLISHED = (0.0414, 0.0487, 0.9897, 0.9977)  # P(real) of Meso4_DF on the four test images


@pytest.mark.footage
@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "file", "wanted"),
    [
        ("meso4", "Meso4_DF.h5", PUBLISHED),
        # not published: what the layers as published give, so that a change is noticed
        ("meso4", "Meso4_F2F.h5", (0.8312, 0.6411, 0.8810, 0.9524)),
        ("meso_inception4", "MesoInception_DF.h5", (0.0262, 0.0010, 1.0, 1.0)),
        ("meso_inception4", "MesoInception_F2F.h5", (0.9987, 1.0, 1.0, 0.9908)),
    ],
)
def test_published_weights_give_the_published_scores(
    footage: Path, name: str, file: str, wanted: tuple[float, ...]
):
    weights = footage / "weights"
    if not (weights / "mesonet" / file).exists():
        pytest.skip(f"no {file} in {weights / 'mesonet'}")
    net = build_detector(name).eval()
    net.load_published(weights / "mesonet" / file)
    folder = weights / "mesonet_test_images"
    with (folder / "labels.csv").open() as lines:
        paths = [folder / row["file"] for row in csv.DictReader(lines)]
    images = [
        cv2.resize(read_image(path), (256, 256), interpolation=cv2.INTER_NEAREST_EXACT)
        for path in paths
    ]
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    real = 1 - torch.sigmoid(net(batch)[0])
    assert np.allclose(real, wanted, atol=1e-3)


def keras_layers(rng: np.random.Generator) -> dict[str, dict[str, np.ndarray]]:
    """A Meso4 of 64 px as Keras would write it, numbered from 9 so that 10 follows 9."""
    layers: dict[str, dict[str, np.ndarray]] = {}
    shapes = [(3, 3, 3, 8), (5, 5, 8, 8), (5, 5, 8, 16), (5, 5, 16, 16)]
    for number, shape in enumerate(shapes, start=9):
        layers[f"conv2d_{number}"] = {"kernel": rng.normal(size=shape), "bias": rng.normal(size=16)}
        layers[f"conv2d_{number}"]["bias"] = rng.normal(size=shape[-1])
        layers[f"batch_normalization_{number}"] = {
            "gamma": rng.normal(size=shape[-1]),
            "beta": rng.normal(size=shape[-1]),
            "moving_mean": rng.normal(size=shape[-1]),
            "moving_variance": rng.uniform(0.5, 1, size=shape[-1]),
        }
    for name, shape in (("dense_1", (64, 16)), ("dense_2", (16, 1))):
        layers[name] = {"kernel": rng.normal(size=shape), "bias": rng.normal(size=shape[-1])}
    return layers


@torch.no_grad()
def test_a_keras_file_fills_every_tensor_in_its_order_and_turns_the_sign(tmp_path: Path):
    layers = keras_layers(np.random.default_rng(0))
    write_keras(tmp_path / "net.h5", layers)
    net = Meso4(MesoConfig(size=64)).eval()
    net.load_published(tmp_path / "net.h5")
    convs = [part for part in net.modules() if isinstance(part, nn.Conv2d)]
    for number, conv in enumerate(convs, start=9):
        kernel = layers[f"conv2d_{number}"]["kernel"]
        assert np.allclose(conv.weight[1, 2], kernel[:, :, 2, 1])  # (h, w, in, out)
    features = torch.randn(2, 16, 2, 2)
    flat = features.permute(0, 2, 3, 1).flatten(1).numpy()  # as Keras flattens
    hidden = flat @ layers["dense_1"]["kernel"] + layers["dense_1"]["bias"]
    hidden = np.where(hidden > 0, hidden, 0.1 * hidden)
    real = hidden @ layers["dense_2"]["kernel"] + layers["dense_2"]["bias"]
    assert np.allclose(net.head(features)[0], -real[:, 0], atol=1e-4)


def test_a_file_of_another_net_is_refused(tmp_path: Path):
    layers = keras_layers(np.random.default_rng(0))
    path = tmp_path / "net.h5"
    write_keras(path, layers)
    with pytest.raises(TrainingError, match="256 px"):
        Meso4(MesoConfig()).load_published(path)
    with pytest.raises(TrainingError, match=r"conv2d_9 is|too few conv2d"):
        build_detector("meso_inception4", {"size": 64}).load_published(path)
    write_keras(path, {**layers, "dense_3": layers["dense_2"]})
    with pytest.raises(TrainingError, match=r"lacks.*dense_3"):
        Meso4(MesoConfig(size=64)).load_published(path)
    write_keras(path, {k: v for k, v in layers.items() if k != "dense_2"})
    with pytest.raises(TrainingError, match="too few dense"):
        Meso4(MesoConfig(size=64)).load_published(path)


@torch.no_grad()
def test_a_cell_that_is_cleared_takes_its_share_of_the_logit_along():
    torch.manual_seed(0)
    net = Meso4(MesoConfig(size=96)).eval()
    features = torch.randn(1, 16, 3, 3)
    logit, activation = net.head(features)
    flat = net.head.hidden(features.flatten(1))
    part = features.clone()
    part[:, :, 1, 2] *= 1 - 1e-3  # so little that no hidden unit changes sides
    assert ((net.head.hidden(part.flatten(1)) > 0) == (flat > 0)).all()
    gain = torch.where(flat > 0, 1.0, 0.1) * net.head.out.weight[0]
    constant = (gain * net.head.hidden.bias).sum() + net.head.out.bias
    share = (activation[0, 1, 2] - constant) / 9
    assert torch.allclose(logit - net.head(part)[0], share * 1e-3, atol=2e-6)
    assert share.abs() > 1e-3
