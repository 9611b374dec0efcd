"""XSeg polygons of DeepFaceLab, read from its crops without unpickling.

DeepFaceLab's JPEG files carry an APP15 segment that holds a pickled dict: `landmarks`,
`source_rect` and `image_to_face_mat` (frame to crop), `source_filename`, and `seg_ie_polys`, a dict
of `polys`, each with `type` (0 excludes, 1 includes) and `pts` (N, 2) in pixels of the crop. The
layout is that of `DFLIMG/DFLJPG.py` and `core/imagelib/SegIEPolys.py`
(https://github.com/iperov/DeepFaceLab). NumPy arrays are the only objects that it needs; a pickle
that names anything else is refused before anything is made of it.
"""

from __future__ import annotations

import io
import pickletools
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, BinaryIO

import numpy as np

from counterface.errors import FacesetError
from counterface.faceset.masks.polygons import Polygon, Polygons
from counterface.pickled_data import Made, read_pickled_data
from counterface.project_files import reading, require_file
from counterface.types import Floats

_APP15 = 0xEF
_STARTS_OF_SCAN = (0xDA, 0xD9)
_MOST_SEGMENTS = 1000
_MOST_INSTRUCTIONS = 50_000  # a segment is at most 65,533 bytes long; a real one has about 1,000
_MOST_NAMES = 16  # of classes; each is named once and then recalled
_ARRAYS = "numpy.core.multiarray", "numpy._core.multiarray"
_NAMES = {"numpy ndarray", "numpy dtype", *(f"{module} _reconstruct" for module in _ARRAYS)}
_NUMBERS = {"f4", "f8", "i4", "i8"}
_INSTRUCTIONS = {
    *("PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE"),
    *("BININT", "BININT1", "BININT2", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS"),
    *("EMPTY_DICT", "SETITEM", "SETITEMS"),
    *("BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET"),
    *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
}


@dataclass(frozen=True, slots=True, eq=False)
class XSegCrop:
    """What a crop of DeepFaceLab says that a mask needs."""

    polygons: Polygons | None  # None: nobody drew any
    source: str  # name of the frame's file; empty where it is not said
    source_box: Floats | None  # (4,) xyxy, pixels of the frame
    frame_to_crop: Floats | None  # (2, 3)


def read_xseg(path: Path, size: int) -> XSegCrop:
    """The polygons and the place of a crop, from the metadata of its JPEG file.

    Args:
        path: the file.
        size: side of the picture in it, pixels.

    Raises:
        FacesetError: no JPEG, no such metadata, or anything in it that it does not need.
    """
    advice = "draw the polygons anew, or leave this file out"
    with reading(path, FacesetError, advice, what="holds no data of DeepFaceLab"):
        require_file(path)
        with path.open("rb") as stream:
            pickled = _read_segment(stream)
        values = _read_plain(pickled)
        polygons = _find_polygons(values.get("seg_ie_polys"), size)
        box, matrix = values.get("source_rect"), values.get("image_to_face_mat")
        source = values.get("source_filename")
        return XSegCrop(
            polygons,
            PureWindowsPath(source).name if isinstance(source, str) else "",
            None if box is None else _as_floats(box, (4,)),
            None if matrix is None else _as_floats(matrix, (2, 3)),
        )


def _read_segment(stream: BinaryIO) -> bytes:
    """The content of the first APP15 segment."""
    if stream.read(2) != b"\xff\xd8":
        raise ValueError("it is no JPEG file")
    for _ in range(_MOST_SEGMENTS):
        head = stream.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            raise ValueError("its segments are damaged or cut short")
        if head[1] in _STARTS_OF_SCAN:
            break
        length = int.from_bytes(head[2:], "big") - 2
        content = stream.read(max(length, 0))
        if length < 0 or len(content) < length:
            raise ValueError("a segment of it is cut short")
        if head[1] == _APP15:
            return content
    raise ValueError("it has no APP15 segment")


def _read_plain(pickled: bytes) -> dict[Any, Any]:
    names = 0
    for count, (instruction, _, _) in enumerate(pickletools.genops(pickled)):
        name = instruction.name
        if name not in _INSTRUCTIONS:
            raise ValueError(f"its pickle has the instruction {name}, which polygons do not need")
        names += name in ("GLOBAL", "STACK_GLOBAL")
        if count > _MOST_INSTRUCTIONS or names > _MOST_NAMES:
            raise ValueError("its pickle is longer than polygons need")
    values = read_pickled_data(io.BytesIO(pickled), _NAMES)
    if not isinstance(values, dict):
        raise ValueError("its pickle is no dict")
    return values


def _find_polygons(found: Any, size: int) -> Polygons | None:
    outlines = found.get("polys") if isinstance(found, dict) else found
    if not outlines:
        return None
    if not isinstance(outlines, list):
        raise ValueError("its polygons are no list")
    return Polygons(size=size, polygons=tuple(map(_as_polygon, outlines)))


def _as_polygon(outline: Any) -> Polygon:
    kinds = {0: "exclude", 1: "include"}
    if not isinstance(outline, dict) or not isinstance(outline.get("type"), int):
        raise ValueError("a polygon of it is no dict with a type")
    if outline["type"] not in kinds:
        raise ValueError(f"a polygon has the type {outline['type']}; 0 and 1 are known")
    points = _as_floats(outline.get("pts"), (-1, 2))
    return Polygon.model_validate({"kind": kinds[outline["type"]], "points": points.tolist()})


def _as_floats(value: Any, shape: tuple[int, ...]) -> Floats:
    """The numbers of a list or of a pickled array; -1 in the shape is any number."""
    if isinstance(value, Made):
        array = _as_array(value)
    else:
        if not isinstance(value, list | tuple):
            raise ValueError("numbers are missing where polygons have them")
        pairs = all(
            isinstance(part, int | float)
            or (isinstance(part, list | tuple) and all(isinstance(n, int | float) for n in part))
            for part in value
        )
        if not pairs:
            raise ValueError("a list of numbers holds something else")
        array = np.asarray(value, dtype=np.float64)
    fits = array.ndim == len(shape) and all(
        want in (-1, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits or not np.isfinite(array).all():
        raise ValueError(f"numbers of the shape {array.shape}; needed is {shape}, all finite")
    return array


def _as_array(made: Made) -> Floats:
    state = made.state
    if not isinstance(state, tuple) or len(state) != 5:
        raise ValueError("an array of it has no content")
    _, shape, kind, by_columns, content = state
    known = isinstance(kind, Made) and kind.maker == "numpy dtype" and kind.arguments
    name = kind.arguments[0] if known else None
    order = kind.state[1] if known and isinstance(kind.state, tuple) and kind.state[1:] else None
    if (
        not isinstance(name, str)
        or name not in _NUMBERS
        or order != "<"
        or by_columns
        or not isinstance(content, bytes)
    ):
        raise ValueError(f"an array of it is not of the kinds {', '.join(sorted(_NUMBERS))}")
    plain = isinstance(shape, tuple) and all(type(n) is int and 0 <= n < 65_536 for n in shape)
    if not plain or len(shape) > 2:
        raise ValueError("an array of it has no shape of points")
    return np.frombuffer(content, f"<{name}").reshape(shape).astype(np.float64)
