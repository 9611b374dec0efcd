"""Several questions about one crop, and one answer: any strong evidence is enough.

A swapped face, a generated face and a blended region leave different traces. Their log-odds are
joined by log-sum-exp, a soft maximum: evidence for one kind is not outvoted by the absence of the
others. The activation map is the questions' maps, each with its share of the answer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from counterface.detect.models.frame_cnn import FrameCNN
from counterface.detect.models.frame_statistics import FrameStatistics


class EvidenceSum(nn.Module):
    """RGB float32 [0, 1] (B, 3, S, S) -> logit (B,) and activation (B, h, w)."""

    def __init__(
        self,
        statistics: FrameStatistics,
        blend: FrameCNN | None,
        scales: list[float],
        offsets: list[float],
    ) -> None:
        """Joins the heads of `statistics` and, where given, a `FrameCNN`.

        Args:
            statistics: its heads come first.
            blend: an optional further question.
            scales: what each raw logit is multiplied by, in that order.
            offsets: what is added then.
        """
        super().__init__()
        self.statistics, self.blend = statistics, blend
        self.scale: Tensor
        self.offset: Tensor
        self.register_buffer("scale", torch.tensor(scales))
        self.register_buffer("offset", torch.tensor(offsets))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The joined logit and map."""
        logits, maps = self.statistics(image)
        if self.blend is not None:
            logit, cells = self.blend(image)
            logits = torch.cat([logits, logit[:, None]], dim=1)
            maps = torch.cat([maps, cells[:, None]], dim=1)
        odds = logits * self.scale + self.offset
        joined = torch.logsumexp(odds, dim=1)
        share = torch.softmax(odds, dim=1)[:, :, None, None]
        scaled = maps * self.scale[None, :, None, None]
        return joined, (share * scaled).sum(dim=1)

    def embedding(self, image: Tensor) -> Tensor:
        """The statistics that the heads read, (B, D)."""
        return self.statistics.statistics(image)
