"""The maps count every crop once; what is missing is said, and no longer once it is there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from footage import make_row

from counterface.faceset.coverage import draw_coverage, find_coverage
from counterface.faceset.row import Row
from counterface.types import Pose


def turned(yaw: float, pitch: float = 0.0) -> Row:
    return make_row(pose=Pose(yaw, pitch, 0.0))


def opened_mouth(row: Row) -> Row:
    points = row.landmarks.copy()
    points[[65, 66, 67], 1] += 20
    return replace(row, landmarks=points)


def test_every_crop_is_in_one_cell_of_each_map_however_far_it_lies():
    rows = [turned(yaw, pitch) for yaw in (-170, -20, 0, 14.9, 15, 88) for pitch in (-80, 0, 20)]
    found = find_coverage([*rows, replace(rows[0], pose=None)])
    assert np.sum(found.poses.counts) == len(rows)
    assert np.sum(found.mouths.counts) == len(rows) + 1
    assert found.without_pose == 1
    counts = np.array(found.poses.counts)
    assert counts[0, 0] == 1  # pitch -80 and yaw -170, in the outer cell
    assert counts[3].tolist() == [1, 0, 0, 1, 0, 2, 1, 0, 0, 1]


def test_a_talking_head_from_the_front_lacks_both_sides_and_an_open_mouth():
    rows = [turned(yaw) for yaw in np.linspace(-12, 40, 20)]
    warnings = find_coverage(rows).warnings
    assert "nothing beyond 30 degrees to the left" in warnings
    assert not any("to the right" in text for text in warnings)
    assert "no open mouth: the swap's mouth will be black" in warnings
    more = find_coverage([*rows, turned(-35), opened_mouth(turned(0))]).warnings
    assert not any("to the left" in text or "open mouth" in text for text in more)


def test_what_is_rare_is_told_with_its_number():
    rows = [turned(0)] * 400 + [turned(-35)]
    assert "only 1 crop beyond 30 degrees to the left" in find_coverage(rows).warnings


@pytest.mark.parametrize("count", [0, 1, 30])
def test_the_picture_shows_both_maps_and_grows_with_the_warnings(count: int):
    found = find_coverage([turned(float(yaw)) for yaw in np.linspace(-40, 40, count)])
    image = draw_coverage(found)
    fewer = draw_coverage(found.model_copy(update={"warnings": found.warnings[:1]}))
    assert len(image) - len(fewer) == 24 * (len(found.warnings) - 1)
    half = image.shape[1] // 2
    for side in (image[:, :half], image[:, half:]):
        coloured = np.ptp(side.astype(int), axis=2) > 60
        assert coloured.any() == (count > 0)


def test_nothing_at_all_is_said_so():
    assert find_coverage([]).warnings == ("no crops",)
