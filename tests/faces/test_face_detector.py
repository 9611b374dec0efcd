"""Finding faces: drawn actors at many poses and sizes, merging, and the public call."""

from __future__ import annotations

import threading
from dataclasses import replace

import cv2
import numpy as np
import PIL.Image
import pytest
from actor_shape import turn
from actors import Expression, add_actor, draw_actor, draw_clip
from hypothesis import given
from hypothesis import strategies as st

import counterface
from counterface.errors import RegistryError, ShapeError
from counterface.faces.backends.auto import AutoFaceDetector, detect_in_tiles
from counterface.faces.backends.centerface import CenterFaceDetector
from counterface.faces.backends.mediapipe import MediapipeFaceDetector, MediapipeMesh
from counterface.faces.face_detector import (
    box_overlaps,
    detect_turned,
    find_faces,
    locate_faces,
    merge_faces,
)
from counterface.faces.landmarks import interocular
from counterface.types import Face, Image, Pose

POSES = [Pose(0, 0, 0), Pose(25, 0, 0), Pose(-25, 10, 10), Pose(0, -15, -20), Pose(10, 15, 30)]


def face(x: float, side: float = 10, score: float = 0.9) -> Face:
    return Face(np.array([x, 0, x + side, side], np.float32), score)


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("identity", [0, 3, 7])
def test_a_drawn_face_is_found_with_its_landmarks(identity: int, pose: Pose) -> None:
    actor = draw_actor(identity, pose, Expression(smile=0.4, mouth_open=0.2))
    found = find_faces(actor.image)
    assert len(found) == 1
    landmarks = found[0].landmarks
    assert landmarks is not None
    off = np.linalg.norm(landmarks - actor.landmarks, axis=1) / interocular(actor.landmarks)
    assert off[17:].mean() < 0.07
    assert off[36:48].mean() < 0.05
    assert found[0].pose is not None
    assert abs(found[0].pose.yaw - pose.yaw) < 13
    assert abs(found[0].pose.roll - pose.roll) < 5


def test_faces_come_largest_first() -> None:
    canvas = np.full((300, 600, 3), 90, np.uint8)
    small = add_actor(canvas, 1, Pose(0, 0, 0), Expression(), np.array([120.0, 120.0]), 26)
    both = add_actor(small.image, 2, Pose(0, 0, 0), Expression(), np.array([420.0, 120.0]), 60)
    found = find_faces(both.image)
    assert len(found) == 2
    assert found[0].box[0] > 300 > found[1].box[2]


@pytest.mark.slow
def test_two_people_are_two_faces_in_every_frame() -> None:
    for item in draw_clip([1, 2], frames=6, width=480, height=270):
        assert len(find_faces(item.frame.image)) == 2


@pytest.mark.parametrize("size", [22, 28])
def test_centerface_finds_what_is_too_small_for_the_default(size: int) -> None:
    rng = np.random.default_rng(0)
    canvas = rng.integers(90, 110, (720, 1280, 3), dtype=np.uint8)
    actor = add_actor(canvas, 2, Pose(0, 0, 0), Expression(), np.array([600.0, 300.0]), size / 2.2)
    assert MediapipeFaceDetector().detect(actor.image) == []
    found = CenterFaceDetector().detect(actor.image)
    assert len(found) == 1
    inside = (found[0].box[:2] < actor.landmarks[30]) & (actor.landmarks[30] < found[0].box[2:])
    assert inside.all()


def gallery(width: int, height: int, side: int, count: int, roll: float = 0) -> tuple:
    """A row of drawn people on a plain wall, and their true faces; `side` is brows to chin."""
    image = np.full((height, width, 3), (188, 182, 170), np.uint8)
    actors = []
    for place in range(count):
        centre = np.array([(place + 0.5) * width / count, height * 0.45])
        actor = add_actor(image, place, Pose(0, 0, roll), Expression(), centre, side / 1.4)
        image = actor.image
        actors.append(actor)
    return image, actors


def found_of(faces: list[Face], actors: list) -> int:
    """How many actors have a face whose landmarks lie on theirs."""
    placed = [f.landmarks for f in faces if f.landmarks is not None]
    return sum(
        any(
            np.linalg.norm(p[17:] - a.landmarks[17:], axis=1).mean()
            < 0.12 * interocular(a.landmarks)
            for p in placed
        )
        for a in actors
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "height", "side", "count"),
    [(640, 480, 48, 3), (1400, 800, 56, 4), (2560, 1440, 90, 1)],
)
def test_each_face_of_a_group_or_a_large_picture_is_found_and_placed(
    width: int, height: int, side: int, count: int
) -> None:
    image, actors = gallery(width, height, side, count)
    faces = find_faces(image)
    assert len(faces) == count
    assert found_of(faces, actors) == count


