"""Protocol buffers without their description: the fields of a message, as they stand in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def read_fields(message: bytes | memoryview) -> Iterator[tuple[int, Any]]:
    """The number of each field and its content: an integer, or a part of the message, of its type.

    Raises:
        IndexError: the message ends within a number.
        ValueError: it is none, or a field reaches beyond its end.
    """
    at = 0
    while at < len(message):
        key, at = read_varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = read_varint(message, at)
            yield key >> 3, value
            continue
        if kind == 2:
            length, at = read_varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if length > len(message) - at:
            raise ValueError("a field reaches beyond its end")
        yield key >> 3, message[at : at + length]
        at += length


def read_varint(message: bytes | memoryview, at: int) -> tuple[int, int]:
    """The integer at a place of a message, and the place after it.

    Raises:
        IndexError: the message ends before it does.
        ValueError: it does not end.
    """
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number that does not end")
