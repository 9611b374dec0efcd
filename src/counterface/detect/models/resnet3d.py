"""A residual net over space and time: ResNet34's layout with 3x3x3 convolutions.

Hara et al. 2018 (https://arxiv.org/abs/1711.09577) and Tran et al. 2018
(https://arxiv.org/abs/1711.11248) describe the family; notebooks of Kaggle's DFDC trained one on
stacks of face crops, with cutmix between clips (Yun et al. 2019, https://arxiv.org/abs/1905.04899;
ours is an augmentation of the training, not of the net). Ours averages over time ahead of a class
activation map. No weights. In place of the first convolution a timm backbone, cut at stride 16, can
read each frame, and the residual stages then keep that size; its weights: as for `frame_cnn`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from counterface.detect.models.detector_model import ClipConfig, DetectorModel
from counterface.detect.models.parts.map_head import MapHead
from counterface.detect.models.parts.timm_backbone import create_cut_backbone, signed_input

BACKBONE_STAGE = 3  # stride 16, where the plain net ends


class ResNet3DConfig(ClipConfig):
    """The architecture."""

    frames: int = Field(8, ge=2, le=64, description="number of frames that are judged together")
    size: int = Field(112, ge=32, le=1024, description="crop side, pixels")
    width: int = Field(
        64, ge=4, description="channels of the first stage; each further stage doubles them"
    )
    blocks: tuple[int, int, int, int] = Field(
        (3, 4, 6, 3), description="number of blocks in each stage"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout before the logit")
    backbone: str = Field(
        "",
        description="timm model that reads the frames, to stride 16, instead of the first "
        "convolution, after which the stages keep the size; '' = none",
    )
    pretrained: bool = Field(False, description="start the backbone from ImageNet weights")


class ResNet3D(DetectorModel):
    """Clips RGB float32 [0, 1] (B, T, 3, S, S) -> logit (B,) and activation (B, S / 16, S / 16).

    The activation is the class activation map, averaged over time; its mean is the logit.
    """

    Config = ResNet3DConfig
    TINY: ClassVar[Mapping[str, Any]] = {
        "size": 48,
        "frames": 3,
        "width": 4,
        "blocks": (1, 1, 1, 1),
    }

    config: ResNet3DConfig

    def __init__(self, config: ResNet3DConfig) -> None:
        """Start from Kaiming's random weights, except for a pretrained backbone."""
        super().__init__(config)
        if config.backbone:
            self.backbone, (channels,) = create_cut_backbone(
                config.backbone, (BACKBONE_STAGE,), config.pretrained
            )
            first = nn.Conv3d(channels, config.width, 1, bias=False)
        else:
            first = nn.Conv3d(
                3, config.width, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False
            )
        self.factor, self.subtrahend = signed_input(config.backbone)
        self.stem = nn.Sequential(first, nn.BatchNorm3d(config.width), nn.ReLU(inplace=True))
        stages: list[nn.Module] = []
        channels = config.width
        for stage, count in enumerate(config.blocks):
            for number in range(count):
                stride = 2 if stage and not number and not config.backbone else 1
                stages.append(_Block(channels, config.width << stage, stride))
                channels = config.width << stage
        self.stages = nn.Sequential(*stages)
        self.head = MapHead(channels, config.dropout)
        for part in self.modules():
            if isinstance(part, nn.Conv3d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    def features(self, images: Tensor) -> Tensor:
        """The last stage's features, averaged over time, (B, C, h, w)."""
        seen = images * self.factor - self.subtrahend
        if self.config.backbone:
            read = self.backbone(seen.flatten(0, 1))[0]
            seen = read.reshape(-1, self.frames, *read.shape[1:])
        clips = seen.transpose(1, 2)  # (B, C, T, h, w)
        found: Tensor = self.stages(self.stem(clips)).mean(dim=2)
        return found


class _Block(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv3d(channels, width, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
            nn.Conv3d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm3d(width),
        )
        self.short = nn.Sequential()
        if stride != 1 or channels != width:
            self.short.append(nn.Conv3d(channels, width, 1, stride=stride, bias=False))
            self.short.append(nn.BatchNorm3d(width))

    def forward(self, clips: Tensor) -> Tensor:
        return torch.relu(self.body(clips) + self.short(clips))
