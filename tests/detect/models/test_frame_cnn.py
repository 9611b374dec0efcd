"""The two-headed CNN: shapes, stages, starting point."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from counterface.detect.models.frame_cnn import FrameCNN, FrameCNNConfig

TINY = FrameCNNConfig(backbone="test_efficientnet", width=16)


def crops(count: int = 2, size: int = 96) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize(("stage", "stride"), [(0, 2), (2, 8), (3, 16), (4, 32)])
def test_the_stage_sets_the_stride_of_the_cells(stage: int, stride: int):
    net = FrameCNN(TINY.model_copy(update={"stage": stage})).eval()
    logit, activation = net(crops())
    assert logit.shape == (2,)
    assert activation.shape == (2, 96 // stride, 96 // stride)


def test_an_earlier_stage_carries_no_later_blocks():
    sizes = [
        sum(w.numel() for w in FrameCNN(TINY.model_copy(update={"stage": s})).parameters())
        for s in range(5)
    ]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 5


def test_every_weight_learns():
    torch.manual_seed(0)
    net = FrameCNN(TINY).train()
    logit, activation = net(crops(4))
    (logit.square().sum() + activation.square().sum()).backward()
    idle = [name for name, weight in net.named_parameters() if weight.grad is None]
    assert not idle


@torch.no_grad()
def test_the_prior_starts_near_even_odds():
    torch.manual_seed(0)
    net = FrameCNN(TINY).eval()
    net.set_prior()
    logit, activation = net(crops())
    assert logit.abs().max() < 0.5
    assert activation.abs().max() < 0.5
    assert (net.crop.bias == 0).all()


@torch.no_grad()
def test_the_backbone_sees_the_range_that_its_weights_were_trained_on():
    net = FrameCNN(TINY).eval()
    seen = []
    net.backbone.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    net(torch.stack([torch.zeros(3, 64, 64), torch.ones(3, 64, 64)]))
    assert (seen[0][0] == -1).all()
    assert (seen[0][1] == 1).all()


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValidationError, match="stages"):
        FrameCNNConfig(stages=3)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="stage"):
        FrameCNNConfig(stage=5)
