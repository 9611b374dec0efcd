"""Reads the weights of a Keras `.h5` file as data, without h5py and without running anything.

HDF5 as Keras 2 writes it for small nets: superblock 0, groups as symbol tables, arrays stored whole
and uncompressed as little-endian float32 (HDF5 File Format Specification, version 1.1). Anything
else in a file is refused, not guessed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from counterface.errors import TrainingError
from counterface.project_files import read_bytes, reading
from counterface.types import Floats

SIGNATURE = b"\x89HDF\r\n\x1a\n"
LARGEST = 1_000_000_000  # bytes of a file that is read into memory
MOST_OBJECTS = 100_000  # a file whose links run in circles ends here
# kinds of header messages
SPACE, TYPE, LAYOUT, CONTINUED, TABLE = 0x01, 0x03, 0x08, 0x10, 0x11
FLOAT32 = (0x11, 4)  # class and version, size


def read_keras_weights(path: Path) -> dict[str, dict[str, Floats]]:
    """Each layer's arrays, as `found["conv2d_1"]["kernel"]`, in the shapes of Keras.

    Raises:
        TrainingError: not an HDF5 file, a damaged one, or one that is stored in another way.
    """
    with reading(path, TrainingError):
        content = read_bytes(path, LARGEST)
    if not content.startswith(SIGNATURE):
        raise TrainingError(f"{path}: not an HDF5 file; Keras weights end in .h5")
    found: dict[str, dict[str, Floats]] = {}
    advice = "wanted are float32 arrays stored whole, as Keras 2 writes them"
    with reading(path, TrainingError, advice, what="an HDF5 file that cannot be used"):
        for name, values in _File(content).arrays():
            layer, _, leaf = name.rpartition("/")
            found.setdefault(layer.rpartition("/")[2], {})[leaf.partition(":")[0]] = values
    if not found:
        raise TrainingError(f"{path}: an HDF5 file without arrays")
    return found


@dataclass
class _File:
    content: bytes
    objects: int = 0

    def arrays(self) -> Iterator[tuple[str, Floats]]:
        """Every array with its path."""
        if self.content[8] != 0 or self.content[13:15] != b"\x08\x08":
            raise ValueError("its superblock is not of version 0 with 8-byte addresses")
        (root,) = self.unpack("<Q", 64)  # the root group's symbol: name, then header address
        return self.walk(root, "")

    def unpack(self, form: str, at: int) -> tuple[int, ...]:
        if at < 0:
            raise ValueError("an address lies before the file")
        return struct.unpack_from(form, self.content, at)

    def walk(self, header: int, name: str) -> Iterator[tuple[str, Floats]]:
        """The arrays at and below an object."""
        self.objects += 1
        if self.objects > MOST_OBJECTS:
            raise ValueError("it has too many objects, or links that run in circles")
        messages = dict(self.messages(header))
        if TABLE in messages:
            tree, heap = self.unpack("<QQ", messages[TABLE])
            (names,) = self.unpack("<Q", heap + 24)
            for offset, child in self.links(tree):
                yield from self.walk(child, f"{name}/{self.text(names + offset)}")
        elif LAYOUT in messages:
            yield name, self.array(name, messages)

    def messages(self, header: int) -> Iterator[tuple[int, int]]:
        """Kind and address of each message of an object header."""
        version, _, count, _, size = self.unpack("<BBHII", header)
        if version != 1:
            raise ValueError(f"an object header is of version {version}, not 1")
        blocks = [(header + 16, size)]
        while blocks and count > 0:
            at, size = blocks.pop(0)
            end = at + size
            while at + 8 <= end and count > 0:
                kind, length = self.unpack("<HH", at)
                if kind == CONTINUED:
                    start, size = self.unpack("<QQ", at + 8)
                    blocks.append((start, size))
                yield kind, at + 8
                at, count = at + 8 + length, count - 1

    def links(self, node: int) -> Iterator[tuple[int, int]]:
        """Where each name of a group lies in its heap, and the header of the object."""
        kind = self.content[node : node + 4]
        (count,) = self.unpack("<H", node + 6)
        if kind == b"TREE":
            for number in range(count):  # keys and children in turn, 8 bytes each
                (child,) = self.unpack("<Q", node + 32 + 16 * number)
                if child <= node and self.content[child : child + 4] == b"TREE":
                    raise ValueError("a tree's branch leads back")
                yield from self.links(child)
        elif kind == b"SNOD":
            for number in range(count):
                offset, header = self.unpack("<QQ", node + 8 + 40 * number)
                yield offset, header
        else:
            raise ValueError(f"a group's node starts with {kind!r}")

    def text(self, at: int) -> str:
        return self.content[at : self.content.index(b"\0", at)].decode("utf-8")

    def array(self, name: str, messages: dict[int, int]) -> Floats:
        version, dimensions = self.unpack("<BB", messages[SPACE])
        if version != 1:
            raise ValueError(f"{name}: its shape is of version {version}, not 1")
        shape = self.unpack(f"<{dimensions}Q", messages[SPACE] + 8)
        kind, bits, _, _, size = self.unpack("<BBBBI", messages[TYPE])
        if (kind, size) != FLOAT32 or bits & 1:
            raise ValueError(f"{name}: not little-endian float32")
        if self.unpack("<BB", messages[LAYOUT]) != (3, 1):
            raise ValueError(f"{name}: is stored in pieces or compressed")
        start, length = self.unpack("<QQ", messages[LAYOUT] + 2)
        if length != 4 * int(np.prod(shape)):
            raise ValueError(f"{name}: {length} bytes for the shape {shape}")
        return np.frombuffer(self.content, "<f4", length // 4, start).reshape(shape).copy()
