"""Hull masks against the drawn skin, and against each other."""

from __future__ import annotations

import numpy as np
import pytest
from actors import FRONTAL, draw_actor

from counterface.errors import ShapeError
from counterface.faces.mask import MASK_KINDS, fill_convex, hull_mask, hull_points
from counterface.types import Mask, Pose

SHAPE = (256, 256)


def mask(kind: str, identity: int = 1, pose: Pose = FRONTAL) -> Mask:
    return hull_mask(draw_actor(identity, pose).landmarks, SHAPE, kind)


@pytest.mark.parametrize("pose", [Pose(0, 0, 0), Pose(20, 0, 0), Pose(-15, 10, 25)])
@pytest.mark.parametrize("identity", [0, 4, 9])
def test_whole_covers_the_skin_of_the_face_and_little_else(identity: int, pose: Pose) -> None:
    skin = draw_actor(identity, pose).mask > 0.5
    hull = mask("whole", identity, pose) > 0.5
    assert (skin & hull).sum() / (skin | hull).sum() > 0.8
    assert (skin & hull).sum() / hull.sum() > 0.9


@pytest.mark.parametrize("kind", MASK_KINDS)
def test_every_kind_lies_in_the_whole(kind: str) -> None:
    part, whole = mask(kind), mask("whole")
    assert part.shape == SHAPE
    assert part.dtype == np.float32
    assert set(np.unique(part)) == {0.0, 1.0}
    assert (part * (1 - whole)).sum() < 0.02 * part.sum()


def test_kinds_are_where_their_names_say() -> None:
    landmarks = draw_actor(1).landmarks

    def covers(kind: str, point: int) -> bool:
        x, y = np.round(landmarks[point]).astype(int)
        return bool(hull_mask(landmarks, SHAPE, kind)[y, x])

    eye, lip, chin, brow = 40, 57, 8, 19
    assert [covers("upper", p) for p in (eye, lip, brow)] == [True, False, True]
    assert [covers("lower", p) for p in (eye, lip)] == [False, True]
    assert [covers("mouth", p) for p in (eye, lip, chin)] == [False, True, False]
    assert [covers("inner", p) for p in (eye, lip, chin)] == [True, True, False]
    assert mask("no_forehead").sum() < 0.9 * mask("whole").sum()


def test_a_face_half_outside_the_image_is_cut_not_refused() -> None:
    landmarks = draw_actor(1).landmarks
    whole = hull_mask(landmarks, SHAPE)
    shifted = hull_mask(landmarks - [128, 0], SHAPE)
    assert np.array_equal(shifted[:, :128], whole[:, 128:])
    assert hull_mask(landmarks + 1000, SHAPE).sum() == 0


def test_wrong_input_is_refused() -> None:
    landmarks = draw_actor(1).landmarks
    with pytest.raises(ShapeError, match=r"no mask is named 'hole'.*whole"):
        hull_mask(landmarks, SHAPE, "hole")
    with pytest.raises(ShapeError, match=r"\(68, 2\)"):
        hull_mask(landmarks[:60], SHAPE)


def test_a_filled_hull_has_its_exact_area_wherever_it_lies() -> None:
    square = np.array([[0, 0], [10.5, 0], [10.5, 7.25], [0, 7.25]], np.float32)
    for shift in (5.0, 5.3, 5.77):
        assert fill_convex(square + shift, (32, 32)).sum() == pytest.approx(10.5 * 7.25, rel=0.07)
    mask = fill_convex(square + 5.3, (32, 32))
    ys, xs = np.mgrid[:32, :32]
    middle = np.array([(mask * xs).sum(), (mask * ys).sum()]) / mask.sum()
    assert np.allclose(middle, np.array([5.25, 3.625]) + 5.3, atol=0.15)


def test_growing_widens_a_hull_all_round() -> None:
    square = np.array([[10, 10], [20, 10], [20, 20], [10, 20]], np.float32)
    grown = fill_convex(square, (32, 32), grow=2.0)
    assert grown.sum() == pytest.approx(10 * 10 + 4 * 10 * 2 + np.pi * 4, rel=0.05)
    assert (grown >= fill_convex(square, (32, 32))).all()


def test_hull_points_enclose_their_region() -> None:
    landmarks = draw_actor(1, size=128).landmarks
    exact = fill_convex(hull_points(landmarks, "inner"), (128, 128)) > 0.5
    rounded = hull_mask(landmarks, (128, 128), "inner") > 0.5
    assert (exact & rounded).sum() > 0.96 * (exact | rounded).sum()
    with pytest.raises(ShapeError, match="no mask is named 'hat'"):
        hull_points(landmarks, "hat")


def test_a_hull_may_lie_partly_or_wholly_outside() -> None:
    square = np.array([[0, 0], [20, 0], [20, 20], [0, 20]], np.float32)
    part = fill_convex(square - 10.5, (32, 32))
    assert part.sum() == pytest.approx(10 * 10, rel=0.06)
    assert fill_convex(square + 24, (32, 32))[24:, 24:].min() > 0.2
    for outside in ((-50, 0), (40, 40), (0, 60)):
        assert fill_convex(square + np.array(outside, np.float32), (32, 32)).sum() == 0
