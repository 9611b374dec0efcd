"""Landmarks asked for more than once: from boxes shifted a little, and on the aligned face.

Both are habits of the makers of swaps: faceswap averages the landmarks of jittered boxes
("re-feed"), DeepFaceLab and faceswap look again at the aligned face ("second pass", "re-align").
What they do to the error and the shake of the landmarkers here stands in docs/results.md.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from counterface.faces.align import crop_matrix, invert, warp_box, warp_image, warp_points
from counterface.faces.face_detector import Landmarker
from counterface.faces.follow import as_detected, own_box
from counterface.faces.landmarks import eye_centres, interocular
from counterface.faces.pose import rigid_pose
from counterface.types import Face, Floats, Image

SHIFT = 0.05  # of a box, in its sides; the same share is its change of size
TURN = 3.0  # of the eyes about the box's centre, degrees
SEED = 0  # of the shifts, which are the same for every face of every frame
SAME = 0.25  # of the distance of the outer eye corners: farther, it was another face or lies askew
ALIGNED = 384  # side of the aligned face that is looked at again; landmarkers take 192 to 256 px


class RefinedLandmarker:
    """A landmarker that asks another several times for each face; no chance is involved."""

    def __init__(self, marker: Landmarker, re_feed: int = 0, *, second_pass: bool = False) -> None:
        """Take another landmarker, and draw the shifts.

        Args:
            marker: the landmarker that is asked.
            re_feed: boxes, beside the face's own, from which landmarks are averaged.
            second_pass: landmarks are looked for once more on the face aligned by the first ones.
        """
        self.marker = marker
        self.second_pass = second_pass
        self._shifts = np.random.default_rng(SEED).uniform(-1, 1, (re_feed, 4))

    def locate(self, image: Image, faces: list[Face]) -> list[Face]:
        """The same faces, with `landmarks` and `pose` where the landmarker sees a face.

        A face that came with landmarks keeps them.

        Args:
            image: RGB uint8 (H, W, 3).
            faces: from any detector.
        """
        found = self.marker.locate(image, faces)
        return [
            now if before.landmarks is not None else self._refined(image, before, now)
            for before, now in zip(faces, found, strict=True)
        ]

    def _refined(self, image: Image, before: Face, first: Face) -> Face:
        """The face with better landmarks, where the landmarker saw it at first."""
        if first.landmarks is None or not np.isfinite(first.landmarks).all():
            return first
        if not self.second_pass:
            answers = self._from_shifts(image, before, first)
            return _moved(first, [first, *answers])
        matrix = crop_matrix(first.landmarks, "head", ALIGNED)
        aligned = warp_image(image, matrix, ALIGNED)
        points = warp_points(first.landmarks, matrix)
        dense = None if first.dense is None else warp_points(first.dense, matrix)
        upright = replace(first, landmarks=points, dense=dense)
        start = _start(before, upright, matrix)
        answers = self.marker.locate(aligned, [start]) + self._from_shifts(aligned, start, upright)
        again = _moved(upright, [a for a in answers if _is_near(a, upright)] or [upright])
        return _mapped(first, again, invert(matrix))

    def _from_shifts(self, image: Image, face: Face, expected: Face) -> list[Face]:
        """What the landmarker says from each shifted box, but for what is not the face expected."""
        if not len(self._shifts):
            return []
        answers = self.marker.locate(image, [_shifted(face, shift) for shift in self._shifts])
        return [answer for answer in answers if _is_near(answer, expected)]


def _start(before: Face, upright: Face, matrix: Floats) -> Face:
    """Where to look on the aligned face: at the place a face detector would name there.

    From the box of the mesh that place is known (`as_detected`). The 68 points alone end at the
    brows, and dlib's error doubled when it was asked from their box: the first box is taken along.
    """
    assert upright.landmarks is not None  # it is aligned by them
    if upright.dense is not None:
        return as_detected(replace(upright, box=own_box(upright)))
    box = warp_box(before.box, matrix)
    return Face(box, before.score, keypoints=np.stack(eye_centres(upright.landmarks)))


def _shifted(face: Face, shift: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Face:
    """A face with its box moved, resized, and its key points turned, each by a number of [-1, 1].

    Args:
        face: with box and, where known, key points.
        shift: right, down, larger, clockwise; (4,).
    """
    low, high = face.box[:2], face.box[2:]
    centre, side = (low + high) / 2, high - low
    scale, moved = 1 + SHIFT * shift[2], centre + SHIFT * shift[:2] * side
    box = np.concatenate([moved - scale * side / 2, moved + scale * side / 2]).astype(np.float32)
    if face.keypoints is None:
        return replace(face, box=box)
    angle = np.radians(TURN * shift[3])
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (face.keypoints - centre) @ (scale * rotation).T + moved
    return replace(face, box=box, keypoints=points.astype(np.float32))


def _is_near(answer: Face, expected: Face) -> bool:
    """Whether the landmarks are those of the face expected, roughly."""
    if answer.landmarks is None or expected.landmarks is None:
        return False
    off = np.linalg.norm(answer.landmarks - expected.landmarks, axis=1).mean()
    return bool(off < SAME * interocular(expected.landmarks))  # False where it is no number


def _moved(face: Face, answers: list[Face]) -> Face:
    """The face with the mean of the landmarks of several answers."""
    if answers == [face]:
        return face
    points = np.mean([a.landmarks for a in answers if a.landmarks is not None], axis=0)
    dense = [a.dense for a in answers if a.dense is not None]
    return _with_points(face, points, np.mean(dense, axis=0) if dense else face.dense)


def _mapped(face: Face, aligned: Face, crop_to_frame: Floats) -> Face:
    """The face with the landmarks that were found on its aligned crop."""
    assert aligned.landmarks is not None  # it began with some
    points = warp_points(aligned.landmarks, crop_to_frame)
    dense = None if aligned.dense is None else warp_points(aligned.dense, crop_to_frame)
    return _with_points(face, points, dense)


def _with_points(face: Face, points: Floats, dense: Floats | None) -> Face:
    landmarks = np.asarray(points, np.float32)
    pose = rigid_pose(landmarks)
    dense = None if dense is None else np.asarray(dense, np.float32)
    return replace(face, landmarks=landmarks, dense=dense, pose=pose)
