"""The 68-point convention and its mapping from the mesh."""

from __future__ import annotations

import numpy as np
import pytest
from actors import draw_actor

from counterface.errors import ShapeError
from counterface.faces.landmarks import (
    MESH_TO_68,
    MIRRORED,
    eye_centres,
    interocular,
    mesh_to_68,
)


def test_each_mesh_point_is_used_once() -> None:
    assert MESH_TO_68.shape == (68,)
    assert len(set(MESH_TO_68.tolist())) == 68


def test_mirroring_twice_changes_nothing_and_once_gives_a_face() -> None:
    assert np.array_equal(MIRRORED[MIRRORED], np.arange(68))
    landmarks = draw_actor(0).landmarks
    mirrored = ([255, 0] + landmarks * [-1, 1])[MIRRORED]
    assert np.abs(mirrored - landmarks).max() < 2  # a frontal actor is symmetric


def test_eyes_are_named_by_the_side_of_the_image() -> None:
    left, right = eye_centres(draw_actor(0).landmarks)
    assert left[0] < right[0]


def test_interocular_spans_the_outer_corners() -> None:
    landmarks = np.zeros((68, 2), np.float32)
    landmarks[36], landmarks[45] = (10, 20), (40, 60)
    assert interocular(landmarks) == pytest.approx(50)


def test_a_mesh_with_iris_points_or_depth_is_taken_and_a_short_one_refused() -> None:
    mesh = np.random.default_rng(0).uniform(0, 9, (478, 3)).astype(np.float32)
    assert np.array_equal(mesh_to_68(mesh), mesh[MESH_TO_68, :2])
    with pytest.raises(ShapeError, match="468"):
        mesh_to_68(mesh[:100])
