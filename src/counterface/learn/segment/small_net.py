"""A small segmentation net for a CPU: EfficientNet-Lite0 up to stride 16, and a light decoder.

Backbone: Tan and Le 2019 (https://arxiv.org/abs/1905.11946) in its Lite form; the decoder is a
U-Net of depthwise and pointwise convolutions. What the mask that ships is made with; 3 MB.
"""

from __future__ import annotations

from typing import Self

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

BACKBONE = "tf_efficientnet_lite0"
STAGES = (0, 1, 2, 3)  # strides 2, 4, 8, 16
DEEP = 160  # channels at stride 32


def _separable(before: int, after: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A depthwise and a pointwise convolution, each normalised."""
    return nn.Sequential(
        nn.Conv2d(before, before, kernel, stride, kernel // 2, groups=before, bias=False),
        nn.BatchNorm2d(before),
        nn.Conv2d(before, after, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


class SmallNet(nn.Module):
    """RGB float32 [0, 1] (B, 3, S, S) -> logits of the mask (B, 1, S, S), S a multiple of 32."""

    def __init__(self, held: int = 0) -> None:
        """Build the net; its backbone starts at random until it is filled.

        Args:
            held: how many of the backbone's stages keep their weights; what they see is learnt
                well enough from ImageNet, and most of a step's time goes into the first ones.
        """
        super().__init__()
        self.backbone = timm.create_model(BACKBONE, features_only=True, out_indices=STAGES)
        last = self.backbone.feature_info.info[STAGES[-1]]["module"]
        self.backbone.blocks = self.backbone.blocks[: int(last.split(".")[1]) + 1]
        self.held = held
        for part in (self.backbone.conv_stem, self.backbone.bn1, *self.backbone.blocks)[
            : held and held + 2
        ]:
            part.requires_grad_(False)
        two, four, eight, sixteen = self.backbone.feature_info.channels()
        self.deep = nn.Sequential(
            _separable(sixteen, DEEP, 5, 2), _separable(DEEP, DEEP, 5), _separable(DEEP, DEEP, 5)
        )
        self.up = nn.ModuleList(
            [
                _separable(DEEP + sixteen, 96),
                _separable(96 + eight, 48),
                _separable(48 + four, 32),
                _separable(32 + two, 24),
            ]
        )
        self.last = nn.Sequential(nn.Conv2d(24, 4, 3, padding=1), nn.PixelShuffle(2))

    def train(self, mode: bool = True) -> Self:
        """Batch norms of the backbone keep their statistics in training too."""
        super().train(mode)
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the mask."""
        signed = images * 2 - 1
        skips = self.backbone(signed)
        x = self.deep(skips[-1])
        for up, skip in zip(self.up, reversed(skips), strict=True):
            x = up(torch.cat([_doubled(x), skip], dim=1))
        logits: Tensor = self.last(x)
        return logits


def _doubled(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
