"""Pictures of crops or frames with landmarks, box and the axes of the head drawn on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.errors import FacesetError
from counterface.faces.align import warp_box, warp_points
from counterface.faceset.alignments.footage import find_footage, on_frames
from counterface.faceset.curate.sheet import spread_out
from counterface.faceset.inspect import Problem
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.files import make_folder
from counterface.media.image import write_image
from counterface.types import Floats, Image, Pose, Progress

_LINES = (  # points that are joined, and whether the last leads to the first
    *((slice(0, 17), False), (slice(17, 22), False), (slice(22, 27), False)),
    *((slice(27, 31), False), (slice(31, 36), False), (slice(36, 42), True)),
    *((slice(42, 48), True), (slice(48, 60), True), (slice(60, 68), True)),
)
_LINE, _POINT, _BOX = (70, 200, 255), (255, 230, 60), (255, 255, 255)
_AXES = ((230, 60, 60), (60, 200, 60), (80, 120, 255))  # to image right, up, out of the face
_NOSE = 30
_SHIFT = 4  # bits of a pixel's fraction that are drawn
_QUALITY = 92


class DrawConfig(Record):
    """What is drawn."""

    source: tuple[Path, ...] = Field(
        (), description="files that the crops were cut from; unset: draw on the crops"
    )
    most: int | None = Field(None, ge=1, description="draw only so many crops, evenly spread")


class Drawn(Record):
    """The pictures that were written."""

    folder: str
    pictures: int
    problems: tuple[Problem, ...]


def draw(
    folder: Path, out: Path, config: DrawConfig | None = None, progress: Progress | None = None
) -> Drawn:
    """The result of drawing landmarks, box and pose on crops, or on the frames of the source.

    Args:
        folder: the faceset; nothing in it is changed.
        out: folder of the pictures, outside of the faceset; made where it is absent.
        config: the settings.
        progress: called as (crops done, crops, name).

    Raises:
        FacesetError: no faceset, `out` lies in it or cannot be written, or none of the files is a
            source.
    """
    config = config or DrawConfig()
    faceset = Faceset.open(folder, allow_strays=True)
    faceset.require_outside(out)
    make_folder(out, FacesetError)
    rows = list(faceset)
    if config.most is not None and rows:
        rows = [rows[i] for i in spread_out(len(rows), config.most)]
    footage = find_footage(faceset, config.source) if config.source else None
    problems = [*footage.problems] if footage else []
    seen = on_frames(rows, footage) if footage else faceset.read_each(rows)
    kept: tuple[str, Image] | None = None  # the frame whose faces are being drawn
    pictures = 0
    for done, (row, image) in enumerate(seen):
        if progress:
            progress(done, len(rows), row.file)
        if isinstance(image, str):
            problems.append(Problem(file=row.file, reason=image))
            continue
        if footage is None:
            row = _in_crop(row)
        name = _picture_name(row, of_frame=footage is not None)
        if kept is None or kept[0] != name:
            pictures += _write(out, kept)
            kept = name, image.copy()
        if not np.isfinite(row.landmarks).all() or not np.isfinite(row.box).all():
            problems.append(Problem(file=row.file, reason="its row holds numbers that are none"))
            continue
        draw_face(kept[1], row)
    pictures += _write(out, kept)
    return Drawn(folder=str(out), pictures=pictures, problems=tuple(problems))


def draw_face(image: Image, row: Row) -> None:
    """Draw a face into a picture, RGB uint8 (H, W, 3).

    Args:
        image: is changed.
        row: its box, landmarks and pose are of this picture, pixels.
    """
    width = max(1, round(max(image.shape[:2]) / 500))
    face = float(max(row.box[2:] - row.box[:2]))
    _polyline(image, _corners(row.box), _BOX, width, closed=True)
    for part, closed in _LINES:
        _polyline(image, row.landmarks[part], _LINE, width, closed=closed)
    radius = max(1.0, face / 160)
    for point in row.landmarks:
        centre = _fixed(point)
        cv2.circle(image, centre, round(radius * 2**_SHIFT), _POINT, -1, cv2.LINE_AA, _SHIFT)
    if row.pose is not None:
        start = row.landmarks[_NOSE]
        for axis, color in zip(pose_axes(row.pose), _AXES, strict=True):
            end = start + axis * face / 2
            _polyline(image, np.stack([start, end]), color, width + 1, closed=False)


def pose_axes(pose: Pose) -> Floats:
    """Where the head's axes point in the picture, (3, 2), of length 1 where seen from the side.

    The head's right in the picture, its top, and the line of sight from it.
    """
    yaw, pitch, roll = np.radians([pose.yaw, pose.pitch, pose.roll])
    nod = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    turn = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    tilt = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    rotation = np.array(tilt) @ np.array(turn) @ np.array(nod)
    right, down, out = rotation[:2].T
    return np.stack([right, -down, out]).astype(np.float32)


def _in_crop(row: Row) -> Row:
    """The row with box, landmarks and pose in pixels of its crop."""
    matrix = row.frame_to_crop
    turn = float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))
    pose = row.pose and Pose(row.pose.yaw, row.pose.pitch, row.pose.roll + turn)
    box = warp_box(row.box, matrix)
    return replace(row, box=box, landmarks=warp_points(row.landmarks, matrix), pose=pose)


def _picture_name(row: Row, *, of_frame: bool) -> str:
    stem = Path(row.file).stem
    if not of_frame:
        return f"{stem}.jpg"
    source = Path(row.source).stem.replace(" ", "_")[:40]
    return f"{source}_{row.source_sha256[:8]}_{row.frame_index:07d}.jpg"


def _write(out: Path, kept: tuple[str, Image] | None) -> int:
    """The number of pictures that were written: 1, or 0 where there is none."""
    if kept is None:
        return 0
    write_image(out / kept[0], kept[1], _QUALITY)
    return 1


def _corners(box: Floats) -> Floats:
    left, top, right, bottom = box
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def _polyline(
    image: Image, points: Floats, color: tuple[int, int, int], width: int, *, closed: bool
) -> None:
    fixed = np.array([_fixed(point) for point in points], np.int32)
    cv2.polylines(image, [fixed], closed, color, width, cv2.LINE_AA, _SHIFT)


def _fixed(point: Floats) -> tuple[int, int]:
    """A point in fractions of a pixel, as OpenCV draws them; far ones at its limits."""
    x, y = np.clip(np.round(point * 2**_SHIFT), -(2**20), 2**20).astype(int)
    return int(x), int(y)
