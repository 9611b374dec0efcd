"""Which poses and mouths the crops of a faceset show, and in words what is missing for a swap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from counterface.config import Record
from counterface.faceset.measures.place import row_pitch, row_yaw
from counterface.faceset.measures.shape import eye_opening_of, mouth_opening_of, mouth_width_of
from counterface.faceset.row import Row
from counterface.types import Floats, Image
from counterface.wording import counted

FEW = 0.005  # share of the crops below which a pose or mouth is told as rare


class CoverageMap(Record):
    """How many crops lie in each cell of two measures."""

    across: str
    down: str
    across_edges: tuple[float, ...]  # ascending; what lies beyond them counts in the outer cells
    down_edges: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]  # by row from the least of `down` on


class Coverage(Record):
    """What a faceset covers."""

    poses: CoverageMap
    mouths: CoverageMap
    without_pose: int
    warnings: tuple[str, ...]


class _Need(NamedTuple):
    """Something that crops should show, and what is said where none or few do."""

    of: Callable[[Row], float]
    least: float
    most: float
    none: str
    few: str  # after "only 3 crops "


_INF = float("inf")
# Limits of turn and nod are where the far cheek and the brows go; openings as in the measures.
_NEEDS = (
    *(
        _Need(of, least, most, f"nothing {where}", where)
        for of, least, most, where in (
            (row_yaw, -_INF, -30, "beyond 30 degrees to the left"),
            (row_yaw, 30, _INF, "beyond 30 degrees to the right"),
            (row_yaw, -10, 10, "from the front"),
            (row_pitch, 15, _INF, "beyond 15 degrees upwards"),
            (row_pitch, -_INF, -15, "beyond 15 degrees downwards"),
        )
    ),
    _Need(
        mouth_opening_of,
        0.3,
        _INF,
        "no open mouth: the swap's mouth will be black",
        "with an open mouth: the swap's mouth may be black",
    ),
    _Need(
        mouth_opening_of,
        -_INF,
        0.1,
        "no shut mouth: the swap's lips will not close",
        "with a shut mouth: the swap's lips may not close",
    ),
    _Need(
        eye_opening_of,
        -_INF,
        0.1,
        "no shut eyes: the swap will not blink",
        "with shut eyes: the swap may not blink",
    ),
    _Need(mouth_width_of, 0.66, _INF, "no smile", "with a smile"),
)
_YAWS = tuple(range(-75, 76, 15))
_PITCHES = tuple(range(-45, 46, 15))
_WIDTHS = tuple(round(0.40 + 0.05 * i, 2) for i in range(10))
_OPENINGS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


def find_coverage(rows: Sequence[Row]) -> Coverage:
    """What the crops of these rows cover; without any, a warning says so."""
    posed = [row for row in rows if row.pose is not None]
    warnings = [text for need in _NEEDS if (text := _missing(need, rows))] if rows else ["no crops"]
    return Coverage(
        poses=_map(
            _values(posed, row_yaw), _values(posed, row_pitch), ("yaw", "pitch"), (_YAWS, _PITCHES)
        ),
        mouths=_map(
            _values(rows, mouth_width_of),
            _values(rows, mouth_opening_of),
            ("expression", "mouth_opening"),
            (_WIDTHS, _OPENINGS),
        ),
        without_pose=len(rows) - len(posed),
        warnings=tuple(warnings),
    )


def _values(rows: Sequence[Row], of: Callable[[Row], float]) -> Floats:
    return np.array([of(row) for row in rows], np.float32)


def _missing(need: _Need, rows: Sequence[Row]) -> str | None:
    values = _values(rows, need.of)
    found = int(((values >= need.least) & (values <= need.most)).sum())
    if found == 0:
        return need.none
    return f"only {counted(found, 'crop')} {need.few}" if found < FEW * len(rows) else None


def _map(
    across: Floats,
    down: Floats,
    names: tuple[str, str],
    edges: tuple[Sequence[float], Sequence[float]],
) -> CoverageMap:
    known = np.isfinite(across) & np.isfinite(down)
    cells = [
        np.clip(np.searchsorted(edge, values[known], side="right") - 1, 0, len(edge) - 2)
        for values, edge in zip((across, down), edges, strict=True)
    ]
    counts = np.zeros((len(edges[1]) - 1, len(edges[0]) - 1), int)
    np.add.at(counts, (cells[1], cells[0]), 1)
    return CoverageMap(
        across=names[0],
        down=names[1],
        across_edges=tuple(edges[0]),
        down_edges=tuple(edges[1]),
        counts=tuple(map(tuple, counts.tolist())),
    )


_CELL, _LEFT, _TOP, _BOTTOM, _LINE = 56, 64, 40, 34, 24  # pixels
_PAPER, _INK, _FAINT, _EMPTY = 250, 30, 220, 241  # grey levels
_FULL = np.array([24, 92, 160], np.float64)  # colour of the fullest cell


def draw_coverage(coverage: Coverage) -> Image:
    """Both maps side by side and the warnings below them, RGB uint8.

    The largest pitch and the widest mouth are on top; numbers are crops, colours their logarithm.
    """
    maps = [
        _draw_map(coverage.poses, "yaw (right is above 0) by pitch (up), degrees"),
        _draw_map(coverage.mouths, "width of the mouth (expression) by opening"),
    ]
    height = max(len(one) for one in maps)
    padded = [_padded(one, height) for one in maps]
    plate = np.concatenate(padded, axis=1)
    lines = coverage.warnings or ("nothing is missing that is looked for",)
    below = np.full((_LINE * len(lines) + 12, plate.shape[1], 3), _PAPER, np.uint8)
    for number, text in enumerate(lines):
        _write(below, text, (14, _LINE * (number + 1) - 6), 0.55)
    return np.concatenate([plate, below])


def _draw_map(one: CoverageMap, title: str) -> Image:
    counts = np.array(one.counts)
    rows, columns = counts.shape
    image = np.full(
        (_TOP + rows * _CELL + _BOTTOM, _LEFT + columns * _CELL + 20, 3), _PAPER, np.uint8
    )
    _write(image, title, (_LEFT, _TOP - 14), 0.55)
    shade = np.log1p(counts) / max(float(np.log1p(counts.max())), 1e-6)
    for row in range(rows):
        top = _TOP + (rows - 1 - row) * _CELL
        for column in range(columns):
            left, share = _LEFT + column * _CELL, float(shade[row, column])
            colour = _FULL * share + _FAINT * (1 - share) if counts[row, column] else _EMPTY
            image[top + 1 : top + _CELL, left + 1 : left + _CELL] = np.rint(colour)
            if counts[row, column]:
                ink = 255 if share > 0.5 else _INK
                _write(image, f"{counts[row, column]}", (left + 5, top + _CELL - 20), 0.45, ink)
        _write(image, f"{one.down_edges[row]:g}", (8, top + _CELL + 5), 0.45)
    _write(image, f"{one.down_edges[-1]:g}", (8, _TOP + 5), 0.45)
    for column, edge in enumerate(one.across_edges):
        place = (_LEFT + column * _CELL - 12, _TOP + rows * _CELL + 18)
        _write(image, f"{edge:g}", place, 0.45)
    return image


def _padded(image: Image, height: int) -> Image:
    missing = ((0, height - len(image)), (0, 0), (0, 0))
    return np.pad(image, missing, constant_values=_PAPER)


def _write(image: Image, text: str, place: tuple[int, int], size: float, ink: int = _INK) -> None:
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, (ink,) * 3, 1, cv2.LINE_AA)
