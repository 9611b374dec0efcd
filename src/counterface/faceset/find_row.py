"""The rows that a file's name or a place in a frame means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from counterface.errors import FacesetError
from counterface.faces.face_detector import box_overlaps
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.types import Floats

SAME_FACE = 0.4  # overlap of the boxes of two detectors, or of two runs of one, on one face


def by_stem(faceset: Faceset) -> dict[str, Row]:
    """The rows by the names of their files without suffix, first names included.

    Raises:
        FacesetError: two files differ in the suffix alone; what is named after them would be one.
    """
    first = {Path(row.original).stem: row for row in faceset if row.original}
    now = {Path(row.file).stem: row for row in faceset}
    if len(now) < len(faceset):
        twice = next(row.file for row in faceset if now[Path(row.file).stem] is not row)
        raise FacesetError(f"{faceset.folder}: {twice} shares its name with another; rename it")
    return first | now


def row_named(faceset: Faceset, file: str) -> Row:
    """The row of a crop by the name of its file.

    Raises:
        FacesetError: there is none.
    """
    row = next((row for row in faceset if row.file == file), None)
    if row is None:
        raise FacesetError(f"{faceset.folder} has no crop {file!r} any more; look at it again")
    return row


def row_at(box: Floats, rows: Sequence[Row]) -> Row | None:
    """The row whose face lies where a box does; None where none overlaps by `SAME_FACE`.

    Args:
        box: (4,) xyxy pixels of the frame.
        rows: of that frame, at least one.
    """
    overlaps = box_overlaps(box, np.stack([row.box for row in rows]))[0]
    best = int(overlaps.argmax())
    return rows[best] if overlaps[best] >= SAME_FACE else None
