"""Any timm backbone, global average, one logit; under the names of published systems.

`resnet34_frames`: ResNet34 (He et al. 2015, https://arxiv.org/abs/1512.03385) on frames, as course
projects on DFDC trained it. `xception`: Chollet 2016 (https://arxiv.org/abs/1610.02357), the usual
baseline since Rössler et al. 2019 (https://arxiv.org/abs/1901.08971). `efficientnet_b4`: Tan and Le
2019 (https://arxiv.org/abs/1905.11946), as Bonettini et al. 2021
(https://arxiv.org/abs/2004.07676) and Shiohara and Yamasaki 2022
(https://arxiv.org/abs/2204.08376) use it. `efficientnet_b4_attention`: Bonettini's, whose features
after the ninth block are weighted by a map that the net learns. Ours differ by one logit in place
of two classes and by the crop. ImageNet weights: timm's (Apache-2.0), fetched only on request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from counterface.detect.models.detector_model import DetectorConfig, DetectorModel
from counterface.detect.models.parts.map_head import MapHead
from counterface.detect.models.parts.timm_backbone import create_backbone


class PooledCNNConfig(DetectorConfig):
    """The architecture."""

    backbone: str = Field("resnet18", description="any timm model with `forward_features`")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout before the logit")
    pretrained: bool = Field(False, description="start from ImageNet weights, fetched if need be")


class PooledCNN(DetectorModel):
    """RGB float32 [0, 1] (B, 3, S, S) -> logit (B,) and activation (B, h, w), of stride 32.

    The activation is the class activation map; its mean is the logit. The published systems are
    presets under their names in the registry.
    """

    Config: ClassVar[type[PooledCNNConfig]] = PooledCNNConfig
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "resnet34_frames": {"backbone": "resnet34"},
        "xception": {"backbone": "legacy_xception", "size": 256},
        "efficientnet_b4": {"backbone": "efficientnet_b4"},
    }
    TINY: ClassVar[Mapping[str, Any]] = {"backbone": "test_resnet", "size": 64}

    config: PooledCNNConfig

    def __init__(self, config: PooledCNNConfig) -> None:
        super().__init__(config)
        self.backbone = create_backbone(
            config.backbone, config.pretrained, num_classes=0, global_pool=""
        )
        self.head = MapHead(self.backbone.num_features, config.dropout)
        self.mean: Tensor
        self.std: Tensor
        trained_on = self.backbone.default_cfg
        for name in ("mean", "std"):
            values = torch.tensor(trained_on[name]).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def features(self, images: Tensor) -> Tensor:
        """The backbone's last features, (B, C, h, w)."""
        found: Tensor = self.backbone.forward_features((images - self.mean) / self.std)
        return found


class AttentionConfig(PooledCNNConfig):
    """The architecture."""

    backbone: str = Field("efficientnet_b4", description="a timm model of the EfficientNet kind")
    stage: int = Field(
        2, ge=0, le=4, description="feature map that is weighted: 0 has stride 2, 2 has 8, 4 has 32"
    )


class EfficientNetB4Attention(PooledCNN):
    """EfficientNet-B4 whose middle features are weighted by a learned map.

    The activation is the class activation map, whose mean is the logit.
    """

    Config = AttentionConfig
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    TINY: ClassVar[Mapping[str, Any]] = {"backbone": "test_efficientnet", "size": 64}

    config: AttentionConfig

    def __init__(self, config: AttentionConfig) -> None:
        """Start from random weights; only the backbone may be pretrained."""
        super().__init__(config)
        middle = self.backbone.feature_info[config.stage]
        self.blocks_before = int(middle["module"].removeprefix("blocks.")) + 1
        self.look = nn.Conv2d(middle["num_chs"], 1, 1)

    def features(self, images: Tensor) -> Tensor:
        """The backbone's last features, (B, C, h, w)."""
        net = self.backbone
        middle = self._middle(images)
        weighted = middle * torch.sigmoid(self.look(middle))
        found: Tensor = net.bn2(net.conv_head(net.blocks[self.blocks_before :](weighted)))
        return found

    def _middle(self, images: Tensor) -> Tensor:
        net = self.backbone
        start = net.bn1(net.conv_stem((images - self.mean) / self.std))
        middle: Tensor = net.blocks[: self.blocks_before](start)
        return middle
