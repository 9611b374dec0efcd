"""Features of pictures at several depths, for the perceptual loss.

faceswap-GAN compares what a ResNet-50 trained on VGGFace sees at 7, 28, 55 and 112 px. Those
weights are not ours to ship: a file may be named; without one, ImageNet's of timm (Apache-2.0; He
et al. 2015, arXiv 1512.03385) serve where they lie in the hub's cache on this machine. Nothing is
downloaded. Ours compares features after instance normalisation.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from counterface.config import Record
from counterface.errors import WeightsError
from counterface.project_files import reading, require_file

_log = logging.getLogger(__name__)


class FeatureConfig(Record):
    """Which network looks."""

    backbone: str = Field("resnet50", description="any timm model with feature maps")
    weights: Path | None = Field(
        None, description="weights of the backbone, .safetensors; unset: timm's in the hub's cache"
    )
    side: int = Field(224, ge=64, le=512, description="side that pictures are enlarged to, pixels")


class FeatureNet(nn.Module):
    """RGB [0, 1] (B, 3, H, W) -> {reduction: features (B, C, side / reduction, ...)}; frozen."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: FeatureConfig, weights: Path) -> None:
        """Load the weights.

        Raises:
            WeightsError: no such backbone, or the file is not its weights.
        """
        import timm  # which takes seconds: only where features are compared

        super().__init__()
        self.side = config.side
        try:
            self.backbone: Any = timm.create_model(config.backbone, features_only=True)
        except RuntimeError as error:
            raise WeightsError(f"perceptual backbone {config.backbone!r}: {error}") from error
        with reading(weights, WeightsError, what=f"not weights of {config.backbone}"):
            require_file(weights)
            missing = self.backbone.load_state_dict(load_file(weights), strict=False).missing_keys
        if missing:
            raise WeightsError(
                f"{weights}: lacks {len(missing)} tensors of {config.backbone}, {missing[0]} first"
            )
        given = timm.models.get_pretrained_cfg(config.backbone)
        for name in ("mean", "std"):
            values = getattr(given, name, (0.5, 0.5, 0.5))
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))
        self.reductions: list[int] = self.backbone.feature_info.reduction()
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> FeatureNet:
        """The net, which stays in eval mode: its statistics are not to move."""
        return super().train(False)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Features by how much smaller than the picture they are."""
        size = (self.side, self.side)
        images = F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
        maps = self.backbone((images - self.mean) / self.std)
        return dict(zip(self.reductions, maps, strict=True))


def perceptual_loss(
    net: FeatureNet, pictures: Tensor, truth: Tensor, powers: dict[int, float]
) -> Tensor:
    """L1 between normalised features, weighted by reduction.

    Args:
        powers: weight by reduction; faceswap-GAN at 224 px: 32, 8, 4, 2 for 7, 28, 55, 112 px.
    """
    with torch.no_grad():
        wanted = net(truth)
    seen = net(pictures)
    total = pictures.new_zeros(())
    for reduction, power in powers.items():
        if power and reduction in seen:
            pair = F.instance_norm(seen[reduction]), F.instance_norm(wanted[reduction])
            total = total + power * (pair[0] - pair[1]).abs().mean()
    return total


def find_feature_net(config: FeatureConfig) -> FeatureNet | None:
    """The network, or None with one line in the log where its weights are not on this machine.

    Raises:
        WeightsError: the file that the settings name cannot be used.
    """
    weights = config.weights or _cached(config.backbone)
    if weights is None:
        _log.warning(
            "perceptual loss is off: no weights of %s on this machine; name a .safetensors file "
            "with gan.features.weights",
            config.backbone,
        )
        return None
    _log.info("perceptual loss: %s with %s", config.backbone, weights)
    return FeatureNet(config, weights)


def _cached(backbone: str) -> Path | None:
    """timm's weights of a model in the hub's cache; never fetched."""
    import timm
    from huggingface_hub import try_to_load_from_cache

    given = timm.models.get_pretrained_cfg(backbone)
    if given is None or not given.hf_hub_id:
        return None
    found = try_to_load_from_cache(given.hf_hub_id, "model.safetensors")
    return Path(found) if isinstance(found, str) else None
