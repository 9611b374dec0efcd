"""A plain convolutional net for pictures, trained from nothing: five layers and a global average.

After a course project on generated faces (CelebA and FFHQ against five GANs), whose layers we know
from its report: 3x3 convolutions of 32, 64, 128, 256 channels, each with ReLU and max-pooling,
dropout after the first three, 512 channels, global average, one logit. Ours differs by Kaiming's
starting weights, an input of [-1, 1] and a template in place of loosely cut pictures. No weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field
from torch import Tensor, nn

from counterface.detect.models.detector_model import DetectorConfig, DetectorModel
from counterface.detect.models.parts.map_head import MapHead
from counterface.learn.architecture import Template


class CNNImagesConfig(DetectorConfig):
    """The architecture."""

    template: Template = Field("head", description="how much of the head a crop shows")
    size: int = Field(256, ge=32, le=1024, description="crop side, pixels")
    widths: tuple[int, ...] = Field(
        (32, 64, 128, 256, 512), min_length=2, max_length=6, description="channels of the layers"
    )
    dropout: float = Field(
        0.5, ge=0, lt=1, description="dropout after each of the first three layers"
    )


class CNNImages(DetectorModel):
    """RGB float32 [0, 1] (B, 3, S, S) -> logit (B,) and activation (B, S / 16, S / 16).

    The activation is the class activation map; its mean is the logit.
    """

    Config = CNNImagesConfig
    TINY: ClassVar[Mapping[str, Any]] = {"size": 48, "widths": (8, 12, 16)}

    config: CNNImagesConfig

    def __init__(self, config: CNNImagesConfig) -> None:
        super().__init__(config)
        layers: list[nn.Module] = []
        channels = 3
        for number, width in enumerate(config.widths):
            conv = nn.Conv2d(channels, width, 3, padding=1)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            layers += [conv, nn.ReLU(inplace=True)]
            if number < len(config.widths) - 1:
                layers.append(nn.MaxPool2d(2))
            if number < 3:
                layers.append(nn.Dropout(config.dropout))
            channels = width
        self.layers = nn.Sequential(*layers)
        self.head = MapHead(channels)

    def features(self, images: Tensor) -> Tensor:
        """The last layer's features, (B, C, h, w)."""
        found: Tensor = self.layers(images * 2 - 1)
        return found
