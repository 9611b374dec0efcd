"""Linear heads, one a question, on the statistics of a frozen backbone's feature maps.

A network that was trained on millions of ordinary pictures already measures texture at every scale.
With few manipulated clips to learn from, a linear rule on those measurements carries over to unseen
people and swap models far better than a network fine-tuned on the same clips (docs/results.md);
compare Ojha et al. 2023 (https://arxiv.org/abs/2302.10174), who use the last layer of CLIP. Ours
takes every stage, and of each channel its mean and its mean absolute deviation, over the whole
crop, over the part where a face is swapped, and if asked over the mouth. All are means over cells,
so the logit is exactly the mean of a map: the explanation is the score. Backbone weights: the
weight store's, timm's, or a file the user names.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from counterface.config import Record
from counterface.detect.models.parts.stage_statistics import StageStatistics
from counterface.detect.models.parts.timm_backbone import create_backbone, signed_input

STAGES = (0, 1, 2, 3, 4)


class FrameStatisticsConfig(Record):
    """The architecture."""

    backbone: str = Field("mobilenetv2_100", description="any timm model with five feature maps")
    stages: tuple[int, ...] = Field(
        STAGES, min_length=1, description="numbers of the feature maps that the heads read"
    )
    pad_type: str = Field("", description="padding; 'same' for weights that come from TensorFlow")
    pretrained: bool = Field(False, description="start from ImageNet weights, fetched if need be")
    mouth: bool = Field(False, description="read the mouth as a region of its own as well")
    heads: int = Field(
        1, ge=1, description="number of linear heads, one for each kind of manipulation"
    )
    cells: int = Field(14, ge=1, description="cells along a side of the activation map")


class FrameStatistics(nn.Module):
    """RGB float32 [0, 1] (B, 3, S, S) -> logits (B, heads) and activations (B, heads, h, w)."""

    def __init__(self, config: FrameStatisticsConfig | None = None) -> None:
        """Start with the heads at zero; fill them with `set_head`."""
        super().__init__()
        self.config = config or FrameStatisticsConfig()
        extra = {"pad_type": self.config.pad_type} if self.config.pad_type else {}
        self.backbone = create_backbone(
            self.config.backbone,
            self.config.pretrained,
            features_only=True,
            out_indices=self.config.stages,
            **extra,
        ).eval()
        self.backbone.requires_grad_(False)
        self.factor, self.subtrahend = signed_input(self.config.backbone)
        self.channels: list[int] = self.backbone.feature_info.channels()
        self.read = StageStatistics(self.channels, self.config.mouth)
        self.weight = nn.Parameter(torch.zeros(self.config.heads, self.read.length))
        self.bias = nn.Parameter(torch.zeros(self.config.heads))

    def train(self, mode: bool = True) -> FrameStatistics:
        """The heads may be in training mode; the frozen backbone never is."""
        super().train(mode)
        self.backbone.eval()
        return self

    def statistics(self, image: Tensor) -> Tensor:
        """What the heads see, (B, K sum(C)): stage by stage, kind by kind."""
        found: Tensor = self.read(self.features(image))
        return found

    def features(self, image: Tensor) -> list[Tensor]:
        """The backbone's maps, one a stage, (B, C, h, w)."""
        found: list[Tensor] = self.backbone(image * self.factor - self.subtrahend)
        return found

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The logit of each head, and the map whose mean it is."""
        maps = self.read.cells(self.features(image), self.weight, self.config.cells)
        total = maps + self.bias[None, :, None, None]
        return total.mean(dim=(2, 3)), total

    def summary(self, image: Tensor) -> Tensor:
        """Mean and mean absolute deviation of each channel over the crop, (B, 2 sum(C))."""
        return self.read.summary(self.features(image))

    @torch.no_grad()
    def set_head(self, head: int, weight: Tensor, bias: float) -> None:
        """Fill one head: weight (K sum(C),) and bias, of the statistics as they are."""
        self.weight[head] = weight
        self.bias[head] = bias
