"""A backbone tuned whole, judged by mean and deviation of several of its stages: was skin drawn?

What `frame_statistics` reads off a frozen backbone, with all of the backbone learning: low stages
see the grain of a decoder, high ones where a face does not hang together. Compare Gragnaniello et
al. 2021 (https://arxiv.org/abs/2104.02617) and `texture_cnn`, which reads one stage. Ours reads
each channel over the whole crop and over the part where a face is swapped. The statistics are
standardised, since those of low stages are many times larger, and then weighed by one line, so the
logit is the mean of a map over cells. Training starts from the line that fits the untouched
backbone best: tuning under a random line would spoil what the backbone knows (Kumar et al. 2022,
https://arxiv.org/abs/2202.10054). Batch norms of the backbone keep the statistics that they
started with: the faces of a batch are too alike to measure them. ImageNet weights: as for
`frame_cnn`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from counterface.detect.models.detector_model import DetectorConfig, DetectorModel
from counterface.detect.models.parts.map_head import PRIOR_STD
from counterface.detect.models.parts.stage_statistics import StageStatistics
from counterface.detect.models.parts.timm_backbone import (
    create_cut_backbone,
    hold_norms,
    signed_input,
)

DEAD = 1e-4  # added to deviations: a dead channel must not divide by zero
START_SCALE = 3.0  # of the fitted line's score, -1 to 1, toward log-odds


class WitnessConfig(DetectorConfig):
    """The architecture."""

    backbone: str = Field("tf_efficientnet_lite0", description="any timm model with feature maps")
    pad_type: str = Field("", description="padding; 'same' for weights that come from TensorFlow")
    stages: tuple[int, ...] = Field(
        (1, 2, 3, 4),
        min_length=1,
        description="numbers of the feature maps that are read, in rising order; the backbone "
        "ends at the last",
    )
    size: int = Field(224, ge=32, le=1024, multiple_of=32, description="crop side, pixels")
    ridge: float = Field(
        0.3, gt=0, description="penalty on the standardised line that training starts from"
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="dropout of the statistics")
    pretrained: bool = Field(False, description="start from ImageNet weights, fetched if need be")


class StatisticsHead(nn.Module):
    """Maps of several stages -> logit (B,) and activation (B, side, side), whose mean it is."""

    def __init__(self, channels: list[int], side: int, dropout: float) -> None:
        """Start near even odds.

        Args:
            channels: channels of each stage.
            side: side of the activation, cells.
            dropout: share of the statistics left out in training.
        """
        super().__init__()
        self.side = side
        self.read = StageStatistics(channels)
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", torch.zeros(self.read.length))
        self.register_buffer("spread", torch.ones(self.read.length))
        self.dropout = nn.Dropout(dropout)
        self.line = nn.Linear(self.read.length, 1)
        nn.init.normal_(self.line.weight, std=PRIOR_STD)
        nn.init.zeros_(self.line.bias)

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The logit, and each cell's part in it."""
        logit: Tensor = self.line(self.dropout(self.embed(maps)))[:, 0]
        cells = self.read.cells(maps, self.line.weight / self.spread, self.side)[:, 0]
        # the constant part, spread evenly; in training also what dropout has changed
        return logit, cells + (logit - cells.mean(dim=(1, 2)))[:, None, None]

    def embed(self, maps: list[Tensor]) -> Tensor:
        """The standardised statistics, (B, 4 sum(C))."""
        found: Tensor = (self.read(maps) - self.mean) / self.spread
        return found

    @torch.no_grad()
    def fit(self, found: Tensor, labels: Tensor, ridge: float) -> None:
        """Set the standard and the line by ridge regression on -1 (real) and 1 (fake).

        Args:
            found: statistics as `read` gives them, (N, 4 sum(C)).
            labels: (N,) in [0, 1].
            ridge: penalty on the standardised line.
        """
        self.mean.copy_(found.mean(dim=0))
        self.spread.copy_(found.std(dim=0, correction=0) + DEAD)
        z = (found - self.mean) / self.spread
        wanted = labels * 2 - 1
        gram = z.T @ z / len(z) + ridge * torch.eye(z.shape[1], device=z.device)
        weight = torch.linalg.solve(gram, z.T @ (wanted - wanted.mean()) / len(z))
        self.line.weight.copy_(START_SCALE * weight[None])
        self.line.bias.fill_(START_SCALE * wanted.mean())


class Witness(DetectorModel):
    """RGB float32 [0, 1] (B, 3, S, S) -> logit (B,) and activation (B, S / 16, S / 16)."""

    Config = WitnessConfig
    TINY: ClassVar[Mapping[str, Any]] = {"backbone": "test_efficientnet", "size": 64}
    SIGNED = True

    config: WitnessConfig

    def __init__(self, config: WitnessConfig) -> None:
        super().__init__(config)
        self.backbone, channels = create_cut_backbone(
            config.backbone, config.stages, config.pretrained, config.pad_type
        )
        self.factor, self.subtrahend = signed_input(config.backbone)
        self.head: StatisticsHead = StatisticsHead(channels, config.size // 16, config.dropout)

    def train(self, mode: bool = True) -> Self:
        """Batch norms of the backbone stay as they are in training too."""
        super().train(mode)
        hold_norms(self.backbone)
        return self

    def fit_line(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Set the line that training starts from."""
        found, wanted = [], []
        with torch.no_grad():
            for images, labels in batches:
                found.append(self.head.read(self.maps(images)))
                wanted.append(labels)
        if found:
            self.head.fit(torch.cat(found), torch.cat(wanted), self.config.ridge)

    def maps(self, images: Tensor) -> list[Tensor]:
        """The backbone's maps, one for each stage, (B, C, h, w)."""
        self.check(images)
        found: list[Tensor] = self.backbone(images * self.factor - self.subtrahend)
        return found

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The logit of each crop, and the map whose mean it is."""
        logit, activation = self.head(self.maps(images))
        return logit, activation

    def embedding(self, images: Tensor) -> Tensor:
        """The standardised statistics, (B, 4 sum(C))."""
        return self.head.embed(self.maps(images))
