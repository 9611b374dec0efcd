"""Following: the detector rests between its passes, and nothing it would find stays lost."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from counterface.faces.follow import FaceFollower
from counterface.types import Face, Frame

SIDE = 24  # of a square "face", pixels


class SquareDetector:
    """Finds white squares on black, and counts its passes."""

    def __init__(self) -> None:
        self.passes = 0

    def detect(self, image: np.ndarray) -> list[Face]:
        self.passes += 1
        return [Face(box=box, score=0.9) for box in squares(image)]


class SquareLandmarker:
    """Puts landmarks on the square under a face's box, as a mesh does near its region."""

    def locate(self, image: np.ndarray, faces: list[Face]) -> list[Face]:
        return [self._locate(image, face) for face in faces]

    def _locate(self, image: np.ndarray, face: Face) -> Face:
        centre = (face.box[:2] + face.box[2:]) / 2
        for box in squares(image):
            if np.abs((box[:2] + box[2:]) / 2 - centre).max() < SIDE / 2:
                rng = np.linspace(0, 1, 68)
                spots = np.stack([rng, np.roll(rng, 30)], axis=1)
                return replace(face, landmarks=(box[:2] + spots * (box[2:] - box[:2])).astype("f4"))
        return face


def squares(image: np.ndarray) -> list[np.ndarray]:
    columns = np.flatnonzero((image[..., 0] == 255).any(axis=0))
    if not len(columns):
        return []
    groups = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    found = []
    for group in groups:
        rows = np.flatnonzero(image[:, group[0], 0] == 255)
        found.append(np.array([group[0], rows[0], group[-1], rows[-1]], np.float32))
    return found


def draw(*places: tuple[int, int], paper: int = 0) -> np.ndarray:
    image = np.full((120, 320, 3), paper, np.uint8)
    for x, y in places:
        image[y : y + SIDE, x : x + SIDE] = 255
    return image


@pytest.fixture
def detector() -> SquareDetector:
    return SquareDetector()


def follower(detector: SquareDetector, every: int = 5) -> FaceFollower:
    return FaceFollower(detector, SquareLandmarker(), every)


def test_a_moving_face_keeps_its_own_landmarks_while_the_detector_rests(detector: SquareDetector):
    follow = follower(detector)
    for step in range(20):
        (face,) = follow.find(draw((20 + 5 * step, 40)))
        assert face.box[0] == pytest.approx(20 + 5 * step, abs=1)
        assert face.landmarks is not None
    assert detector.passes == 4


def test_detecting_in_every_frame_is_every_frame(detector: SquareDetector):
    follow = follower(detector, every=1)
    for _ in range(7):
        follow.find(draw((20, 40)))
    assert detector.passes == 7


def test_a_lost_face_is_looked_for_at_once(detector: SquareDetector):
    follow = follower(detector)
    follow.find(draw((20, 40)))
    (face,) = follow.find(draw((200, 40)))  # too far to follow
    assert face.box[0] == 200
    assert detector.passes == 2


def test_a_newcomer_is_found_within_the_detectors_interval(detector: SquareDetector):
    follow = follower(detector, every=4)
    follow.find(draw((20, 40)))
    counts = [len(follow.find(draw((20, 40), (200, 40)))) for _ in range(4)]
    assert counts == [1, 1, 1, 2]


def test_after_a_cut_the_detector_works_even_if_the_old_place_still_fits(detector: SquareDetector):
    follow = follower(detector, every=50)
    follow.find(draw((20, 40)))
    follow.find(draw((20, 40)))
    assert detector.passes == 1
    assert len(follow.find(draw((20, 40), (200, 40), paper=90))) == 2


def test_a_face_that_the_landmarker_does_not_confirm_is_dropped(detector: SquareDetector):
    class Blind:
        def locate(self, image: np.ndarray, faces: list[Face]) -> list[Face]:
            return faces

    assert FaceFollower(detector, Blind()).find(draw((20, 40))) == []


def test_two_followed_faces_that_meet_become_one(detector: SquareDetector):
    follow = follower(detector, every=50)
    assert len(follow.find(draw((20, 40), (70, 40)))) == 2
    assert len(follow.find(draw((50, 40)))) == 1


