"""A light convolutional network with max-feature-map activations, on the LFCC of speech.

Wu et al. 2015 (https://arxiv.org/abs/1511.02683); for spoofed speech Lavrentyeva et al. 2017
(https://www.isca-archive.org/interspeech_2017/lavrentyeva17_interspeech.html). Ours is narrower
(15,000 weights at a width of 8), takes the mean off each column of a piece, which removes the
microphone and the level, and pools over time by mean and deviation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from counterface.detect.sound.lfcc import COEFFICIENTS, COLUMNS


class MaxFeatureMap(nn.Module):
    """A convolution of twice the maps, of which the greater of each two goes on."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        """Take maps in, maps out, and the side of the kernel."""
        super().__init__()
        self.convolution = nn.Conv2d(inputs, 2 * outputs, size, stride, size // 2)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, inputs, T, F) to (N, outputs, T, F)."""
        first, second = self.convolution(maps).chunk(2, dim=1)
        return torch.maximum(first, second)


class LightCnn(nn.Module):
    """Log-odds that pieces of speech are synthetic."""

    spread: Tensor

    def __init__(self, width: int, dropout: float) -> None:
        """Take the maps of the first layer; later ones have up to twice. Weights are random."""
        super().__init__()
        one, two, three = width, width * 3 // 2, width * 2
        self.register_buffer("spread", torch.ones(COLUMNS))
        self.layers = nn.Sequential(
            MaxFeatureMap(3, one, 5),
            nn.MaxPool2d(2),
            MaxFeatureMap(one, one, 1),
            nn.BatchNorm2d(one),
            MaxFeatureMap(one, two, 3),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(two),
            MaxFeatureMap(two, two, 1),
            nn.BatchNorm2d(two),
            MaxFeatureMap(two, three, 3),
            nn.MaxPool2d((2, 1)),
            MaxFeatureMap(three, three, 1),
            nn.BatchNorm2d(three),
            MaxFeatureMap(three, two, 3),
            nn.MaxPool2d((2, 1)),
        )
        places = COEFFICIENTS // 4
        self.line = nn.Sequential(
            nn.Linear(2 * two * places, 32), nn.ReLU(), nn.Dropout(dropout), nn.Linear(32, 1)
        )

    def expect(self, middle: Tensor, spread: Tensor) -> None:
        """Take the usual mean and deviation of each column of a file, (100,) each."""
        self.spread.copy_(spread[:COLUMNS])

    def forward(self, rows: Tensor) -> Tensor:
        """(N,) log-odds, of rows (N, T, 100) as `speech_rows` gives them; swings are not seen."""
        rows = rows[:, :, :COLUMNS]
        rows = (rows - rows.mean(dim=1, keepdim=True)) / self.spread
        maps = torch.unflatten(rows, 2, (3, COEFFICIENTS)).transpose(1, 2)  # (N, 3, T, 20)
        found = self.layers(maps).transpose(1, 2).flatten(2)  # (N, T / 16, maps x 5)
        middle = found.mean(dim=1)
        spread = ((found - middle[:, None]).square().mean(dim=1) + 1e-5).sqrt()
        logits: Tensor = self.line(torch.cat([middle, spread], dim=1))[:, 0]
        return logits
