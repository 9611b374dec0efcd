"""Linear heads, one a question, on the statistics of a frozen backbone's feature maps.

A network that was trained on millions of ordinary pictures already measures texture at every scale.
With few manipulated clips to learn from, a linear rule on those measurements carries over to unseen
people and swap models far better than a network fine-tuned on the same clips (docs/results.md);
compare Ojha et al. 2023 (https://arxiv.org/abs/2302.10174), who use the last layer of CLIP. Ours
takes every stage, and of each channel its mean and its mean absolute deviation, over the whole
crop and over the part where a face is swapped. All four are means over cells, so the logit is
exactly the mean of a map: the explanation is the score. Backbone weights: the weight store's,
timm's, or a file the user names.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, conv2d, interpolate

from counterface.detect.models.parts.timm_backbone import create_backbone, signed_input
from counterface.errors import ShapeError

STAGES = (0, 1, 2, 3, 4)
KINDS = 4  # mean and deviation, whole crop and inner face


class FrameStatisticsConfig(BaseModel):
    """The architecture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: str = Field("mobilenetv2_100", description="any timm model with five feature maps")
    stages: tuple[int, ...] = Field(STAGES, min_length=1, description="maps that the heads read")
    pad_type: str = Field("", description="'same' for weights that come from TensorFlow")
    pretrained: bool = Field(False, description="ImageNet weights, fetched if need be")
    heads: int = Field(1, ge=1, description="linear heads, one for each kind of manipulation")
    cells: int = Field(14, ge=1, description="side of the activation map")


def inner_face(side: int) -> Tensor:
    """1 where a swap replaces the face in a `whole_face` crop, (1, 1, side, side)."""
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    inside = ((x - 0.5) / 0.27) ** 2 + ((y - 0.55) / 0.36) ** 2 < 1
    return inside.float()[None, None]


class FrameStatistics(nn.Module):
    """RGB float32 [0, 1] (B, 3, S, S) -> logits (B, heads) and activations (B, heads, h, w)."""

    def __init__(self, config: FrameStatisticsConfig | None = None) -> None:
        """Heads at zero; fill them with `set_head`."""
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
        length = KINDS * sum(self.channels)
        self.weight = nn.Parameter(torch.zeros(self.config.heads, length))
        self.bias = nn.Parameter(torch.zeros(self.config.heads))
        self.mask: Tensor
        self.register_buffer("mask", inner_face(224), persistent=False)

    def train(self, mode: bool = True) -> FrameStatistics:
        """The heads may be in training mode; the frozen backbone never is."""
        super().train(mode)
        self.backbone.eval()
        return self

    def statistics(self, image: Tensor) -> Tensor:
        """What the heads see, (B, 4 sum(C)): stage by stage, kind by kind."""
        found = []
        for features, far, inside in self._stages(self.features(image)):
            kinds = (features, far, features * inside, far * inside)
            found += [kind.mean(dim=(2, 3)) for kind in kinds]
        return torch.cat(found, dim=1)

    def features(self, image: Tensor) -> list[Tensor]:
        """The backbone's maps, one a stage, (B, C, h, w)."""
        found: list[Tensor] = self.backbone(image * self.factor - self.subtrahend)
        return found

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The logit of each head, and the map whose mean it is."""
        total = self.bias[None, :, None, None]
        weights = torch.split(self.weight, [KINDS * c for c in self.channels], dim=1)
        for (features, far, inside), weight in zip(
            self._stages(self.features(image)), weights, strict=True
        ):
            mean, spread, mean_inside, spread_inside = weight[:, :, None, None].chunk(KINDS, dim=1)
            evidence = conv2d(features, mean) + conv2d(far, spread)
            inner = conv2d(features, mean_inside) + conv2d(far, spread_inside)
            total = total + _resize_keeping_mean(evidence + inner * inside, self.config.cells)
        return total.mean(dim=(2, 3)), total

    def summary(self, image: Tensor) -> Tensor:
        """Mean and mean absolute deviation of each channel over the crop, (B, 2 sum(C))."""
        parts = [
            part.mean(dim=(2, 3))
            for features, far, _ in self._stages(self.features(image))
            for part in (features, far)
        ]
        return torch.cat(parts, dim=1)

    def _stages(self, maps: list[Tensor]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """For each stage: features, their distance from their mean, and the inner face.

        The last is scaled so that a mean over all cells is a mean over the inner face.
        """
        for features in maps:
            height, width = (int(side) for side in features.shape[2:])  # constants in an export
            inside = adaptive_avg_pool2d(self.mask, (height, width))
            far = (features - features.mean(dim=(2, 3), keepdim=True)).abs()
            yield features, far, inside / inside.mean()

    @torch.no_grad()
    def set_head(self, head: int, weight: Tensor, bias: float) -> None:
        """Fills one head: weight (4 sum(C),) and bias, of the statistics as they are."""
        self.weight[head] = weight
        self.bias[head] = bias


def _resize_keeping_mean(maps: Tensor, cells: int) -> Tensor:
    """Larger maps are averaged, smaller ones repeated: the mean over cells stays what it was.

    Raises:
        ShapeError: the map's side and `cells` do not divide one another.
    """
    side = int(maps.shape[2])
    if side % cells == 0:
        return avg_pool2d(maps, side // cells)
    if cells % side == 0:
        return interpolate(maps, scale_factor=float(cells // side), mode="nearest")
    raise ShapeError(
        f"a feature map of {side} cells cannot be brought to {cells} without changing its mean; "
        "use a crop side that is a multiple of 32, and cells = side / 16"
    )
