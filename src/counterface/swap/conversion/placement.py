"""Where the new faces go: the landmarks of the chosen people in every frame, steadied over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.faces.landmarks import INNER
from counterface.faces.smooth import BETA, MIN_CUTOFF, jitter, smooth_both_ways
from counterface.swap.conversion.footage import Footage
from counterface.swap.conversion.people import Cast
from counterface.types import Floats, Sighting, Track


class SmoothConfig(Record):
    """How landmarks are steadied over time, before faces are aligned by them."""

    cutoff: float = Field(
        MIN_CUTOFF, ge=0, description="cut-off frequency at rest, Hz; lower is steadier; 0 = off"
    )
    beta: float = Field(
        BETA,
        ge=0,
        description="rise of that frequency with speed, Hz for each face size a second; higher "
        "follows fast motion more closely",
    )
    fill_s: float = Field(
        0.15, ge=0, le=0.5, description="longest gap in which a lost face is filled in, seconds"
    )


@dataclass(frozen=True, slots=True, eq=False)
class PlacedFace:
    """A face that is to be replaced in one frame."""

    person: int
    track: int
    box: Floats  # (4,) xyxy
    landmarks: Floats  # (68, 2)
    motion: Floats | None = None  # (2,) xy pixels since the frame before; None where it was absent
    filled: bool = False  # put in between its neighbours in time


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """The faces to replace, by index of the frame, and what steadying did."""

    faces: dict[int, tuple[PlacedFace, ...]]
    jitter_before: float | None  # parts of the face size; None: no track long enough to say
    jitter_after: float | None
    filled: int  # faces put in where none was found


def place_faces(
    footage: Footage, cast: Cast, chosen: Collection[int], config: SmoothConfig
) -> Placement:
    """The faces of the chosen people in every frame, largest first."""
    places: dict[int, list[PlacedFace]] = defaultdict(list)
    shake: list[tuple[int, float, float]] = []  # of each track: length, before, after
    position = {look.index: place for place, look in enumerate(footage.looks)}
    for track, person in zip(cast.tracks, cast.numbers, strict=True):
        if person not in chosen:
            continue
        points = [_points(s) for s in track.sightings]
        times = [float(s.pts) for s in track.sightings]
        steady = points
        if config.cutoff > 0 and len(points) > 1:
            steady = smooth_both_ways(points, times, config.cutoff, config.beta)
        if len(points) > 2:
            shake.append((len(points), jitter(points, times), jitter(steady, times)))
        for index, face in _every_frame(track, steady, person, footage, position, config):
            places[index].append(face)
    return Placement(
        {index: tuple(sorted(faces, key=_area, reverse=True)) for index, faces in places.items()},
        _mean([(n, before) for n, before, _ in shake]),
        _mean([(n, after) for n, _, after in shake]),
        sum(face.filled for faces in places.values() for face in faces),
    )


def _every_frame(
    track: Track,
    steady: Sequence[Floats],
    person: int,
    footage: Footage,
    position: dict[int, int],
    config: SmoothConfig,
) -> list[tuple[int, PlacedFace]]:
    """(frame index, face) of one track, short gaps filled."""
    known = [
        (position[s.frame_index], PlacedFace(person, track.id, s.face.box, points))
        for s, points in zip(track.sightings, steady, strict=True)
    ]
    placed = known[:1]
    for (start, one), (end, other) in pairwise(known):
        gap = float(footage.looks[end].pts - footage.looks[start].pts)
        if gap <= config.fill_s:
            for place in range(start + 1, end):
                passed = float(footage.looks[place].pts - footage.looks[start].pts)
                placed.append((place, _between(one, other, passed / gap)))
        placed.append((end, other))
    moving = placed[:1]
    for (start, one), (end, other) in pairwise(placed):
        if end == start + 1:
            way = other.landmarks[INNER].mean(axis=0) - one.landmarks[INNER].mean(axis=0)
            other = replace(other, motion=way)
        moving.append((end, other))
    return [(footage.looks[place].index, face) for place, face in moving]


def _between(one: PlacedFace, other: PlacedFace, share: float) -> PlacedFace:
    near = np.float32(share)
    return replace(
        one,
        box=(1 - near) * one.box + near * other.box,
        landmarks=(1 - near) * one.landmarks + near * other.landmarks,
        filled=True,
    )


def _points(sighting: Sighting) -> Floats:
    assert sighting.face.landmarks is not None  # the first pass keeps no other faces
    return sighting.face.landmarks


def _area(face: PlacedFace) -> float:
    return float(np.prod(face.box[2:] - face.box[:2]))


def _mean(weighted: Sequence[tuple[int, float]]) -> float | None:
    total = sum(weight for weight, _ in weighted)
    return sum(weight * value for weight, value in weighted) / total if total else None
