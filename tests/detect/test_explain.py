import numpy as np
import pytest

from counterface.detect.explain import (
    evidence_scale,
    heat_map,
    paint_heat,
    part_of_cells,
    strongest_part,
)
from counterface.errors import ShapeError
from counterface.faces.align import TEMPLATES


def test_evidence_against_manipulation_is_not_drawn():
    crop = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    painted = paint_heat(crop, heat_map(np.full((7, 7), -5, np.float32), 64, 1.0))
    assert np.array_equal(painted[..., 0], painted[..., 1])  # grey, no colour at all
    assert np.array_equal(painted[..., 1], painted[..., 2])


def test_heat_lies_where_the_evidence_is():
    activation = np.zeros((7, 7), np.float32)
    activation[1, 5] = 2.0
    heat = heat_map(activation, 70, 2.0)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert (y // 10, x // 10) == (1, 5)
    assert heat.min() == 0
    assert heat[60, 10] == 0


def test_heat_is_monotonic_in_the_evidence_and_stays_in_range():
    weak, strong = (heat_map(np.full((4, 4), a, np.float32), 16, 1.0) for a in (0.25, 40.0))
    assert weak.mean() == pytest.approx(0.25)
    assert strong.max() == 1.0


def test_stronger_evidence_is_darker_on_the_same_grey():
    crop = np.full((16, 16, 3), 200, np.uint8)
    luma = [
        paint_heat(crop, np.full((16, 16), h, np.float32)).astype(float) @ [0.299, 0.587, 0.114]
        for h in (0.3, 0.6, 1.0)
    ]
    assert luma[0].mean() > luma[1].mean() > luma[2].mean()


def test_the_scale_ignores_negative_cells_and_is_never_zero():
    assert evidence_scale([]) == 1.0
    assert evidence_scale([np.full((3, 3), -1, np.float32)]) == 1.0
    maps = [np.array([[1.0, -9.0], [3.0, 2.0]], np.float32)]
    assert 2.9 < evidence_scale(maps) <= 3.0


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_parts_lie_where_a_face_has_them(template):
    side, eye_line = TEMPLATES[template]
    parts = part_of_cells((48, 48), template)

    def at(x, y):
        return parts[int((y / side + eye_line) * 48)][int((x / side + 0.5) * 48)]

    assert at(-0.5, 0.0) == at(0.5, 0.0) == "eyes"
    assert at(0.0, 1.1) == "mouth"
    assert at(0.0, 0.5) == "nose"


def test_the_strongest_part_is_the_one_with_the_evidence():
    side, eye_line = TEMPLATES["whole_face"]
    activation = np.full((14, 14), -1, np.float32)
    activation[int((1.1 / side + eye_line) * 14), 7] = 4.0
    assert strongest_part([activation], "whole_face") == "mouth"
    assert strongest_part([np.full((7, 7), -1, np.float32)], "whole_face") is None
    assert strongest_part([], "whole_face") is None


def test_sizes_that_differ_are_refused():
    with pytest.raises(ShapeError, match="differ"):
        paint_heat(np.zeros((8, 8, 3), np.uint8), np.zeros((9, 9), np.float32))
    with pytest.raises(ShapeError, match="scale"):
        heat_map(np.zeros((3, 3), np.float32), 8, 0.0)
