"""Take in pictures that someone put into a faceset's folder: each gets a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from counterface.config import Record
from counterface.errors import FacesetError, MediaError
from counterface.faces.face_detector import find_faces
from counterface.faceset.header import Header
from counterface.faceset.inspect import Problem, misalignment
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset, merge, save
from counterface.files import file_sha256, locked
from counterface.media import sandbox
from counterface.types import Crop, Progress

_AS_IT_IS = np.array([[1, 0, 0], [0, 1, 0]], np.float32)


class Adoption(Record):
    """The outcome for the pictures without a row."""

    folder: str
    adopted: tuple[str, ...]
    refused: tuple[Problem, ...]


def adopt(folder: Path, progress: Progress | None = None) -> Adoption:
    """Give pictures without a row one, and tell which could not get it and why.

    A picture is taken in as it is, so it must be a crop already: of the faceset's size, with one
    face in the place that the template asks for. Its row says that it is its own source.

    Args:
        folder: the faceset.
        progress: called as (pictures checked, pictures, name).

    Raises:
        FacesetError: no faceset, or another process writes to it.
    """
    header = Faceset.open(folder, allow_strays=True).header
    adopted: list[Row] = []
    refused: list[Problem] = []
    with locked(folder, FacesetError):
        merge(folder)
        faceset = Faceset.open(folder, allow_strays=True)
        for done, name in enumerate(faceset.strays):
            if progress:
                progress(done, len(faceset.strays), name)
            twin = _copy_of(folder / name, [*faceset.rows, *adopted], folder)
            outcome = twin or _row_of(folder / name, header)
            if isinstance(outcome, Row):
                adopted.append(outcome)
            else:
                refused.append(Problem(file=name, reason=outcome))
        save(replace(faceset, rows=(*faceset.rows, *adopted)))
    return Adoption(
        folder=str(folder), adopted=tuple(r.file for r in adopted), refused=tuple(refused)
    )


def _copy_of(path: Path, rows: Sequence[Row], folder: Path) -> str | None:
    """A note that the picture is a copy of another, byte for byte; None where it is not."""
    size = path.stat().st_size
    for row in rows:
        other = folder / row.file
        if other.stat().st_size == size and other.read_bytes() == path.read_bytes():
            return f"is a copy of {row.file}; delete it"
    return None


def _row_of(path: Path, header: Header) -> Row | str:
    """The row of a picture, or why it cannot have one."""
    elsewhere = f"move it out and run 'counterface faceset extract' on it, into {path.parent}"
    try:
        image = sandbox.read_image(path)
    except MediaError as error:
        return str(error)
    if image.shape != (header.size, header.size, 3):
        height, width = image.shape[:2]
        return f"is {width}x{height}, not {header.size}x{header.size}; {elsewhere}"
    face = next((f for f in find_faces(image) if f.landmarks is not None), None)
    if face is None or face.landmarks is None:
        return "no face was found in it; delete it"
    if reason := misalignment(face.landmarks, _AS_IT_IS, header):
        return f"{reason}; {elsewhere}"
    crop = Crop(image, _AS_IT_IS, header.template, face, frame_shape=image.shape[:2])
    return Row.of(crop, path.name, path.name, file_sha256(path))
