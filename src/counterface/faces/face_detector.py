"""What a face detector and a landmarker are, and the one call that runs both."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.errors import ShapeError
from counterface.faces.named_model import make_model
from counterface.registry import FACE_DETECTORS, LANDMARKERS, Registry
from counterface.types import Face, Floats, Image

SAME_FACE_IOU = 0.3  # as BlazeFace; two heads that overlap more are rare even in a crowd
UNSURE = 0.7  # scores below, without landmarks: false alarms, as far as was seen (docs/faces.md)
TURNED_PX = 960  # longer side of pictures that are searched on their sides too
QUARTERS = (90, 180, 270)  # degrees by which pictures are turned where none was found
_EYES = np.array([[0.3, 0.4], [0.7, 0.4]], np.float32)  # of an upright box, where no one names them
INSIDE = 0.75  # of the smaller box inside the larger: one face seen at two scales


@runtime_checkable
class FaceDetector(Protocol):
    """Finds faces. Not shared between threads.

    Made by calling its class: without arguments, or with `weights`, the path of its file, where it
    takes one.
    """

    def detect(self, image: Image) -> list[Face]:
        """The faces of an RGB uint8 (H, W, 3) image, with box and score; none is an empty list."""
        ...


@runtime_checkable
class SteppedFaceDetector(FaceDetector, Protocol):
    """A face detector with a less thorough way for the frames of a video."""

    quick: FaceDetector  # finds near faces at a fraction of the cost

    def detect_in_video(self, image: Image) -> list[Face]:
        """As `detect`, at a cost that fits every few frames."""
        ...


@runtime_checkable
class MeasuredFaceDetector(FaceDetector, Protocol):
    """A face detector whose blind spot is known."""

    def smallest(self, shape: Sequence[int], *, video: bool = False) -> float:
        """The face height from which on few are missed in pictures of this (height, width)."""
        ...


@runtime_checkable
class ListedFaceDetector(FaceDetector, Protocol):
    """A face detector that knows faces by their frame, without looking at it."""

    def detect_frame(self, image: Image, frame: int | str) -> list[Face]:
        """The faces of a frame, named by its index in the video or its picture's file name."""
        ...


@dataclass(frozen=True)
class AtFrame:
    """A listed face detector at one frame."""

    listed: ListedFaceDetector
    frame: int | str

    def detect(self, image: Image) -> list[Face]:
        """The faces of the frame."""
        return self.listed.detect_frame(image, self.frame)


def at_frame(detector: FaceDetector, frame: int | str | None) -> FaceDetector:
    """The face detector for one frame; only one that goes by a list changes."""
    if frame is None or not isinstance(detector, ListedFaceDetector):
        return detector
    return AtFrame(detector, frame)


def is_listed(detector: FaceDetector) -> bool:
    """Whether the face detector goes by a list and never looks at a picture."""
    return isinstance(detector, AtFrame | ListedFaceDetector)


@runtime_checkable
class Landmarker(Protocol):
    """Places landmarks on found faces. Made as a `FaceDetector` is; not shared between threads."""

    def locate(self, image: Image, faces: list[Face]) -> list[Face]:
        """The same faces in the same order, with `landmarks` (68, 2) where it sees a face."""
        ...


_loaded = threading.local()


def _model(registry: Registry, name: str) -> object:
    """A loaded model of this thread: interpreters keep state and must not be shared."""
    models = _loaded.__dict__.setdefault("models", {})
    key = (id(registry), name)
    if key not in models:
        models[key] = make_model(registry, name)
    return models[key]


def find_faces(
    image: Image, face_detector: str = "auto", landmarker: str = "mediapipe_mesh"
) -> list[Face]:
    """The faces of an image with box, score, landmarks and pose, largest first.

    A face on which only the detector is sure has `landmarks` and `pose` None. A picture in which
    none has landmarks is searched once more on its sides and upside down. Models are loaded on
    first use and kept for each thread.

    Args:
        image: RGB uint8 (H, W, 3).
        face_detector: a name in `registry.FACE_DETECTORS`, or `NAME:PATH` with its weights.
        landmarker: a name in `registry.LANDMARKERS`, or `NAME:PATH` with its weights.

    Raises:
        ShapeError: not an RGB uint8 image.
        RegistryError: no model of that name.
        WeightsError: its model file cannot be found or fetched.
    """
    return largest_first(search_picture(image, *load_models(face_detector, landmarker)))


def search_picture(
    image: Image, detector: FaceDetector, marker: Landmarker, degrees: Sequence[int] = QUARTERS
) -> list[Face]:
    """The faces of one picture; where it shows none, also those that it shows when turned.

    Args:
        image: RGB uint8 (H, W, 3).
        detector: finds faces; one that goes by a list says the same of a turned picture.
        marker: places landmarks.
        degrees: angles, clockwise, by which the picture is turned and searched again.
    """
    faces = locate_faces(image, detector.detect(image), marker)
    if is_listed(detector) or any(face.landmarks is not None for face in faces):
        return faces
    return locate_faces(image, [*faces, *detect_turned(image, detector, degrees)], marker)


def search_frame(
    image: Image,
    detector: SteppedFaceDetector,
    marker: Landmarker,
    degrees: Sequence[int] = QUARTERS,
) -> list[Face]:
    """The faces of one frame of many, searched at less cost; arguments as `search_picture`."""
    faces = locate_faces(image, detector.detect_in_video(image), marker)
    if any(face.landmarks is not None for face in faces):
        return faces
    return locate_faces(image, [*faces, *detect_turned(image, detector.quick, degrees)], marker)


