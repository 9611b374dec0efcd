"""Times and angles as people write them."""

from __future__ import annotations

import pytest

from counterface.faceset.spelled import angles_of, read_angles, read_clock


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", "90"),
        (90, "90"),
        (90.5, "90.5"),
        ("1:30.50", "90.5"),
        ("62:03", "3723"),
        ("1:02:03.040", "3723.04"),
        ("0", "0"),
        ("100", "100"),
        (" 0:05 ", "5"),
    ],
)
def test_a_time_is_seconds_however_it_is_written(written: object, seconds: str):
    assert read_clock(written) == seconds
    assert read_clock(seconds) == seconds


@pytest.mark.parametrize(
    "written", ["", "x", "-1", "1:60", "1:60:00", "1::2", "1e3", True, "1:2:3:4"]
)
def test_what_is_no_time_is_refused_with_an_example(written: object):
    with pytest.raises(ValueError, match=r"is no time; write seconds \(90\.5\)"):
        read_clock(written)


@pytest.mark.parametrize(
    ("written", "normal", "angles"),
    [
        ("270, 90", "90,270", (90, 270)),
        ("90", "90,180,270", (90, 180, 270)),
        (90, "90,180,270", (90, 180, 270)),
        ("180", "180", (180,)),
        ("100", "100,200,300", (100, 200, 300)),
        ("0", "0", ()),
        ("0,90", "0,90", (90,)),
        ([90, 270, 90], "90,270", (90, 270)),
    ],
)
def test_angles_are_a_list_or_a_step(written: object, normal: str, angles: tuple[int, ...]):
    assert read_angles(written) == normal
    assert read_angles(normal) == normal
    assert angles_of(normal) == angles


@pytest.mark.parametrize("written", ["", "left", "360", "-90", "90;180", "45.5", "90,", True, []])
def test_what_names_no_angles_is_refused_with_an_example(written: object):
    with pytest.raises(ValueError, match="names no angles; write degrees"):
        read_angles(written)
