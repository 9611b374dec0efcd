"""Faces of consecutive frames with landmarks that shake less, each person's by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

import numpy as np

from counterface.errors import MediaError
from counterface.faces.pose import rigid_pose
from counterface.faces.smooth import BETA, smooth_both_ways
from counterface.faces.track import CutFinder, track_faces
from counterface.types import Face, Floats, Frame

HELD_BYTES = 400_000_000  # of frames that wait for the ones after them: 64 of 1920x1080
LONGEST = 64  # frames

FrameFaces = tuple[Frame, list[Face]]


def steady_faces(
    frames: Iterable[FrameFaces], min_cutoff: float, beta: float = BETA
) -> Iterator[FrameFaces]:
    """The same frames and faces with landmarks and boxes steadied over time.

    Smoothed both ways in time along each person's track, as `smooth_both_ways`; tracks end at cuts
    and where faces are lost. Frames are held in spans of up to `LONGEST`, of fewer where they are
    large, and no face is smoothed from one span into the next.

    Args:
        frames: in time order, all faces with landmarks.
        min_cutoff: Hz, of a face at rest; lower is steadier. 0 gives all back as it is.
        beta: Hz more for each face size per second.

    Raises:
        MediaError: from `frames`, after the faces of the frames before it.
    """
    if min_cutoff == 0:
        yield from frames
        return
    source = iter(frames)
    for first in source:
        held = max(1, HELD_BYTES // first[0].image.nbytes)
        length = min(LONGEST, 1 << (held.bit_length() - 1))  # spans fill a segment evenly
        span = [first]
        try:
            for item in islice(source, length - 1):
                span.append(item)  # one by one: what came before damage counts
        except MediaError:
            yield from _steadied(span, min_cutoff, beta)
            raise
        yield from _steadied(span, min_cutoff, beta)


def _steadied(span: list[FrameFaces], min_cutoff: float, beta: float) -> list[FrameFaces]:
    finder = CutFinder()
    cuts = [frame.index for frame, _ in span if finder.is_cut(frame.image)]
    found = [(frame.index, frame.pts, faces) for frame, faces in span]
    steadied: dict[int, Face] = {}  # by the identity of the face that it stands for
    for track in track_faces(found, cuts=cuts):
        points = [_points(sighting.face) for sighting in track.sightings]
        times = [float(sighting.pts) for sighting in track.sightings]
        smoothed = smooth_both_ways(points, times, min_cutoff, beta)
        for sighting, steady in zip(track.sightings, smoothed, strict=True):
            steadied[id(sighting.face)] = _with_points(sighting.face, steady)
    return [(frame, [steadied[id(face)] for face in faces]) for frame, faces in span]


def _points(face: Face) -> Floats:
    """The landmarks and both corners of the box, (70, 2)."""
    assert face.landmarks is not None  # the caller's promise
    return np.concatenate([face.landmarks, face.box.reshape(2, 2)])


def _with_points(face: Face, points: Floats) -> Face:
    landmarks, box = points[:68], points[68:].reshape(4)
    pose = rigid_pose(landmarks)
    return replace(face, landmarks=landmarks, box=box, dense=None, pose=pose)
