"""Convolutions of an exported file pad their own input: padded copies cost a sixth of its time.

TensorFlow's "same" pads one side more than the other. torch can do that only by a copy of the map,
ONNX's convolutions can by themselves.
"""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from timm.layers import Conv2dSame
from torch import Tensor, nn
from torch.nn.functional import pad


class PaddedConv(nn.Module):
    """A convolution whose input gets a fixed border of zeros."""

    def __init__(self, conv: nn.Conv2d, border: tuple[int, int, int, int]) -> None:
        """Take over the weights.

        Args:
            conv: a convolution; its own padding is not looked at.
            border: left, right, top, bottom, pixels.
        """
        super().__init__()
        self.border = border
        self.conv = nn.Conv2d(
            conv.in_channels,
            conv.out_channels,
            (conv.kernel_size[0], conv.kernel_size[1]),
            stride=(conv.stride[0], conv.stride[1]),
            groups=conv.groups,
            bias=conv.bias is not None,
        )
        self.conv.load_state_dict(conv.state_dict())

    def forward(self, image: Tensor) -> Tensor:
        """The convolution of the bordered map."""
        out: Tensor = self.conv(pad(image, self.border))
        return out


def with_known_borders(net: nn.Module, example: Tensor) -> nn.Module:
    """A copy of the net whose "same" convolutions pad what they pad for this input."""
    net = copy.deepcopy(net)
    sides: dict[nn.Module, tuple[int, ...]] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        sides[module] = tuple(inputs[0].shape[2:])

    hooks = [m.register_forward_pre_hook(note) for m in net.modules() if isinstance(m, Conv2dSame)]
    with torch.no_grad():
        net(example)
    for hook in hooks:
        hook.remove()
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Conv2dSame) and child in sides and child.dilation == (1, 1):
                setattr(parent, name, PaddedConv(child, _border(child, sides[child])))
    return net


def _border(conv: nn.Conv2d, sides: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Left, right, top and bottom of TensorFlow's "same"."""
    found: list[int] = []
    for length, kernel, stride in zip(
        sides[::-1], conv.kernel_size[::-1], conv.stride[::-1], strict=True
    ):
        total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
        found += [total // 2, total - total // 2]
    return found[0], found[1], found[2], found[3]


def fold_pads(path: Path) -> None:
    """Turn borders of zeros before a convolution into the convolution's own padding."""
    options = onnxruntime.SessionOptions()  # computes what is constant, the borders among it
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    model: Any = onnx.load(str(path))
    graph = model.graph
    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    users = Counter(name for node in graph.node for name in node.input)
    pads = {node.output[0]: node for node in graph.node if node.op_type == "Pad"}
    for conv in list(graph.node):
        node = pads.get(conv.input[0]) if conv.op_type == "Conv" else None
        if node is None or users[node.output[0]] != 1 or not _is_border(node, known):
            continue
        border = known[node.input[1]].reshape(2, 4)[:, 2:]  # before, after; y, x
        own = next((a for a in conv.attribute if a.name == "pads"), None)
        if own is not None:
            border = border + np.array(own.ints).reshape(2, 2)
            conv.attribute.remove(own)
        conv.attribute.append(onnx.helper.make_attribute("pads", border.reshape(-1).tolist()))
        conv.input[0] = node.input[0]
        graph.node.remove(node)
    needed = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in needed]:
        graph.initializer.remove(tensor)
    onnx.save(model, str(path))


def _is_border(node: Any, known: dict[str, Any]) -> bool:
    """Whether a Pad only adds zeros, of known width, round a picture."""
    if node.input[1] not in known:
        return False
    amounts = known[node.input[1]].reshape(2, -1)
    mode = next((a.s for a in node.attribute if a.name == "mode"), b"constant")
    value = node.input[2] if len(node.input) > 2 else ""
    filled = bool(value) and bool(np.any(known.get(value, 1)))
    return bool(
        amounts.shape[1] == 4
        and mode == b"constant"
        and not filled
        and not amounts[:, :2].any()
        and amounts.min() >= 0
    )
