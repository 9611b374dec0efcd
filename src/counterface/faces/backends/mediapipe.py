"""MediaPipe's face detectors and face mesh, run by LiteRT on one thread.

Papers: BlazeFace (Bazarevsky et al. 2019, https://arxiv.org/abs/1907.05047) and "Real-time Facial
Surface Geometry from Monocular Video on Mobile GPUs" (Kartynnik et al. 2019,
https://arxiv.org/abs/1907.06724). Model files: Apache-2.0. Ours merges the full-range and the
short-range detector, and uses no tracking state between images.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any
from zipfile import ZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface import weights as store
from counterface.errors import WeightsError
from counterface.faces.align import invert, warp_points
from counterface.faces.face_detector import SAME_FACE_IOU, box_overlaps, require_rgb
from counterface.faces.landmarks import eye_centres, mesh_to_68
from counterface.faces.pose import rigid_pose
from counterface.faces.region import eye_angle, frame_to_square
from counterface.project_files import read_bytes, reading
from counterface.types import Face, Floats, Image

NEAR = 11  # finds 9 of 10 faces of the longer side over this, docs/faces.md
MIN_SCORE = 0.5  # MediaPipe's own default for both detectors

# Presence logits of the mesh on 50 faces turned by every 15 degrees: 30 in the median and 10 or
# more nearly always where it was right, -4 and 10 or less on 95 % where it was upside down.
SURE = 12.0
LEAD = 3.0  # by which another direction must be surer
TILTED = np.radians(20)  # the mesh is right up to here, and better when looked at again level


@dataclass(frozen=True, slots=True)
class _Detector:
    """What one BlazeFace file expects."""

    weights: str
    side: int  # input side, pixels
    grid: tuple[tuple[int, int], ...]  # (cells a side, anchors a cell) for each layer


_SHORT = _Detector("face_detection_short_range", 128, ((16, 2), (8, 6)))
_FULL = _Detector("face_detection_full_range", 192, ((48, 1),))
_BACK = _Detector("face_detection_back", 256, ((16, 2), (8, 6)))  # of earlier MediaPipe; by path
_BY_SIDE = {spec.side: spec for spec in (_SHORT, _FULL, _BACK)}
_MOST_BYTES = 100_000_000  # MediaPipe's largest bundle of one task has 12 MB


def make_interpreter(file: Path, member: str = "") -> Any:
    """A LiteRT interpreter of a .tflite file, or of a member of a .task bundle, which is a ZIP.

    Raises:
        WeightsError: it is neither, or the bundle has no such member.
    """
    from ai_edge_litert.interpreter import Interpreter

    with reading(file, WeightsError, what="not a model that LiteRT can open"), _without_chatter():
        content = read_bytes(file, _MOST_BYTES)
        if content.startswith(b"PK"):
            with ZipFile(BytesIO(content)) as bundle:
                if bundle.getinfo(member).file_size > _MOST_BYTES:
                    raise ValueError(f"{member} is larger than {_MOST_BYTES} bytes")
                content = bundle.read(member)
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    return interpreter


def input_side(interpreter: Any) -> int:
    """The side of the square that a network takes, pixels."""
    return int(interpreter.get_input_details()[0]["shape"][1])


_STANDARD_ERROR = Lock()  # is the process's, not a thread's


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Standard error without LiteRT's line that says which delegate it made; all else is kept.

    LiteRT writes it from C, and its Python wheel exports no way to set the level of its log.
    """
    with _STANDARD_ERROR:
        try:
            saved = os.dup(2)
        except OSError:  # standard error is closed
            yield
            return
        source, sink = os.pipe()
        os.set_blocking(source, False)  # a child that began meanwhile may hold the other end
        os.set_blocking(sink, False)  # rather lose a line than wait for a reader
        os.dup2(sink, 2)
        os.close(sink)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            with os.fdopen(source, "rb", buffering=0) as said:
                for line in (said.read(1 << 16) or b"").splitlines(keepends=True):
                    if not line.startswith(b"INFO:"):
                        os.write(2, line)


def run(interpreter: Any, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The outputs for one picture (H, W, 3) in the range that the network was trained with."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"])[0] for d in interpreter.get_output_details()]


