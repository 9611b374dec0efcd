"""An eye of a large face, upright and at one size, and where its iris is: for cues on eyes.

The iris is looked for as a dark disc that is brighter at its left and right: lids and lashes lie
above and below. Where no such disc stands out, the eye is shut, in shadow or too blurred.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

from counterface.detect.cues.cue import Still
from counterface.faces.landmarks import LEFT_EYE, RIGHT_EYE
from counterface.types import Floats

EYE_PX = 64  # from corner to corner, after scaling
WIDE, HIGH = 80, 64  # pixels of the patch
MIN_PX = 20.0  # from corner to corner, before; a smaller eye has too few pixels on its iris
OPEN = 0.2  # height of the opening over the eye's width; below, the lids hide the iris
RADII = (10, 12, 14, 16)  # patch pixels: irises are 11.7 mm wide, eyes 25 to 30 mm
SPOT = 11  # patch pixels: what is bright and wider is a lid or the white of the eye
DARKER = 20.0  # grey levels by which an iris is darker than what lies beside it, at least


class Eye(NamedTuple):
    """One eye in a patch (HIGH, WIDE)."""

    plane: Floats  # brightness, grey levels
    spots: Floats  # by how much small bright spots exceed what lies round them, grey levels
    middle: tuple[float, float]  # x, y of the middle of the iris, patch pixels
    radius: float  # of the iris, patch pixels


def cut_eyes(still: Still) -> tuple[Eye, Eye] | None:
    """Both eyes; None where one is small, shut, unclear, or outside the picture."""
    left = cut_eye(still, still.landmarks[LEFT_EYE])
    right = cut_eye(still, still.landmarks[RIGHT_EYE]) if left else None
    return (left, right) if left and right else None


def cut_eye(still: Still, points: Floats) -> Eye | None:
    """An eye by its six landmarks; None where it is small, shut, unclear, or outside."""
    across = points[3] - points[0]
    width = float(np.linalg.norm(across))
    lids = np.linalg.norm(points[1:3] - points[[5, 4]], axis=1).mean()
    limit = still.image.shape[1::-1]
    if width < MIN_PX or lids < OPEN * width or (points < 0).any() or (points >= limit).any():
        return None
    cos, sin = across / width * (EYE_PX / width)
    turn = np.array([[cos, sin], [-sin, cos]])
    middle = np.array([WIDE, HIGH]) / 2 - turn @ points.mean(axis=0)
    to_patch = np.column_stack([turn, middle])
    colour = cv2.warpAffine(
        still.image, to_patch, (WIDE, HIGH), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    plane = np.asarray(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), np.float32)
    return find_iris(plane)


def find_iris(plane: Floats) -> Eye | None:
    """The eye of a patch (HIGH, WIDE), its iris near the middle; None where none stands out."""
    spot = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (SPOT, SPOT))
    dull = np.asarray(cv2.morphologyEx(plane, cv2.MORPH_OPEN, spot), np.float32)
    rows, columns = _around(HIGH, 0.08 * EYE_PX), _around(WIDE, 0.28 * EYE_PX)
    best, found = DARKER, None
    for radius in RADII:
        lighter = cv2.filter2D(dull, -1, _disc_and_sides(radius))[rows, columns]
        y, x = np.unravel_index(int(np.argmax(lighter)), lighter.shape)
        if lighter[y, x] > best:
            best = float(lighter[y, x])
            found = Eye(
                plane,
                plane - dull,
                (float(x + columns.start), float(y + rows.start)),
                float(radius),
            )
    return found


def disc(middle: tuple[float, float], radius: float) -> Floats:
    """1 within a circle of the patch (HIGH, WIDE), 0 outside."""
    y, x = np.mgrid[:HIGH, :WIDE]
    return np.asarray(np.hypot(x - middle[0], y - middle[1]) <= radius, np.float32)


def _around(side: int, reach: float) -> slice:
    return slice(int(side / 2 - reach), int(side / 2 + reach) + 1)


@cache
def _disc_and_sides(radius: int) -> Floats:
    """A kernel that gives the mean beside a disc less the mean within."""
    reach = int(1.5 * radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    away = np.hypot(x, y)
    inside = away <= radius
    beside = (away > radius) & (away <= 1.4 * radius) & (np.abs(y) <= 0.5 * away)
    return np.asarray(beside / beside.sum() - inside / inside.sum(), np.float32)