@pytest.mark.slow
def test_faces_at_the_seams_of_a_large_pictures_tiles_are_found_once() -> None:
    image, actors = gallery(4000, 3000, 110, 12)
    faces = find_faces(image)
    assert len(faces) == found_of(faces, actors) == 12


def test_tiles_cover_a_picture_and_leave_out_what_an_inner_edge_cuts() -> None:
    class Bright:
        """Finds the one bright spot, in the pixels of what it is shown."""

        def detect(self, image: Image) -> list[Face]:
            assert image.shape[0] * image.shape[1] <= 1280 * 960
            rows, columns = np.nonzero(image[..., 0] > 128)
            if len(rows) < 100:  # too small: reduced, or cut
                return []
            box = np.array([columns.min(), rows.min(), columns.max(), rows.max()], np.float32)
            return [Face(box, 0.9, keypoints=box.reshape(2, 2))]

    for x, y in ((10, 20), (1275, 955), (1199, 700), (2380, 1780)):
        image = np.zeros((1800, 2400, 3), np.uint8)
        image[y : y + 12, x : x + 12] = 255
        (face,) = detect_in_tiles(Bright(), image, 1.0)  # type: ignore[arg-type]
        assert face.box == pytest.approx([x, y, x + 11, y + 11])
        assert face.keypoints == pytest.approx(face.box.reshape(2, 2))


@pytest.mark.parametrize("roll", [60, 90, 135, 180, -120, -90])
def test_a_turned_face_is_placed_the_right_way_up(roll: int) -> None:
    actor = draw_actor(3, Pose(0, 0, roll), size=320)
    faces = find_faces(actor.image)
    assert len(faces) == found_of(faces, [actor]) == 1
    assert faces[0].pose is not None
    assert abs((faces[0].pose.roll - roll + 180) % 360 - 180) < 8


def test_what_is_found_in_a_turned_picture_is_told_in_the_pixels_of_the_picture() -> None:
    class Corner:
        """Finds the brightest pixel, and names it as the first eye."""

        def detect(self, image: Image) -> list[Face]:
            row, column = np.unravel_index(image[..., 0].argmax(), image.shape[:2])
            eyes = np.array([[column, row], [0, 0]], np.float32)
            return [Face(np.array([column, row, column, row], np.float32), 0.9, keypoints=eyes)]

    image = np.zeros((40, 70, 3), np.uint8)
    image[11, 52] = 255
    faces = detect_turned(image, Corner())
    assert len(faces) == 3
    for face in faces:
        assert face.box == pytest.approx([52, 11, 52, 11])
        assert face.keypoints is not None
        assert face.keypoints[0] == pytest.approx([52, 11])


def test_a_false_alarm_round_a_small_face_does_not_take_its_place() -> None:
    """Nor is it told: neither the detector is sure of it nor the mesh."""
    image, (actor,) = gallery(900, 600, 60, 1)
    x, y = actor.landmarks[30]
    alarm = Face(np.array([x - 260, y - 260, x + 260, y + 260], np.float32), 0.69)
    true = Face(actor.box, 0.4)
    (face,) = locate_faces(image, [alarm, true], MediapipeMesh())
    assert face.box is true.box


def test_how_small_a_face_may_be_follows_the_size_of_the_picture() -> None:
    auto = AutoFaceDetector()
    assert auto.smallest((1080, 1920)) == 32
    assert auto.smallest((4000, 6000)) == pytest.approx(64)
    assert auto.smallest((2160, 3840), video=True) == pytest.approx(65.2, abs=0.1)
    assert AutoFaceDetector(still_mp=None).smallest((4000, 6000)) == 32


def test_centerface_finds_a_face_on_its_side() -> None:
    actor = draw_actor(2, Pose(0, 0, 90), size=320)
    found = CenterFaceDetector().detect(actor.image)
    assert found
    overlap = box_overlaps(actor.box, found[0].box[None])[0][0]
    assert overlap > 0.4


def test_the_mesh_takes_boxes_of_any_detector() -> None:
    actor = draw_actor(3, Pose(10, 0, 20), size=320)
    errors = []
    for detector in (MediapipeFaceDetector(), CenterFaceDetector()):
        landmarks = MediapipeMesh().locate(actor.image, detector.detect(actor.image))[0].landmarks
        assert landmarks is not None
        off = np.linalg.norm(landmarks - actor.landmarks, axis=1)[17:].mean()
        errors.append(off / interocular(actor.landmarks))
    assert max(errors) < 0.07


def test_a_face_without_presence_keeps_its_box_but_has_no_landmarks() -> None:
    image = np.full((200, 200, 3), 120, np.uint8)
    bare = Face(np.array([50, 50, 150, 150], np.float32), 0.9)
    found = MediapipeMesh().locate(image, [bare])
    assert found == [bare]


