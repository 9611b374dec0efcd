"""A detector that judges one aligned face at a time: any timm backbone, two heads.

The backbone is cut at a chosen stride. A network whose cells see a part of the face only learns
texture rather than identity and carries over better to unseen generators (Chai et al. 2020,
https://arxiv.org/abs/2008.10588). One head gives the logit of the whole crop, the other a logit for
each cell, trained on where the crop was changed; the second is also the explanation shown to users
(compare Dang et al. 2020, https://arxiv.org/abs/1910.01717). ImageNet weights, where used, are
the weight store's, timm's (Apache-2.0 both) or a file the user names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from counterface.detect.models.detector_model import DetectorConfig, DetectorModel
from counterface.detect.models.parts.timm_backbone import create_cut_backbone, signed_input


class FrameCNNConfig(DetectorConfig):
    """The architecture."""

    backbone: str = Field("mobilenetv2_100", description="any timm model with feature maps")
    pad_type: str = Field("", description="padding; 'same' for weights that come from TensorFlow")
    stage: int = Field(
        3, ge=0, le=4, description="feature map to read: 0 has stride 2, 3 has 16, 4 has 32"
    )
    width: int = Field(192, ge=8, description="channels of the heads")
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout before the crop's logit")
    pretrained: bool = Field(False, description="start from ImageNet weights, fetched if need be")


class FrameCNN(DetectorModel):
    """RGB float32 [0, 1] (B, 3, H, W) -> logit (B,), > 0 is fake, and activation (B, h, w).

    The activation is a logit of each cell by a head of its own: was this part changed? Its mean is
    not the crop's logit.
    """

    Config = FrameCNNConfig
    TINY: ClassVar[Mapping[str, Any]] = {"backbone": "test_efficientnet", "width": 16, "size": 64}
    HEAD = ("cells", "crop")
    ANY_SIDE = True
    SIGNED = True

    config: FrameCNNConfig

    def __init__(self, config: FrameCNNConfig | None = None) -> None:
        super().__init__(config or FrameCNNConfig())
        self.backbone, (channels,) = create_cut_backbone(
            self.config.backbone,
            (self.config.stage,),
            self.config.pretrained,
            self.config.pad_type,
        )
        self.factor, self.subtrahend = signed_input(self.config.backbone)
        self.neck = nn.Sequential(
            nn.Conv2d(channels, self.config.width, 1, bias=False),
            nn.BatchNorm2d(self.config.width),
            nn.ReLU(inplace=True),
        )
        self.cells = nn.Conv2d(self.config.width, 1, 1)
        self.dropout = nn.Dropout(self.config.dropout)
        self.crop = nn.Linear(self.config.width, 1)

    def features(self, images: Tensor) -> Tensor:
        """The neck's features, (B, width, h, w)."""
        features: Tensor = self.neck(self.backbone(images * self.factor - self.subtrahend)[0])
        return features

    def embedding(self, images: Tensor) -> Tensor:
        """The mean of the neck's features, (B, width)."""
        self.check(images)
        return self.features(images).mean(dim=(2, 3))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The logit of each crop and of each of its cells."""
        self.check(images)
        features = self.features(images)
        activation: Tensor = self.cells(features)[:, 0]
        logit: Tensor = self.crop(self.dropout(features.mean(dim=(2, 3))))[:, 0]
        return logit, activation

    @torch.no_grad()
    def set_prior(self) -> None:
        """Start both heads at logit 0, so that the first steps do not disturb the backbone."""
        nn.init.normal_(self.crop.weight, std=0.01)
        nn.init.zeros_(self.crop.bias)
        nn.init.normal_(self.cells.weight, std=0.01)
        assert self.cells.bias is not None
        nn.init.zeros_(self.cells.bias)
