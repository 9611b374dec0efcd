"""Who resembles whom: shape of the face, colour of the skin, poses; and who is paired with whom.

A swap keeps the target's outline and light, so pairs that are alike in them look better and give
away less. Everything is measured on facesets, in the aligned template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from counterface.errors import FacesetError
from counterface.faces.align import MEAN_SHAPE, umeyama, warp_points
from counterface.faces.landmarks import INNER, MIRRORED
from counterface.faces.mask import hull_mask
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.types import Floats

FRONTAL = 15.0  # degrees; faces turned less give the shape
_NEAREST = 40  # of them, at most so many
_SKIN_CROPS = 24
_POSES = 400  # crops whose poses are compared
_WEIGHTS = {"shape": 1.0, "skin": 1.0, "pose": 0.5}  # the pose can be helped by more footage


@dataclass(frozen=True, slots=True, eq=False)
class Traits:
    """What of a person counts for the ranking."""

    shape: Floats  # (68, 2) eye distances, frontal, symmetric
    skin: Floats  # (3,) CIE L*a*b*
    poses: Floats  # (N, 2) yaw and pitch of the crops, degrees


@dataclass(frozen=True, slots=True)
class Likeness:
    """How far two people are apart; smaller is more alike."""

    source: str
    target: str
    shape: float  # root mean square distance of the landmarks, eye distances
    skin: float  # delta E, CIE 1976
    pose: float  # degrees from a pose of the one to the nearest of the other, on average
    total: float  # weighted sum, each part over its median of all candidates


def look_of(folder: Path) -> Traits:
    """What a faceset shows of its person.

    Raises:
        FacesetError: it has no crops.
    """
    faceset = Faceset.open(folder)
    if not len(faceset):
        raise FacesetError(f"{folder} has no crops: no face was found in any of the clips")
    return Traits(_shape(faceset.rows), _skin(faceset), _poses(faceset.rows))


def rank_pairs(looks: Mapping[str, Traits]) -> list[Likeness]:
    """All candidate pairs, the most alike first."""
    names = sorted(looks)
    parts = {
        (a, b): {
            "shape": _apart(looks[a].shape, looks[b].shape),
            "skin": float(np.linalg.norm(looks[a].skin - looks[b].skin)),
            "pose": _uncovered(looks[a].poses, looks[b].poses),
        }
        for a, b in combinations(names, 2)
    }
    usual = {
        part: max(float(np.median([values[part] for values in parts.values()])), 1e-9)
        for part in _WEIGHTS
    }
    ranked = [
        Likeness(a, b, **v, total=sum(_WEIGHTS[p] * v[p] / usual[p] for p in _WEIGHTS))
        for (a, b), v in parts.items()
    ]
    return sorted(ranked, key=lambda one: (one.total, one.source, one.target))


def match_people(ranked: Sequence[Likeness]) -> list[tuple[str, str]]:
    """Pairs in which everyone (of an odd number, all but one) stands once, at the least total."""
    from networkx import Graph, min_weight_matching  # half a second: only where pairs are chosen

    people = Graph()
    people.add_weighted_edges_from((one.source, one.target, one.total) for one in ranked)
    return sorted((min(pair), max(pair)) for pair in min_weight_matching(people))


def _shape(rows: Sequence[Row]) -> Floats:
    """The mean shape of the most frontal faces, and of them mirrored: what a turn left cancels."""

    def turned(row: Row) -> float:
        return 90.0 if row.pose is None else float(np.hypot(row.pose.yaw, row.pose.pitch))

    frontal = sorted(rows, key=turned)
    chosen = [row for row in frontal if turned(row) < FRONTAL][:_NEAREST] or frontal[:_NEAREST]
    shapes = []
    for row in chosen:
        onto = umeyama(row.landmarks[INNER], MEAN_SHAPE)
        shape = warp_points(row.landmarks, onto)
        shapes.append((shape + shape[MIRRORED] * [-1, 1]) / 2)
    return np.asarray(np.mean(shapes, axis=0), dtype=np.float32)


def _skin(faceset: Faceset) -> Floats:
    """The median colour of the middle of the face, mouth and eyes left out by the median."""
    chosen = np.linspace(0, len(faceset) - 1, min(_SKIN_CROPS, len(faceset))).round().astype(int)
    colors = []
    for index in chosen:
        row = faceset.rows[int(index)]
        image = faceset.read(row).image
        points = warp_points(row.landmarks, row.frame_to_crop)
        inside = hull_mask(points, image.shape[:2], "inner") > 0.5
        lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        colors.append(np.median(lab[inside], axis=0) if inside.any() else np.full(3, np.nan))
    return np.asarray(np.nanmedian(colors, axis=0), dtype=np.float32)


def _poses(rows: Sequence[Row]) -> Floats:
    known = [(row.pose.yaw, row.pose.pitch) for row in rows if row.pose is not None]
    chosen = np.linspace(0, len(known) - 1, min(_POSES, len(known))).round().astype(int)
    return np.array([known[i] for i in chosen], np.float32).reshape(-1, 2)


def _uncovered(one: Floats, other: Floats) -> float:
    """How far poses of each lie from the nearest of the other, degrees; 0 where none are known."""
    if not len(one) or not len(other):
        return 0.0
    apart = np.linalg.norm(one[:, None] - other[None], axis=-1)
    return float((apart.min(axis=0).mean() + apart.min(axis=1).mean()) / 2)


def _apart(one: Floats, other: Floats) -> float:
    return float(np.sqrt(((one - other) ** 2).sum(axis=1).mean()))