def test_public_name_and_errors() -> None:
    assert counterface.find_faces is find_faces
    image = draw_actor(0).image
    with pytest.raises(RegistryError, match="did you mean 'centerface'"):
        find_faces(image, face_detector="centreface")
    with pytest.raises(ShapeError, match="float64"):
        find_faces(image / 255)
    assert find_faces(np.zeros((50, 80, 3), np.uint8)) == []


@pytest.mark.slow
def test_threads_do_not_share_an_interpreter() -> None:
    images = [draw_actor(i).image for i in range(4)]
    alone = [find_faces(image)[0].box for image in images]
    results: dict[int, list[Face]] = {}

    def work(number: int) -> None:
        for _ in range(5):
            results[number] = find_faces(images[number])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, box in enumerate(alone):
        assert np.allclose(results[number][0].box, box)


def test_merging_keeps_the_best_of_each_group() -> None:
    one, two, other = face(0, score=0.8), face(2, score=0.9), face(100, score=0.5)
    assert merge_faces([one, other, two]) == [two, other]


def test_a_box_inside_another_is_the_same_face() -> None:
    """One face seen at two scales overlaps little: 16 % here."""
    small = replace(face(0, 10), score=0.95)
    large = Face(np.array([-5, -5, 20, 20], np.float32), 0.6)
    assert merge_faces([large, small]) == [small]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(5, 40), st.floats(0, 1)), max_size=12))
def test_merging_is_settled_after_once(rows: list[tuple[int, int, float]]) -> None:
    faces = [face(float(x), float(side), score) for x, side, score in rows]
    kept = merge_faces(faces)
    assert merge_faces(kept) == kept
    assert all(any(k is f for f in faces) for k in kept)
    assert bool(kept) == bool(faces)


def test_overlap_of_known_boxes() -> None:
    union, inside = box_overlaps(
        np.array([0, 0, 10, 10], np.float32),
        np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [2, 2, 4, 4]], np.float32),
    )
    assert union == pytest.approx([1, 1 / 3, 0, 0.04])
    assert inside == pytest.approx([1, 0.5, 0, 1])


def test_turning_the_head_is_not_tilting_it() -> None:
    """A guard of the test's own truth: `turn` is a rotation."""
    matrix = turn(Pose(20, 10, 30))
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_a_pil_image_is_refused_in_one_clear_line() -> None:
    with pytest.raises(ShapeError, match=r"got PIL\.Image; give .*read_image"):
        counterface.find_faces(PIL.Image.new("RGB", (8, 8)))


class BrightBox:
    """Finds the brightest place as a box of one size, upright in the picture it is shown."""

    def detect(self, image: Image) -> list[Face]:
        blurred = cv2.GaussianBlur(image[..., 0], (0, 0), 2)
        row, column = np.unravel_index(blurred.argmax(), blurred.shape)
        box = np.array([column - 20, row - 10, column + 20, row + 10], np.float32)
        marks = np.array([[column, row]] * 68, np.float32)
        return [Face(box, 0.9, landmarks=marks)]


@pytest.mark.parametrize(
    ("degrees", "width", "height"), [(90, 20, 40), (180, 40, 20), (270, 20, 40), (45, 31.6, 31.6)]
)
def test_a_box_and_points_of_a_picture_turned_by_any_angle_come_back(
    degrees: int, width: float, height: float
) -> None:
    image = np.zeros((101, 160, 3), np.uint8)
    image[29:32, 99:102] = 255
    (face,) = detect_turned(image, BrightBox(), [degrees])
    near = 1e-3 if degrees % 90 == 0 else 1
    assert (face.box[:2] + face.box[2:]) / 2 == pytest.approx([100, 30], abs=near)
    assert face.landmarks is not None
    assert face.landmarks[0] == pytest.approx([100, 30], abs=near)
    assert face.box[2:] - face.box[:2] == pytest.approx([width, height], abs=0.1)


@pytest.mark.parametrize(("degrees", "way"), [(90, (0, -1)), (180, (-1, 0)), (270, (0, 1))])
def test_eyes_that_a_detector_does_not_name_say_which_way_up_a_turned_face_is(
    degrees: int, way: tuple[int, int]
) -> None:
    """Turned clockwise by 90 it was upright: in the picture its eyes lie one above the other."""
    image = np.zeros((101, 160, 3), np.uint8)
    image[29:32, 99:102] = 255
    (face,) = detect_turned(image, BrightBox(), [degrees])
    assert face.keypoints is not None
    across = face.keypoints[1] - face.keypoints[0]
    assert across / np.linalg.norm(across) == pytest.approx(way, abs=1e-6)
