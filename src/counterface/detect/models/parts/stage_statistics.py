"""Mean and deviation of a backbone's channels, and what each cell adds to a line on them.

Of every channel of every stage both are taken over the crop and over the part where a face is
swapped. All four are means over cells, so a linear rule on them is exactly the mean of a map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, conv2d, interpolate

from counterface.errors import ShapeError

KINDS = 4  # mean and deviation, whole crop and inner face


def inner_face(side: int) -> Tensor:
    """1 where a swap replaces the face in a `whole_face` crop, (1, 1, side, side)."""
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    inside = ((x - 0.5) / 0.27) ** 2 + ((y - 0.55) / 0.36) ** 2 < 1
    return inside.float()[None, None]


class StageStatistics(nn.Module):
    """A list of maps (B, C, h, w), one a stage -> statistics (B, 4 sum(C))."""

    def __init__(self, channels: Sequence[int]) -> None:
        """Nothing to learn.

        Args:
            channels: of each stage.
        """
        super().__init__()
        self.channels = list(channels)
        self.length = KINDS * sum(self.channels)
        self.mask: Tensor
        self.register_buffer("mask", inner_face(224), persistent=False)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Stage by stage, kind by kind."""
        found = []
        for features, far, inside in self._stages(maps):
            kinds = (features, far, features * inside, far * inside)
            found += [kind.mean(dim=(2, 3)) for kind in kinds]
        return torch.cat(found, dim=1)

    def summary(self, maps: list[Tensor]) -> Tensor:
        """The two kinds of the whole crop alone, (B, 2 sum(C))."""
        parts = [
            part.mean(dim=(2, 3))
            for features, far, _ in self._stages(maps)
            for part in (features, far)
        ]
        return torch.cat(parts, dim=1)

    def cells(self, maps: list[Tensor], weight: Tensor, side: int) -> Tensor:
        """Maps (B, N, side, side) whose mean over cells is the statistics times `weight`.

        Args:
            maps: as for `forward`.
            weight: (N, 4 sum(C)).
            side: of the result; divides each stage's side, or the other way round.

        Raises:
            ShapeError: it does not.
        """
        total = torch.zeros(1, len(weight), 1, 1, device=weight.device)
        parts = torch.split(weight, [KINDS * c for c in self.channels], dim=1)
        for (features, far, inside), part in zip(self._stages(maps), parts, strict=True):
            mean, spread, mean_inside, spread_inside = part[:, :, None, None].chunk(KINDS, dim=1)
            evidence = conv2d(features, mean) + conv2d(far, spread)
            inner = conv2d(features, mean_inside) + conv2d(far, spread_inside)
            total = total + _resize_keeping_mean(evidence + inner * inside, side)
        return total

    def _stages(self, maps: list[Tensor]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """For each stage: features, their distance from their mean, and the inner face.

        The last is scaled so that a mean over all cells is a mean over the inner face.
        """
        for features in maps:
            height, width = (int(side) for side in features.shape[2:])  # constants in an export
            inside = adaptive_avg_pool2d(self.mask, (height, width))
            far = (features - features.mean(dim=(2, 3), keepdim=True)).abs()
            yield features, far, inside / inside.mean()


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
