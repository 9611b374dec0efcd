"""A timm model by its name, with its ImageNet weights if asked for, or an error that helps.

EfficientNet-Lite (https://github.com/tensorflow/tpu, Apache-2.0) takes its weights from the weight
store; all other models take theirs from timm's hub.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import timm
import torch
from torch import nn

from counterface import weights
from counterface.errors import ConfigError, TrainingError
from counterface.torch_file import COUNTER, read_torch_tensors

STORED = {f"tf_efficientnet_lite{n}": f"efficientnet_lite{n}" for n in range(3)}  # rows of weights
_LITE_MEAN, _LITE_STD = 127 / 255, 128 / 255  # its authors' input is (x * 255 - 127) / 128


def create_backbone(name: str, pretrained: bool, **options: Any) -> Any:
    """A timm model, with ImageNet weights from the weight store or timm's hub if asked for.

    Its `default_cfg` tells the mean and deviation of the input that the weights were trained on.

    Raises:
        ConfigError: timm knows no such model.
        TrainingError: its weights cannot be fetched from the hub.
        WeightsError: they cannot be fetched for the store.
    """
    bare = name.partition(".")[0]  # what follows the dot names the weights
    if bare in STORED:
        backbone = timm.create_model(bare, **options)
        of_input = {"mean": (_LITE_MEAN,) * 3, "std": (_LITE_STD,) * 3}
        backbone.default_cfg = {**backbone.default_cfg, **of_input}
        if pretrained:
            _fill(backbone, STORED[bare])
        return backbone
    if not timm.is_model(bare):
        near = get_close_matches(bare, timm.list_models(), n=1)
        hint = f"did you mean {near[0]!r}? All" if near else "all"
        raise ConfigError(f"no model of timm is named {name!r}; {hint}: timm.list_models()")
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
    name: str, stages: Sequence[int], pretrained: bool, pad_type: str = ""
) -> tuple[Any, list[int]]:
    """A timm model that ends at the last of some of its feature maps, and the channels of each.

    `backbone(images)` gives a list of one tensor a stage, (B, C, h, w).

    Args:
        name: name of a timm model with feature maps.
        stages: in rising order; 0 is stride 2, 3 is 16, 4 is 32.
        pretrained: with ImageNet weights.
        pad_type: 'same' for weights that come from TensorFlow.

    Raises:
        ConfigError: timm knows no such model.
        TrainingError: its weights cannot be fetched.
    """
    extra = {"pad_type": pad_type} if pad_type else {}
    backbone = create_backbone(
        name, pretrained, features_only=True, out_indices=tuple(stages), **extra
    )
    module = backbone.feature_info.info[stages[-1]]["module"]
    if module.startswith("blocks."):  # timm keeps the blocks after the last feature map
        backbone.blocks = backbone.blocks[: int(module.split(".")[1]) + 1]
    return backbone, [int(count) for count in backbone.feature_info.channels()]


def signed_input(name: str) -> tuple[float, float]:
    """Factor and subtrahend that bring [0, 1] to the [-1, 1] that a backbone's weights want."""
    if name.partition(".")[0] in STORED:
        return 1 / _LITE_STD, _LITE_MEAN / _LITE_STD
    return 2.0, 1.0


@torch.no_grad()
def _fill(backbone: Any, row: str) -> None:
    """Copy the tensors of a row of the store in order; a backbone may end before the file does."""
    path = weights.path(row)
    state = {name: to for name, to in backbone.state_dict().items() if not name.endswith(COUNTER)}
    found = read_torch_tensors(path, TrainingError)
    for (name, to), values in zip(state.items(), found.values(), strict=False):
        if tuple(to.shape) != values.shape:
            raise TrainingError(f"{path}: {name} is {tuple(to.shape)}, the file's {values.shape}")
        to.copy_(torch.from_numpy(values))
    if len(state) > len(found):
        raise TrainingError(f"{path}: holds {len(found)} tensors, the backbone {len(state)}")


def hold_norms(backbone: nn.Module) -> None:
    """Make batch norms use the statistics that they have, in training too."""
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
