"""What cues are shown of a person, cut from frames: stills in their own pixels, and a window."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from counterface.detect.cues.cue import WINDOW_SIDE, WINDOW_TEMPLATE, Still, Window
from counterface.faces.align import align
from counterface.types import Face, Floats, Frame, Image

AROUND = 1.1  # half the side of a still, in longer sides of the box round the landmarks
MOST_PX = 1024  # of a still's longer side; larger faces are cut to it, not scaled


def cut_still(frame: Frame, face: Face) -> Still:
    """The face with what lies around it; `face` has landmarks."""
    assert face.landmarks is not None
    low, high = face.landmarks.min(axis=0), face.landmarks.max(axis=0)
    middle, half = (low + high) / 2, min(AROUND * float((high - low).max()), MOST_PX / 2)
    limit = np.array(frame.image.shape[1::-1])
    left, top = np.clip(np.floor(middle - half), 0, limit - 1).astype(int)
    right, bottom = np.clip(np.ceil(middle + half), 1, limit).astype(int)
    rows, columns = slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))
    image = np.ascontiguousarray(frame.image[rows, columns])
    corner = np.array([left, top], np.float32)
    return Still(image, (face.landmarks - corner).astype(np.float32), (int(left), int(top)))


def make_window(seen: Iterable[tuple[Frame, Face]]) -> Window | None:
    """The window of one person's consecutive sightings, in time order; None where there is none.

    Sightings are cut as they come: no frame is kept.
    """
    crops: list[Image] = []
    points: list[Floats] = []
    pts: list[float] = []
    for frame, face in seen:
        assert face.landmarks is not None
        crops.append(align(frame.image, face, WINDOW_TEMPLATE, WINDOW_SIDE).image)
        points.append(face.landmarks)
        pts.append(float(frame.pts))
    if not pts:
        return None
    return Window(np.stack(crops), np.stack(points).astype(np.float32), np.array(pts))
