"""MediaPipe's face mesh with irises: 478 points.

Paper: "Real-time Pupil Tracking from Monocular Video for Digital Puppetry" (Ablavatski et al. 2020,
https://arxiv.org/abs/2006.11341). Model files: Apache-2.0. Points 0..467 are the mesh's, 468..472
the iris of the eye on the image's left (centre first, then its rim), 473..477 the other's. Ours
leaves the mesh's eyelids as they are; a bundle `face_landmarker.task` gives all points at once.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from counterface import weights as store
from counterface.faces.align import invert, warp_points
from counterface.faces.backends.mediapipe import (
    MediapipeMesh,
    input_side,
    make_interpreter,
    run,
)
from counterface.faces.region import eye_angle, frame_to_square
from counterface.types import Face, Floats, Image

MARGIN = 2.3  # side of the square round an eye over the eye's width, as the model was trained
CORNERS = ((33, 133), (362, 263))  # of the eyes in the mesh, image-left first
POINTS = 5


class MediapipeIris:
    """478 mesh points, the 68 iBUG points and the pose of each face; about 5 ms a face."""

    guarded = True  # LiteRT reads its files in native code

    def __init__(self, weights: Path | None = None) -> None:
        """Load the model files.

        Args:
            weights: a face mesh of 478 points, .tflite or .task; None takes the mesh of 468 points
                and the iris model of the weight store.

        Raises:
            WeightsError: a file cannot be found, fetched or used.
        """
        self._mesh = MediapipeMesh(weights)
        self._iris = None
        if self._mesh.points == 468:
            self._iris = make_interpreter(store.path("iris_landmark"))
            self._side = input_side(self._iris)

    def locate(self, image: Image, faces: list[Face]) -> list[Face]:
        """The same faces, with `landmarks`, `dense` (478, 2) and `pose` where the mesh sees a face.

        Args:
            image: RGB uint8 (H, W, 3).
            faces: from any detector; key points, where present, turn the region upright.
        """
        located = self._mesh.locate(image, faces)
        return located if self._iris is None else [self._with_irises(image, f) for f in located]

    def _with_irises(self, image: Image, face: Face) -> Face:
        if face.dense is None:
            return face
        irises = [
            self._locate_iris(image, face.dense[list(corners)], mirrored)
            for corners, mirrored in zip(CORNERS, (False, True), strict=True)
        ]
        return replace(face, dense=np.concatenate([face.dense, *irises]).astype(np.float32))

    def _locate_iris(self, image: Image, corners: Floats, mirrored: bool) -> Floats:
        """The five points of an iris, image pixels.

        Args:
            image: RGB uint8 (H, W, 3).
            corners: (2, 2) of the eye, image-left first.
            mirrored: the eye is on the image's right; the model knows the other one.
        """
        width = max(float(np.linalg.norm(corners[1] - corners[0])), 1.0)
        middle = corners.mean(axis=0)
        box = np.concatenate([middle - width / 2, middle + width / 2])
        eye = Face(box=box, score=1.0, keypoints=corners)
        to_roi = frame_to_square(eye, eye_angle(eye), self._side, MARGIN)
        patch = cv2.warpAffine(image, to_roi, (self._side, self._side), flags=cv2.INTER_LINEAR)
        if mirrored:
            patch = np.ascontiguousarray(patch[:, ::-1])
        outputs = run(self._iris, patch.astype(np.float32) / 255)
        points = min(outputs, key=np.size).reshape(POINTS, 3)[:, :2] - 0.5
        if mirrored:
            points = points * np.array([-1, 1], np.float32) + np.array(
                [self._side - 1, 0], np.float32
            )
        return warp_points(points, invert(to_roi))
