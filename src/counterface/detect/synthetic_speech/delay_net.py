"""A small time-delay network with pooling over time, on pieces of speech.

As the x-vectors of Snyder et al. 2018 (https://doi.org/10.1109/ICASSP.2018.8461375): convolutions
over time alone, then mean and deviation. Ours is far narrower (37,000 weights at a width of 40)
and takes the mean off the columns of `lfcc`, and with it level and microphone; those of `swings`
know neither.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from counterface.detect.sound import lfcc, swings
from counterface.detect.synthetic_speech.pieces import COLUMNS


class DelayNet(nn.Module):
    """Log-odds that pieces of speech are synthetic."""

    middle: Tensor
    spread: Tensor

    def __init__(self, width: int, dropout: float) -> None:
        """Take the features of each layer; weights are random."""
        super().__init__()
        self.register_buffer("middle", torch.zeros(swings.COLUMNS))
        self.register_buffer("spread", torch.ones(COLUMNS))
        self.layers = nn.Sequential(
            *_layer(COLUMNS, width, 5, 2),
            *_layer(width, width, 3, 2),
            *_layer(width, width, 3, 2),
            *_layer(width, width, 3, 1),
        )
        self.line = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(2 * width, 32),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(32, 1),
        )

    def expect(self, middle: Tensor, spread: Tensor) -> None:
        """Take the usual mean and deviation of each column of a file, (100,) each."""
        self.middle.copy_(middle[lfcc.COLUMNS :])
        self.spread.copy_(spread)

    def forward(self, rows: Tensor) -> Tensor:
        """(N,) log-odds, of rows (N, T, 100) as `speech_rows` gives them."""
        shape, swing = torch.split(rows, [lfcc.COLUMNS, swings.COLUMNS], dim=2)
        shape = shape - shape.mean(dim=1, keepdim=True)
        rows = torch.cat([shape, swing - self.middle], dim=2) / self.spread
        found = self.layers(rows.transpose(1, 2))  # (N, width, T / 8)
        mean = found.mean(dim=2)
        spread = ((found - mean[..., None]).square().mean(dim=2) + 1e-5).sqrt()
        logits: Tensor = self.line(torch.cat([mean, spread], dim=1))[:, 0]
        return logits


def _layer(inputs: int, outputs: int, size: int, stride: int) -> tuple[nn.Module, ...]:
    """A convolution over time, normalised."""
    convolution = nn.Conv1d(inputs, outputs, size, stride, size // 2)
    return convolution, nn.BatchNorm1d(outputs), nn.ReLU()
