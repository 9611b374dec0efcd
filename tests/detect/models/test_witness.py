"""The witness: one line on standardised statistics of all stages, whose map explains the score."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from counterface.detect.models.detector_model import build_config
from counterface.detect.models.frame_statistics import FrameStatistics, FrameStatisticsConfig
from counterface.detect.models.witness import Witness, WitnessConfig
from counterface.errors import ConfigError

TINY = WitnessConfig(backbone="test_efficientnet", size=96, stages=(0, 1, 3))


@pytest.fixture
def net() -> Witness:
    torch.manual_seed(0)
    made = Witness(TINY).eval()
    nn.init.normal_(made.head.line.weight)
    nn.init.uniform_(made.head.norm.running_mean, -1, 1)
    nn.init.uniform_(made.head.norm.running_var, 0.5, 2)
    return made


def crops(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 96, 96, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_the_logit_is_a_line_on_what_the_statistics_detector_reads(net: Witness):
    frozen = FrameStatistics(FrameStatisticsConfig(backbone=TINY.backbone, stages=TINY.stages))
    frozen.eval().backbone.load_state_dict(net.backbone.state_dict(), strict=False)
    norm = net.head.norm
    found = (frozen.statistics(crops()) - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
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
    bare = net.head.read.cells(
        net.maps(crops()),
        net.head.line.weight * (net.head.norm.running_var + net.head.norm.eps).rsqrt(),
        6,
    )[:, 0]
    constant = (cells - bare).flatten(1)
    torch.testing.assert_close(constant, constant[:1, :1].expand_as(constant), atol=1e-3, rtol=0)


def test_in_training_the_map_stays_true_and_the_backbones_norms_stay(net: Witness):
    norms = [m for m in net.train().modules() if isinstance(m, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    logit, cells = net(crops(8))
    torch.testing.assert_close(cells.mean(dim=(1, 2)), logit, atol=1e-3, rtol=1e-4)
    assert before
    assert all(torch.equal(n.running_mean, b) for n, b in zip(norms, before, strict=True))


def test_an_untrained_witness_is_near_even_odds():
    torch.manual_seed(0)
    assert Witness(TINY).eval()(crops())[0].abs().max() < 1


def test_a_side_whose_cells_would_not_fit_is_refused():
    with pytest.raises(ConfigError, match="size"):
        build_config("witness", {"size": 200})
