"""Several questions about one crop, and one answer: any strong evidence is enough.

A swapped face, a generated face and a blended region leave different traces. Each question sums
the logits of the nets that speak to it; the questions' log-odds are joined by log-sum-exp, a soft
maximum: evidence for one kind is not outvoted by the absence of the others. The activation map is
the nets' maps, each with its share of the answer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from counterface.detect.models.frame_statistics import FrameStatistics


class EvidenceSum(nn.Module):
    """RGB float32 [0, 1] (B, 3, S, S) -> logit (B,) and activation (B, h, w)."""

    def __init__(
        self,
        statistics: FrameStatistics,
        voters: Sequence[nn.Module],
        mix: Sequence[Sequence[float]],
        offsets: Sequence[float],
    ) -> None:
        """Join the heads of `statistics` and further nets.

        Args:
            statistics: its heads come first.
            voters: nets of their own, image -> logit (B,) and activation.
            mix: a row a question, in it a weight for each head and each voter.
            offsets: offsets of each question's log-odds.
        """
        super().__init__()
        self.statistics, self.voters = statistics, nn.ModuleList(voters)
        self.mix: Tensor
        self.offset: Tensor
        self.register_buffer("mix", torch.tensor(mix, dtype=torch.float32))
        self.register_buffer("offset", torch.tensor(offsets, dtype=torch.float32))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The joined logit and map."""
        logits, maps = self._hear(image)
        odds = logits @ self.mix.T + self.offset
        joined = torch.logsumexp(odds, dim=1)
        share = torch.softmax(odds, dim=1) @ self.mix  # of each net's map
        return joined, (share[:, :, None, None] * maps).sum(dim=1)

    def witnesses(self, image: Tensor) -> Tensor:
        """The raw logits, (B, W), for a file whose witnesses are weighed by quality."""
        return self._hear(image)[0]

    def _hear(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The logits (B, W) and maps (B, W, h, w) of the heads, then of the voters."""
        logits, maps = self.statistics(image)
        for voter in self.voters:
            logit, cells = voter(image)
            logits = torch.cat([logits, logit[:, None]], dim=1)
            maps = torch.cat([maps, interpolate(cells[:, None], maps.shape[2:])], dim=1)
        return logits, maps

    def embedding(self, image: Tensor) -> Tensor:
        """Mean and deviation of the backbone's channels, (B, D)."""
        return self.statistics.summary(image)
