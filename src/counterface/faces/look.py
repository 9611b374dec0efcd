"""A walk over sampled frames of one file to see the faces in them: found, cut, told apart.

Scans, the face stores that detectors are trained on and the crops that detectors are compared on
all look at footage through `FaceLook`, so that equal frames give equal crops. For every frame of a
video there is `faces.follow`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from counterface.faces.align import align
from counterface.faces.face_detector import load_models
from counterface.faces.face_search import FaceSearch
from counterface.faces.link import FaceLinker
from counterface.media.probe import MediaInfo
from counterface.types import Crop, Face, Frame


class FaceLook:
    """Finds and cuts the faces of one file in frames that are given in time order."""

    def __init__(
        self,
        media: MediaInfo,
        template: str,
        size: int,
        face_detector: str = "auto",
        landmarker: str = "mediapipe_mesh",
    ) -> None:
        """Take this thread's models, which are loaded on first use.

        Args:
            media: facts of the file; a picture is searched more thoroughly than a video.
            template: alignment of the crops.
            size: crop side, pixels.
            face_detector: a name in `registry.FACE_DETECTORS`, or `NAME:PATH` with its weights.
            landmarker: a name in `registry.LANDMARKERS`, or `NAME:PATH` with its weights.

        Raises:
            RegistryError: no model of that name.
            WeightsError: its model file cannot be found or fetched.
        """
        models = load_models(face_detector, landmarker)
        self.search = FaceSearch(*models, video=media.kind != "image")
        self.template, self.size = template, size
        self.unaligned = 0  # faces found so far that have no landmarks
        self._linker = FaceLinker()

    def find(self, frame: Frame) -> list[Face]:
        """The faces of the next frame that have landmarks, largest first."""
        found = self.search.find(frame.image, frame.index)
        faces = [face for face in found if face.landmarks is not None]
        self.unaligned += len(found) - len(faces)
        return faces

    def cut(self, frame: Frame, faces: Sequence[Face]) -> list[Crop]:
        """The crops of faces of a frame, in their order."""
        aligned = partial(align, frame.image, frame_index=frame.index, pts=frame.pts)
        return [aligned(face, self.template, self.size) for face in faces]

    def cut_people(self, frame: Frame, faces: Sequence[Face]) -> list[tuple[int, Crop]]:
        """The crops of faces of a frame, each with the number of its person (`faces.link`)."""
        crops = self.cut(frame, faces)
        return list(zip(self._linker.link(crops), crops, strict=True))
