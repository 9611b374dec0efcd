"""Writes the part of HDF5 that Keras 2 uses for small nets, so that no real file is needed."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

NOWHERE = 0xFFFFFFFFFFFFFFFF


def write_keras(path: Path, layers: Mapping[str, Mapping[str, Any]], dtype: str = "<f4") -> None:
    """A file with `/layer/layer/array:0` for every layer and array."""
    file = _Writer(dtype)
    tree = {
        layer: {layer: {f"{name}:0": values for name, values in arrays.items()}}
        for layer, arrays in layers.items()
    }
    root = file.group(tree)
    head = b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0]) + struct.pack("<HHI", 4, 16, 0)
    head += struct.pack("<QQQQ", 0, NOWHERE, len(file.content), NOWHERE)
    head += struct.pack("<QQII16x", 0, root, 0, 0)
    path.write_bytes(head + bytes(file.content[len(head) :]))


class _Writer:
    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.content = bytearray(96)  # the superblock comes last

    def put(self, block: bytes) -> int:
        at = len(self.content)
        self.content += block + bytes(-len(block) % 8)
        return at

    def header(self, messages: list[tuple[int, bytes]]) -> int:
        body = b"".join(
            struct.pack("<HHB3x", kind, len(data) + -len(data) % 8, 0)
            + data
            + bytes(-len(data) % 8)
            for kind, data in messages
        )
        return self.put(struct.pack("<BBHII4x", 1, 0, len(messages), 1, len(body)) + body)

    def array(self, values: Any) -> int:
        stored = np.asarray(values).astype(self.dtype)
        data = self.put(stored.tobytes())
        space = struct.pack("<BBB5x", 1, stored.ndim, 0) + struct.pack(
            f"<{stored.ndim}Q", *stored.shape
        )
        kind = struct.pack("<BBBBI", 0x11, 0x20, 0x1F, 0, stored.itemsize) + bytes(12)
        layout = struct.pack("<BBQQ", 3, 1, data, stored.nbytes)
        return self.header([(1, space), (3, kind), (8, layout)])

    def group(self, children: Mapping[str, Any]) -> int:
        """Sorted names in one symbol table below one tree node."""
        names, symbols = bytearray(8), b""
        for name in sorted(children):
            child = children[name]
            header = self.group(child) if isinstance(child, Mapping) else self.array(child)
            symbols += struct.pack("<QQII16x", len(names), header, 0, 0)
            names += name.encode() + b"\0"
        data = self.put(bytes(names))
        heap = self.put(b"HEAP" + struct.pack("<B3xQQQ", 0, len(names), NOWHERE, data))
        table = self.put(b"SNOD" + struct.pack("<BBH", 1, 0, len(children)) + symbols)
        node = b"TREE" + struct.pack("<BBHQQ", 0, 0, 1, NOWHERE, NOWHERE)
        tree = self.put(node + struct.pack("<QQQ", 0, table, 0))
        return self.header([(0x11, struct.pack("<QQ", tree, heap))])
