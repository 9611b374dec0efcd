"""Pose against heads whose turn is known."""

from __future__ import annotations

import numpy as np
import pytest
from actor_shape import turn
from actors import Expression, draw_actor

from counterface.errors import ShapeError
from counterface.faces.align import MEAN_SHAPE
from counterface.faces.landmarks import MIRRORED
from counterface.faces.pose import MEAN_DEPTH, RIGID, estimate_pose, pose_of
from counterface.types import Floats, Pose

POSES = [Pose(0, 0, 0), Pose(25, 0, 0), Pose(-25, 5, 0), Pose(0, 15, 0), Pose(10, -15, 30)]
SHAPE = (256, 256)


def angles(pose: Pose) -> Floats:
    return np.array([pose.yaw, pose.pitch, pose.roll], np.float32)


@pytest.mark.parametrize("pose", POSES)
def test_angles_survive_the_rotation_matrix(pose: Pose) -> None:
    assert angles(pose_of(turn(pose))) == pytest.approx(angles(pose), abs=1e-4)


@pytest.mark.parametrize("pose", [*POSES, Pose(60, 0, 0), Pose(-20, 40, 170)])
def test_the_mean_head_gives_back_its_turn_at_any_size_and_place(pose: Pose) -> None:
    head = np.column_stack([MEAN_SHAPE[:31], MEAN_DEPTH])
    landmarks = np.full((68, 2), 100, np.float32)
    landmarks[RIGID] = (head @ turn(pose).T)[:, :2] * 37 + [120, 80]
    assert angles(estimate_pose(landmarks, SHAPE)) == pytest.approx(angles(pose), abs=0.1)


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("identity", [1, 6, 11])
def test_other_heads_are_off_by_a_few_degrees(identity: int, pose: Pose) -> None:
    actor = draw_actor(identity, pose)
    error = np.abs(angles(estimate_pose(actor.landmarks, SHAPE)) - angles(pose))
    assert error.max() < 7  # identities differ in nose length and brow height


def test_speaking_does_not_nod() -> None:
    shut, agape = draw_actor(2), draw_actor(2, expression=Expression(mouth_open=1, smile=1))
    poses = [estimate_pose(a.landmarks, SHAPE) for a in (shut, agape)]
    assert angles(poses[0]) == pytest.approx(angles(poses[1]), abs=1e-3)


def test_a_mirrored_face_turns_the_other_way() -> None:

    landmarks = draw_actor(3, Pose(20, 8, 6)).landmarks
    mirrored = (landmarks * [-1, 1] + [255, 0])[MIRRORED].astype(np.float32)
    one, two = estimate_pose(landmarks, SHAPE), estimate_pose(mirrored, SHAPE)
    assert angles(two) == pytest.approx([-one.yaw, one.pitch, -one.roll], abs=0.05)


@pytest.mark.parametrize(
    ("landmarks", "reason"),
    [
        (np.zeros((5, 2), np.float32), "finite landmarks"),
        (np.full((68, 2), np.nan, np.float32), "finite landmarks"),
        (np.full((68, 2), 40, np.float32), "same point"),
        (draw_actor(0, size=512).landmarks + 600, "outside the image"),
    ],
)
def test_what_is_no_face_is_refused(landmarks: Floats, reason: str) -> None:
    with pytest.raises(ShapeError, match=reason):
        estimate_pose(landmarks, SHAPE)
