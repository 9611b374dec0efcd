"""The witness: one line on standardised statistics of all stages, whose map explains the score."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from counterface.detect.models.detector_model import build_config
from counterface.detect.models.frame_statistics import FrameStatistics, FrameStatisticsConfig
from counterface.detect.models.witness import START_SCALE, Witness, WitnessConfig
from counterface.errors import ConfigError

TINY = WitnessConfig(backbone="test_efficientnet", size=96, stages=(0, 1, 3))


@pytest.fixture
def net() -> Witness:
    torch.manual_seed(0)
    made = Witness(TINY).eval()
    nn.init.normal_(made.head.line.weight)
    nn.init.uniform_(made.head.mean, -1, 1)
    nn.init.uniform_(made.head.spread, 0.5, 2)
    return made


def crops(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 96, 96, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_the_logit_is_a_line_on_what_the_statistics_detector_reads(net: Witness):
    frozen = FrameStatistics(FrameStatisticsConfig(backbone=TINY.backbone, stages=TINY.stages))
    frozen.eval().backbone.load_state_dict(net.backbone.state_dict(), strict=False)
    found = (frozen.statistics(crops()) - net.head.mean) / net.head.spread
    torch.testing.assert_close(net.embedding(crops()), found, atol=1e-4, rtol=1e-4)
    logit, _ = net(crops())
    torch.testing.assert_close(logit, net.head.line(found)[:, 0], atol=1e-3, rtol=1e-4)


@torch.no_grad()
def test_the_map_takes_the_logit_apart(net: Witness):
    logit, cells = net(crops())
    assert cells.shape == (3, 6, 6)
    torch.testing.assert_close(cells.mean(dim=(1, 2)), logit, atol=1e-3, rtol=1e-4)
    assert cells.std() > 1e-3
    # what is added to all cells is the same for every crop: only the line's constant part
    slope = net.head.line.weight / net.head.spread
    bare = net.head.read.cells(net.maps(crops()), slope, 6)[:, 0]
    constant = (cells - bare).flatten(1)
    torch.testing.assert_close(constant, constant[:1, :1].expand_as(constant), atol=1e-3, rtol=0)


def test_in_training_the_map_stays_true_and_the_backbones_norms_stay(net: Witness):
    norms = [m for m in net.train().modules() if isinstance(m, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    logit, cells = net(crops(8))
    torch.testing.assert_close(cells.mean(dim=(1, 2)), logit, atol=1e-3, rtol=1e-4)
    assert before
    assert all(torch.equal(n.running_mean, b) for n, b in zip(norms, before, strict=True))


def test_training_starts_from_the_ridge_line_of_the_untouched_backbone():
    torch.manual_seed(0)
    net = Witness(TINY).eval()
    smooth = interpolate(crops(48)[..., ::12, ::12], 96, mode="bilinear")
    labels = (torch.arange(48) % 2).float()
    images = torch.where(labels[:, None, None, None] > 0, smooth, crops(48))
    net.fit_line(zip(images.split(16), labels.split(16), strict=True))
    logit = net(images)[0]
    assert ((logit > 0) == (labels > 0)).all()
    z = net.embedding(images)
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(z.shape[1]), atol=1e-2, rtol=0)
    # the line is where the penalised squares are smallest: their slope is 0
    weight = net.head.line.weight[0] / START_SCALE
    left = z @ weight - (labels * 2 - 1)
    slope = z.T @ left / len(z) + TINY.ridge * weight
    assert slope.abs().max() < 1e-2 * (z.T @ (labels * 2 - 1) / len(z)).abs().max()


def test_without_crops_the_line_stays_as_it_was(net: Witness):
    before = net.head.line.weight.clone()
    net.fit_line([])
    assert torch.equal(net.head.line.weight, before)


def test_an_untrained_witness_is_near_even_odds():
    torch.manual_seed(0)
    assert Witness(TINY).eval()(crops())[0].abs().max() < 2


def test_a_side_whose_cells_would_not_fit_is_refused():
    with pytest.raises(ConfigError, match="size"):
        build_config("witness", {"size": 200})
