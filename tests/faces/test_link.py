import actors
import numpy as np
import pytest

from counterface.faces.align import align
from counterface.faces.link import FaceLinker, look_of
from counterface.types import Face, Pose


def sighting(identity, *, left=100.0, size=120.0, yaw=0.0, gain=1.0):
    """A face box, and the crop of a drawn actor."""
    actor = actors.draw_actor(identity, Pose(yaw, 0, 0), size=256)
    crop = align(actor.image, actor.face, "whole_face", 224).image
    crop = np.clip(crop * gain, 0, 255).astype(np.uint8)
    box = np.array([left, 100, left + size, 100 + size], np.float32)
    return Face(box=box, score=1.0), crop


def link(linker, *sightings):
    return linker.link([face for face, _ in sightings], [crop for _, crop in sightings])


def test_a_look_is_a_unit_vector_that_exposure_and_contrast_leave_alone():
    _, crop = sighting(1)
    look = look_of(crop)
    assert np.linalg.norm(look) == pytest.approx(1, abs=1e-5)
    darker = (crop * 0.6 + 20).astype(np.uint8)
    assert float(look @ look_of(darker)) > 0.99


def test_a_flat_crop_has_a_look_too():
    assert np.isfinite(look_of(np.full((64, 64, 3), 90, np.uint8))).all()


def test_one_person_is_followed_across_the_picture():
    linker = FaceLinker()
    for left in (0, 400, 900, 50):
        assert link(linker, sighting(1, left=left)) == [0]


def test_two_people_keep_their_numbers_when_they_change_places():
    linker = FaceLinker()
    assert link(linker, sighting(3, left=0), sighting(6, left=300)) == [0, 1]
    assert link(linker, sighting(6, left=0), sighting(3, left=300)) == [1, 0]


def test_a_cut_to_someone_else_in_the_same_place_starts_a_new_person():
    linker = FaceLinker()
    assert link(linker, sighting(3)) == [0]
    _, other = sighting(6)
    unlike = np.ascontiguousarray(255 - other)
    assert linker.link([sighting(3)[0]], [unlike]) == [1]


def test_a_person_who_left_is_recognised():
    linker = FaceLinker()
    assert link(linker, sighting(1)) == [0]
    assert link(linker) == []
    assert link(linker, sighting(1, left=500, gain=0.8)) == [0]


def test_one_person_has_at_most_one_face_in_a_frame():
    linker = FaceLinker()
    assert link(linker, sighting(1)) == [0]
    twins = link(linker, sighting(1), sighting(1, left=400))
    assert sorted(twins) == [0, 1]
    assert twins[0] == 0  # the one in the old place stays


def test_a_size_and_place_far_off_needs_the_same_look():
    linker = FaceLinker()
    link(linker, sighting(1, size=100))
    _, other = sighting(2)
    noise = np.random.default_rng(0).integers(0, 256, other.shape).astype(np.uint8)
    far = Face(box=np.array([900, 100, 940, 140], np.float32), score=1.0)
    assert linker.link([far], [noise]) == [1]
