"""Statistics detector: the logit is the mean of its map, and a linear rule on its statistics."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from counterface.detect.models.frame_statistics import (
    FrameStatistics,
    FrameStatisticsConfig,
)
from counterface.detect.models.parts.stage_statistics import inner_face, mouth
from counterface.errors import ShapeError

TINY = FrameStatisticsConfig(backbone="test_efficientnet", heads=2, cells=6)
SIZE = 96


@pytest.fixture(scope="module")
def net() -> FrameStatistics:
    torch.manual_seed(0)
    made = FrameStatistics(TINY).eval()
    for head in range(2):
        made.set_head(head, torch.randn(made.weight.shape[1]) * 0.3, 0.5 - head)
    return made


def crops(count: int = 3, size: int = SIZE) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_the_logit_is_the_mean_of_its_map(net: FrameStatistics):
    logits, maps = net(crops())
    assert logits.shape == (3, 2)
    assert maps.shape == (3, 2, 6, 6)
    assert torch.allclose(logits, maps.mean(dim=(2, 3)), atol=1e-4)
    assert maps.std() > 1e-3  # a map, not one number everywhere


@torch.no_grad()
@pytest.mark.parametrize("cells", [1, 3, 6, 12, 24])
def test_the_logit_is_linear_in_the_statistics_at_any_side_of_the_map(cells: int):
    torch.manual_seed(0)
    net = FrameStatistics(TINY.model_copy(update={"cells": cells, "heads": 1})).eval()
    net.set_head(0, torch.randn(net.weight.shape[1]) * 0.3, -0.7)
    logit, maps = net(crops())
    assert maps.shape == (3, 1, cells, cells)
    wanted = net.statistics(crops()) @ net.weight[0] + net.bias[0]
    assert torch.allclose(logit[:, 0], wanted, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_statistics_are_mean_and_deviation_over_the_crop_and_the_inner_face(net: FrameStatistics):
    image = crops(2)
    found = net.statistics(image)
    start = 0
    for features in net.backbone(image * 2 - 1):
        channels = features.shape[1]
        mean = features.mean(dim=(2, 3))
        spread = (features - mean[:, :, None, None]).abs()
        inside = torch.nn.functional.adaptive_avg_pool2d(inner_face(224), features.shape[2:])[0, 0]

        def weighted(maps: Tensor, share: Tensor = inside) -> Tensor:
            return (maps * share).sum(dim=(2, 3)) / share.sum()

        wanted = (mean, spread.mean(dim=(2, 3)), weighted(features), weighted(spread))
        for kind, values in enumerate(wanted):
            at = start + kind * channels
            assert torch.allclose(found[:, at : at + channels], values, atol=1e-4)
        start += 4 * channels
    assert start == found.shape[1]


@torch.no_grad()
def test_the_mouth_is_read_as_a_region_of_its_own_and_the_logit_stays_the_mean_of_the_map():
    torch.manual_seed(0)
    config = TINY.model_copy(update={"heads": 1, "mouth": True})
    net = FrameStatistics(config).eval()
    plain = net.read.without_mouth()
    assert plain.sum() == len(plain) * 4 // 6
    face = crops(1)
    other = face.clone()
    below = mouth(face.shape[2])[0, 0].bool()
    other[:, :, below] = 1 - other[:, :, below]
    moved = (net.statistics(face) - net.statistics(other)).abs()[0]
    stage = net.channels[0]  # the finest: further ones see around
    assert moved[4 * stage : 6 * stage].mean() > 2 * moved[2 * stage : 4 * stage].mean()
    net.set_head(0, torch.randn(net.read.length), 0.3)
    logit, cells = net(face)
    wanted = net.statistics(face) @ net.weight[0] + net.bias[0]
    assert torch.allclose(logit[:, 0], wanted, atol=1e-3, rtol=1e-3)
    assert torch.allclose(cells.mean(dim=(2, 3)), logit, atol=1e-4, rtol=1e-4)


def test_the_inner_face_is_an_ellipse_below_the_middle():
    mask = inner_face(101)[0, 0]
    assert mask[55, 50] == 1
    assert mask[0].sum() == mask[:, 0].sum() == mask[-1].sum() == 0
    assert (mask != mask.flip(1)).sum() < 10  # the edge alone, by rounding
    assert 0.25 < mask.mean() < 0.36  # pi * 0.27 * 0.36


@torch.no_grad()
def test_empty_heads_say_nothing():
    logits, maps = FrameStatistics(TINY)(crops())
    assert (logits == 0).all()
    assert (maps == 0).all()


@torch.no_grad()
def test_heads_do_not_touch_one_another(net: FrameStatistics):
    before = net(crops())[0][:, 1]
    weight, bias = net.weight[0].clone(), float(net.bias[0])
    net.set_head(0, torch.zeros_like(weight), 3.0)
    after, _ = net(crops())
    net.set_head(0, weight, bias)
    assert torch.equal(after[:, 1], before)
    assert torch.allclose(after[:, 0], torch.full((3,), 3.0), atol=1e-5)


def test_the_backbone_never_trains(net: FrameStatistics):
    net.train()
    state = {name: value.clone() for name, value in net.backbone.state_dict().items()}
    logits, _ = net(crops())
    logits.sum().backward()
    assert net.weight.grad is not None
    assert all(weight.grad is None for weight in net.backbone.parameters())
    for name, value in net.backbone.state_dict().items():
        assert torch.equal(value, state[name]), name  # batch norms keep their statistics
    net.zero_grad()
    net.eval()


def test_a_map_that_does_not_divide_is_refused_with_a_way_out():
    odd = FrameStatistics(TINY.model_copy(update={"cells": 5}))
    with pytest.raises(ShapeError, match="multiple of 32"):
        odd(crops())
