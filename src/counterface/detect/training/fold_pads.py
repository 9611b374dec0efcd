"""Convolutions of an exported file pad their own input: padded copies cost a sixth of its time.

TensorFlow's "same" pads one side more than the other. torch can do that only by a copy of the map,
ONNX's convolutions can by themselves.
"""

from __future__ import annotations

import copy
from pathlib import Path

import onnxruntime
import torch
from timm.layers import Conv2dSame
from timm.layers.padding import pad_same_arg
from torch import Tensor, nn


def with_known_borders(net: nn.Module, example: Tensor) -> nn.Module:
    """A copy of the net whose "same" convolutions pad what they pad for this input."""
    net = copy.deepcopy(net)
    sides: dict[nn.Module, list[int]] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        sides[module] = list(inputs[0].shape[2:])

    hooks = [m.register_forward_pre_hook(note) for m in net.modules() if isinstance(m, Conv2dSame)]
    with torch.no_grad():
        net(example)
    for hook in hooks:
        hook.remove()
    for name, same in list(net.named_modules()):
        if isinstance(same, Conv2dSame) and same in sides:
            border = pad_same_arg(sides[same], same.kernel_size, same.stride, same.dilation)
            conv = nn.Conv2d(
                same.in_channels,
                same.out_channels,
                same.kernel_size,
                same.stride,
                dilation=same.dilation,
                groups=same.groups,
                bias=same.bias is not None,
            )
            conv.load_state_dict(same.state_dict())
            net.set_submodule(name, nn.Sequential(nn.ZeroPad2d(border), conv))
    return net


def fold_pads(path: Path) -> None:
    """Rewrite a file as ONNX Runtime simplifies it, borders of zeros made the convolutions' own."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
