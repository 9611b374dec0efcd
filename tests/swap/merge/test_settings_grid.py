"""The grid shows what merging gives, in the order of its labels, for any knob."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_swaps import draw_swap

from counterface.errors import ConfigError, SwapError
from counterface.swap.merge.grid import MAX_CELL, Knob, parse_knob, settings_grid
from counterface.swap.merge.merge_face import merge_face
from counterface.swap.merge.settings import MergeSettings
from counterface.types import Image, Pose

BASE = MergeSettings(color_transfer="none")


def grid(rows: Knob | None = None, columns: Knob | None = None, eyes: float = 30.0) -> Image:
    drawn = draw_swap(1, 2, eyes=eyes, pose=Pose(0, 0, 25))
    return settings_grid(drawn.target.image, drawn.swapped, BASE, rows, columns)


def holds(sheet: Image, part: Image) -> bool:
    """Whether the sheet shows the part somewhere, bit for bit."""
    difference = cv2.matchTemplate(sheet, part, cv2.TM_SQDIFF)
    y, x = np.unravel_index(difference.argmin(), difference.shape)
    return np.array_equal(sheet[y : y + part.shape[0], x : x + part.shape[1]], part)


def test_every_cell_is_a_merge_with_its_settings() -> None:
    drawn = draw_swap(1, 2, eyes=30.0, pose=Pose(0, 0, 25))
    sheet = grid(Knob("opacity", ("30", "100")), Knob("erode", (0, 10, 20)))
    x, y = drawn.target.landmarks[30].round().astype(int)
    for opacity in (30.0, 100.0):
        for erode in (0.0, 10.0, 20.0):
            settings = BASE.model_copy(update={"opacity": opacity, "erode": erode})
            merged = merge_face(drawn.target.image, drawn.swapped, settings).frame
            assert holds(sheet, merged[y - 30 : y + 30, x - 25 : x + 25])


def test_rows_go_down_and_columns_to_the_right() -> None:
    both = grid(Knob("opacity", (0, 100)), Knob("erode", (0, 5, 10)))
    assert both.shape[1] > both.shape[0]
    one = grid()
    assert both.shape[0] > 1.9 * one.shape[0]
    assert both.shape[1] > 2.9 * one.shape[1]
    assert grid(columns=Knob("erode", (0, 5))).shape[0] < 1.5 * one.shape[0]


def test_labels_are_written_beside_the_cells() -> None:
    plain = grid(Knob("opacity", (100,)))
    labelled = plain[:, :40]
    assert (labelled < 100).sum() > 100  # ink
    wide = grid(Knob("color_transfer", ("none",)))
    assert wide.shape[1] > plain.shape[1]  # a longer name has more room


def test_cells_stay_small() -> None:
    sheet = grid(eyes=60.0)
    assert max(sheet.shape[:2]) <= MAX_CELL + 20


@pytest.mark.parametrize(
    ("name", "value"), [("blend", "raw"), ("jpeg_quality", "20"), ("face_scale", 110)]
)
def test_any_knob_can_be_tried(name: str, value: object) -> None:
    changed = grid(Knob(name, (value,)))
    default = grid(Knob(name, (getattr(BASE, name),)))
    height, width = (min(a, b) for a, b in zip(changed.shape[:2], default.shape[:2], strict=True))
    part = slice(0, height), slice(width - 60, width)
    assert not np.array_equal(changed[part], default[part])


@pytest.mark.parametrize(
    ("rows", "columns", "told"),
    [
        (Knob("eroded", (1,)), None, "eroded"),
        (Knob("erode", ("much",)), None, "much"),
        (Knob("erode", (1,)), Knob("erode", (2,)), "erode"),
        (Knob("erode", tuple(range(21))), Knob("blur", tuple(range(20))), "420"),
        (Knob("erode", ()), None, "0 cells"),
    ],
)
def test_a_grid_that_cannot_be_is_an_error(
    rows: Knob | None, columns: Knob | None, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        grid(rows, columns)


def test_a_mask_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SwapError, match="learned"):
        grid(Knob("mask", ("hull", "learned")))


def test_a_knob_from_the_command_line() -> None:
    assert parse_knob("erode=0, 5,10") == Knob("erode", ("0", "5", "10"))
    assert parse_knob("color-transfer=rct").name == "color_transfer"
    for text in ("erode", "=3", "erode="):
        with pytest.raises(ConfigError, match="NAME=VALUE"):
            parse_knob(text)
