"""A timm model by its name, or an error that says what to do."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import timm

from counterface.errors import ConfigError, TrainingError


def create_backbone(name: str, pretrained: bool, **options: Any) -> Any:
    """A timm model, with ImageNet weights from timm's hub if asked for.

    Raises:
        ConfigError: timm knows no such model.
        TrainingError: its weights cannot be fetched.
    """
    bare = name.partition(".")[0]  # what follows the dot names the weights
    if not timm.is_model(bare):
        near = get_close_matches(bare, timm.list_models(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"timm has no model {name!r}{hint} See timm.list_models()")
    try:
        return timm.create_model(name, pretrained=pretrained, **options)
    except Exception as error:  # the hub's client raises errors of several packages
        if not pretrained:
            raise
        raise TrainingError(
            f"{name}: ImageNet weights could not be fetched from timm's hub "
            f"({str(error).splitlines()[0][:120] if str(error) else type(error).__name__}); fetch "
            "them once with a network, or train with pretrained = false"
        ) from error


def create_cut_backbone(
    name: str, stage: int, pretrained: bool, pad_type: str = ""
) -> tuple[Any, int]:
    """A timm model that ends at one of its feature maps, and the channels of that.

    `backbone(images)` gives a list of one tensor, (B, C, h, w).

    Args:
        name: of a timm model with feature maps.
        stage: 0 is stride 2, 3 is 16, 4 is 32.
        pretrained: with ImageNet weights.
        pad_type: 'same' for weights that come from TensorFlow.

    Raises:
        ConfigError: timm knows no such model.
        TrainingError: its weights cannot be fetched.
    """
    extra = {"pad_type": pad_type} if pad_type else {}
    backbone = create_backbone(name, pretrained, features_only=True, out_indices=(stage,), **extra)
    module = backbone.feature_info.info[stage]["module"]
    if module.startswith("blocks."):  # timm keeps the blocks after the last feature map
        backbone.blocks = backbone.blocks[: int(module.split(".")[1]) + 1]
    return backbone, int(backbone.feature_info.channels()[-1])
