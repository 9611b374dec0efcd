"""A residual net over space and time: ResNet34's layout with 3x3x3 convolutions.

Hara et al. 2018 (https://arxiv.org/abs/1711.09577) and Tran et al. 2018
(https://arxiv.org/abs/1711.11248) describe the family; notebooks of Kaggle's DFDC trained one on
stacks of face crops, with cutmix between clips (Yun et al. 2019, https://arxiv.org/abs/1905.04899;
ours is an augmentation of the training, not of the net). Ours averages over time ahead of a class
activation map. No weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from counterface.detect.models.detector_model import ClipConfig, DetectorModel
from counterface.detect.models.parts.map_head import MapHead


class ResNet3DConfig(ClipConfig):
    """The architecture."""

    frames: int = Field(8, ge=2, le=64, description="frames that are judged together")
    size: int = Field(112, ge=32, le=1024, description="crop side, pixels")
    width: int = Field(64, ge=4, description="channels of the first stage; doubled by each")
    blocks: tuple[int, int, int, int] = Field((3, 4, 6, 3), description="blocks of each stage")
    dropout: float = Field(0.0, ge=0, lt=1, description="before the logit")


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
        """Kaiming's random weights."""
        super().__init__(config)
        self.stem = nn.Sequential(
            nn.Conv3d(3, config.width, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False),
            nn.BatchNorm3d(config.width),
            nn.ReLU(inplace=True),
        )
        stages: list[nn.Module] = []
        channels = config.width
        for stage, count in enumerate(config.blocks):
            for number in range(count):
                stride = 2 if stage and not number else 1
                stages.append(_Block(channels, config.width << stage, stride))
                channels = config.width << stage
        self.stages = nn.Sequential(*stages)
        self.head = MapHead(channels, config.dropout)
        for part in self.modules():
            if isinstance(part, nn.Conv3d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    def features(self, images: Tensor) -> Tensor:
        """The last stage's, averaged over time, (B, C, h, w)."""
        clips = images.transpose(1, 2) * 2 - 1  # (B, 3, T, S, S)
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
