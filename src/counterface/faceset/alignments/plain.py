"""Landmarks of a faceset as one JSON file; docs/align.md describes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from counterface.config import Record
from counterface.errors import FacesetError
from counterface.faceset.row import Row
from counterface.files import write_bytes
from counterface.project_files import reading

_FAR = 1_000_000  # pixels
_ADVICE = "write it as 'Files' in docs/align.md says"
Coordinate = Annotated[float, Field(gt=-_FAR, lt=_FAR)]


class ListedFace(Record):
    """One crop and its face, in pixels of the frame."""

    file: str = Field(description="file of the crop")
    source: str | None = Field(None, description="file that the crop was cut from")
    source_sha256: str | None = Field(None, description="its SHA-256")
    frame: int | None = Field(None, ge=0, description="index of the frame, 0 first")
    width: int | None = Field(None, ge=1, description="of the frame, pixels")
    height: int | None = Field(None, ge=1, description="of the frame, pixels")
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate] | None = Field(
        None, description="left, top, right, bottom"
    )
    landmarks: tuple[tuple[Coordinate, Coordinate], ...] = Field(
        description="x, y of the 68 points in the order of iBUG"
    )

    @field_validator("landmarks", mode="before")
    @classmethod
    def _has_68(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) and len(value) != 68:
            raise ValueError(f"{len(value)} landmarks; 68 are needed")
        return value


class ListedFaces(Record):
    """The content of a file."""

    format: Literal[1] = Field(1, description="number of this format")
    faces: tuple[ListedFace, ...]


def write_plain(path: Path, rows: Sequence[Row]) -> None:
    """Write the landmarks of rows; what is read back is the same to the bit.

    Raises:
        FacesetError: the file cannot be written.
    """
    faces = [
        ListedFace(
            file=row.file,
            source=row.source,
            source_sha256=row.source_sha256,
            frame=row.frame_index,
            width=row.frame_width,
            height=row.frame_height,
            box=tuple(row.box.tolist()),
            landmarks=tuple((x, y) for x, y in row.landmarks.tolist()),
        )
        for row in rows
    ]
    head = '{"format": 1, "faces": [\n'
    body = ",\n".join(face.model_dump_json() for face in faces)
    write_bytes(path, f"{head}{body}\n]}}\n".encode(), FacesetError)


def plain_faces(path: Path, values: Any) -> tuple[ListedFace, ...]:
    """The faces in the values of a JSON file.

    Raises:
        FacesetError: it is none of this format.
    """
    with reading(path, FacesetError, _ADVICE, what="holds no landmarks", model=ListedFaces):
        return ListedFaces.model_validate(values).faces
