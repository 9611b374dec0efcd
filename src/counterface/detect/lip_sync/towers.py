"""Two small towers, for lips and for sound, that give like vectors to what belongs together.

After Chung and Zisserman 2016, see `match.py`. Each tower is a few convolutions over time.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn

from counterface.config import Record
from counterface.detect.lip_sync.lips import FPS, POINTS
from counterface.detect.lip_sync.match import LAGS, PITCHES

_POINT_SCALE, _SOUND_SCALE = 10.0, 0.25  # bring what the towers see to a spread of about 1
_START_SCALE = 15.0
_EARLY, _LATE = 2, 4  # lags that are right, in steps of 20 ms: clips are early or late themselves
_OTHER_LAGS = (LAGS // 6, LAGS // 2, 5 * LAGS // 6)  # at which the sounds of others are heard


class TowersConfig(Record):
    """The size of the network."""

    width: int = Field(64, ge=8, le=512, description="channels of each layer")
    vector: int = Field(32, ge=4, le=256, description="length of the vectors that are compared")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of channels left out in training")


class Towers(nn.Module):
    """Vectors of lips and of sound."""

    def __init__(self, config: TowersConfig) -> None:
        """Start with random weights."""
        super().__init__()
        width, vector, dropout = config.width, config.vector, config.dropout
        self.lips = nn.Sequential(
            *_layer(2 * POINTS, width, dropout),
            *_layer(width, width, dropout),
            nn.Conv1d(width, vector, 1),
        )
        self.sound = nn.Sequential(
            *_layer(PITCHES, width, dropout),
            *_layer(width, width, dropout, stride=2),
            *_layer(width, width, dropout),
            nn.Conv1d(width, vector, 1),
        )
        self.log_scale = nn.Parameter(torch.tensor(math.log(_START_SCALE)))

    def forward(self, lips: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors of the lips, (B, T, D), and of the sound, (B, (S + 1) // 2, D).

        Args:
            lips: points (B, T, POINTS, 2), eye distances.
            sound: rows (B, S, PITCHES), ln of power.
        """
        moved = (lips - lips.mean(dim=1, keepdim=True)).flatten(2) * _POINT_SCALE
        heard = (sound - sound.mean(dim=1, keepdim=True)) * _SOUND_SCALE
        seen = self.lips(moved.transpose(1, 2)).transpose(1, 2)
        return seen, self.sound(heard.transpose(1, 2)).transpose(1, 2)

    @property
    def scale(self) -> Tensor:
        """Log-odds for a correlation of 1 over one second."""
        return self.log_scale.exp()


def lag_correlations(seen: Tensor, heard: Tensor) -> Tensor:
    """The correlation of lips with sound at each lag, (B, L).

    Args:
        seen: vectors of lips, (B, T, D).
        heard: vectors of sound, (B, 2 T - 2 + L, D).
    """
    frames = seen.shape[1]
    moved = heard.unfold(1, 2 * frames - 1, 1)[..., ::2]  # (B, L, D, T)
    moved = moved - moved.mean(dim=3, keepdim=True)
    still = seen - seen.mean(dim=1, keepdim=True)
    sizes = _size(still)[:, None] * moved.square().sum(dim=(2, 3)).sqrt()
    return torch.einsum("btd,bldt->bl", still, moved) / (sizes + 1e-3)


def match_loss(towers: Towers, lips: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
    """How badly lips find their own sound among its shifts and the sounds of others.

    Each pair is one choice among many: its own sound at every lag up to `MOST_LAG_S`, and that of
    every other example at three lags. Any lag from 40 ms early to 80 ms late is right.

    Args:
        towers: the network.
        lips: points (B, T, POINTS, 2).
        sound: rows (B, 4 (T - 1) + 2 (LAGS - 1) + 1, PITCHES).

    Returns:
        The cross-entropy, and the share of pairs of which a right lag is found.
    """
    frames = lips.shape[1]
    seen, heard = towers(lips, sound)
    own = lag_correlations(seen, heard)  # (B, LAGS)
    others = _with_all(seen, heard).flatten(1)  # (B, B * lags)
    logits = torch.cat([own, others], dim=1) * towers.scale * (frames / FPS) ** 0.5
    match = slice(LAGS // 2 - _EARLY, LAGS // 2 + _LATE + 1)
    loss = -logits.log_softmax(dim=1)[:, match].logsumexp(dim=1).mean()
    found = logits.argmax(dim=1) - LAGS // 2
    return loss, ((found >= -_EARLY) & (found <= _LATE)).float().mean()


def _with_all(seen: Tensor, heard: Tensor) -> Tensor:
    """The correlation of lips with the sounds of others, (B, B, lags); -1 with their own."""
    last = 2 * seen.shape[1] - 1
    moved = torch.stack([heard[:, lag : lag + last : 2] for lag in _OTHER_LAGS], dim=1)
    moved = moved - moved.mean(dim=2, keepdim=True)  # (B, lags, T, D)
    still = seen - seen.mean(dim=1, keepdim=True)
    sizes = moved.square().sum(dim=(2, 3)).sqrt()[None] * _size(still)[:, None, None]
    found = torch.einsum("btd,cltd->bcl", still, moved) / (sizes + 1e-3)
    own = torch.eye(len(seen), dtype=torch.bool, device=seen.device)
    return found.masked_fill(own[:, :, None], -1.0)


def _size(courses: Tensor) -> Tensor:
    return courses.square().sum(dim=(1, 2)).sqrt()


def _layer(inside: int, outside: int, dropout: float, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv1d(inside, outside, 5, stride=stride, padding=2),
        nn.BatchNorm1d(outside),
        nn.ReLU(),
        nn.Dropout(dropout),
    ]
