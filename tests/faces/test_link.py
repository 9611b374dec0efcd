from dataclasses import replace

import actors
import numpy as np
import pytest

from counterface.faces.align import align
from counterface.faces.link import FaceLinker, appearance_of
from counterface.types import Pose


def sighting(identity, *, left=100.0, size=120.0, yaw=0.0, gain=1.0):
    """The crop of a drawn actor, said to lie in a box."""
    actor = actors.draw_actor(identity, Pose(yaw, 0, 0), size=256)
    crop = align(actor.image, actor.face, "whole_face", 224)
    box = np.array([left, 100, left + size, 100 + size], np.float32)
    image = np.clip(crop.image * gain, 0, 255).astype(np.uint8)
    return replace(crop, image=image, face=replace(crop.face, box=box))


def test_an_appearance_is_a_unit_vector_that_exposure_and_contrast_leave_alone():
    crop = sighting(1).image
    appearance = appearance_of(crop)
    assert np.linalg.norm(appearance) == pytest.approx(1, abs=1e-5)
    darker = (crop * 0.6 + 20).astype(np.uint8)
    assert float(appearance @ appearance_of(darker)) > 0.99


def test_a_flat_crop_has_an_appearance_too():
    assert np.isfinite(appearance_of(np.full((64, 64, 3), 90, np.uint8))).all()


def test_one_person_is_followed_across_the_picture():
    linker = FaceLinker()
    for left in (0, 400, 900, 50):
        assert linker.link([sighting(1, left=left)]) == [0]


def test_two_people_keep_their_numbers_when_they_change_places():
    linker = FaceLinker()
    assert linker.link([sighting(3, left=0), sighting(6, left=300)]) == [0, 1]
    assert linker.link([sighting(6, left=0), sighting(3, left=300)]) == [1, 0]


def test_a_cut_to_someone_else_in_the_same_place_starts_a_new_person():
    linker = FaceLinker()
    assert linker.link([sighting(3)]) == [0]
    unlike = replace(sighting(3), image=255 - sighting(6).image)
    assert linker.link([unlike]) == [1]


def test_a_person_who_left_is_recognised():
    linker = FaceLinker()
    assert linker.link([sighting(1)]) == [0]
    assert linker.link([]) == []
    assert linker.link([sighting(1, left=500, gain=0.8)]) == [0]


def test_one_person_has_at_most_one_face_in_a_frame():
    linker = FaceLinker()
    assert linker.link([sighting(1)]) == [0]
    twins = linker.link([sighting(1), sighting(1, left=400)])
    assert sorted(twins) == [0, 1]
    assert twins[0] == 0  # the one in the old place stays


def test_a_size_and_place_far_off_needs_the_same_appearance():
    linker = FaceLinker()
    linker.link([sighting(1, size=100)])
    far = sighting(2, left=900, size=40)
    noise = np.random.default_rng(0).integers(0, 256, far.image.shape).astype(np.uint8)
    assert linker.link([replace(far, image=noise)]) == [1]
