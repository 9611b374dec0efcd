"""Mean and deviation of a backbone's channels, and what each cell adds to a line on them.

Of every channel of every stage both are taken over the crop, over the part where a face is swapped,
and on request over the mouth, which is all that some lip-sync programs draw anew. All of them are
means over cells, so a linear rule on them is exactly the mean of a map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, conv2d, interpolate

from counterface.errors import ShapeError


def inner_face(side: int) -> Tensor:
    """1 where a swap replaces the face in a `whole_face` crop, (1, 1, side, side)."""
    return _ellipse(side, (0.5, 0.55), (0.27, 0.36))


def mouth(side: int) -> Tensor:
    """1 from below the nose to the chin of a `whole_face` crop, (1, 1, side, side)."""
    return _ellipse(side, (0.5, 0.72), (0.2, 0.13))


def _ellipse(side: int, middle: tuple[float, float], radii: tuple[float, float]) -> Tensor:
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    inside = ((x - middle[0]) / radii[0]) ** 2 + ((y - middle[1]) / radii[1]) ** 2 < 1
    return inside.float()[None, None]


class StageStatistics(nn.Module):
    """A list of maps (B, C, h, w), one a stage -> statistics (B, K sum(C)).

    K is 4, or 6 with the mouth: mean and deviation of each region.
    """

    def __init__(self, channels: Sequence[int], with_mouth: bool = False) -> None:
        """Prepare the indices; there is nothing to learn.

        Args:
            channels: channels of each stage.
            with_mouth: reads the mouth, too.
        """
        super().__init__()
        self.channels = list(channels)
        regions = [inner_face(224), mouth(224)] if with_mouth else [inner_face(224)]
        self.kinds = 2 + 2 * len(regions)
        self.length = self.kinds * sum(self.channels)
        self.regions: Tensor
        self.register_buffer("regions", torch.cat(regions), persistent=False)

    def without_mouth(self) -> Tensor:
        """Which of the statistics do not look at the mouth alone, bool (K sum(C),)."""
        order = torch.arange(self.kinds) < 4
        return torch.cat([order.repeat_interleave(count) for count in self.channels])

    def forward(self, maps: list[Tensor]) -> Tensor:
        """The statistics, stage by stage: mean and deviation of the crop, then of each region."""
        found = []
        for features, far, regions in self._stages(maps):
            found += [kind.mean(dim=(2, 3)) for kind in (features, far)]
            for region in regions:
                found += [(kind * region).mean(dim=(2, 3)) for kind in (features, far)]
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
            weight: (N, K sum(C)).
            side: side of the result; divides each stage's side, or the other way round.

        Raises:
            ShapeError: it does not.
        """
        total = torch.zeros(1, len(weight), 1, 1, device=weight.device)
        parts = torch.split(weight, [self.kinds * c for c in self.channels], dim=1)
        for (features, far, regions), part in zip(self._stages(maps), parts, strict=True):
            lines = part[:, :, None, None].chunk(self.kinds, dim=1)
            evidence = conv2d(features, lines[0]) + conv2d(far, lines[1])
            for number, region in enumerate(regions, start=1):
                mean, spread = lines[2 * number : 2 * number + 2]
                evidence = evidence + (conv2d(features, mean) + conv2d(far, spread)) * region
            total = total + _resize_keeping_mean(evidence, side)
        return total

    def _stages(self, maps: list[Tensor]) -> Iterator[tuple[Tensor, Tensor, Sequence[Tensor]]]:
        """The features of each stage, their distance from their mean, and the regions.

        A region is scaled so that a mean over all cells is a mean over the region.
        """
        for features in maps:
            height, width = (int(side) for side in features.shape[2:])  # constants in an export
            inside = adaptive_avg_pool2d(self.regions, (height, width))
            regions = inside / inside.mean(dim=(2, 3), keepdim=True)
            far = (features - features.mean(dim=(2, 3), keepdim=True)).abs()
            yield features, far, torch.split(regions, 1)


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
