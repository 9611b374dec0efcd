"""One row of `faceset.parquet`: where a crop came from and what was measured on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pyarrow as pa

from counterface.errors import FacesetError
from counterface.project_files import reading
from counterface.types import Face, Floats, Pose


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One crop of a faceset; all coordinates but the matrix's results are pixels of the source."""

    file: str  # crop file, relative to the faceset's folder, with forward slashes
    source: str  # file that the crop was cut from, as it was named at extraction
    source_sha256: str
    frame_index: int  # 0 for a still picture
    pts: Fraction  # seconds; 0 for a still picture
    face_index: int  # 0 = largest face of its frame
    frame_width: int
    frame_height: int
    box: Floats  # (4,) xyxy
    score: float  # of the face detector
    landmarks: Floats  # (68, 2)
    frame_to_crop: Floats  # (2, 3)
    blur: float  # [0, 1], 1 = blurred beyond use
    pose: Pose | None = None
    identity: Floats | None = None  # embedding
    mask: str | None = None  # mask file, relative to the faceset's folder
    outside: float = 0.0  # share of the crop that lies outside the frame, [0, 1]

    @property
    def face(self) -> Face:
        """The face in pixels of the source frame."""
        return Face(
            box=self.box,
            score=self.score,
            landmarks=self.landmarks,
            pose=self.pose,
            embedding=self.identity,
        )


def _floats(length: int) -> pa.DataType:
    return pa.list_(pa.float32(), length)


SCHEMA = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("source_sha256", pa.string(), nullable=False),
        pa.field("frame_index", pa.int64(), nullable=False),
        pa.field("pts_numerator", pa.int64(), nullable=False),  # exact: seconds as a fraction
        pa.field("pts_denominator", pa.int64(), nullable=False),
        pa.field("face_index", pa.int32(), nullable=False),
        pa.field("frame_width", pa.int32(), nullable=False),
        pa.field("frame_height", pa.int32(), nullable=False),
        pa.field("box", _floats(4), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("landmarks", _floats(136), nullable=False),  # x0, y0, x1, y1, ...
        pa.field("yaw", pa.float32()),
        pa.field("pitch", pa.float32()),
        pa.field("roll", pa.float32()),
        pa.field("frame_to_crop", _floats(6), nullable=False),  # row by row
        pa.field("blur", pa.float32(), nullable=False),
        pa.field("identity", pa.list_(pa.float32())),
        pa.field("mask", pa.string()),
        pa.field("outside", pa.float32(), nullable=False),
    ]
)


def rows_to_table(rows: Sequence[Row]) -> pa.Table:
    """The rows as an Arrow table of `SCHEMA`."""
    return pa.Table.from_pylist([_to_record(row) for row in rows], schema=SCHEMA)


def table_to_rows(table: pa.Table, where: str = "table") -> list[Row]:
    """The rows of an Arrow table.

    Raises:
        FacesetError: the table's columns are not those of `SCHEMA`, or a value in it cannot be;
            `where` names it in the text.
    """
    require_columns(table, where)
    with reading(Path(where), FacesetError, what="columns of another type"):
        records = table.select(SCHEMA.names).cast(SCHEMA).to_pylist()
    advice = "extract the faces again"
    with reading(Path(where), FacesetError, advice, what="a row holds an impossible value"):
        return [_from_record(record) for record in records]


def require_columns(table: pa.Table, where: str) -> None:
    """Nothing, if the table has every column of `SCHEMA`.

    Raises:
        FacesetError: it has not.
    """
    if missing := [name for name in SCHEMA.names if name not in table.column_names]:
        raise FacesetError(f"{where}: lacks the columns {missing}; was it written by another tool?")


def _to_record(row: Row) -> dict[str, Any]:
    pose = row.pose
    return {
        "file": row.file,
        "source": row.source,
        "source_sha256": row.source_sha256,
        "frame_index": row.frame_index,
        "pts_numerator": row.pts.numerator,
        "pts_denominator": row.pts.denominator,
        "face_index": row.face_index,
        "frame_width": row.frame_width,
        "frame_height": row.frame_height,
        "box": np.asarray(row.box, np.float32).reshape(4),
        "score": row.score,
        "landmarks": np.asarray(row.landmarks, np.float32).reshape(136),
        "yaw": pose.yaw if pose else None,
        "pitch": pose.pitch if pose else None,
        "roll": pose.roll if pose else None,
        "frame_to_crop": np.asarray(row.frame_to_crop, np.float32).reshape(6),
        "blur": row.blur,
        "identity": None if row.identity is None else np.asarray(row.identity, np.float32),
        "mask": row.mask,
        "outside": row.outside,
    }


def _from_record(record: dict[str, Any]) -> Row:
    yaw, pitch, roll = record["yaw"], record["pitch"], record["roll"]
    identity, mask = record["identity"], record["mask"]
    if mask is not None and (PurePath(mask).is_absolute() or ".." in PurePath(mask).parts):
        raise ValueError(f"the mask {mask!r} lies outside of the faceset")
    size = record["frame_width"], record["frame_height"]
    if min(size) < 1 or record["frame_index"] < 0:
        raise ValueError(f"frame {record['frame_index']} of {size[0]}x{size[1]} pixels")
    return Row(
        file=record["file"],
        source=record["source"],
        source_sha256=record["source_sha256"],
        frame_index=record["frame_index"],
        pts=Fraction(record["pts_numerator"], record["pts_denominator"]),
        face_index=record["face_index"],
        frame_width=record["frame_width"],
        frame_height=record["frame_height"],
        box=np.array(record["box"], np.float32),
        score=record["score"],
        landmarks=np.array(record["landmarks"], np.float32).reshape(68, 2),
        frame_to_crop=np.array(record["frame_to_crop"], np.float32).reshape(2, 3),
        blur=record["blur"],
        pose=None if None in (yaw, pitch, roll) else Pose(yaw, pitch, roll),
        identity=None if identity is None else np.array(identity, np.float32),
        mask=mask,
        outside=record["outside"],
    )
