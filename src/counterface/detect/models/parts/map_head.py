"""Heads whose activation map is an exact account of the logit, which is the mean of its cells.

`MapHead` ends a net with global average pooling: its map is the class activation map (Zhou et al.
2016, https://arxiv.org/abs/1512.04150), which for one linear layer after the pooling is no
approximation. `DenseMapHead` ends a net that flattens its features into dense layers with a leaky
ReLU between: at each input such a head is linear, so each cell's share is exact there too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PRIOR_STD = 0.01  # of a new head's weights: first logits near 0 do not shake what lies below


class MapHead(nn.Module):
    """Features (B, C, h, w) -> logit (B,) and activation (B, h, w): a linear rule on their mean."""

    def __init__(self, channels: int, dropout: float = 0.0) -> None:
        """Start at even odds.

        Args:
            channels: number of channels of the features.
            dropout: share of the channels left out in training.
        """
        super().__init__()
        self.dropout = nn.Dropout2d(dropout)  # whole channels: as dropout after the pooling
        self.cells = nn.Conv2d(channels, 1, 1)
        nn.init.normal_(self.cells.weight, std=PRIOR_STD)
        assert self.cells.bias is not None
        nn.init.zeros_(self.cells.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of the cells, and the cells."""
        activation: Tensor = self.cells(self.dropout(features))[:, 0]
        return activation.mean(dim=(1, 2)), activation

    def embed(self, features: Tensor) -> Tensor:
        """What the linear rule reads, (B, C)."""
        return features.mean(dim=(2, 3))


class DenseMapHead(nn.Module):
    """Features (B, C, s, s) -> logit (B,) and activation (B, s, s): flatten, dense, dense."""

    def __init__(
        self, channels: int, side: int, hidden: int, slope: float = 0.1, dropout: float = 0.5
    ) -> None:
        """Start from fresh weights.

        Args:
            channels: number of channels of the features.
            side: side of the features, cells.
            hidden: width of the first dense layer.
            slope: slope of its leaky ReLU below 0.
            dropout: before each dense layer.
        """
        super().__init__()
        self.side, self.slope = side, slope
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(channels * side * side, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The logit, and what each cell adds to it, times the number of cells."""
        flat = self.dropout(features.flatten(1))  # (B, C s s)
        before = self.hidden(flat)
        gain = torch.where(before > 0, 1.0, self.slope) * self.out.weight[0]
        gain = self.dropout(gain)  # (B, hidden): what a unit before its ReLU is worth
        logit = (gain * before).sum(dim=1) + self.out.bias
        shares = (gain @ self.hidden.weight) * flat  # (B, C s s)
        cells = shares.unflatten(1, (-1, self.side * self.side)).sum(dim=1)
        constant = gain @ self.hidden.bias + self.out.bias
        activation = cells * self.side**2 + constant[:, None]
        return logit, activation.unflatten(1, (self.side, self.side))

    def embed(self, features: Tensor) -> Tensor:
        """What the first dense layer reads, (B, C s s)."""
        return features.flatten(1)
