"""Who resembles whom: shape of the face, colour of the skin, poses; and who is paired with whom.

A swap keeps the target's outline and light, so pairs that are alike in them look better and give
away less. Everything is measured on facesets, in the aligned template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
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
_EXACT_UP_TO = 20  # people; beyond, pairs are improved by exchange
_WEIGHTS = {"shape": 1.0, "skin": 1.0, "pose": 0.5}  # the pose can be helped by more footage


@dataclass(frozen=True, slots=True, eq=False)
class Look:
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


def look_of(folder: Path) -> Look:
    """What a faceset shows of its person.

    Raises:
        FacesetError: it has no crops.
    """
    faceset = Faceset.open(folder)
    if not len(faceset):
        raise FacesetError(f"{folder} has no crops: no face was found in any of the clips")
    return Look(_shape(faceset.rows), _skin(faceset), _poses(faceset.rows))


def rank_pairs(looks: Mapping[str, Look]) -> list[Likeness]:
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
    """Pairs with the least sum of distances, everyone in one; of an odd number one is left out.

    Exact up to 20 people; beyond, greedy pairs improved until no exchange of two helps.
    """
    cost = {frozenset((one.source, one.target)): one.total for one in ranked}
    names = sorted({name for pair in cost for name in pair})
    everyone: list[str | None] = [*names, None] if len(names) % 2 else [*names]
    exact = len(everyone) <= _EXACT_UP_TO
    pairs = _best_matching(everyone, cost) if exact else _exchanged(ranked, everyone, cost)
    named = [(a, b) for a, b in pairs if a is not None and b is not None]
    return sorted((min(pair), max(pair)) for pair in named)


_Costs = Mapping[frozenset[str], float]
_Pairs = list[tuple[str | None, str | None]]


def _cost(a: str | None, b: str | None, cost: _Costs) -> float:
    return 0.0 if a is None or b is None else cost[frozenset((a, b))]


def _best_matching(names: Sequence[str | None], cost: _Costs) -> _Pairs:
    """The matching of the least sum, by dynamic programming over the people who are still free."""

    @cache
    def best(free: tuple[int, ...]) -> tuple[float, tuple[tuple[int, int], ...]]:
        if not free:
            return 0.0, ()
        first, rest = free[0], free[1:]
        options = []
        for place, other in enumerate(rest):
            total, pairs = best(rest[:place] + rest[place + 1 :])
            total += _cost(names[first], names[other], cost)
            options.append((total, ((first, other), *pairs)))
        return min(options)

    return [(names[a], names[b]) for a, b in best(tuple(range(len(names))))[1]]


def _exchanged(ranked: Sequence[Likeness], names: Sequence[str | None], cost: _Costs) -> _Pairs:
    free: set[str | None] = set(names)
    pairs: _Pairs = []
    for likeness in ranked:
        both = {likeness.source, likeness.target}
        if both <= free:
            pairs.append((likeness.source, likeness.target))
            free -= both
    if free:  # one of an odd number, and nobody
        last = sorted(free, key=str)
        pairs.append((last[0], last[-1]))
    better = True
    while better:
        better = False
        for i, j in combinations(range(len(pairs)), 2):
            (a, b), (c, d) = pairs[i], pairs[j]
            now = _cost(a, b, cost) + _cost(c, d, cost)
            for one, other in (((a, c), (b, d)), ((a, d), (b, c))):
                if _cost(*one, cost) + _cost(*other, cost) < now - 1e-12:
                    pairs[i], pairs[j], better = one, other, True
                    break
    return pairs


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
