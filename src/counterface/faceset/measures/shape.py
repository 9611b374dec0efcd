"""What the landmarks say: an open mouth, closed eyes, a smile, and landmarks that are wrong.

Heights are divided by the height from the eyes to the base of the nose, widths by the width of the
eyes: a turn of the head shortens only widths, a nod only heights, so either quotient hardly moves.
"""

from __future__ import annotations

import numpy as np

from counterface.faces.align import warp_points
from counterface.faces.landmarks import eye_centres
from counterface.faceset.measures.measure import Measure
from counterface.faceset.row import Row
from counterface.types import Floats

UPPER_LIP, LOWER_LIP = [61, 62, 63], [67, 66, 65]  # inner lips, one above the other
UPPER_LIDS, LOWER_LIDS = [37, 38, 43, 44], [41, 40, 47, 46]
MOUTH_CORNERS, EYE_CORNERS, NOSE_BASE = (48, 54), (36, 45), 33
_FLAT = 1e-3  # pixels: landmarks that are all in one place


def mouth_opening_of(row: Row) -> float:
    """The gap of the inner lips over the height of eyes to nose: shut < 0.1, wide open > 0.4."""
    return _over_height(row.landmarks, UPPER_LIP, LOWER_LIP)


def eye_opening_of(row: Row) -> float:
    """The mean gap of the lids over the height of eyes to nose; shut below 0.1, open 0.2."""
    return _over_height(row.landmarks, UPPER_LIDS, LOWER_LIDS)


def mouth_width_of(row: Row) -> float:
    """The width of the mouth over that of the eyes: pursed 0.5, at rest 0.6, a smile 0.7."""
    points = row.landmarks
    eyes = _length(points[EYE_CORNERS[1]] - points[EYE_CORNERS[0]])
    mouth = _length(points[MOUTH_CORNERS[1]] - points[MOUTH_CORNERS[0]])
    return mouth / eyes if eyes > _FLAT else float("nan")


def landmarks_in_crop(row: Row) -> Floats:
    """The landmarks 17..67 in the crop, pixels, (102,)."""
    return warp_points(row.landmarks[17:], row.frame_to_crop).ravel()


def distance_from_mean_face(points: Floats) -> Floats:
    """The mean distance of landmarks (N, 102) from those of the median face, in eye widths, (N,).

    The median, so that many bad alignments do not move it.
    """
    faces = points.reshape(len(points), -1, 2)
    middle = np.median(faces, axis=0)
    width = _length(middle[EYE_CORNERS[1] - 17] - middle[EYE_CORNERS[0] - 17])
    off = np.linalg.norm(faces - middle, axis=2).mean(axis=1)
    return np.asarray(off / max(width, _FLAT), np.float32)


def _over_height(points: Floats, upper: list[int], lower: list[int]) -> float:
    left, right = eye_centres(points)
    height = _length((left + right) / 2 - points[NOSE_BASE])
    gap = float(np.linalg.norm(points[upper] - points[lower], axis=1).mean())
    return gap / height if height > _FLAT else float("nan")


def _length(way: Floats) -> float:
    return float(np.linalg.norm(way))


MOUTH_OPENING = Measure(
    name="mouth_opening",
    says="gap of the lips: shut below 0.1, wide open above 0.4",
    unit="heights of eyes to nose",
    reads="row",
    of=mouth_opening_of,
)
EYE_OPENING = Measure(
    name="eye_opening",
    says="gap of the lids: shut below 0.1, open 0.2",
    unit="heights of eyes to nose",
    reads="row",
    of=eye_opening_of,
)
EXPRESSION = Measure(
    name="expression",
    says="width of the mouth: pursed 0.5, at rest 0.6, a smile 0.7",
    unit="widths of the eyes",
    reads="row",
    of=mouth_width_of,
)
LANDMARK_DISTANCE = Measure(
    name="landmark_distance",
    says="distance of the landmarks from the median face; bad alignments first",
    unit="widths of the eyes",
    reads="row",
    of=landmarks_in_crop,
    together=distance_from_mean_face,
    largest_first=True,
)
