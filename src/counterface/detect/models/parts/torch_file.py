"""Reads the tensors of a `.pth` file that torch wrote before 1.6, without unpickling it.

Such a file is five pickles (magic number, protocol, system, names with shapes, order of storages)
and then the storages, each a count and its raw numbers. The pickles are only taken apart into their
instructions, by `pickletools.genops`, which carries none of them out: the names, storage keys,
shapes and strides are read off in their order. Anything else in a file is refused, not guessed.
"""

from __future__ import annotations

import io
import pickletools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from counterface.errors import TrainingError
from counterface.project_files import read_bytes, reading
from counterface.types import Floats

PICKLES = 5
MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle's one value
COUNTER = "num_batches_tracked"  # of a batch norm: int64, of no use here; all else is float32


def read_torch_tensors(path: Path) -> dict[str, Floats]:
    """Each float32 tensor by its name, in the order of the network.

    Raises:
        TrainingError: not such a file, a damaged one, or one with tensors of another type.
    """
    with reading(path, TrainingError, what="not a .pth file that can be read as data"):
        content = read_bytes(path)
        stream = io.BytesIO(content)
        pickles = [list(pickletools.genops(stream)) for _ in range(PICKLES)]
        if MAGIC not in [value for _, value, _ in pickles[0]]:
            raise ValueError("its first pickle is not torch's magic number")
        tensors = list(_tensors(pickles[3]))
        if not tensors:
            raise ValueError("it holds no tensors")
        integers = {key for name, key, _ in tensors if name.endswith(COUNTER)}
        spans, at = {}, stream.tell()
        for key in _texts(pickles[4]):
            (count,) = struct.unpack_from("<q", content, at)
            end = at + 8 + count * (8 if key in integers else 4)
            spans[key] = slice(at + 8, end)
            at = end
        if at != len(content):
            raise ValueError("its storages do not end where the file ends")
        return {
            name: _array(content[spans[key]], numbers)
            for name, key, numbers in tensors
            if key not in integers
        }


def _tensors(pickle: list[Any]) -> Iterator[tuple[str, str, list[int]]]:
    """Name, storage key, and offset, shape and strides of each tensor that a pickle describes."""
    name = key = ""
    numbers: list[int] | None = None
    for instruction, value, _ in pickle:
        if instruction.name == "BINUNICODE" and value not in ("storage", "cpu"):
            name, key = (name, value) if value.isdigit() else (value, key)
        elif instruction.name == "BINPERSID":  # the storage is named; the numbers follow
            numbers = []
        elif instruction.name.startswith("BININT") and numbers is not None:
            numbers.append(value)
        elif instruction.name == "NEWFALSE" and numbers is not None:  # takes no gradient: the end
            yield name, key, numbers
            numbers = None


def _texts(pickle: list[Any]) -> list[str]:
    return [value for instruction, value, _ in pickle if instruction.name == "BINUNICODE"]


def _array(storage: bytes, numbers: list[int]) -> Floats:
    """A tensor of a storage, contiguous; numpy refuses one that reaches beyond its storage."""
    offset, axes = numbers[0], numbers[1:]
    shape, strides = axes[: len(axes) // 2], axes[len(axes) // 2 :]
    steps = [4 * stride for stride in strides]
    view: Floats = np.ndarray(shape, np.dtype("<f4"), storage, 4 * offset, steps)
    return np.array(view, np.float32, order="C")
