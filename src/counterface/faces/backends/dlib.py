"""dlib's face detectors (HOG and CNN) and its 68 points.

Papers: "Max-Margin Object Detection" (King 2015, https://arxiv.org/abs/1502.00046) and "One
Millisecond Face Alignment with an Ensemble of Regression Trees" (Kazemi and Sullivan 2014). The HOG
detector is part of the library (Boost licence), the CNN's file is CC0. The 68 points were trained
on iBUG 300-W, whose licence excludes commercial use.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from counterface import weights as store
from counterface.errors import WeightsError
from counterface.faces.align import invert, warp_points
from counterface.faces.face_detector import merge_faces, require_rgb
from counterface.faces.pose import rigid_pose
from counterface.faces.region import eye_angle, frame_to_square
from counterface.types import Face, Image

HOG_SIDE, CNN_SIDE = 80, 40  # a face that they find has at least this side, pixels they are shown
MAX_SIDE = 1280  # larger pictures are reduced to this longer side first
ROI_SIDE, ROI_MARGIN = 256, 2.0  # what the 68 points are placed in


def _library() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise WeightsError(
            "this needs dlib; install counterface[train] (in a clone: make full)"
        ) from error
    return dlib


def _load(kind: str, path: Path) -> Any:
    """The dlib object of this kind that a file holds."""
    library = _library()
    try:
        return getattr(library, kind)(str(path))
    except RuntimeError as error:
        raise WeightsError(f"{path}: not a file that dlib's {kind} reads: {error}") from error


class DlibHogDetector:
    """Near-frontal faces from about 80 px on; about 45 ms for 640x480."""

    def __init__(self) -> None:
        """Take the detector that is part of the library.

        Raises:
            WeightsError: dlib is not installed.
        """
        self._detector = _library().get_frontal_face_detector()

    def detect(self, image: Image) -> list[Face]:
        """The faces of an RGB uint8 (H, W, 3) image, best score first.

        A score is the logistic function of twice the margin, and no probability.

        Raises:
            ShapeError: not an RGB uint8 image.
        """
        require_rgb(image)
        small, scale = _reduced(image, HOG_SIDE)
        boxes, margins, _ = self._detector.run(small, 0, 0.0)
        return _faces(boxes, 1 / (1 + np.exp(-2 * np.array(margins))), scale)


class DlibCnnDetector:
    """Faces of many directions from about 40 px on; about 3.5 s for 640x480."""

    guarded = True  # dlib reads its files in native code

    def __init__(self, weights: Path | None = None) -> None:
        """Load the network.

        Args:
            weights: `mmod_human_face_detector.dat`; None takes it from the weight store.

        Raises:
            WeightsError: dlib is not installed, or the file cannot be found, fetched or read.
        """
        path = weights or store.path("dlib_mmod")
        self._detector = _load("cnn_face_detection_model_v1", path)

    def detect(self, image: Image) -> list[Face]:
        """The faces of an RGB uint8 (H, W, 3) image, best score first.

        A score is the network's margin, cut to [0, 1], and no probability.

        Raises:
            ShapeError: not an RGB uint8 image.
        """
        require_rgb(image)
        small, scale = _reduced(image, CNN_SIDE)
        found = self._detector(small, 0)
        scores = np.clip([face.confidence for face in found], 0, 1)
        return _faces([face.rect for face in found], scores, scale)


def _reduced(image: Image, least: int) -> tuple[Image, float]:
    """The picture with its longer side at most `MAX_SIDE`, and its scale; tiny ones in black."""
    scale = min(1.0, MAX_SIDE / max(image.shape[:2]))
    if scale < 1:
        size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    missing = [max(0, least - side) for side in image.shape[:2]]
    image = cv2.copyMakeBorder(image, 0, missing[0], 0, missing[1], cv2.BORDER_CONSTANT)
    return np.ascontiguousarray(image), scale


def _faces(rectangles: Any, scores: Any, scale: float) -> list[Face]:
    faces = []
    for rect, score in zip(rectangles, scores, strict=True):
        box = np.array([rect.left(), rect.top(), rect.right() + 1, rect.bottom() + 1], np.float32)
        faces.append(Face(box=(box / scale - 0.5).astype(np.float32), score=float(score)))
    return merge_faces(faces)


class Dlib68:
    """The 68 points of each face by regression trees; about 3 ms a face.

    It places them on anything: it cannot tell that a box holds no face, and it turns a face upright
    by the detector's key points alone.
    """

    guarded = True  # dlib reads its files in native code

    def __init__(self, weights: Path | None = None) -> None:
        """Load the trees.

        Args:
            weights: `shape_predictor_68_face_landmarks.dat` or another predictor of 68 points; None
                takes the weight store's, which is not for commercial use.

        Raises:
            WeightsError: dlib is not installed, or the file cannot be found, fetched or read.
        """
        path = weights or store.path("dlib_68")
        self._dlib = _library()
        self._predictor = _load("shape_predictor", path)
        rect = self._dlib.rectangle(0, 0, 9, 9)
        count = self._predictor(np.zeros((10, 10, 3), np.uint8), rect).num_parts
        if count != 68:
            raise WeightsError(f"{path}: a predictor of {count} points; name one of 68")

    def locate(self, image: Image, faces: list[Face]) -> list[Face]:
        """The same faces, each with `landmarks` and `pose`.

        Args:
            image: RGB uint8 (H, W, 3).
            faces: from any detector; key points, where present, turn the face upright.
        """
        return [self._locate_one(image, face) for face in faces]

    def _locate_one(self, image: Image, face: Face) -> Face:
        to_roi = frame_to_square(face, eye_angle(face), ROI_SIDE, ROI_MARGIN)
        patch = cv2.warpAffine(image, to_roi, (ROI_SIDE, ROI_SIDE), flags=cv2.INTER_LINEAR)
        half = ROI_SIDE / ROI_MARGIN / 2
        low, high = round(ROI_SIDE / 2 - half), round(ROI_SIDE / 2 + half)
        shape = self._predictor(patch, self._dlib.rectangle(low, low, high - 1, high - 1))
        points = np.array([[p.x, p.y] for p in shape.parts()], np.float32)
        landmarks = warp_points(points, invert(to_roi))
        pose = rigid_pose(landmarks)
        return replace(face, landmarks=landmarks, pose=pose)
