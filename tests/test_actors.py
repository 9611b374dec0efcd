"""The drawn actors keep what other tests rely on."""

from __future__ import annotations

import numpy as np
import pytest
from actors import Expression, draw_actor, draw_clip, forget_drawn

from counterface.types import Pose


def test_the_same_arguments_draw_the_same_picture() -> None:
    one = draw_actor(4, Pose(10, 5, 3), Expression(smile=0.5))
    forget_drawn()
    two = draw_actor(4, Pose(10, 5, 3), Expression(smile=0.5))
    assert np.array_equal(one.image, two.image)
    assert np.array_equal(one.landmarks, two.landmarks)


def test_what_is_drawn_once_is_each_callers_own() -> None:
    drawn, (frame,) = draw_actor(4, size=64), draw_clip([4], 1, 64, 48)
    drawn.image[:] = frame.frame.image[:] = 0
    assert draw_actor(4, size=64).image.any()
    (again,) = draw_clip([4], 1, 64, 48)
    assert again.frame.image.any()
    assert again.actors[0].image is again.frame.image


def test_identities_differ_in_shape_and_colour() -> None:
    one, two = draw_actor(1), draw_actor(2)
    assert np.abs(one.landmarks - two.landmarks).max() > 1
    assert np.abs(one.image.astype(int) - two.image).mean() > 5


@pytest.mark.parametrize(
    ("pose", "axis", "sign"),
    [
        (Pose(20, 0, 0), 0, 1),
        (Pose(-20, 0, 0), 0, -1),
        (Pose(0, 15, 0), 1, -1),
        (Pose(0, -15, 0), 1, 1),
    ],
)
def test_the_nose_tip_moves_as_the_pose_says(pose: Pose, axis: int, sign: int) -> None:
    """yaw > 0 looks to the image's right, pitch > 0 up; measured against the eye centres."""
    turned, frontal = draw_actor(0, pose).landmarks, draw_actor(0).landmarks
    nose = [p[30] - p[36:48].mean(axis=0) for p in (turned, frontal)]
    assert sign * (nose[0] - nose[1])[axis] > 3


def test_roll_is_clockwise() -> None:
    landmarks = draw_actor(0, Pose(0, 0, 20)).landmarks
    across = landmarks[45] - landmarks[36]
    assert np.degrees(np.arctan2(across[1], across[0])) == pytest.approx(20, abs=1)


def test_landmarks_lie_where_the_picture_shows_them() -> None:
    """A dark pupil in the middle of the eye points, and the mask around everything but the jaw."""
    actor = draw_actor(5, size=512)
    for eye in (slice(36, 42), slice(42, 48)):
        x, y = np.round(actor.landmarks[eye].mean(axis=0)).astype(int)
        pupil = actor.image[y - 3 : y + 4, x - 3 : x + 4]
        assert pupil.min() < 40
    x, y = np.round(actor.landmarks[17:]).astype(int).T
    assert actor.mask[y, x].all()


def test_mouth_and_eyes_open_and_close() -> None:
    shut, agape = draw_actor(0), draw_actor(0, expression=Expression(mouth_open=1, blink=1))
    gap = [float(a.landmarks[66, 1] - a.landmarks[62, 1]) for a in (shut, agape)]
    assert gap[1] > gap[0] + 10
    lids = [float(a.landmarks[41, 1] - a.landmarks[37, 1]) for a in (shut, agape)]
    assert lids[1] < 0.2 * lids[0]


def test_a_clip_moves_smoothly_and_jumps_at_a_cut() -> None:
    clip = draw_clip([1, 2], frames=8, cut_at=5)
    noses = np.array([[a.landmarks[30] for a in item.actors] for item in clip])
    steps = np.linalg.norm(np.diff(noses, axis=0), axis=-1).max(axis=1)
    assert steps[4] > 20
    assert np.delete(steps, 4).max() < 5
    assert [a.identity for a in clip[6].actors] == [1, 2]
