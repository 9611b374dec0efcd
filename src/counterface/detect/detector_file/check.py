"""What an ONNX file may hold: everything in the file itself, and standard operators alone.

A small reader of protobuf's wire format, so that it is known before ONNX Runtime sees the file that
no other file would be read. Field numbers are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

DOMAINS = (b"", b"ai.onnx", b"ai.onnx.ml")
MOST_BYTES = 1_000_000_000
_DEEPEST = 24  # graphs in graphs
_MOST_FIELDS = 2_000_000

_INSIDE = {  # message -> field -> the message it holds
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_DOMAIN_FIELD = {"node": 7, "function": 10}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


def find_fault(content: bytes) -> str | None:
    """Why a file is not loaded, in words; None where nothing speaks against it."""
    if len(content) > MOST_BYTES:
        return f"{len(content)} bytes, at most {MOST_BYTES} are read"
    waiting = [("model", memoryview(content), 0)]
    seen = 0
    try:
        while waiting:
            kind, data, depth = waiting.pop()
            if depth > _DEEPEST:
                return f"graphs inside graphs, deeper than {_DEEPEST}"
            for field, value in _fields(data):
                seen += 1
                if seen > _MOST_FIELDS:
                    return f"more than {_MOST_FIELDS} parts"
                if fault := _fault(kind, field, value):
                    return fault
                if field in _INSIDE[kind] and isinstance(value, memoryview):
                    waiting.append((_INSIDE[kind][field], value, depth + 1))
    except (IndexError, ValueError):
        return "not a usable ONNX file; it is damaged or of another kind"
    return None if seen else "it is empty"


def _fault(kind: str, field: int, value: int | memoryview) -> str | None:
    if kind == "tensor" and (
        field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value not in (0, b""))
    ):
        return "weights of it lie in another file; save it with all weights inside"
    if field == _DOMAIN_FIELD.get(kind) and isinstance(value, memoryview):
        domain = bytes(value[:100])
        if domain not in DOMAINS:
            name = domain.decode("utf-8", "replace")
            return f"it needs operators of {name!r}; only ONNX's own are run"
    return None


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message; IndexError or ValueError where it is none."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(wire)
        if size > len(data) - at:
            raise ValueError(size)
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("varint")
