"""Faces in every frame of a video, with the face detector at work in only some of them.

In between, the landmarks of a face in one frame tell where to look for its landmarks in the next;
every frame gets landmarks of its own. The detector looks again every few frames, after a cut, and
when a face was lost. MediaPipe's video mode works in the same way.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from counterface.faces.face_detector import FaceDetector, Landmarker, merge_faces
from counterface.faces.landmarks import eye_centres
from counterface.types import Face, Floats, Image

CUT = 24.0  # mean change of a thumbnail's grey values; talking heads stay under 6
_THUMBNAIL = (32, 18)


class FaceFollower:
    """Finds the faces of frames that are given in time order."""

    def __init__(
        self, face_detector: FaceDetector, landmarker: Landmarker, detect_every: int = 5
    ) -> None:
        """Know no face yet.

        Args:
            face_detector: finds faces.
            landmarker: locates their landmarks; a face that it does not confirm is dropped.
            detect_every: frames from one look of the detector to the next; 1 = every frame.
        """
        self.face_detector = face_detector
        self.landmarker = landmarker
        self.detect_every = detect_every
        self.reset()

    def reset(self) -> None:
        """Nothing; the next frame is treated as the first of a video."""
        self._faces: list[Face] = []
        self._since_detection = self.detect_every
        self._thumbnail: Floats | None = None

    def find(self, image: Image) -> list[Face]:
        """The faces of the next frame, RGB uint8 (H, W, 3): largest first, all with landmarks.

        A face's box is drawn around its landmarks, so that it means the same in every frame.
        """
        if self._is_cut(image):
            self._faces, self._since_detection = [], self.detect_every
        followed = self._locate(image, [_as_detected(face) for face in self._faces])
        lost = len(followed) < len(self._faces)
        self._since_detection += 1
        if lost or self._since_detection >= self.detect_every:
            fresh = self._locate(image, self.face_detector.detect(image))
            followed = merge_faces(fresh + followed)
            self._since_detection = 0
        self._faces = sorted(followed, key=lambda face: -_area(face.box))
        return self._faces

    def _locate(self, image: Image, faces: list[Face]) -> list[Face]:
        located = self.landmarker.locate(image, faces) if faces else []
        return merge_faces(
            [
                replace(face, box=_box_of(face))
                for face in located
                if face.landmarks is not None and np.isfinite(face.landmarks).all()
            ]
        )

    def _is_cut(self, image: Image) -> bool:
        small = cv2.resize(image[::4, ::4], _THUMBNAIL, interpolation=cv2.INTER_AREA)
        before, self._thumbnail = self._thumbnail, small.astype(np.float32).mean(axis=2)
        return before is not None and float(np.abs(before - self._thumbnail).mean()) > CUT


def _as_detected(face: Face) -> Face:
    """A face of the last frame in the form a detector gives it: box and eyes, nothing else."""
    assert face.landmarks is not None  # `_locate` drops the others
    eyes = np.stack(eye_centres(face.landmarks))
    return Face(box=face.box, score=face.score, keypoints=eyes)


def _box_of(face: Face) -> Floats:
    points = face.landmarks if face.dense is None else face.dense
    assert points is not None
    return np.concatenate([points.min(axis=0), points.max(axis=0)]).astype(np.float32)


def _area(box: Floats) -> float:
    return float(np.prod(np.maximum(box[2:] - box[:2], 0)))
