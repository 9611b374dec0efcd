"""Which family made a face: named where near and alone, unknown elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterface.detect.attribute import UNKNOWN, Families, Family, attribute, nearest
from counterface.errors import ShapeError

KNOWN = Families(
    members=(
        Family(name="gan_face", limit=40.0, generators=("StyleGAN",), files=20),
        Family(name="genuine", limit=40.0, genuine=True),
        Family(name="face_swap", limit=40.0, generators=("df", "original"), files=30),
    )
)


def test_the_nearest_family_is_named_with_its_share_of_the_belief():
    found = attribute([[10.0, 12.0, 6.0], [12.0, 14.0, 8.0]], KNOWN)
    weights = np.exp(-np.array([4.0, 6.0, 0.0]) / 2)
    assert found.family == "face_swap"
    assert found.confidence == pytest.approx(weights[2] / weights.sum(), abs=1e-4)
    assert sum(found.shares.values()) == pytest.approx(1, abs=1e-3)
    assert "30 files made by df, original" in found.note


@pytest.mark.parametrize(
    ("distances", "why"),
    [
        ([60.0, 90.0, 90.0], "Nearest is gan_face, but 1.5 times as far"),
        ([10.0, 10.0, 10.1], "others are about as near"),
        ([30.0, 5.0, 30.0], "resemble genuine faces"),
    ],
)
def test_unknown_is_an_answer_with_its_reason(distances, why):
    found = attribute([distances], KNOWN)
    assert (found.family, found.confidence) == (UNKNOWN, None)
    assert why in found.note


@given(st.floats(0, 1e3), st.floats(0.5, 32))
def test_what_is_far_from_everything_is_unknown_at_any_temperature(shift, temperature):
    far = np.array([[41.0, 45.0, 80.0]]) + shift
    warm = KNOWN.model_copy(update={"temperature": temperature})
    assert attribute(far, warm).family == UNKNOWN


def test_other_shapes_and_numbers_are_refused():
    for wrong in (np.zeros((2, 2)), np.zeros((0, 3)), np.zeros(3)):
        with pytest.raises(ShapeError, match=r"expected distances \(N, 3\)"):
            attribute(wrong, KNOWN)
    with pytest.raises(ShapeError, match="1 distances are not finite"):
        attribute([[1.0, np.nan, 2.0]], KNOWN)


def test_a_crop_is_as_far_as_from_the_nearest_family_by_that_family_s_limit():
    known = Families(members=(Family(name="a", limit=50), Family(name="b", limit=100)))
    assert nearest([100.0, 150.0], known) == pytest.approx(1.5)
    assert nearest([100.0, float("nan")], known) == pytest.approx(2.0)
    assert nearest([float("nan")] * 2, known) is None


def test_what_this_program_made_itself_is_not_named_as_a_generator():
    members = [
        m.model_copy(update={"generators": ("counterface 0.1.0 df",)}) for m in KNOWN.members
    ]
    found = attribute([[10.0, 12.0, 2.0]], KNOWN.model_copy(update={"members": tuple(members)}))
    assert found.family == "face_swap"
    assert found.note.startswith("Learnt from 30 files; ")
