"""Balancing: the rarer label is drawn more often, in training alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from counterface.datasets.balance import BalanceConfig, balance_entries
from counterface.datasets.manifest import Entry
from counterface.errors import ConfigError


def mixed(real: int, fake: int, split: str = "train") -> list[Entry]:
    labels = [0] * real + [1] * fake
    return [Entry(Path(f"{split}{at}"), label, split=split) for at, label in enumerate(labels)]


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_even_is_even_to_the_draw_and_no_file_is_drawn_far_more_than_another(
    real: int, fake: int, seed: int
):
    done, report = balance_entries(mixed(real, fake), BalanceConfig(even=True, seed=seed))
    assert report.after["real"] == report.after["fake"] == max(real, fake)
    for label in (0, 1):
        repeats = [entry.repeat for entry in done if entry.label == label]
        assert min(repeats) >= 1
        assert max(repeats) - min(repeats) <= 1


@pytest.mark.parametrize(("ratio", "draws"), [(4, 40), (2.5, 25), (1, 10)])
def test_a_ratio_draws_that_many_times_from_reals_alone(ratio: float, draws: int):
    done, report = balance_entries(mixed(10, 7), BalanceConfig(ratio=ratio))
    assert sum(entry.repeat for entry in done if entry.label == 0) == draws
    assert {entry.repeat for entry in done if entry.label == 1} == {1}
    assert (report.before, report.after["real"]) == ({"real": 10, "fake": 7}, draws)


def test_validation_and_test_are_left_as_they_are():
    held = (
        mixed(2, 9, "val") + [replace(e, repeat=3) for e in mixed(2, 9, "test")] + mixed(1, 1, "")
    )
    done, report = balance_entries(mixed(2, 8) + held, BalanceConfig())
    assert done[10:] == held
    assert report.split == "train"
    assert [entry.repeat for entry in done[:2]] == [4, 4]


def test_balancing_twice_is_balancing_once():
    config = BalanceConfig(ratio=3, seed=1)
    once, _ = balance_entries(mixed(4, 9), config)
    assert balance_entries(once, config)[0] == once


def test_an_unsplit_manifest_is_balanced_whole():
    done, report = balance_entries(mixed(2, 6, ""), BalanceConfig(even=True))
    assert report.split == ""
    assert [entry.repeat for entry in done] == [3, 3, 1, 1, 1, 1, 1, 1]


def test_one_label_cannot_be_balanced_and_two_ways_are_one_too_many():
    with pytest.raises(ConfigError, match="0 real and 5 fake entries to train on"):
        balance_entries(mixed(0, 5), BalanceConfig())
    with pytest.raises(ValidationError, match="not both"):
        BalanceConfig(ratio=4, even=True)
