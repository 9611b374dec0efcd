"""YuNet: a small face detector of 76,000 parameters, run by OpenCV.

Paper: "YuNet: A Tiny Millisecond-level Face Detector" (Wu, Peng and Yu 2023,
https://doi.org/10.1007/s11633-023-1423-y). No registry of packages has the file that OpenCV reads;
those of libfacedetection.train and of OpenCV's model zoo are Apache-2.0 and MIT.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from counterface.errors import WeightsError
from counterface.faces.face_detector import merge_faces, require_rgb
from counterface.faces.named_model import needs_weights
from counterface.types import Face, Image

MIN_SCORE = 0.6  # OpenCV's own demonstration takes 0.9
MIN_SIDE = 32  # the network halves its input five times
_MOST = 5000  # candidates


class YuNetFaceDetector:
    """Faces with five key points each; about 45 ms for 640x480."""

    guarded = True  # OpenCV reads the ONNX file in native code

    def __init__(self, weights: Path | None = None, max_side: int = 1280) -> None:
        """Load the network.

        Args:
            weights: an ONNX file of YuNet.
            max_side: larger pictures are reduced to this longer side first.

        Raises:
            WeightsError: no file is named, or OpenCV cannot use it.
        """
        if weights is None:
            raise needs_weights("yunet", "an ONNX file such as face_detection_yunet_2023mar.onnx")
        self.max_side = max_side
        try:
            self._net = cv2.FaceDetectorYN.create(
                str(weights), "", (320, 320), MIN_SCORE, 0.3, _MOST
            )
            self.detect(np.zeros((320, 320, 3), np.uint8))
        except cv2.error as error:
            raise WeightsError(
                f"{weights}: not a YuNet that OpenCV can run: {error.err}"
            ) from error

    def detect(self, image: Image) -> list[Face]:
        """The faces of an RGB uint8 (H, W, 3) image, best score first, with five key points each.

        Key points: eye on the image's left, on its right, nose tip, mouth corners.

        Raises:
            ShapeError: not an RGB uint8 image.
        """
        require_rgb(image)
        height, width = image.shape[:2]
        scale = min(1.0, self.max_side / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
        missing = max(0, MIN_SIDE - size[1]), max(0, MIN_SIDE - size[0])
        small = cv2.copyMakeBorder(small, 0, missing[0], 0, missing[1], cv2.BORDER_CONSTANT)
        self._net.setInputSize(small.shape[1::-1])
        rows = self._net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1]
        if rows is None:
            return []
        stretch = np.array([width / size[0], height / size[1]], np.float32)
        points = (rows[:, 4:14].reshape(-1, 5, 2) * stretch - 0.5).astype(np.float32)
        lows = rows[:, :2] * stretch - 0.5
        boxes = np.concatenate([lows, lows + rows[:, 2:4] * stretch], axis=1).astype(np.float32)
        scores = np.clip(rows[:, 14], 0, 1)
        faces = [
            Face(box=box, score=float(score), keypoints=keypoints)
            for box, score, keypoints in zip(boxes, scores, points, strict=True)
            if (box[2:] > box[:2]).all()
        ]
        return merge_faces(faces)
