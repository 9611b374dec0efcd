"""Starts a backbone from a TFLite file whose batch norms are folded into its convolutions.

Each of the backbone's batch norms takes the mean and variance of its own input on real faces and is
then set to undo them, so the net computes what the file computes, in training mode as in
evaluation mode. Files are read as data by LiteRT: no pickle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from counterface.errors import TrainingError
from counterface.project_files import read_bytes, reading
from counterface.types import Floats, Image

START_FACES = 96  # real crops that set the batch norms; 32 would do


def start_from_folded(backbone: nn.Module, path: Path, crops: Sequence[Image]) -> None:
    """Fill a backbone whose input is [-1, 1] with a file's layers.

    Args:
        backbone: a timm model of the file's architecture; may end earlier than the file.
        path: the TFLite file.
        crops: real faces, RGB uint8 (S, S, 3), whose statistics set the batch norms.

    Raises:
        TrainingError: not such a file, or another architecture.
    """
    faces = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 127.5 - 1
    layers = read_folded(path)
    with reading(path, TrainingError, what="not the weights of this backbone"):
        load_folded(backbone, layers, faces)


def read_folded(path: Path) -> list[tuple[Floats, Floats]]:
    """Each convolution's weight (O, I, k, k) and bias (O,), in the order of the network.

    Depth-wise weights come as (O, 1, k, k).

    Raises:
        TrainingError: not a TFLite file, or no quantised convolutions in it.
    """
    from ai_edge_litert.interpreter import Interpreter

    with reading(path, TrainingError, what="not a TFLite file that LiteRT can open"):
        interpreter = Interpreter(model_content=read_bytes(path), num_threads=1)
        interpreter.allocate_tensors()
    details = {d["index"]: d for d in interpreter.get_tensor_details()}
    layers = []
    for op in interpreter._get_ops_details():
        if op["op_name"] in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            weight, bias = (
                _dequantise(interpreter, details[index]) for index in list(op["inputs"])[1:3]
            )
            depthwise = op["op_name"] == "DEPTHWISE_CONV_2D"
            order = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
            layers.append((np.ascontiguousarray(weight.transpose(order)), bias))
    if not layers:
        raise TrainingError(f"{path}: has no convolutions to start a backbone from")
    return layers


def _dequantise(interpreter: Any, detail: dict[str, Any]) -> Floats:
    values = interpreter.get_tensor(detail["index"]).astype(np.float32)
    quantisation = detail["quantization_parameters"]
    scales = quantisation["scales"]
    if scales.size == 0:
        return np.asarray(values, dtype=np.float32)
    shape = [1] * values.ndim
    shape[quantisation["quantized_dimension"] if scales.size > 1 else 0] = -1
    zero = quantisation["zero_points"].reshape(shape)
    return np.asarray((values - zero) * scales.reshape(shape), dtype=np.float32)


def _conv_norm_pairs(backbone: nn.Module) -> Iterator[tuple[nn.Conv2d, nn.Module]]:
    """Each convolution with the batch norm that follows it, in the order of the network."""
    conv: nn.Conv2d | None = None
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            conv = module
        elif isinstance(module, nn.BatchNorm2d) and conv is not None:
            yield conv, module
            conv = None


@torch.no_grad()
def load_folded(backbone: nn.Module, layers: list[tuple[Floats, Floats]], faces: Tensor) -> None:
    """Fill a backbone with the first of the file's layers and sets its batch norms.

    Args:
        backbone: a timm model of the file's architecture; may end earlier than the file.
        layers: from `read_folded`.
        faces: real faces as the backbone's own input, (B, 3, S, S); 64 or more are enough.

    Raises:
        TrainingError: the backbone has other layers than the file.
    """
    pairs = list(_conv_norm_pairs(backbone))
    if len(pairs) > len(layers):
        raise TrainingError(f"the backbone has {len(pairs)} layers, the file {len(layers)}")
    hooks = []
    for number, ((conv, norm), (weight, bias)) in enumerate(zip(pairs, layers, strict=False)):
        if conv.weight.shape != weight.shape:
            raise TrainingError(
                f"layer {number}: the backbone's weight is {tuple(conv.weight.shape)}, the file's "
                f"{weight.shape}; is the backbone of the file's architecture?"
            )
        conv.weight.copy_(torch.from_numpy(weight))
        hooks.append(norm.register_forward_pre_hook(_undo(torch.from_numpy(bias))))
    backbone.eval()(faces)
    for hook in hooks:
        hook.remove()


def _undo(bias: Tensor) -> Any:
    """A hook that makes a batch norm add `bias` and nothing else, by its input's statistics."""

    def hook(norm: Any, inputs: tuple[Tensor, ...]) -> None:
        mean = inputs[0].mean(dim=(0, 2, 3))
        variance = inputs[0].var(dim=(0, 2, 3), unbiased=False)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean + bias)

    return hook
