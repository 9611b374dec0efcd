"""What a face detector and a landmarker are, and the one call that runs both."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from counterface.errors import ShapeError
from counterface.registry import FACE_DETECTORS, LANDMARKERS
from counterface.types import Face, Floats, Image

SAME_FACE_IOU = 0.3  # as BlazeFace; two heads that overlap more are rare even in a crowd
INSIDE = 0.75  # of the smaller box inside the larger: one face seen at two scales


@runtime_checkable
class FaceDetector(Protocol):
    """Finds faces. Made by calling its class without arguments; not shared between threads."""

    def detect(self, image: Image) -> list[Face]:
        """The faces of an RGB uint8 (H, W, 3) image, with box and score; none is an empty list."""
        ...


@runtime_checkable
class Landmarker(Protocol):
    """Places landmarks on found faces. Made without arguments; not shared between threads."""

    def locate(self, image: Image, faces: list[Face]) -> list[Face]:
        """The same faces in the same order, with `landmarks` (68, 2) where it sees a face."""
        ...


_loaded = threading.local()


def _model(registry: object, name: str) -> object:
    """A loaded model of this thread: interpreters keep state and must not be shared."""
    models = _loaded.__dict__.setdefault("models", {})
    key = (id(registry), name)
    if key not in models:
        models[key] = registry.load(name)()  # type: ignore[attr-defined]
    return models[key]


def find_faces(
    image: Image, face_detector: str = "mediapipe", landmarker: str = "mediapipe_mesh"
) -> list[Face]:
    """The faces of an image with box, score, landmarks and pose, largest first.

    A face on which the landmarker sees none has `landmarks` and `pose` None. Models are loaded on
    first use and kept for each thread.

    Args:
        image: RGB uint8 (H, W, 3).
        face_detector: a name in `registry.FACE_DETECTORS`; "centerface" finds smaller faces.
        landmarker: a name in `registry.LANDMARKERS`.

    Raises:
        ShapeError: not an RGB uint8 image.
        RegistryError: no model of that name.
        WeightsError: its model file cannot be found or fetched.
    """
    detector = _model(FACE_DETECTORS, face_detector)
    marker = _model(LANDMARKERS, landmarker)
    assert isinstance(detector, FaceDetector)
    assert isinstance(marker, Landmarker)
    faces = marker.locate(image, merge_faces(detector.detect(image)))
    return sorted(faces, key=lambda face: float(np.prod(face.box[2:] - face.box[:2])), reverse=True)


def require_rgb(image: Image) -> None:
    """Refuse what is not an RGB picture.

    Raises:
        ShapeError: not uint8 (H, W, 3) with at least one pixel.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ShapeError(f"expected RGB uint8 (H, W, 3), got {image.dtype} {image.shape}")


def box_overlaps(box: Floats, boxes: Floats) -> tuple[Floats, Floats]:
    """Of one xyxy box with (N, 4) others: intersection over union, and over the smaller area."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    own = np.prod(box[2:] - box[:2])
    union = np.maximum(own + areas - shared, 1e-9)
    smaller = np.maximum(np.minimum(own, areas), 1e-9)
    return (shared / union).astype(np.float32), (shared / smaller).astype(np.float32)


def merge_faces(faces: Sequence[Face], iou: float = SAME_FACE_IOU) -> list[Face]:
    """One face where several boxes show the same one, best score first.

    A box that overlaps a better one by `iou`, or lies in it (or around it) by three quarters, is
    dropped. For faces from several detectors, scales or tiles.
    """
    left = sorted(faces, key=lambda face: face.score, reverse=True)
    kept: list[Face] = []
    while left:
        best = left.pop(0)
        kept.append(best)
        if left:
            union, inside = box_overlaps(best.box, np.stack([face.box for face in left]))
            same = (union >= iou) | (inside >= INSIDE)
            left = [face for face, drop in zip(left, same, strict=True) if not drop]
    return kept
