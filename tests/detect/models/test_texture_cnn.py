"""The texture net: linear in channel statistics, norms that stay, even odds before it learns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from counterface.detect.models.texture_cnn import TextureCNN, TextureCNNConfig

TINY = TextureCNNConfig(backbone="test_efficientnet", size=96, side=64)


@pytest.fixture
def net() -> TextureCNN:
    torch.manual_seed(0)
    made = TextureCNN(TINY).eval()
    nn.init.normal_(made.head.line.weight)
    return made


def crops() -> Tensor:
    return torch.rand(3, 3, 96, 96, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_the_logit_is_linear_in_mean_and_deviation_of_the_channels(net: TextureCNN):
    logit, cells = net(crops())
    features = net.features(crops())
    moments = [features.mean(dim=(2, 3)), features.std(dim=(2, 3), correction=0)]
    assert cells.shape == (3, 4, 4)  # of 64 px at stride 16
    assert torch.allclose(net.embedding(crops()), torch.cat(moments, dim=1), atol=1e-3)
    assert torch.allclose(logit, net.head.line(net.embedding(crops()))[:, 0], atol=1e-4)
    assert cells.std() > 1e-3  # a map, not one number everywhere


@torch.no_grad()
def test_the_logit_does_not_know_where_a_texture_is(net: TextureCNN):
    features = net.features(crops())
    shuffled = features.flatten(2)[..., torch.randperm(16)].reshape(features.shape)
    assert torch.allclose(net.head(features)[0], net.head(shuffled)[0], atol=1e-4)


@torch.no_grad()
def test_a_flat_crop_is_finite(net: TextureCNN):
    logit, cells = net(torch.full((1, 3, 96, 96), 0.5))
    assert torch.isfinite(logit).all()
    assert torch.isfinite(cells).all()


def test_batch_norms_stay_as_they_were_started(net: TextureCNN):
    norms = [m for m in net.train().modules() if isinstance(m, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    net(crops())[0].sum().backward()
    assert before
    assert all(torch.equal(n.running_mean, b) for n, b in zip(norms, before, strict=True))


def test_an_untrained_head_is_near_even_odds():
    torch.manual_seed(0)
    assert TextureCNN(TINY).eval()(crops())[0].abs().max() < 0.5
