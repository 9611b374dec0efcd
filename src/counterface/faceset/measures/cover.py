"""`final`: an even cover of all poses and mouths by the sharpest crops."""

from __future__ import annotations

import numpy as np

from counterface.faceset.measures.measure import Measure
from counterface.faceset.measures.place import row_pitch, row_yaw
from counterface.faceset.measures.shape import mouth_opening_of
from counterface.faceset.row import Row
from counterface.types import Floats

YAW_STEP, PITCH_STEP = 15.0, 15.0  # degrees of a cell
MOUTH_EDGES = (0.12, 0.3)  # shut, parted, open
_YAW, _PITCH, _MOUTH, _BLUR = range(4)


def pose_mouth_blur(row: Row) -> Floats:
    """Yaw and pitch in degrees, the opening of the mouth and the blur, (4,)."""
    values = row_yaw(row), row_pitch(row), mouth_opening_of(row), row.blur
    return np.array(values, np.float32)


def cover_places(points: Floats) -> Floats:
    """The place of each crop, (N,) from 0, so that the first n cover all cells evenly.

    Cells are steps of yaw, pitch and opening of the mouth. The sharpest crop of every cell comes
    first, then the second of every cell, and so on; within a round the sharper ones lead.
    """
    yaw = np.floor((points[:, _YAW] + YAW_STEP / 2) / YAW_STEP)
    pitch = np.floor((points[:, _PITCH] + PITCH_STEP / 2) / PITCH_STEP)
    cells = np.stack([yaw, pitch, np.digitize(points[:, _MOUTH], MOUTH_EDGES)], axis=1)
    _, cell = np.unique(cells, axis=0, return_inverse=True)
    blur = points[:, _BLUR]
    order = np.lexsort((blur, cell.ravel()))
    begins = np.searchsorted(cell.ravel()[order], cell.ravel()[order])  # of the crop's own cell
    turn = np.empty(len(points), np.intp)
    turn[order] = np.arange(len(points)) - begins
    place = np.empty(len(points), np.float32)
    place[np.lexsort((blur, turn))] = np.arange(len(points))
    return place


FINAL = Measure(
    name="final",
    says="place in an even cover of yaw, pitch and opening of the mouth, the sharpest first",
    unit="place",
    reads="row",
    of=pose_mouth_blur,
    together=cover_places,
)
