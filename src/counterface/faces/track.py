"""Faces of neighbouring frames joined into one track for each person; cuts end every track.

A face belongs to the track whose box, moved on at its recent speed, it overlaps most; no identity
model is asked. For frames a second or more apart, where boxes need not overlap, use `faces.link`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import cv2
import numpy as np

from counterface.errors import ShapeError
from counterface.faces.face_detector import box_overlaps
from counterface.types import Face, Floats, Image, Sighting, Track

MIN_IOU = 0.25  # with the box that the track's speed foretells
MAX_GAP_S = Fraction(1, 2)  # a face lost for longer comes back as a new track
SPEED_MEMORY = 0.5  # share of the old speed that is kept at each sighting
CUT_CORRELATION = 0.5  # of neighbouring frames; 95 % of pairs of different clips lie below
_THUMB = 16  # side of the thumbnail that cuts are judged by

Found = tuple[int, Fraction, list[Face]]  # frame index, pts, faces


@dataclass(slots=True)
class _Open:
    """A track that may still grow."""

    id: int
    sightings: list[Sighting]
    speed: Floats = field(default_factory=lambda: np.zeros(4, np.float32))  # box pixels a second

    def box_at(self, pts: Fraction) -> Floats:
        last = self.sightings[-1]
        return np.asarray(last.face.box + self.speed * np.float32(pts - last.pts), dtype=np.float32)

    def add(self, sighting: Sighting) -> None:
        last = self.sightings[-1]
        gap = np.float32(sighting.pts - last.pts)
        now = (sighting.face.box - last.face.box) / gap
        self.speed = SPEED_MEMORY * self.speed + np.float32(1 - SPEED_MEMORY) * now
        self.sightings.append(sighting)


def track_faces(
    frames: Iterable[Found], *, cuts: Iterable[int] = (), min_sightings: int = 1
) -> list[Track]:
    """One track for each person between two cuts, by the time of the first sighting.

    Args:
        frames: (frame index, pts in seconds, faces) in time order; frames without faces may be
            left out.
        cuts: indices of the first frames of new shots, as `CutFinder` finds; every track ends
            before them.
        min_sightings: shorter tracks are left out: a false alarm seldom lasts.

    Raises:
        ShapeError: pts do not increase.
    """
    shots = sorted(cuts)
    live: list[_Open] = []
    done: list[_Open] = []
    count = 0
    before: tuple[int, Fraction] | None = None
    for index, pts, faces in frames:
        if before is not None and pts <= before[1]:
            raise ShapeError(f"frame {index} at {pts} s does not follow {before[0]} at {before[1]}")
        cut = before is not None and any(before[0] < shot <= index for shot in shots)
        stale = [t for t in live if cut or pts - t.sightings[-1].pts > MAX_GAP_S]
        done += stale
        live = [t for t in live if t not in stale]
        chosen = _match([t.box_at(pts) for t in live], [f.box for f in faces])
        for number, face in enumerate(faces):
            sighting = Sighting(index, pts, face)
            if number in chosen:
                live[chosen[number]].add(sighting)
            else:
                live.append(_Open(count, [sighting]))
                count += 1
        before = (index, pts)
    kept = sorted((t for t in [*done, *live] if len(t.sightings) >= min_sightings), key=_start)
    return [Track(number, tuple(t.sightings)) for number, t in enumerate(kept)]


def _start(track: _Open) -> tuple[Fraction, int]:
    return track.sightings[0].pts, track.id


def _match(foretold: Sequence[Floats], boxes: Sequence[Floats]) -> dict[int, int]:
    """The track of each box, one to one, best overlap first."""
    if not foretold or not boxes:
        return {}
    overlap = np.stack([box_overlaps(box, np.stack(boxes))[0] for box in foretold])
    chosen: dict[int, int] = {}
    while overlap.max() >= MIN_IOU:
        track, box = np.unravel_index(int(overlap.argmax()), overlap.shape)
        chosen[int(box)] = int(track)
        overlap[track, :] = -1
        overlap[:, box] = -1
    return chosen


class CutFinder:
    """Tells for each frame, in order, whether it starts a new shot."""

    def __init__(self) -> None:
        """Know no frame."""
        self._before: Floats | None = None

    def is_cut(self, image: Image) -> bool:
        """Whether this RGB uint8 (H, W, 3) frame looks unlike the one before; False for the first.

        Brightness and contrast do not count: a flash or a fade is no cut, and a cross-fade is not
        found. About 0.1 ms for 720p.
        """
        step = max(1, min(image.shape[:2]) // (4 * _THUMB))  # averaging 4x4 samples is enough
        small = cv2.resize(image[::step, ::step], (_THUMB, _THUMB), interpolation=cv2.INTER_AREA)
        thumb = small.astype(np.float32)
        thumb -= thumb.mean(axis=(0, 1))
        thumb /= max(float(np.linalg.norm(thumb)), 1e-6)
        before, self._before = self._before, thumb
        return before is not None and float((before * thumb).sum()) < CUT_CORRELATION
