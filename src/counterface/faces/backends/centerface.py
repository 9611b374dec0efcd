"""CenterFace: finds small and crowded faces, at about 30 times MediaPipe's cost.

Paper: "CenterFace: Joint Face Detection and Alignment Using Face as Point" (Xu et al. 2019,
https://arxiv.org/abs/1911.03599). Model file: MIT. Ours bounds the longer side, keeps the aspect,
and merges by our own suppression. Run by OpenCV: the file fixes its input at 10x3x32x32, which
OpenCV reshapes and ONNX Runtime refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from counterface import weights
from counterface.faces.face_detector import merge_faces, require_rgb
from counterface.types import Face, Floats, Image

MIN_SCORE = 0.3  # at least; finds 24 px faces in 3 of 4 cases; 0.2 adds few, see docs/faces.md
SURE_PX = 32  # height of which 9 of 10 faces are found, docs/faces.md
STRIDE = 4  # input pixels for each output cell
MULTIPLE = 32  # of which the input sides must be
_OUTPUTS = ["537", "538", "539", "540"]  # heat, size, offset, key points; OpenCV wants all four


class CenterFaceDetector:
    """Faces from about 24 pixels upwards, near upright; about 60 ms for 640x480."""

    def __init__(self, max_side: int = 1280) -> None:
        """Load the model file.

        Args:
            max_side: larger pictures are reduced to this longer side first.
        """
        self.max_side = max_side
        self._net: Any = cv2.dnn.readNetFromONNX(str(weights.path("centerface")))

    def detect(self, image: Image) -> list[Face]:
        """The faces of an RGB uint8 (H, W, 3) image, best score first, with five key points each.

        Key points: eye on the image's left, on its right, nose tip, mouth corners.

        Raises:
            ShapeError: not an RGB uint8 image.
        """
        require_rgb(image)
        height, width = image.shape[:2]
        scale = min(1.0, self.max_side / max(height, width))
        sides = [max(MULTIPLE, round(s * scale / MULTIPLE) * MULTIPLE) for s in (width, height)]
        smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        picture = cv2.resize(image, sides, interpolation=smooth)
        self._net.setInput(cv2.dnn.blobFromImage(picture))  # RGB, [0, 255], as trained
        heat, size, offset, points = (o[0] for o in self._net.forward(_OUTPUTS))
        stretch = np.array([width / sides[0], height / sides[1]], dtype=np.float32)
        return merge_faces(self._decode(heat[0], size, offset, points, stretch))

    def smallest(self, shape: Sequence[int], *, video: bool = False) -> float:
        """The height, pixels of the picture, from which on few upright faces are missed."""
        return SURE_PX * max(1.0, max(shape) / self.max_side)

    def _decode(
        self, heat: Floats, size: Floats, offset: Floats, points: Floats, stretch: Floats
    ) -> list[Face]:
        """Faces in image pixels from the four output maps, (C, h, w) each; y comes before x."""
        rows, columns = np.nonzero(heat >= MIN_SCORE)
        side = np.exp(size[::-1, rows, columns]).T * STRIDE  # (N, 2) width, height
        shift = offset[::-1, rows, columns].T
        centre = (np.stack([columns, rows], axis=1) + shift + 0.5) * STRIDE
        low = centre - side / 2
        at = points[:, rows, columns].T.reshape(-1, 5, 2)[:, :, ::-1]
        keypoints = (low[:, None] + at * side[:, None]) * stretch - 0.5
        boxes = np.concatenate([low * stretch, (low + side) * stretch], axis=1) - 0.5
        return [
            Face(box=box.astype(np.float32), score=float(score), keypoints=k.astype(np.float32))
            for box, score, k in zip(boxes, heat[rows, columns], keypoints, strict=True)
        ]
