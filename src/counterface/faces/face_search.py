"""Faces in the frames of one video, searched thoroughly now and then and quickly in between.

The quick search misses small faces. Where the last thorough one saw some, the quick detector is
shown their surroundings alone, in which they are large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from counterface.faces.face_detector import (
    FaceDetector,
    Landmarker,
    MeasuredFaceDetector,
    SteppedFaceDetector,
    at_frame,
    box_overlaps,
    largest_first,
    locate_faces,
    search_frame,
    search_picture,
)
from counterface.types import Face, Floats, Image

EVERY = 8  # frames from one thorough search to the next
REMEMBERED = 4  # faces, largest first, that are looked for in their surroundings
AROUND = 4.0  # side of these, in face sides


class FaceSearch:
    """Finds the faces of frames that are given in time order."""

    def __init__(
        self, detector: FaceDetector, marker: Landmarker, every: int = EVERY, video: bool = True
    ) -> None:
        """Know no face yet.

        Args:
            detector: a `SteppedFaceDetector` searches thoroughly now and then, others always.
            marker: places landmarks.
            every: frames from one thorough search to the next; 1 = each.
            video: frames of a video, which are searched at less cost than a picture.
        """
        self.detector = detector
        self.marker = marker
        self.every = every
        self.video = video
        self._frames = 0
        self._known: list[Face] = []  # of the last thorough search

    def find(self, image: Image, frame: int | str | None = None) -> list[Face]:
        """The faces of the next frame, largest first.

        Args:
            image: RGB uint8 (H, W, 3).
            frame: its index in the video or its file name, for a face detector that goes by a list.
        """
        turn = self._frames % self.every
        self._frames += 1
        if turn and isinstance(self.detector, SteppedFaceDetector):
            return largest_first(self._quickly(image, self.detector.quick))
        return largest_first(self._thoroughly(image, at_frame(self.detector, frame)))

    def smallest(self, shape: Sequence[int]) -> float:
        """The face height, pixels, from which on few are missed; 0 where nobody knows."""
        if not isinstance(self.detector, MeasuredFaceDetector):
            return 0.0
        return self.detector.smallest(shape, video=self.video)

    def _thoroughly(self, image: Image, detector: FaceDetector) -> list[Face]:
        if isinstance(detector, SteppedFaceDetector) and self.video:
            faces = search_frame(image, detector, self.marker)
        else:
            faces = search_picture(image, detector, self.marker)
        self._known = largest_first([f for f in faces if f.landmarks is not None])
        return faces

    def _quickly(self, image: Image, quick: FaceDetector) -> list[Face]:
        faces = locate_faces(image, quick.detect(image), self.marker)
        missed = [face for face in self._known if not _is_among(face, faces)][:REMEMBERED]
        if not missed:
            return faces
        again = [near for face in missed for near in _detect_around(image, face.box, quick)]
        return locate_faces(image, [*faces, *again], self.marker)


def _is_among(face: Face, faces: Sequence[Face]) -> bool:
    if not faces:
        return False
    return bool(box_overlaps(face.box, np.stack([f.box for f in faces]))[0].max() > 0.1)


def _detect_around(image: Image, box: Floats, quick: FaceDetector) -> list[Face]:
    """What the quick detector finds in a square around a box, in pixels of the image."""
    half = AROUND / 2 * float((box[2:] - box[:2]).max())
    centre = (box[:2] + box[2:]) / 2
    limit = np.array(image.shape[1::-1])
    low = np.clip(np.floor(centre - half), 0, limit - 1).astype(int)
    high = np.clip(np.ceil(centre + half), low + 1, limit).astype(int)
    part = np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]])
    shift = low.astype(np.float32)
    return [
        replace(
            face,
            box=(face.box + np.tile(shift, 2)).astype(np.float32),
            keypoints=None if face.keypoints is None else face.keypoints + shift,
        )
        for face in quick.detect(part)
    ]
