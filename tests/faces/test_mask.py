"""Hull masks against the drawn skin, and against each other."""

from __future__ import annotations

import numpy as np
import pytest
from actors import FRONTAL, draw_actor

from counterface.errors import ShapeError
from counterface.faces.mask import MASK_KINDS, hull_mask
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
    with pytest.raises(ShapeError, match=r"no mask kind 'hole'.*whole"):
        hull_mask(landmarks, SHAPE, "hole")
    with pytest.raises(ShapeError, match=r"\(68, 2\)"):
        hull_mask(landmarks[:60], SHAPE)
