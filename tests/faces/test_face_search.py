"""Searching the frames of a video: thoroughly now and then, quickly in between."""

from __future__ import annotations

import numpy as np
import pytest
from actors import Expression, add_actor

from counterface.faces.backends.auto import AutoFaceDetector
from counterface.faces.backends.mediapipe import MediapipeMesh
from counterface.faces.face_search import EVERY, FaceSearch
from counterface.types import Face, Image, Pose


class Stepped:
    """Notes which way it was asked; sees one face, the quick way only where it fills the view."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.quick = self.Quick(self.asked)

    class Quick:
        def __init__(self, asked: list[str]) -> None:
            self.asked = asked

        def detect(self, image: Image) -> list[Face]:
            self.asked.append("quick")
            rows, columns = np.nonzero(image[..., 0] > 128)
            if not len(rows) or image.shape[0] > 100:
                return []
            box = [columns.min(), rows.min(), columns.max(), rows.max()]
            return [Face(np.array(box, np.float32), 0.9)]

    def detect(self, image: Image) -> list[Face]:
        raise AssertionError("a frame of a video is not searched as a picture")

    def detect_in_video(self, image: Image) -> list[Face]:
        self.asked.append("thorough")
        rows, columns = np.nonzero(image[..., 0] > 128)
        if not len(rows):
            return []
        box = [columns.min(), rows.min(), columns.max(), rows.max()]
        return [Face(np.array(box, np.float32), 0.9)]


class Marks:
    def locate(self, image: Image, faces: list[Face]) -> list[Face]:
        return [
            Face(f.box, f.score, landmarks=np.tile(f.box[:2], (68, 1)).astype(np.float32))
            for f in faces
        ]


def frame(x: int, y: int) -> Image:
    image = np.zeros((300, 400, 3), np.uint8)
    image[y : y + 20, x : x + 20] = 255
    return image


def test_a_small_face_is_found_near_where_the_thorough_search_saw_it() -> None:
    search = FaceSearch(Stepped(), Marks())
    for step in range(EVERY):
        (face,) = search.find(frame(200 + step, 100))
        assert face.box == pytest.approx([200 + step, 100, 219 + step, 119])


def test_thorough_searches_come_every_few_frames_and_cost_nothing_in_between() -> None:
    detector = Stepped()
    search = FaceSearch(detector, Marks(), every=4)
    for _ in range(9):
        search.find(np.zeros((300, 400, 3), np.uint8))
    assert detector.asked.count("thorough") == 3


def test_a_person_far_off_is_followed_through_a_clip() -> None:
    search = FaceSearch(AutoFaceDetector(), MediapipeMesh())
    wall = np.full((720, 1280, 3), (188, 182, 170), np.uint8)
    for step in range(3):
        centre = np.array([400.0 + 12 * step, 300.0])
        actor = add_actor(wall, 2, Pose(0, 0, 0), Expression(), centre, 32)
        (face,) = search.find(actor.image)
        assert face.landmarks is not None
        assert np.abs(face.landmarks[30] - actor.landmarks[30]).max() < 8
