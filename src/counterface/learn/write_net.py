"""Writes a small network as an ONNX file that is compared with it before it is kept."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from counterface.config import Record
from counterface.errors import CounterfaceError
from counterface.files import make_folder, replacing

Axes = Mapping[str, Mapping[int, str]]  # of each input or output, the axes of any length


def write_net(
    net: nn.Module,
    path: Path,
    described: tuple[str, Record],
    inputs: Axes,
    outputs: Axes,
    examples: tuple[Sequence[Tensor], Sequence[Tensor]],
    close: float,
    what: str,
    error: type[CounterfaceError],
) -> None:
    """Write the network and what is known of it; the file is checked before it replaces another.

    Args:
        net: in eval mode.
        path: ends in .onnx.
        described: name of the metadata entry, and what it says.
        inputs: in the order of the network's.
        outputs: in the order of the network's.
        examples: inputs to trace with, and others, of another length, to compare on.
        close: what the file's outputs and the network's may differ by.
        what: word for the outputs.
        error: kind of error of the folder that writes.

    Raises:
        CounterfaceError: one of that type: the file says something else than the network, or
            cannot be written.
    """
    traced, other = examples
    make_folder(path.parent, error)
    with replacing(path, error) as partial:
        with warnings.catch_warnings():  # of the tracer; what it wrote is compared below
            warnings.simplefilter("ignore")
            torch.onnx.export(
                net,
                tuple(traced),
                str(partial),
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes={name: dict(axes) for name, axes in {**inputs, **outputs}.items()},
                opset_version=18,
                dynamo=False,
            )
        model: Any = onnx.load(str(partial))
        key, info = described
        onnx.helper.set_model_props(model, {key: info.model_dump_json()})
        onnx.save(model, str(partial))
        apart = _difference(net, partial, list(outputs), dict(zip(inputs, other, strict=True)))
        if apart > close:
            raise error(f"{path}: the file's {what} differ by {apart:.2g}; not kept")


def _difference(net: nn.Module, path: Path, outputs: list[str], given: dict[str, Tensor]) -> float:
    """The largest difference between the file's outputs and the network's."""
    with torch.no_grad():
        found = net(*given.values())
    wanted = found if isinstance(found, tuple) else (found,)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    got = session.run(outputs, {name: values.numpy() for name, values in given.items()})
    pairs = zip(got, wanted, strict=True)
    return max(float(abs(ours - theirs.numpy()).max()) for ours, theirs in pairs)