def _anchor_centres(spec: _Detector) -> Floats:
    """Anchor centres in [0, 1], (N, 2), row by row, layer by layer."""
    layers = []
    for cells, repeats in spec.grid:
        ticks = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        centres = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
        layers.append(np.repeat(centres, repeats, axis=0))
    return np.concatenate(layers)


def _letterbox(image: Image, side: int) -> tuple[NDArray[np.float32], float, Floats]:
    """The image inside a black square, in [-1, 1]; its scale; and the offset of its corner."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    offset = np.array([(side - size[0]) // 2, (side - size[1]) // 2], dtype=np.float32)
    square = np.zeros((side, side, 3), np.uint8)
    x, y = offset.astype(int)
    square[y : y + size[1], x : x + size[0]] = cv2.resize(image, size, interpolation=smooth)
    return square.astype(np.float32) / 127.5 - 1, scale, offset


def _blend_overlapping(rows: Floats, scores: Floats) -> list[tuple[Floats, float]]:
    """BlazeFace's suppression: overlapping candidates are averaged by score, not dropped."""
    found = []
    order = np.argsort(-scores)
    rows, scores = rows[order], scores[order]
    while len(rows):
        same = box_overlaps(rows[0, :4], rows[:, :4])[0] >= SAME_FACE_IOU
        same[0] = True
        weight = scores[same] / scores[same].sum()
        found.append(((rows[same] * weight[:, None]).sum(axis=0), float(scores[0])))
        rows, scores = rows[~same], scores[~same]
    return found


class MediapipeFaceDetector:
    """Faces by the full-range and the short-range BlazeFace, merged; about 6 ms an image.

    Finds faces larger than about 1/13 of the image's longer side; for smaller ones use
    `centerface` or `auto`.
    """

    guarded = True  # LiteRT reads its files in native code

    def __init__(self, weights: Path | None = None) -> None:
        """Load the model files.

        Args:
            weights: one BlazeFace, .tflite, or a bundle .task that has one; None takes the
                full-range and the short-range one of the weight store.

        Raises:
            WeightsError: a file cannot be found, fetched or used.
        """
        if weights is None:
            found = [(spec, make_interpreter(store.path(spec.weights))) for spec in (_FULL, _SHORT)]
        else:
            interpreter = make_interpreter(weights, "face_detector.tflite")
            side = input_side(interpreter)
            if side not in _BY_SIDE:
                raise WeightsError(f"{weights}: takes {side} px; a BlazeFace takes 128, 192 or 256")
            found = [(_BY_SIDE[side], interpreter)]
        self._models = [(spec, interpreter, _anchor_centres(spec)) for spec, interpreter in found]

    def detect(self, image: Image) -> list[Face]:
        """The faces of an RGB uint8 (H, W, 3) image, best score first, with six key points each.

        Raises:
            ShapeError: not an RGB uint8 image.
        """
        require_rgb(image)
        candidates = [self._candidates(image, *model) for model in self._models]
        rows = np.concatenate([rows for rows, _ in candidates])
        scores = np.concatenate([scores for _, scores in candidates])
        return [
            Face(
                box=row[:4].astype(np.float32),
                score=score,
                keypoints=row[4:].reshape(-1, 2).astype(np.float32),
            )
            for row, score in _blend_overlapping(rows, scores)
        ]

    def smallest(self, shape: Sequence[int], *, video: bool = False) -> float:
        """The height, pixels of the picture, from which on few faces are missed."""
        return max(shape) / NEAR

    def _candidates(
        self, image: Image, spec: _Detector, interpreter: Any, centres: Floats
    ) -> tuple[Floats, Floats]:
        """Boxes and key points in image pixels, (N, 16), and their scores, (N,)."""
        square, scale, offset = _letterbox(image, spec.side)
        outputs = run(interpreter, square)
        raw = next(o for o in outputs if o.shape[-1] == 16)
        logits = next(o for o in outputs if o.shape[-1] == 1)[:, 0]
        scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
        keep = scores >= MIN_SCORE
        points = raw[keep].reshape(-1, 8, 2)
        centre = points[:, 0] + centres[keep] * spec.side
        half = points[:, 1] / 2
        keypoints = points[:, 2:] + centres[keep][:, None] * spec.side
        rows = np.concatenate([centre - half, centre + half, keypoints.reshape(-1, 12)], axis=1)
        rows = (rows.reshape(-1, 8, 2) - offset) / scale - 0.5
        return rows.reshape(-1, 16).astype(np.float32), scores[keep].astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Mesh:
    """What the mesh made of one region."""

    presence: float  # logit: 30 is usual on faces, under 0 there is none
    dense: Floats  # (468 or 478, 2) image pixels
    tilt: float  # of the eye line in the region, radians; 0 as trained


