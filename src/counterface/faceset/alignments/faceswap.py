"""Landmarks in the JSON of faceswap (https://github.com/deepfakes/faceswap), by frame.

Its alignments tool writes, and its extraction imports, `{"clip_000012.png": [{"detected": [left,
top, right, bottom], "landmarks_2d": [[x, y], ...]}]}` (`tools/alignments/jobs.py`, job export).
Alignments that it once kept as JSON have `{"faces": [{"x", "w", "y", "h", "landmarks_xy", ...}]}`
for a frame (`lib/align/alignments.py`). Both are read, the first is written. A frame of a video is
named after it, with its number, 1 first; points are pixels, (0, 0) at the first. Its own file
(.fsa) is a compressed pickle and never read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np

from counterface.errors import FacesetError
from counterface.faceset.row import Row
from counterface.files import write_bytes
from counterface.media.image import IMAGE_SUFFIXES
from counterface.project_files import reading
from counterface.types import Floats

_LARGEST = 1e6  # pixels
_ADVICE = "export it again in faceswap (tool 'alignments', job 'export')"
OWN_FILE = (
    "is faceswap's own alignments file, a compressed pickle, which is never read; write it as JSON "
    "in faceswap (tool 'alignments', job 'export') and name that file"
)


class FrameFace(NamedTuple):
    """One face of a frame."""

    frame: str  # name of the frame, without suffix
    number: int  # of the face in its frame, 0 first
    box: Floats  # (4,) xyxy
    landmarks: Floats  # (N, 2)


def is_own_file(path: Path) -> bool:
    """Whether a file is faceswap's compressed pickle; call inside `reading`."""
    with path.open("rb") as stream:
        head = stream.read(2)
    compressed = head[:1] == b"x" and not head.isascii()  # zlib
    return path.suffix.lower() == ".fsa" or compressed or head[:1] == b"\x80"


def frame_name(row: Row) -> str:
    """What faceswap calls the frame that a crop was cut from."""
    source = PurePosixPath(row.source)
    if source.suffix.lower() in IMAGE_SUFFIXES:
        return source.name
    return f"{source.stem}_{row.frame_index + 1:06d}.png"


def write_faceswap(path: Path, rows: Sequence[Row]) -> None:
    """Write the landmarks of rows; landmarks that are read back are the same to the bit.

    Boxes are rounded to whole pixels, as faceswap has them.

    Raises:
        FacesetError: two sources have frames of the same name, or the file cannot be written.
    """
    frames: dict[str, list[Row]] = {}
    for row in rows:
        frames.setdefault(frame_name(row), []).append(row)
    for name, faces in frames.items():
        if len({row.source_sha256 for row in faces}) > 1:
            sources = sorted({row.source for row in faces})
            raise FacesetError(
                f"{path}: frames of {' and '.join(sources)} would both be named {name}; export "
                "facesets of one of them each"
            )
    content = {
        name: [
            {
                "detected": [int(n) for n in np.round(row.box)],
                "landmarks_2d": row.landmarks.tolist(),
            }
            for row in faces
        ]
        for name, faces in frames.items()
    }
    write_bytes(path, json.dumps(content, indent=1, allow_nan=False).encode(), FacesetError)


def faceswap_faces(path: Path, values: Any) -> list[FrameFace]:
    """The faces in the values of a JSON file; any count of landmarks, for the caller to refuse.

    Raises:
        FacesetError: it is no such list of frames.
    """
    with reading(path, FacesetError, _ADVICE, what="holds no alignments of faceswap"):
        frames = values.get("__data__", values) if isinstance(values, dict) else None
        if not isinstance(frames, dict):
            raise ValueError("it is no list of frames by name")
        found = []
        for name, frame in frames.items():
            faces = frame.get("faces") if isinstance(frame, dict) else frame
            if not isinstance(faces, list):
                raise ValueError(f"the frame {name!r} has no list of faces")
            stem = PureWindowsPath(name).stem
            found += [FrameFace(stem, n, *_numbers(face, name)) for n, face in enumerate(faces)]
        return found


def _numbers(face: Any, name: str) -> tuple[Floats, Floats]:
    """The box and the landmarks of a face."""
    if not isinstance(face, dict):
        raise ValueError(f"a face of the frame {name!r} is no record")
    points = face.get("landmarks_2d", face.get("landmarks_xy"))
    if "detected" in face:
        box = _floats(face["detected"], name)
    else:
        left, top, width, height = _floats([face.get(key) for key in "xywh"], name)
        box = np.array([left, top, left + width, top + height], np.float32)
    landmarks = _floats(points, name)
    if box.shape != (4,) or landmarks.ndim != 2 or landmarks.shape[1] != 2:
        shape = "x".join(map(str, landmarks.shape))
        raise ValueError(
            f"a face of the frame {name!r} has {box.size} numbers of a box, 4 are needed, and "
            f"{shape} of landmarks"
        )
    return box, landmarks


def _floats(values: Any, name: str) -> Floats:
    try:
        numbers = np.array(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"the frame {name!r} has something else than numbers") from None
    if not (np.abs(numbers) < _LARGEST).all():
        raise ValueError(f"the frame {name!r} has numbers that are none of pixels")
    return numbers.astype(np.float32)
