"""Landmarks asked for more than once: averaged, mapped back, and never those of another face."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from actors import draw_actor

from counterface.faces.align import umeyama, warp_points
from counterface.faces.backends.mediapipe import MediapipeMesh
from counterface.faces.follow import own_box
from counterface.faces.landmarks import INNER, interocular
from counterface.faces.refine import RefinedLandmarker
from counterface.types import Face, Image, Pose

ACTOR = draw_actor(3, Pose(8, 0, 12), size=320)
FOUND = Face(ACTOR.box, 0.9)


class Swayed:
    """Knows the truth, and errs by a fixed share of how far the box lies from the drawn one."""

    def __init__(self, away: float = 0.0) -> None:
        self.away = away  # pixels, of answers from any box but the drawn one
        self.asked: list[tuple[Image, list[Face]]] = []

    def locate(self, image: Image, faces: list[Face]) -> list[Face]:
        self.asked.append((image, faces))
        return [self._answer(face) for face in faces]

    def _answer(self, face: Face) -> Face:
        off = (face.box[:2] + face.box[2:] - ACTOR.box[:2] - ACTOR.box[2:]) / 2
        shift = 4 + 0.5 * off + (self.away if off.any() else 0)
        return replace(face, landmarks=(ACTOR.landmarks + shift).astype(np.float32))


def test_landmarks_of_shifted_boxes_are_averaged_and_the_same_every_time():
    plain, refined = Swayed(), RefinedLandmarker(Swayed(), 6)
    (once,) = refined.locate(ACTOR.image, [FOUND])
    (again,) = RefinedLandmarker(Swayed(), 6).locate(ACTOR.image, [FOUND])
    assert once.landmarks is not None
    assert np.array_equal(once.landmarks, again.landmarks)
    boxes = refined.marker.asked[1][1]
    assert len(boxes) == 6
    side = (ACTOR.box[2:] - ACTOR.box[:2]).max()
    for box in boxes:
        assert 0 < np.abs(box.box - ACTOR.box).max() < 0.1 * side
    each = [plain.locate(ACTOR.image, [face])[0].landmarks for face in [FOUND, *boxes]]
    assert once.landmarks == pytest.approx(np.mean(each, axis=0), abs=1e-3)


def test_answers_that_are_no_longer_of_the_face_do_not_count():
    (face,) = RefinedLandmarker(Swayed(away=90), 6).locate(ACTOR.image, [FOUND])
    assert face.landmarks == pytest.approx(ACTOR.landmarks + 4, abs=1e-3)


def test_what_is_not_seen_at_first_stays_so_and_what_is_known_is_kept():
    class Blind:
        def locate(self, image: Image, faces: list[Face]) -> list[Face]:
            return faces

    listed = replace(FOUND, landmarks=ACTOR.landmarks)
    for second_pass in (False, True):
        refined = RefinedLandmarker(Blind(), 3, second_pass=second_pass)
        assert refined.locate(ACTOR.image, [FOUND, listed]) == [FOUND, listed]
        assert refined.locate(ACTOR.image, []) == []


def test_the_second_pass_looks_at_the_aligned_face_and_maps_back_exactly():
    class OnCrops:
        """Errs on the frame; on the aligned picture it is right."""

        def locate(self, image: Image, faces: list[Face]) -> list[Face]:
            return [self._answer(image, face) for face in faces]

        def _answer(self, image: Image, face: Face) -> Face:
            if image.shape == ACTOR.image.shape:
                return replace(face, landmarks=first)
            crop = warp_points(ACTOR.landmarks, to_crop)
            assert face.box == pytest.approx(own_box(replace(face, landmarks=crop)), abs=60)
            assert face.keypoints is not None
            assert abs(face.keypoints[0, 1] - face.keypoints[1, 1]) < 3  # the eyes are level
            return replace(face, landmarks=crop)

    from counterface.faces.align import crop_matrix
    from counterface.faces.refine import ALIGNED

    tilted = umeyama(ACTOR.landmarks[:2], ACTOR.landmarks[:2] + np.array([[2, 1], [3, 1]], "f4"))
    first = warp_points(ACTOR.landmarks, tilted)
    to_crop = crop_matrix(first, "head", ALIGNED)
    (face,) = RefinedLandmarker(OnCrops(), second_pass=True).locate(ACTOR.image, [FOUND])
    assert face.landmarks == pytest.approx(ACTOR.landmarks, abs=0.01)
    assert face.pose is not None
    assert face.pose.roll == pytest.approx(12, abs=6)


@pytest.mark.parametrize(("re_feed", "second_pass"), [(4, False), (0, True), (2, True)])
def test_the_mesh_stays_on_the_face(re_feed: int, second_pass: bool):
    refined = RefinedLandmarker(MediapipeMesh(), re_feed, second_pass=second_pass)
    (face,) = refined.locate(ACTOR.image, [FOUND])
    assert face.landmarks is not None
    assert face.dense is not None
    assert face.dense.shape == (468, 2)
    off = np.linalg.norm(face.landmarks - ACTOR.landmarks, axis=1)[INNER].mean()
    assert off < 0.12 * interocular(ACTOR.landmarks)
    assert own_box(face) == pytest.approx(ACTOR.box, abs=40)