def test_after_reset_nothing_is_remembered(detector: SquareDetector):
    follow = follower(detector)
    follow.find(draw((20, 40)))
    follow.reset()
    assert follow.find(draw()) == []
    assert detector.passes == 2


def test_no_face_is_followed_from_one_piece_of_a_walk_into_the_next(detector: SquareDetector):
    images = [draw((20, 40))] * 7
    images[4] = draw((21, 40))
    frames = [Frame(image, index, Fraction(index, 25)) for index, image in enumerate(images)]
    pieces = [list(piece) for piece in follower(detector, every=50).walk(frames, 3)]
    assert [[frame.index for frame, _ in piece] for piece in pieces] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [face.box[0] for piece in pieces for _, (face,) in piece] == [20, 20, 20, 20, 21, 20, 20]
    assert detector.passes == 3


def test_a_face_is_followed_while_it_is_too_small_to_be_told(detector: SquareDetector):
    follow = FaceFollower(detector, SquareLandmarker(), 50, min_size=SIDE - 0.5)
    large = draw((20, 40))
    large[40 : 40 + SIDE + 1, 20 : 20 + SIDE + 1] = 255
    assert [len(follow.find(image)) for image in (draw((20, 40)), large)] == [0, 1]
    assert detector.passes == 1


def test_the_largest_face_comes_first(detector: SquareDetector):
    image = draw((20, 40))
    image[30:90, 150:210] = 255
    areas = [np.prod(f.box[2:] - f.box[:2]) for f in follower(detector).find(image)]
    assert areas == sorted(areas, reverse=True)
    assert len(areas) == 2


class Level:
    """Finds the square only in pictures that are wider than high or lie as it was told."""

    def __init__(self, turned: bool) -> None:
        self.turned, self.shapes = turned, []

    def detect(self, image: np.ndarray) -> list[Face]:
        self.shapes.append(image.shape[:2])
        is_turned = image.shape[0] > image.shape[1]
        return [Face(box, 0.9) for box in squares(image)] if is_turned == self.turned else []


def test_a_frame_without_a_face_is_turned_at_every_pass_where_that_is_asked_for():
    level = Level(turned=True)
    follow = FaceFollower(level, SquareLandmarker(), 5, rotations=(90,))
    (face,) = follow.find(draw((20, 40)))
    assert face.box == pytest.approx([20, 40, 43, 43 + 20], abs=0.01)
    assert level.shapes == [(120, 320), (320, 120)]
    for _ in range(5):  # it is followed, so the frame is not turned again
        (face,) = follow.find(draw((20, 40)))
    assert level.shapes == [(120, 320), (320, 120), (120, 320)]


def test_a_frame_is_not_turned_unasked_nor_where_it_shows_a_face():
    unasked = Level(turned=True)
    assert FaceFollower(unasked, SquareLandmarker()).find(draw((20, 40))) == []
    assert len(unasked.shapes) == 1
    seen = Level(turned=False)
    assert FaceFollower(seen, SquareLandmarker(), rotations=(90, 270)).find(draw((20, 40)))
    assert len(seen.shapes) == 1
    never = FaceFollower(Level(turned=True), SquareLandmarker(), rotations=())
    assert never.find(draw((20, 40)), still=True) == []


def test_a_face_found_twice_is_one():
    class Twice:
        def detect(self, image: np.ndarray) -> list[Face]:
            boxes = squares(image)
            return [Face(box + shift, 0.9 - shift / 100) for box in boxes for shift in (0, 4, 7)]

    for still in (False, True):
        follow = FaceFollower(Twice(), SquareLandmarker(), detect_every=1)
        assert len(follow.find(draw((20, 40), (200, 40)), still=still)) == 2


def test_a_face_that_leaves_and_comes_back_is_found_again(detector: SquareDetector):
    follow = follower(detector)
    leaving, gone, coming = range(250, 297, 12), [None] * 5, range(296, 200, -12)
    counts = [
        len(follow.find(draw() if x is None else draw((x, 40)))) for x in (*leaving, *gone, *coming)
    ]
    assert counts[:9] == [1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert counts[13:] == [1] * 4  # it was found at most four frames late
