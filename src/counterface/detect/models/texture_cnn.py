"""A backbone cut at stride 16, judged by mean and spread of its channels: texture, not shape.

Generated faces that were reduced before they were published keep few up-sampling traces; what is
left are textures. A frozen ImageNet net half sees them (`frame_statistics`), one that is fine-tuned
on a few hundred pictures sees more (docs/results.md). Compare Gragnaniello et al. 2021
(https://arxiv.org/abs/2104.02617), whose nets keep the first layers' stride small; ours is cut
early instead. The logit is linear in the mean and the standard deviation of each channel, and both
are means over cells. Batch norms keep the statistics that they started with: the faces of a batch
are too alike to measure them. ImageNet weights: as for `frame_cnn`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate

from counterface.detect.models.detector_model import DetectorConfig, DetectorModel
from counterface.detect.models.parts.map_head import PRIOR_STD
from counterface.detect.models.parts.timm_backbone import (
    create_cut_backbone,
    hold_norms,
    signed_input,
)

FLAT = 1e-6  # keeps the deviation of a constant channel differentiable


class TextureCNNConfig(DetectorConfig):
    """The architecture."""

    backbone: str = Field("mobilenetv2_100", description="any timm model with feature maps")
    pad_type: str = Field("", description="padding; 'same' for weights that come from TensorFlow")
    stage: int = Field(
        3, ge=0, le=4, description="feature map to read: 0 has stride 2, 3 has 16, 4 has 32"
    )
    side: int = Field(
        0, ge=0, le=1024, description="side that the net resizes the crop to, pixels; 0 = as it is"
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="dropout before the logit")
    pretrained: bool = Field(False, description="start from ImageNet weights, fetched if need be")


class TextureHead(nn.Module):
    """Features (B, C, h, w) -> logit (B,) and activation (B, h, w), whose mean is the logit."""

    def __init__(self, channels: int, dropout: float) -> None:
        """Start near even odds.

        Args:
            channels: number of channels of the features.
            dropout: share of the numbers left out in training.
        """
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.line = nn.Linear(2 * channels, 1)
        nn.init.normal_(self.line.weight, std=PRIOR_STD)
        nn.init.zeros_(self.line.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The logit, and each cell's part in it."""
        mean, spread = _moments(features)
        found = torch.cat([mean, spread], dim=1)[:, :, 0, 0]
        logit: Tensor = self.line(self.dropout(found))[:, 0]
        first, second = self.line.weight[:, :, None, None].chunk(2, dim=1)
        square = (features - mean) ** 2 / spread  # its mean over cells is the deviation
        cells = (features * first + square * second).sum(dim=1) + self.line.bias
        # dropout has changed the logit, not the cells: their mean is put right
        return logit, cells + (logit - cells.mean(dim=(1, 2)))[:, None, None]

    def embed(self, features: Tensor) -> Tensor:
        """Mean and deviation of each channel, (B, 2 C)."""
        return torch.cat(_moments(features), dim=1)[:, :, 0, 0]


class TextureCNN(DetectorModel):
    """RGB float32 [0, 1] (B, 3, S, S) -> logit (B,) and activation (B, h, w) of stride 16."""

    Config = TextureCNNConfig
    TINY: ClassVar[Mapping[str, Any]] = {"backbone": "test_efficientnet", "size": 64}
    SIGNED = True

    config: TextureCNNConfig

    def __init__(self, config: TextureCNNConfig) -> None:
        super().__init__(config)
        self.backbone, (channels,) = create_cut_backbone(
            config.backbone, (config.stage,), config.pretrained, config.pad_type
        )
        self.factor, self.subtrahend = signed_input(config.backbone)
        self.head = TextureHead(channels, config.dropout)

    def train(self, mode: bool = True) -> Self:
        """Batch norms stay as they are in training too."""
        super().train(mode)
        hold_norms(self.backbone)
        return self

    def features(self, images: Tensor) -> Tensor:
        """The features of the stage that is read, (B, C, h, w)."""
        if side := self.config.side:
            images = interpolate(images, (side, side), mode="bilinear", align_corners=False)
        found: Tensor = self.backbone(images * self.factor - self.subtrahend)[0]
        return found


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over the cells, (B, C, 1, 1) both."""
    mean = features.mean(dim=(2, 3), keepdim=True)
    variance = ((features - mean) ** 2).mean(dim=(2, 3), keepdim=True)
    return mean, variance.clamp_min(FLAT).sqrt()
