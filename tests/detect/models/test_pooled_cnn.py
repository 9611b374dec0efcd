"""Frame detectors under published names: sizes as published, and where the attention looks."""

from __future__ import annotations

import pytest
import torch

from counterface.detect.models.detector_model import build_detector
from counterface.detect.models.pooled_cnn import AttentionConfig, EfficientNetB4Attention

TINY = AttentionConfig(backbone="test_efficientnet", size=64)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("meso4", 27_977),  # Afchar et al. 2018, section 3
        ("meso_inception4", 28_615),
        # published counts with 1000 classes, less what those classes take, and one logit instead
        ("resnet34_frames", 21_797_672 - 999 * 513),
        ("xception", 22_855_952 - 999 * 2049),
        ("efficientnet_b4", 19_341_616 - 999 * 1793),
    ],
)
def test_sizes_are_as_published(name: str, published: int):
    with torch.device("meta"):
        net = build_detector(name)
    assert sum(weight.numel() for weight in net.parameters()) == published


@torch.no_grad()
def test_the_attention_follows_the_56_channels_of_stride_8():
    with torch.device("meta"):
        net = build_detector("efficientnet_b4_attention")
    assert isinstance(net, EfficientNetB4Attention)
    assert net.look.in_channels == 56
    blocks = sum(len(stage) for stage in net.backbone.blocks[: net.blocks_before])
    assert blocks == 10  # the ninth block counted from 0, as the paper does


@torch.no_grad()
def test_what_the_attention_closes_is_not_seen():
    torch.manual_seed(0)
    net = EfficientNetB4Attention(TINY).eval()
    for weight in net.parameters():
        weight.add_(torch.randn_like(weight), alpha=0.05)
    one, two = torch.rand(2, 1, 3, 64, 64)
    open_, _ = net(torch.cat([one, two]))
    assert (open_[0] - open_[1]).abs() > 1e-4
    assert net.look.bias is not None
    net.look.bias.fill_(-100.0)
    closed, _ = net(torch.cat([one, two]))
    assert torch.allclose(closed[0], closed[1], atol=1e-7)


@torch.no_grad()
def test_the_net_sees_the_range_that_its_backbone_was_trained_on():
    net = build_detector("efficientnet_b4", {"backbone": "test_efficientnet", "size": 64}).eval()
    seen = []
    net.backbone.conv_stem.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    net(torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1).expand(1, 3, 64, 64))
    assert seen[0].abs().max() < 1e-6  # ImageNet's mean colour