def load_models(face_detector: str, landmarker: str) -> tuple[FaceDetector, Landmarker]:
    """This thread's models of these names, each `NAME` or `NAME:PATH`.

    Raises:
        RegistryError: no model of that name.
        WeightsError: its model file cannot be found, fetched or used.
    """
    detector = _model(FACE_DETECTORS, face_detector)
    marker = _model(LANDMARKERS, landmarker)
    assert isinstance(detector, FaceDetector)
    assert isinstance(marker, Landmarker)
    return detector, marker


def locate_faces(image: Image, found: Sequence[Face], marker: Landmarker) -> list[Face]:
    """The found faces with landmarks where the landmarker sees them, each face once.

    One that it sees goes before one that it does not, whatever their scores: a false alarm round a
    small face must not take its place. One that neither is sure of is left out.
    """
    located = marker.locate(image, list(found))
    return merge_faces([f for f in located if f.landmarks is not None or f.score >= UNSURE])


def largest_first(faces: Sequence[Face]) -> list[Face]:
    """The faces by the area of their boxes."""
    return sorted(faces, key=lambda face: float(np.prod(face.box[2:] - face.box[:2])), reverse=True)


def shorter_side(face: Face) -> float:
    """The shorter side of a face's box, pixels."""
    return float((face.box[2:] - face.box[:2]).min())


def detect_turned(
    image: Image, detector: FaceDetector, degrees: Sequence[int] = QUARTERS
) -> list[Face]:
    """The faces of a picture that stands upright once turned, boxes in the picture's own pixels.

    The picture is reduced to `TURNED_PX` first. Key points keep their places, so that the eyes tell
    a landmarker which way up each face is; a detector that names none found it upright.

    Args:
        image: RGB uint8 (H, W, 3).
        detector: finds upright faces.
        degrees: angles, clockwise, by which the picture is turned in turn.

    Raises:
        ShapeError: not an RGB uint8 image.
    """
    require_rgb(image)
    height, width = image.shape[:2]
    scale = min(1.0, TURNED_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if scale < 1:
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    stretch = np.array([width / size[0], height / size[1]])
    found = []
    for angle in degrees:
        matrix, canvas = _turn(angle, size)
        turned = np.asarray(cv2.warpAffine(image, matrix, canvas, flags=cv2.INTER_LINEAR))
        found += [_turned_back(face, matrix, stretch) for face in detector.detect(turned)]
    return found


def _turn(angle: int, size: tuple[int, int]) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """The matrix (2, 3) that turns a picture clockwise, and the (width, height) that holds it."""
    radians = np.radians(angle)
    cos, sin = (float(np.round(value, 12)) for value in (np.cos(radians), np.sin(radians)))
    rotation = np.array([[cos, -sin], [sin, cos]])
    canvas = np.ceil(np.abs(rotation) @ np.array(size)).astype(int)
    shift = (canvas - 1) / 2 - rotation @ ((np.array(size) - 1) / 2)
    return np.column_stack([rotation, shift]), (int(canvas[0]), int(canvas[1]))


def _turned_back(face: Face, matrix: NDArray[np.float64], stretch: NDArray[np.float64]) -> Face:
    """A face of the turned picture in the pixels of the picture before it was turned, and reduced.

    A box goes with the ellipse inside it, which grows neither by a quarter nor by an eighth.
    """

    def back(points: Floats | NDArray[np.float64]) -> Floats:
        upright = (points - matrix[:, 2]) @ matrix[:, :2]  # a rotation's inverse is its transpose
        return np.asarray((upright + 0.5) * stretch - 0.5, np.float32)

    low, high = face.box[:2], face.box[2:]
    eyes = low + _EYES * (high - low) if face.keypoints is None else face.keypoints
    half = np.sqrt(matrix[:, :2].T ** 2 @ ((high - low) / 2) ** 2) * stretch
    centre = back(((low + high) / 2)[None])[0]
    box = np.concatenate([centre - half, centre + half]).astype(np.float32)
    points = None if face.landmarks is None else back(face.landmarks)
    return replace(face, box=box, keypoints=back(eyes), landmarks=points)


def require_rgb(image: Image) -> None:
    """Refuse what is not an RGB picture.

    Raises:
        ShapeError: not uint8 (H, W, 3) with at least one pixel.
    """
    if not isinstance(image, np.ndarray):
        kind = f"{type(image).__module__.split('.')[0]}.{type(image).__name__}"
        raise ShapeError(
            f"expected an RGB uint8 array (H, W, 3), got {kind}; "
            "give counterface.read_image(path), or of a PIL image "
            "numpy.asarray(image.convert('RGB'))"
        )
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ShapeError(f"expected RGB uint8 (H, W, 3), got {image.dtype} {image.shape}")


def box_overlaps(box: Floats, boxes: Floats) -> tuple[Floats, Floats]:
    """Overlaps of one xyxy box with (N, 4): intersection over union, and over the smaller area."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    own = np.prod(box[2:] - box[:2])
    union = np.maximum(own + areas - shared, 1e-9)
    smaller = np.maximum(np.minimum(own, areas), 1e-9)
    return (shared / union).astype(np.float32), (shared / smaller).astype(np.float32)


def merge_faces(faces: Sequence[Face]) -> list[Face]:
    """The faces, one where several boxes show the same: with landmarks first, then by score.

    A box that overlaps a better one by `SAME_FACE_IOU`, or lies in it (or around it) by three
    quarters, is dropped. For faces from several detectors, scales or tiles.
    """
    left = sorted(faces, key=lambda face: (face.landmarks is not None, face.score), reverse=True)
    kept: list[Face] = []
    while left:
        best = left.pop(0)
        kept.append(best)
        if left:
            union, inside = box_overlaps(best.box, np.stack([face.box for face in left]))
            same = (union >= SAME_FACE_IOU) | (inside >= INSIDE)
            left = [face for face, drop in zip(left, same, strict=True) if not drop]
    return kept
