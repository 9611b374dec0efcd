"""The plan at a moment, for a person; what is written is read back; errors name key and value."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from drawn_swaps import draw_swap

from counterface.errors import ConfigError
from counterface.swap.merge.plan import MergePlan
from counterface.swap.merge.settings import MergeSettings

PLAN = """
[settings]
color_transfer = "lct"
erode = 4

[[span]]
from_s = 2.0
to_s = 6.0
ramp_s = 1.0
erode = 12
jpeg_quality = 60
blend = "seamless"

[[span]]
from_s = 5
track = 1
erode = 20
"""


def read(tmp_path: Path, text: str) -> MergePlan:
    path = tmp_path / "merge.toml"
    path.write_text(text)
    return MergePlan.read(path)


def test_settings_at_moments(tmp_path: Path) -> None:
    plan = read(tmp_path, PLAN)
    assert plan.at(Fraction(0)) == plan.settings
    assert plan.settings.color_transfer == "lct"
    inside = plan.at(Fraction(4))
    assert (inside.erode, inside.jpeg_quality, inside.blend) == (12.0, 60, "seamless")
    assert inside.color_transfer == "lct"
    assert plan.at(Fraction(6)) == plan.settings  # the end is left out
    assert plan.at(2.0).blend == "seamless"  # the beginning is not


def test_numbers_glide_in_and_out_and_choices_switch(tmp_path: Path) -> None:
    plan = read(tmp_path, PLAN)
    quarter = plan.at(Fraction(9, 4))
    assert quarter.erode == pytest.approx(6.0)
    assert quarter.jpeg_quality == 90
    assert isinstance(quarter.jpeg_quality, int)
    assert quarter.blend == "seamless"
    assert plan.at(5.5).erode == pytest.approx(8.0)
    values = [plan.at(Fraction(n, 50)).erode for n in range(90, 310)]
    assert max(abs(a - b) for a, b in pairwise(values)) < 0.2


def test_a_later_span_wins_for_its_person_only(tmp_path: Path) -> None:
    plan = read(tmp_path, PLAN)
    assert plan.at(5.5, track=1).erode == 20
    assert plan.at(5.5, track=1).blend == "seamless"
    assert plan.at(5.5, track=2).erode == pytest.approx(8.0)
    assert plan.at(5.5).erode == pytest.approx(8.0)
    assert plan.at(10_000.0, track=1).erode == 20  # no end was given


def test_ramps_start_from_what_earlier_spans_left(tmp_path: Path) -> None:
    text = "[[span]]\nblur = 20\n[[span]]\nfrom_s = 1\nto_s = 3\nramp_s = 1\nblur = 40\n"
    plan = read(tmp_path, text)
    assert plan.at(1.5).blur == pytest.approx(30)
    assert plan.at(4).blur == 20


def test_a_plan_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    plan = read(tmp_path, PLAN)
    plan.write(tmp_path / "again.toml")
    again = MergePlan.read(tmp_path / "again.toml")
    assert again == plan
    assert [again.at(t, 1) for t in (0, 2.3, 5.5)] == [plan.at(t, 1) for t in (0, 2.3, 5.5)]
    empty = MergePlan()
    empty.write(tmp_path / "empty.toml")
    assert MergePlan.read(tmp_path / "empty.toml") == empty
    assert empty.at(0) == MergeSettings()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[settings]\nerode = 99\n", ["settings.erode", "99"]),
        ("[settings]\nerod = 9\n", ["erod"]),
        ('[settings]\nblend = "overly"\n', ["blend", "overly"]),
        ('[settings]\ncolor_transfer = "rtc"\n', ["color_transfer", "rct", "rtc"]),
        ('[settings]\nhull = "hole"\n', ["hull", "hole", "whole"]),
        ("[[span]]\nerod = 9\n", ["span.0", "erod", "did you mean 'erode'"]),
        ("[[span]]\n[[span]]\nblur = -3\n", ["span.1", "blur", "-3"]),
        ("[[span]]\nfrom_s = 5\nto_s = 4\n", ["span.0", "to_s 4 is not after from_s 5"]),
        ("[[span]]\nfrom_s = -1\n", ["span.0.from_s", "-1"]),
        ("[[span]]\nfrom_s = nan\n", ["span.0.from_s", "nan"]),
        ("[[span]]\nto_s = 1\nramp_s = 0.6\n", ["ramp_s", "0.6"]),
        ('[[span]]\ntrack = "anna"\n', ["span.0.track", "anna"]),
        ("[span]\nerode = 3\n", ["[[span]]"]),
        ("spans = 3\n", ["spans"]),
        ("[settings\n", ["not TOML"]),
    ],
)
def test_an_error_names_the_key_and_the_value(tmp_path: Path, text: str, told: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text)
    for word in [*told, "merge.toml"]:
        assert word in str(error.value)


PAGE = (Path(__file__).parents[3] / "docs" / "swap_merge.md").read_text(encoding="utf-8")


def test_the_python_example_in_the_documentation_runs() -> None:
    drawn = draw_swap(1, 2, size=64)
    given = drawn.swapped
    names: dict[str, Any] = {
        "frame": drawn.target.image,
        "face": given.image,
        "learned_mask": given.mask,
        "frame_to_crop": given.frame_to_crop,
        "landmarks": given.landmarks,
    }
    exec(compile(PAGE.split("```python\n")[1].split("```")[0], "swap_merge.md", "exec"), names)
    merged = names["merged"]
    assert merged.frame.shape == drawn.target.image.shape
    assert merged.mask.max() > 0.9


def test_the_example_in_the_documentation_is_a_plan(tmp_path: Path) -> None:
    example = PAGE.split("```toml")[1].split("```")[0]
    plan = read(tmp_path, example)
    assert len(plan.span) >= 2


def test_a_split_span_holds_the_same_settings_on_both_sides() -> None:
    plan = MergePlan.model_validate(
        {"span": [{"erode": 9}, {"from_s": 1, "to_s": 3, "track": 2, "ramp_s": 0.5, "blur": 20}]}
    )
    parts = plan.split(1, 1.75)
    assert [(one.from_s, one.to_s, one.track) for one in parts.span[1:]] == [
        (1, 1.75, 2),
        (1.75, 3, 2),
    ]
    for moment in (0.5, 1.6, 1.75, 2.4, 3.5):
        assert parts.at(moment, 2) == plan.at(moment, 2)
    with pytest.raises(ConfigError, match="not inside"):
        plan.split(1, 3.0)
    with pytest.raises(ConfigError, match="no span 3"):
        plan.split(2, 1.0)


def test_settings_of_a_moment_are_carried_on_or_back() -> None:
    plan = MergePlan.model_validate(
        {
            "settings": {"erode": 2},
            "span": [{"from_s": 1, "to_s": 2, "erode": 9}, {"from_s": 4, "blur": 30}],
        }
    )
    here = plan.at(1.5)
    on, back = plan.carry(1.5), plan.carry(1.5, back=True)
    assert on.at(1.5) == on.at(3) == on.at(9) == here
    assert on.at(0.5) == plan.at(0.5)
    assert back.at(0) == back.at(1.4) == here
    assert back.at(5) == plan.at(5)
    assert MergePlan().carry(3) == MergePlan()
    with pytest.raises(ConfigError):
        plan.carry(0, back=True)
