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
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface import weights
from counterface.faces.align import invert, warp_points
from counterface.faces.face_detector import SAME_FACE_IOU, box_overlaps, require_rgb
from counterface.faces.landmarks import eye_centres, mesh_to_68
from counterface.faces.pose import RIGID, fit_rotation, pose_of
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


def _interpreter(name: str) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    file = str(weights.path(name))
    with _without_chatter():
        interpreter = Interpreter(file, num_threads=1)
        interpreter.allocate_tensors()
    return interpreter


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


def _run(interpreter: Any, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
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

    def __init__(self) -> None:
        """Load both model files."""
        self._models = [(s, _interpreter(s.weights), _anchor_centres(s)) for s in (_FULL, _SHORT)]

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
        outputs = _run(interpreter, square)
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
    dense: Floats  # (468, 2) image pixels
    tilt: float  # of the eye line in the region, radians; 0 as trained


class MediapipeMesh:
    """468 mesh points, the 68 iBUG points and the pose of each face; about 2 ms a face.

    The eyes that a detector names are unsure on faces that are far from upright. Where the mesh is
    unsure too, the other directions are tried; 7 ms more, and only there.
    """

    side = 192
    margin = 1.5  # region of interest over the detector's box, as the model was trained

    def __init__(self) -> None:
        """Load the model file."""
        self._interpreter = _interpreter("face_landmark")

    def locate(self, image: Image, faces: list[Face]) -> list[Face]:
        """The same faces, with `landmarks`, `dense` (468, 2) and `pose` where the mesh sees a face.

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
        pose = pose_of(fit_rotation(landmarks[RIGID].astype(np.float64)))
        return replace(face, dense=mesh.dense, landmarks=landmarks, pose=pose)

    def _upright(self, image: Image, face: Face) -> _Mesh:
        """The mesh of the face, of whichever direction it is surest of where it is in doubt."""
        angle = _eye_angle(face)
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
        to_roi = self._frame_to_roi(face, angle)
        patch = cv2.warpAffine(image, to_roi, (self.side, self.side), flags=cv2.INTER_LINEAR)
        outputs = _run(self._interpreter, patch.astype(np.float32) / 255)
        flat = next(o for o in outputs if o.size == 1404).reshape(468, 3)[:, :2] - 0.5
        presence = float(next(o for o in outputs if o.size == 1).item())
        left, right = eye_centres(mesh_to_68(flat))
        tilt = float(np.arctan2(right[1] - left[1], right[0] - left[0]))
        return _Mesh(presence, warp_points(flat, invert(to_roi)), tilt)

    def _frame_to_roi(self, face: Face, angle: float) -> Floats:
        """Similarity from frame pixels to the mesh's square input, what lies at `angle` level."""
        centre = (face.box[:2] + face.box[2:]) / 2
        scale = self.side / (self.margin * float((face.box[2:] - face.box[:2]).max()))
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        turn = np.array([[cos, sin], [-sin, cos]])
        shift = np.full(2, (self.side - 1) / 2) - turn @ centre
        return np.concatenate([turn, shift[:, None]], axis=1).astype(np.float32)


def _eye_angle(face: Face) -> float:
    """The direction from the eye on the image's left to the other, radians; 0 where unknown."""
    if face.keypoints is None or len(face.keypoints) < 2:
        return 0.0
    dx, dy = face.keypoints[1] - face.keypoints[0]
    return float(np.arctan2(dy, dx))
