"""Faces that a person, or another program, has written down: boxes and landmarks from a list.

A CSV file has the columns `frame,left,top,right,bottom` and, where landmarks are known, `x0,y0` to
`x67,y67`; a JSON file is `{"frames": {"12": [{"box": [...], "landmarks": [[x, y], ...]}]}}`. A
frame is its index in the video, 0 first, or the file name of a picture.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from counterface.errors import WeightsError
from counterface.faces.face_detector import require_rgb
from counterface.faces.named_model import needs_weights
from counterface.faces.pose import rigid_pose
from counterface.project_files import parse_json, read_bytes, reading
from counterface.types import Face, Floats, Image

BOX = ("left", "top", "right", "bottom")
LARGEST = 1e6  # pixels
POINTS = tuple(f"{axis}{index}" for index in range(68) for axis in "xy")


class ManualFaceDetector:
    """The faces that a list names for a frame, with score 1."""

    def __init__(self, weights: Path | None = None) -> None:
        """Read the list.

        Args:
            weights: a CSV or JSON file as above.

        Raises:
            WeightsError: no file is named, or it is not such a list.
        """
        if weights is None:
            raise needs_weights("manual", "a CSV or JSON list of boxes (docs/faces.md)")
        self.path = weights
        self._frames = read_faces(weights)

    def detect(self, image: Image) -> list[Face]:
        """The faces of the only picture of the list.

        Raises:
            ShapeError: not an RGB uint8 image.
            WeightsError: the list has several frames, and the picture does not tell which it is.
        """
        require_rgb(image)
        if len(self._frames) > 1:
            raise WeightsError(
                f"{self.path}: lists {len(self._frames)} frames, and which one a picture is cannot "
                "be told; list one frame, or work on the whole file (extract, convert, scan)"
            )
        return [face for faces in self._frames.values() for face in faces]

    def detect_frame(self, image: Image, frame: int | str) -> list[Face]:
        """The faces that the list names for a frame; one that it does not name has none.

        Args:
            image: RGB uint8 (H, W, 3); is not looked at.
            frame: index in the video, or file name of the picture.

        Raises:
            ShapeError: not an RGB uint8 image.
        """
        require_rgb(image)
        return list(self._frames.get(str(frame), []))


class ManualLandmarker:
    """Keeps the landmarks that the face detector gave, and adds the pose; places none itself."""

    def locate(self, image: Image, faces: list[Face]) -> list[Face]:
        """The same faces, with `pose` where they have landmarks."""
        require_rgb(image)
        return [
            face if face.landmarks is None else _with_pose(face, face.landmarks) for face in faces
        ]


def _with_pose(face: Face, landmarks: Floats) -> Face:
    return replace(face, pose=rigid_pose(landmarks))


def read_faces(path: Path) -> dict[str, list[Face]]:
    """The faces of each frame in a CSV or JSON list, in the list's order.

    Raises:
        WeightsError: not such a list; the row or frame is named.
    """
    with reading(path, WeightsError, what="not a list of faces"):
        text = read_bytes(path).decode("utf-8-sig")
        read = _from_json if path.suffix.lower() == ".json" else _from_csv
        return read(text)


def _from_csv(text: str) -> dict[str, list[Face]]:
    rows = csv.DictReader(io.StringIO(text))
    missing = [name for name in ("frame", *BOX) if name not in (rows.fieldnames or ())]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}")
    frames: dict[str, list[Face]] = {}
    for number, row in enumerate(rows, 2):
        where = f"line {number}"
        box = _numbers([row[name] for name in BOX], where)
        given = [row.get(name) or "" for name in POINTS]
        points = _numbers(given, where).reshape(68, 2) if any(given) else None
        frames.setdefault(row["frame"].strip(), []).append(_face(box, points, where))
    return frames


def _from_json(text: str) -> dict[str, list[Face]]:
    content = parse_json(text)
    frames = content.get("frames") if isinstance(content, Mapping) else None
    if not isinstance(frames, Mapping):
        raise ValueError('no {"frames": {...}}')
    found = {}
    for name, faces in frames.items():
        where = f"frame {name!r}"
        found[str(name)] = [
            _face(
                _numbers(face["box"], where),
                _numbers(face["landmarks"], where) if face.get("landmarks") else None,
                where,
            )
            for face in faces
        ]
    return found


def _numbers(values: Any, where: str) -> Floats:
    try:
        numbers = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{where}: {values!r} are not numbers") from None
    if not (np.abs(numbers) < LARGEST).all():
        raise ValueError(f"{where}: {values!r} are not numbers of pixels")
    return numbers.astype(np.float32)


def _face(box: Floats, landmarks: Floats | None, where: str) -> Face:
    if box.shape != (4,) or not (box[2:] > box[:2]).all():
        raise ValueError(f"{where}: {box.tolist()} is no box left, top, right, bottom")
    if landmarks is not None and landmarks.shape != (68, 2):
        raise ValueError(f"{where}: landmarks {landmarks.shape}, not (68, 2)")
    return Face(box=box, score=1.0, landmarks=landmarks)
