"""What changed between neighbouring frames beyond motion, beside the frames themselves.

Two of the systems that we rebuild name it as future work: swapped faces are made frame by frame, so
colour and sharpness flicker where a real face only moves. The earlier frame is moved to the later
one (`parts/motion.py`); their difference in colour and in fine detail joins the later frame as the
input of a small convolutional net, and what it says of all neighbours is averaged. The idea and the
net are ours. A timm backbone, cut at the small net's stride, can read the frame instead, for sets
that are too small to learn how to see; its weights: as for `frame_cnn`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from counterface.detect.models.detector_model import ClipConfig, DetectorModel
from counterface.detect.models.parts.map_head import MapHead
from counterface.detect.models.parts.motion import fine_detail, follow_motion
from counterface.detect.models.parts.timm_backbone import create_cut_backbone, signed_input

DIFFERENCES = 4  # channels: three of colour, one of detail


class FrameDifferenceConfig(ClipConfig):
    """The architecture."""

    frames: int = Field(3, ge=2, le=64, description="number of frames that are judged together")
    size: int = Field(128, ge=32, le=1024, description="crop side, pixels")
    reach: int = Field(3, ge=0, le=8, description="longest motion that is followed, pixels")
    gain: float = Field(8.0, gt=0, description="factor that differences are multiplied by")
    appearance: bool = Field(True, description="let the net see the frame beside its differences")
    widths: tuple[int, ...] = Field(
        (24, 48, 96, 160),
        min_length=1,
        max_length=6,
        description="channels of the layers; each layer halves the side",
    )
    backbone: str = Field(
        "",
        description="timm model that reads the frame beside the small net, which then sees "
        "differences alone; '' = none",
    )
    pretrained: bool = Field(False, description="start the backbone from ImageNet weights")
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout before the logit")

    @model_validator(mode="after")
    def _backbone_fits(self) -> FrameDifferenceConfig:
        if self.backbone and not self.appearance:
            raise ValueError("a backbone reads the frame, which appearance = false hides")
        if self.backbone and len(self.widths) > 5:
            raise ValueError("a backbone has 5 feature maps; give 'widths' as many or fewer")
        return self


class FrameDifference(DetectorModel):
    """Clips RGB float32 [0, 1] (B, T, 3, S, S) -> logit (B,) and activation (B, S / 16, S / 16).

    The activation is the class activation map, averaged over neighbouring pairs of frames; its mean
    is the logit.
    """

    Config = FrameDifferenceConfig
    TINY: ClassVar[Mapping[str, Any]] = {"size": 32, "reach": 1, "widths": (6, 8)}

    config: FrameDifferenceConfig

    def __init__(self, config: FrameDifferenceConfig) -> None:
        """Start from random weights, except for a pretrained backbone."""
        super().__init__(config)
        layers: list[nn.Module] = []
        beside = config.appearance and not config.backbone
        channels = DIFFERENCES + (3 if beside else 0)
        for width in config.widths:
            for inside, stride in ((channels, 2), (width, 1)):
                layers += [
                    nn.Conv2d(inside, width, 3, stride=stride, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                ]
            channels = width
        self.layers = nn.Sequential(*layers)
        if config.backbone:
            self.backbone, (read,) = create_cut_backbone(
                config.backbone, (len(config.widths) - 1,), config.pretrained
            )
            channels += read
        self.factor, self.subtrahend = signed_input(config.backbone)
        self.head = MapHead(channels, config.dropout)

    def features(self, images: Tensor) -> Tensor:
        """The last layer's features, averaged over pairs, (B, C, h, w); a backbone's follow."""
        now = images[:, 1:].flatten(0, 1)
        seen = self.differences(images).flatten(0, 1)
        if self.config.appearance and not self.config.backbone:
            seen = torch.cat([now * 2 - 1, seen], dim=1)
        found: Tensor = self.layers(seen)
        if self.config.backbone:
            read = self.backbone(now * self.factor - self.subtrahend)[0]
            found = torch.cat([found, read], dim=1)
        return found.reshape(-1, self.frames - 1, *found.shape[1:]).mean(dim=1)

    def differences(self, images: Tensor) -> Tensor:
        """Each frame minus the moved one before it, times `gain`: colour, then detail.

        Args:
            images: clips RGB float32 [0, 1] (B, T, 3, S, S).

        Returns:
            (B, T - 1, 4, S, S).
        """
        before, now = images[:, :-1].flatten(0, 1), images[:, 1:].flatten(0, 1)
        moved = follow_motion(before, now, self.config.reach)
        change = torch.cat([now - moved, fine_detail(now) - fine_detail(moved)], dim=1)
        return (change * self.config.gain).reshape(-1, self.frames - 1, *change.shape[1:])
