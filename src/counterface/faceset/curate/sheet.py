"""A contact sheet: crops of a faceset as one picture, each with a line of text below it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from counterface.errors import FacesetError, MediaError
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.types import Image

COLUMNS, MOST = 10, 60  # crops in a line, and on a sheet
SIDE, _TEXT, _GAP = 112, 16, 4  # a crop, the line below it, the space between, pixels
_PAPER, _INK, _MISSING = 245, 20, 200  # grey levels


def spread_out(count: int, most: int = MOST) -> list[int]:
    """The numbers of at most `most` things of `count`, evenly spread, first and last included."""
    return sorted({int(i) for i in np.linspace(0, count - 1, min(count, most)).round()})


def draw_sheet(faceset: Faceset, crops: Sequence[tuple[Row, str]]) -> Image:
    """The sheet, RGB uint8; a crop that cannot be read is a grey square.

    Args:
        faceset: faceset of the rows.
        crops: rows in the order in which they stand, each with its text; at least one.
    """
    lines = -(-len(crops) // COLUMNS)
    width, height = COLUMNS * (SIDE + _GAP) + _GAP, lines * (SIDE + _TEXT + _GAP) + _GAP
    sheet = np.full((height, width, 3), _PAPER, np.uint8)
    for number, (row, text) in enumerate(crops):
        line, column = divmod(number, COLUMNS)
        top, left = _GAP + line * (SIDE + _TEXT + _GAP), _GAP + column * (SIDE + _GAP)
        sheet[top : top + SIDE, left : left + SIDE] = _small(faceset, row)
        place = (left, top + SIDE + _TEXT - 5)
        cv2.putText(sheet, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.38, (_INK,) * 3, 1, cv2.LINE_AA)
    return sheet


def _small(faceset: Faceset, row: Row) -> Image:
    try:
        image = faceset.read(row).image
    except (FacesetError, MediaError):  # told where the crops were measured
        return np.full((SIDE, SIDE, 3), _MISSING, np.uint8)
    return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
