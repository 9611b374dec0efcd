"""The default face detector, helped by CenterFace where faces are, or may be, too small for it.

Measured at 1280x720 (docs/faces.md): the default finds nearly all faces of 96 pixels, a third of
those of 64 and none of 48; CenterFace finds those but costs 30 times as much. So it is asked only
about pictures in which the default finds no face, or none larger than 1/10 of the longer side.
"""

from __future__ import annotations

from counterface.faces.backends.centerface import CenterFaceDetector
from counterface.faces.backends.mediapipe import MediapipeFaceDetector
from counterface.faces.face_detector import merge_faces
from counterface.types import Face, Image

FAR_SHOT = 0.1  # largest face over the longer side, below which smaller ones are likely missed


class AutoFaceDetector:
    """`mediapipe`, and `centerface` for pictures without a face or with distant ones only."""

    def __init__(self) -> None:
        """Load the default detector; CenterFace is loaded, or fetched, when first needed."""
        self._default = MediapipeFaceDetector()
        self._thorough: CenterFaceDetector | None = None

    def detect(self, image: Image) -> list[Face]:
        """The faces of an RGB uint8 (H, W, 3) image, best score first, with key points.

        Raises:
            ShapeError: not an RGB uint8 image.
            WeightsError: CenterFace is needed and cannot be found or fetched.
        """
        faces = merge_faces(self._default.detect(image))
        largest = max((float((f.box[2:] - f.box[:2]).max()) for f in faces), default=0.0)
        if largest >= FAR_SHOT * max(image.shape[:2]):
            return faces
        if self._thorough is None:
            self._thorough = CenterFaceDetector()
        return merge_faces([*faces, *self._thorough.detect(image)])
