"""Several trained detectors as one: the mean of their calibrated logits.

Bonettini et al. 2021 (https://arxiv.org/abs/2004.07676) average the scores of four nets. Ours takes
the mean of calibrated log-odds, so that no net outvotes the others by being loud, and lies in one
file: each member resizes the crop to its own side inside. Weights: the members'.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate

from counterface.config import Record
from counterface.detect.models.detector_model import DetectorConfig, DetectorModel, build_detector
from counterface.errors import ConfigError


class MemberConfig(Record):
    """One of the nets."""

    architecture: str = Field(description="a name in `DETECTORS`")
    options: dict[str, Any] = Field({}, description="options of that architecture")
    scale: float = Field(1.0, gt=0, description="calibration: factor of the raw logit")
    offset: float = Field(0.0, description="calibration: offset added after the scale")


class FusionConfig(DetectorConfig):
    """The architecture; `size` is at least the largest member's."""

    members: tuple[MemberConfig, ...] = Field((), description="nets to join, two or more")


class Fusion(DetectorModel):
    """RGB float32 [0, 1] (B, 3, S, S) -> logit (B,) and activation (B, h, w).

    The activation is the mean of the members' maps, each calibrated as its logit and brought to the
    finest member's cells: a member's map is log-odds, so where the mean of each map is its logit,
    the mean of this one is ours, up to the resizing.
    """

    Config = FusionConfig
    TINY: ClassVar[Mapping[str, Any]] = {
        "size": 64,
        "members": (
            {
                "architecture": "cnn_images",
                "options": {"template": "whole_face", "size": 48, "widths": [8, 12]},
                "scale": 1.5,
                "offset": -0.3,
            },
            {"architecture": "meso4", "options": {"template": "whole_face", "size": 64}},
        ),
    }

    config: FusionConfig

    def __init__(self, config: FusionConfig) -> None:
        """Build the members with random weights, which are never fetched: the fused weights follow.

        Raises:
            ConfigError: fewer than two members, members of clips, of another template, or of a
                larger side.
        """
        super().__init__(config)
        if len(config.members) < 2:
            raise ConfigError(f"a fusion of {len(config.members)} nets; name two or more members")
        nets = [build_detector(m.architecture, m.options, fetch=False) for m in config.members]
        for member, net in zip(config.members, nets, strict=True):
            _check_member(member.architecture, net, config)
        self.members = nn.ModuleList(nets)
        self.HEAD = tuple(f"members.{i}.{part}" for i, net in enumerate(nets) for part in net.HEAD)
        for number, net in enumerate(nets):
            matrix = resize_matrix(config.size, net.config.size)
            self.register_buffer(f"resize_{number}", matrix, persistent=False)

    @classmethod
    def of(cls, members: Sequence[tuple[str, DetectorModel, float, float]]) -> Fusion:
        """Trained nets as one.

        Args:
            members: for each its architecture's name, the net, and its calibration's scale and
                offset.

        Raises:
            ConfigError: as the class does.
        """
        if not members:
            raise ConfigError("a fusion of 0 nets; name two or more members")
        nets = [net for _, net, _, _ in members]
        config = FusionConfig(
            template=nets[0].config.template,
            size=max(net.config.size for net in nets),
            members=tuple(
                MemberConfig(
                    architecture=name,
                    options=net.config.without_fetch().model_dump(mode="json"),
                    scale=scale,
                    offset=offset,
                )
                for name, net, scale, offset in members
            ),
        )
        fused = cls(config)
        for inside, net in zip(fused.members, nets, strict=True):
            inside.load_state_dict(net.state_dict())
        return fused

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of the members' log-odds, and of their maps."""
        self.check(images)
        logits, maps = [], []
        for member, (net, crops) in zip(self.config.members, self._views(images), strict=True):
            logit, activation = net(crops)
            logits.append(logit * member.scale + member.offset)
            maps.append(activation * member.scale + member.offset)
        finest = max((tuple(cells.shape[1:]) for cells in maps), key=lambda side: side[0] * side[1])
        maps = [bring_to_cells(cells, finest) for cells in maps]
        return torch.stack(logits).mean(dim=0), torch.stack(maps).mean(dim=0)

    def embedding(self, images: Tensor) -> Tensor:
        """The members' embeddings, one after the other, (B, D)."""
        self.check(images)
        return torch.cat([net.embedding(crops) for net, crops in self._views(images)], dim=1)

    def _views(self, images: Tensor) -> Iterator[tuple[DetectorModel, Tensor]]:
        """Each member with the crops at its own side."""
        for number, net in enumerate(self.members):
            assert isinstance(net, DetectorModel)
            if net.config.size == self.config.size:
                yield net, images
                continue
            matrix = self.get_buffer(f"resize_{number}")  # (own side, crop side)
            yield net, matrix @ images @ matrix.T


def _check_member(name: str, net: DetectorModel, config: FusionConfig) -> None:
    if net.frames > 1:
        raise ConfigError(f"member {name!r} judges {net.frames} frames; only nets of one can fuse")
    if net.config.template != config.template:
        raise ConfigError(
            f"member {name!r} takes {net.config.template!r} crops, the fusion "
            f"{config.template!r}; all must have one template"
        )
    if net.config.size > config.size:
        raise ConfigError(
            f"member {name!r} takes {net.config.size} px, the fusion only {config.size}; "
            "set size to the largest member's"
        )


def resize_matrix(side: int, wanted: int) -> Tensor:
    """What brings one axis of a picture from `side` to `wanted` pixels, smaller or equal.

    Triangle weights as wide as the reduction, so that fine detail does not fold into coarse; rows
    sum to 1. (wanted, side); a picture is `matrix @ picture @ matrix.T`.
    """
    ratio = side / wanted
    centres = (torch.arange(wanted) + 0.5) * ratio - 0.5
    away = (torch.arange(side)[None] - centres[:, None]).abs() / ratio
    weights = (1 - away).clamp(min=0)
    return weights / weights.sum(dim=1, keepdim=True)


def bring_to_cells(maps: Tensor, cells: tuple[int, int]) -> Tensor:
    """Coarser maps (B, h, w) with more cells; whole multiples are repeated and keep their mean."""
    if tuple(maps.shape[1:]) == cells:
        return maps
    whole = cells[0] % maps.shape[1] == 0 and cells[1] % maps.shape[2] == 0
    mode = "nearest" if whole else "bilinear"
    return interpolate(maps[:, None], cells, mode=mode)[:, 0]
