"""One frame merged with many settings, as a labelled grid of close-ups to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from counterface.config import validate
from counterface.errors import ConfigError
from counterface.faces.align import invert, matrix_scale, warp_points
from counterface.faces.blend import Region, crop_region
from counterface.swap.merge.merge_face import Swapped, merge_face
from counterface.swap.merge.settings import MergeSettings
from counterface.types import Floats, Image

MAX_CELL = 256  # pixels
MAX_CELLS = 400
_MIN_CELL = 64  # smaller close-ups are enlarged to this: labels must fit
_AROUND = 0.2  # share of the crop that is shown around it
_PAPER, _INK = 245, 20  # grey levels
_LINE = 18  # pixels of a label's line
_GAP = 4  # pixels between cells


class Knob(NamedTuple):
    """A setting's name and the values to try."""

    name: str
    values: tuple[Any, ...]


def parse_knob(text: str) -> Knob:
    """The knob that `name=value,value,...` names.

    Raises:
        ConfigError: no name or no value.
    """
    name, _, values = text.partition("=")
    parts = tuple(part.strip() for part in values.split(",") if part.strip())
    if not name.strip() or not parts:
        raise ConfigError(f"expected NAME=VALUE,VALUE,... such as erode=0,5,10, got {text!r}")
    return Knob(name.strip().replace("-", "_"), parts)


def settings_grid(
    frame: Image,
    swapped: Swapped,
    base: MergeSettings,
    rows: Knob | None = None,
    columns: Knob | None = None,
    motion: Floats | None = None,
) -> Image:
    """Close-ups of the merged face, one for each pair of values, with labels; RGB uint8.

    Args:
        frame: RGB uint8 (H, W, 3).
        base: every other setting.
        rows: the setting that changes from row to row, or None for one row.
        columns: the setting that changes from column to column, or None for one column.
        motion: (2,) pixels by which the face moved since the last frame, for `motion_blur`.

    Raises:
        ConfigError: no such setting, a value that it cannot have, the same setting twice, or more
            than 400 cells.
        SwapError: a mask that is not there.
    """
    if rows and columns and rows.name == columns.name:
        raise ConfigError(f"rows and columns both change {rows.name!r}; choose another for one")
    down, across = _tries(rows), _tries(columns)
    if not 1 <= (count := len(down) * len(across)) <= MAX_CELLS:
        raise ConfigError(f"the grid would have {count} cells; 1 to {MAX_CELLS} can be drawn")
    plain = base.model_dump()
    settings = [[validate(MergeSettings, plain | r | c, "grid") for c in across] for r in down]
    region = _close_up(frame, swapped)
    cells = [
        [_cell(merge_face(frame, swapped, one, motion).frame[region.window]) for one in line]
        for line in settings
    ]
    return _lay_out(cells, _labels(rows), _labels(columns))


def _tries(knob: Knob | None) -> list[dict[str, Any]]:
    return [{knob.name: value} for value in knob.values] if knob else [{}]


def _labels(knob: Knob | None) -> list[tuple[str, str]]:
    return [(knob.name, str(value)) for value in knob.values] if knob else []


def _close_up(frame: Image, swapped: Swapped) -> Region:
    """The window of the frame around the crop, or the whole frame where the crop is outside it."""
    size = swapped.image.shape[0]
    pixels = 1 / matrix_scale(swapped.frame_to_crop)  # frame pixels for each of the crop
    middle = np.full((1, 2), (size - 1) / 2, np.float32)
    centre = warp_points(middle, invert(swapped.frame_to_crop))[0]
    side = size * pixels * (1 + 2 * _AROUND)
    upright = np.array([[1, 0, side / 2 - centre[0]], [0, 1, side / 2 - centre[1]]], np.float32)
    height, width = frame.shape[:2]
    found = crop_region(upright, max(1, round(side)), (height, width))
    return found or Region(0, 0, width, height)


def _cell(image: Image) -> Image:
    longest = max(image.shape[:2])
    scale = MAX_CELL / longest if longest > MAX_CELL else max(1.0, _MIN_CELL / longest)
    if scale == 1:
        return image
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=how), dtype=np.uint8)


def _lay_out(
    cells: Sequence[Sequence[Image]],
    rows: Sequence[tuple[str, str]],
    columns: Sequence[tuple[str, str]],
) -> Image:
    """The cells, all of one size, with row labels to the left and column labels on top."""
    height, width = cells[0][0].shape[:2]
    left = _width(rows) + 2 * _GAP
    wide = max(width, _width(columns))
    tall = max(height, 2 * _LINE)
    top = 2 * _LINE + _GAP if columns else _GAP
    size = (top + len(cells) * (tall + _GAP), left + len(cells[0]) * (wide + _GAP), 3)
    sheet = np.full(size, _PAPER, np.uint8)
    for index, label in enumerate(columns):
        _write(sheet, label, left + index * (wide + _GAP), 0)
    for index, label in enumerate(rows):
        _write(sheet, label, _GAP, top + index * (tall + _GAP))
    for index, line in enumerate(cells):
        y = top + index * (tall + _GAP)
        for place, cell in enumerate(line):
            x = left + place * (wide + _GAP)
            sheet[y : y + height, x : x + width] = cell
    return sheet


_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.45


def _width(labels: Sequence[tuple[str, str]]) -> int:
    """The width of the widest line, pixels; 0 without labels."""
    lines = [text for label in labels for text in label]
    sizes = [cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)[0] for text in lines]
    return max((int(width) + 2 for width, _ in sizes), default=0)


def _write(sheet: Image, label: tuple[str, str], x: int, y: int) -> None:
    """Write the two lines of a label below a place."""
    for number, text in enumerate(label, start=1):
        place = (x, y + number * _LINE - 5)
        cv2.putText(sheet, text, place, _FONT, _FONT_SCALE, (_INK,) * 3, 1, cv2.LINE_AA)