class MediapipeMesh:
    """468 mesh points, the 68 iBUG points and the pose of each face; about 2 ms a face.

    The eyes that a detector names are unsure on faces that are far from upright. Where the mesh is
    unsure too, the other directions are tried; 7 ms more, and only there.
    """

    guarded = True  # LiteRT reads its files in native code
    margin = 1.5  # region of interest over the detector's box, as the model was trained

    def __init__(self, weights: Path | None = None) -> None:
        """Load the model file.

        Args:
            weights: a face mesh, .tflite, or a bundle .task that has one; None takes the weight
                store's.

        Raises:
            WeightsError: it cannot be found, fetched or used.
        """
        file = weights or store.path("face_landmark")
        self._interpreter = make_interpreter(file, "face_landmarks_detector.tflite")
        self.side = input_side(self._interpreter)
        sizes = [int(np.prod(d["shape"])) for d in self._interpreter.get_output_details()]
        self.points = max(sizes) // 3  # 468, or 478 with irises
        if self.points not in (468, 478) or 1 not in sizes:
            raise WeightsError(
                f"{file}: gives {sizes} values, not 468 or 478 points and a presence"
            )

    def locate(self, image: Image, faces: list[Face]) -> list[Face]:
        """The same faces, with `landmarks`, `dense` and `pose` where the mesh sees a face.

        `dense` has the mesh's points, (468, 2), or (478, 2) where the file gives irises.

        Args:
            image: RGB uint8 (H, W, 3).
            faces: from any detector; key points, where present, turn the region upright.
        """
        return [self._locate_one(image, face) for face in faces]

    def _locate_one(self, image: Image, face: Face) -> Face:
        mesh = self._upright(image, face)
        if mesh.presence < 0:
            return face
        landmarks = mesh_to_68(mesh.dense)
        pose = rigid_pose(landmarks)
        return replace(face, dense=mesh.dense, landmarks=landmarks, pose=pose)

    def _upright(self, image: Image, face: Face) -> _Mesh:
        """The mesh of the face, of whichever direction it is surest of where it is in doubt."""
        angle = eye_angle(face)
        best = self._look(image, face, angle)
        if best.presence < SURE:
            turns = [(angle + k * np.pi / 4) for k in range(1, 8)]
            at, top = max(
                ((turn, self._look(image, face, turn)) for turn in turns),
                key=lambda pair: pair[1].presence,
            )
            if top.presence >= max(SURE, best.presence + LEAD):
                angle, best = at, top
        if abs(best.tilt) > TILTED and best.presence > 0:
            again = self._look(image, face, angle + best.tilt)
            best = max(best, again, key=lambda mesh: mesh.presence)
        return best

    def _look(self, image: Image, face: Face, angle: float) -> _Mesh:
        to_roi = frame_to_square(face, angle, self.side, self.margin)
        patch = cv2.warpAffine(image, to_roi, (self.side, self.side), flags=cv2.INTER_LINEAR)
        outputs = run(self._interpreter, patch.astype(np.float32) / 255)
        flat = max(outputs, key=np.size).reshape(self.points, 3)[:, :2] - 0.5
        presence = float(next(o for o in outputs if o.size == 1).item())
        left, right = eye_centres(mesh_to_68(flat))
        tilt = float(np.arctan2(right[1] - left[1], right[0] - left[0]))
        return _Mesh(presence, warp_points(flat, invert(to_roi)), tilt)
