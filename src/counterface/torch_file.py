"""Reads the tensors of a file that torch wrote, without unpickling it.

Before torch 1.6 such a file is five pickles (magic number, protocol, system, what is stored, order
of storages) and then the storages, each a count and its raw numbers. Since then it is a ZIP archive
with one pickle, `data.pkl`, and one member for each storage. The pickles are only listed as data
(`pickled_data`). Anything else in a file is refused, not guessed.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from counterface.errors import CounterfaceError
from counterface.pickled_data import PERSISTENT, Made, read_pickled_data
from counterface.project_files import read_bytes, reading
from counterface.types import Floats

PICKLES = 5
MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle's one value
COUNTER = "num_batches_tracked"  # of a batch norm: int64, of no use here; all else is float32
_TENSOR = {"torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor"}
_MAPPING = "collections OrderedDict"
_ITEM_BYTES = {"torch FloatStorage": 4, "torch LongStorage": 8}
_WRAPPERS = ("state_dict", "model")  # what checkpoints call the tensors among other things


def read_torch_tensors(path: Path, error: type[CounterfaceError]) -> dict[str, Floats]:
    """Each float32 tensor by its name, in the order of the network.

    Args:
        path: a file of `torch.save`: a dictionary of tensors, or one that holds it as `state_dict`.
        error: kind of error of the folder that reads it.

    Raises:
        CounterfaceError: one of that type: not such a file, a damaged one, or one with tensors of
            another type.
    """
    with reading(path, error, what="not a file of torch that can be read as data"):
        content = read_bytes(path)
        if content.startswith(b"PK"):
            found, storages = _read_archive(content)
        else:
            found, storages = _read_old(content)
        tensors = dict(_tensors(found))
        if not tensors:
            raise ValueError("it holds no tensors")
        return {
            name: _array(storages[key], numbers)
            for name, (key, kind, numbers) in tensors.items()
            if kind == "torch FloatStorage"
        }


def read_tensors(path: Path, error: type[CounterfaceError]) -> dict[str, Floats]:
    """The tensors of a file of safetensors, by its name, or else of torch.

    Raises:
        CounterfaceError: one of the type `error`: not such a file.
    """
    if path.suffix != ".safetensors":
        return read_torch_tensors(path, error)
    with reading(path, error, what="not a safetensors file"):
        from safetensors.numpy import load

        found: dict[str, Floats] = load(read_bytes(path))
        return found


def take_tensors(
    found: Mapping[str, Floats],
    shapes: Mapping[str, tuple[int, ...]],
    path: Path,
    error: type[CounterfaceError],
) -> dict[str, Floats]:
    """The tensors that a network needs; what else its file holds is left out.

    Args:
        found: of `read_tensors`.
        shapes: what the network needs.
        path: the file, for the error.
        error: kind of error of the folder that reads it.

    Raises:
        CounterfaceError: one of that type: a tensor is absent or of another shape.
    """
    for name, shape in shapes.items():
        if name not in found:
            raise error(f"{path}: no tensor {name!r}; is it of another network?")
        if found[name].shape != shape or found[name].dtype != np.float32:
            seen = f"{found[name].dtype} {found[name].shape}"
            raise error(f"{path}: {name} is {seen}, the network's is float32 {shape}")
    return {name: found[name] for name in shapes}


def _read_old(content: bytes) -> tuple[Any, dict[str, bytes]]:
    """What is stored, and the storages by their keys, of a file of before torch 1.6."""
    stream = io.BytesIO(content)
    pickles = [read_pickled_data(stream) for _ in range(PICKLES)]
    if pickles[0] != MAGIC:
        raise ValueError("its first pickle is not torch's magic number")
    kinds = {key: kind for key, kind, _ in dict(_tensors(pickles[3])).values()}
    storages, at = {}, stream.tell()
    for key in pickles[4]:
        (count,) = struct.unpack_from("<q", content, at)
        end = at + 8 + count * _ITEM_BYTES[kinds[key]]
        storages[key] = content[at + 8 : end]
        at = end
    if at != len(content):
        raise ValueError("its storages do not end where the file ends")
    return pickles[3], storages


def _read_archive(content: bytes) -> tuple[Any, dict[str, bytes]]:
    """What is stored, and the storages by their keys, of a file of torch 1.6 or later."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > len(content):
            raise ValueError("members that are compressed")
        (place,) = (m.filename for m in members if m.filename.endswith("/data.pkl"))
        folder = place.removesuffix("data.pkl") + "data/"
        found = read_pickled_data(io.BytesIO(archive.read(place)))
        storages = {
            member.filename.removeprefix(folder): archive.read(member)
            for member in members
            if member.filename.startswith(folder)
        }
    return found, storages


def _tensors(found: Any) -> Iterator[tuple[str, tuple[str, str, list[int]]]]:
    """Of each tensor its name; then storage key, its kind, and offset, shape and strides."""
    entries = _entries(found)
    wrapped = next((entries[name] for name in _WRAPPERS if name in entries), None)
    if wrapped is not None:
        entries = _entries(wrapped)
    for name, value in entries.items():
        if value.maker == "torch._utils _rebuild_parameter":
            value = value.arguments[0]
        if value.maker not in _TENSOR:
            raise ValueError(f"{name!r} is no tensor but {value.maker!r}")
        stored, offset, shape, strides = value.arguments[:4]
        if stored.maker != PERSISTENT:
            raise ValueError(f"{name!r} has no storage")
        _, kind, key, *_ = stored.arguments[0]
        if kind.maker != "torch FloatStorage" and not (
            kind.maker == "torch LongStorage" and name.endswith(COUNTER)
        ):
            raise ValueError(f"{name!r} holds {kind.maker!r}, not float32")
        yield name, (key, kind.maker, [offset, *shape, *strides])


def _entries(found: Any) -> Mapping[str, Any]:
    if isinstance(found, Made) and found.maker == _MAPPING:
        return found.items
    if isinstance(found, dict):
        return found
    raise ValueError("it is no dictionary of tensors")


def _array(storage: bytes, numbers: list[int]) -> Floats:
    """A tensor of a storage, contiguous; numpy refuses one that reaches beyond its storage."""
    offset, axes = numbers[0], numbers[1:]
    shape, strides = axes[: len(axes) // 2], axes[len(axes) // 2 :]
    steps = [4 * stride for stride in strides]
    view: Floats = np.ndarray(shape, np.dtype("<f4"), storage, 4 * offset, steps)
    return np.array(view, np.float32, order="C")
