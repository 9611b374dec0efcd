"""Faces in every frame of a video, with the face detector at work in only some of them.

In between, the landmarks of a face in one frame tell where its landmarks are searched for in the
next; every frame gets landmarks of its own. The detector works every few frames, after a cut, and
when a face was lost: thoroughly in the first frame, after a cut and every `THOROUGH_EVERY` frames,
quickly otherwise. MediaPipe's video mode works in the same way. For a few frames of a file there is
`faces.look`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

import cv2
import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.faces.face_detector import (
    INSIDE,
    QUARTERS,
    SAME_FACE_IOU,
    FaceDetector,
    Landmarker,
    ListedFaceDetector,
    SteppedFaceDetector,
    at_frame,
    box_overlaps,
    detect_turned,
    largest_first,
    load_models,
    merge_faces,
    search_frame,
    search_picture,
    shorter_side,
)
from counterface.faces.landmarks import eye_centres
from counterface.types import Face, Floats, Frame, Image

NARROWER, LOWER = 0.953, 0.055  # BlazeFace's square against the box of the mesh, in its longer side
CUT = 24.0  # mean change of a thumbnail's grey values; talking heads stay under 6
THOROUGH_EVERY = 32  # frames; at 720p 3 ms for each frame
_THUMBNAIL = (32, 18)


class FollowConfig(Record):
    """How faces are found in every frame."""

    min_size: int = Field(
        32, ge=8, description="leave out faces whose shorter side is smaller than this, pixels"
    )
    detect_every: int = Field(
        5,
        ge=1,
        description="frames between two passes of the face detector; in between, faces are "
        "followed",
    )
    face_detector: str = Field(
        "auto",
        description="registered name of the face detector, or NAME:PATH with its weights file",
    )
    landmarker: str = Field(
        "mediapipe_mesh",
        description="registered name of the landmarker, or NAME:PATH with its weights file",
    )

    def follower(self) -> FaceFollower:
        """A follower with these settings and this thread's models.

        Raises:
            RegistryError: no face detector or landmarker of that name.
            WeightsError: a model file cannot be found or fetched.
        """
        models = load_models(self.face_detector, self.landmarker)
        return FaceFollower(*models, self.detect_every, self.min_size)


class FaceFollower:
    """Finds the faces of frames that are given in time order."""

    def __init__(
        self,
        face_detector: FaceDetector,
        landmarker: Landmarker,
        detect_every: int = 5,
        min_size: float = 0,
        rotations: Sequence[int] | None = None,
    ) -> None:
        """Know no face yet.

        Args:
            face_detector: finds faces.
            landmarker: locates their landmarks; a face that it does not confirm is dropped.
            detect_every: frames from one pass of the detector to the next; 1 = every frame.
            min_size: faces whose shorter side is smaller are followed, but left out of what is
                found, pixels.
            rotations: angles, degrees clockwise, by which a picture or frame without a face is
                turned and searched again, at every pass of the detector; none = never. None: by
                quarters, in pictures and at thorough passes of a `SteppedFaceDetector`.
        """
        self.face_detector = self._now = face_detector
        self.landmarker = landmarker
        # A list costs nothing to look up, and a face that it does not name is not to be followed.
        self.detect_every = 1 if isinstance(face_detector, ListedFaceDetector) else detect_every
        self.min_size = min_size
        self.turned_always = rotations is not None and not isinstance(
            face_detector, ListedFaceDetector
        )
        self.rotations = QUARTERS if rotations is None else tuple(rotations)
        self.reset()

    def walk(
        self, frames: Iterable[Frame], length: int
    ) -> Iterator[Iterator[tuple[Frame, list[Face]]]]:
        """The frames with their faces, as `find` gives them, in pieces of `length` frames.

        No face is followed from one piece into the next, so what is found does not depend on where
        an interrupted walk was taken up again. A piece is used up before the next is asked for.
        """
        source = iter(frames)
        for first in source:
            self.reset()
            piece = chain((first,), islice(source, length - 1))
            yield ((frame, self.find(frame.image, frame=frame.index)) for frame in piece)

    def reset(self) -> None:
        """Treat the next frame as the first of a video."""
        self._faces: list[Face] = []
        self._since_detection = self.detect_every
        self._since_thorough = THOROUGH_EVERY
        self._thumbnail: Floats | None = None

    def find(
        self, image: Image, *, still: bool = False, frame: int | str | None = None
    ) -> list[Face]:
        """The faces of the next frame, RGB uint8 (H, W, 3): largest first, all with landmarks.

        A face's box is drawn around its landmarks, so that it means the same in every frame.

        Args:
            image: the frame.
            still: it is a picture of its own, and searched as one.
            frame: its index in the video or its file name, for a face detector that goes by a list.
        """
        self._now = at_frame(self.face_detector, frame)
        if still:
            self.reset()
            found = search_picture(image, self._now, self.landmarker, self.rotations)
            faces = largest_first(_with_own_boxes(found))
        else:
            faces = self._faces = largest_first(self._follow(image))
        return [face for face in faces if shorter_side(face) >= self.min_size]

    def _follow(self, image: Image) -> list[Face]:
        """The faces of the next frame of a video, small ones too."""
        if self._is_cut(image):
            self._faces, self._since_detection = [], self.detect_every
            self._since_thorough = THOROUGH_EVERY
        self._since_thorough += 1
        before = self._faces if self.detect_every > 1 else []
        followed = self._locate(image, [as_detected(face) for face in before])
        self._since_detection += 1
        if len(followed) < len(before) or self._since_detection >= self.detect_every:
            followed = self._with_newcomers(image, followed)
            self._since_detection = 0
        return followed

    def _with_newcomers(self, image: Image, followed: list[Face]) -> list[Face]:
        """The followed faces, with the score the detector gives them now, and those only it sees.

        Where both see a face its landmarks stay those of the followed region: the detector's
        regions differ a little, and a switch between the two every few frames shows as a tremor.
        """
        newcomers = []
        for found in self._detect(image, alone=not followed):
            seen = [_is_same(found, face) for face in followed]
            if not any(seen):
                newcomers.append(found)
                continue
            index = seen.index(True)
            followed[index] = replace(followed[index], score=found.score)
        return merge_faces(followed + self._locate(image, newcomers))

    def _detect(self, image: Image, *, alone: bool) -> list[Face]:
        """What the detector sees: all of it now and then, what is near otherwise.

        Args:
            image: the frame.
            alone: no face is followed, so that the frame may be turned.
        """
        quick = self._now
        if isinstance(self.face_detector, SteppedFaceDetector):
            quick = self.face_detector.quick
            if self._since_thorough >= THOROUGH_EVERY:
                self._since_thorough = 0
                return search_frame(image, self.face_detector, self.landmarker, self.rotations)
        found = quick.detect(image)
        if not (self.turned_always and alone) or self._locate(image, found):
            return found
        return [*found, *detect_turned(image, quick, self.rotations)]

    def _locate(self, image: Image, faces: list[Face]) -> list[Face]:
        return _with_own_boxes(self.landmarker.locate(image, faces)) if faces else []

    def _is_cut(self, image: Image) -> bool:
        small = cv2.resize(image[::4, ::4], _THUMBNAIL, interpolation=cv2.INTER_AREA)
        before, self._thumbnail = self._thumbnail, small.astype(np.float32).mean(axis=2)
        return before is not None and float(np.abs(before - self._thumbnail).mean()) > CUT


def as_detected(face: Face) -> Face:
    """A face of the last frame in the form the default detector gives it: a square and the eyes.

    The square is where that detector would see the face, so that landmarks depend less on which
    of the two found it: from the box of the mesh they differed by 1.9 % of the eye distance on real
    clips, from this square by 1.5 %.
    """
    assert face.landmarks is not None  # `_locate` drops the others
    left, right = eye_centres(face.landmarks)
    across = (right - left) / max(float(np.linalg.norm(right - left)), 1e-6)
    down = np.array([-across[1], across[0]], np.float32)
    side = float((face.box[2:] - face.box[:2]).max())
    centre = (face.box[:2] + face.box[2:]) / 2 + LOWER * side * down
    half = NARROWER * side / 2
    box = np.concatenate([centre - half, centre + half]).astype(np.float32)
    return Face(box=box, score=face.score, keypoints=np.stack([left, right]))


def _with_own_boxes(located: list[Face]) -> list[Face]:
    """The faces that have landmarks, with boxes around these."""
    return merge_faces(
        [
            replace(face, box=own_box(face))
            for face in located
            if face.landmarks is not None and np.isfinite(face.landmarks).all()
        ]
    )


def own_box(face: Face) -> Floats:
    """The box around all points of a face that has landmarks, (4,) xyxy pixels."""
    points = face.landmarks if face.dense is None else face.dense
    assert points is not None
    return np.concatenate([points.min(axis=0), points.max(axis=0)]).astype(np.float32)


def _is_same(found: Face, face: Face) -> bool:
    union, inside = box_overlaps(found.box, face.box[None])
    return bool(union[0] >= SAME_FACE_IOU or inside[0] >= INSIDE)
