"""Tables over methods from made-up scores: values that can be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from counterface.datasets.manifest import Entry
from counterface.detect.generalisation.twin_table import (
    FakeResult,
    JudgedFile,
    compare_results,
    count_alarms,
    find_twins,
    like_genuine,
    merge_folds,
    place_fakes,
    summarise,
    tabulate,
    two_level_mean,
)


def real(name: str, source: str = "", *people: str, origin: str = "", px: float = 60) -> JudgedFile:
    entry = Entry(Path(name), 0, "real", source, people, origin=origin)
    return JudgedFile(entry, px, still=True)


def fake(name: str, method: str, source: str = "", *people: str, px: float = 60) -> JudgedFile:
    entry = Entry(Path(name), 1, "swap", source, people, generator=method)
    return JudgedFile(entry, px, still=True)


def results(method: str, above: Sequence[float], family: str = "swap") -> list[FakeResult]:
    return [
        FakeResult(
            path=f"{method} {i}", method=method, family=family, above=a, found=float(a > 0.9)
        )
        for i, a in enumerate(above)
    ]


def test_a_fake_stands_among_genuine_files_and_above_or_below_its_twin():
    files = [real("a", "1"), real("b", "2"), real("c", "3"), real("d")]
    files += [fake("fa", "roop", "1"), fake("fb", "roop", "2"), fake("fc", "roop")]
    scores = np.array([0.0, 1.0, 2.0, 3.0, 2.5, 0.5, 1.0])
    first, second, third = place_fakes(files, scores, {(4, 0): (1.0, 1.0), (5, 1): (2.0, 1.0)})
    assert (first.above, first.twins, first.equal) == (0.75, 1.0, 0.5)  # a tie counts half
    assert (second.above, second.twins, second.equal) == (0.25, 0.0, 1.0)
    assert (third.above, third.twins, third.equal) == (0.375, None, None)
    (row,) = tabulate([first, second, third])
    assert (row.fakes, row.scored, row.auc, row.with_twins) == (3, 3, None, 2)  # under five: counts
    assert row.twins == 0.5
    assert row.equal == 0.75


def test_a_file_without_a_score_is_counted_and_in_no_number():
    files = [real("a", "1"), real("b"), fake("fa", "roop", "1"), fake("fb", "roop", "1")]
    found = place_fakes(files, np.array([0.0, np.nan, np.nan, 1.0]))
    assert (found[0].above, found[0].twins) == (None, None)
    assert (found[1].above, found[1].twins) == (1.0, 1.0)
    (row,) = tabulate(found)
    assert (row.fakes, row.scored, row.with_twins) == (2, 1, 1)


def test_files_of_like_quality_are_of_the_kind_and_of_about_the_size():
    files = [real(str(px), px=px) for px in (40, 41, 59, 60, 61, 89, 91, 200)]
    files += [JudgedFile(Entry(Path("clip"), 0), 60, still=False)]
    files += [fake("f", "roop", px=60)]
    reals = list(range(9))
    chosen = like_genuine(files, 9, reals)
    assert set(chosen) == set(range(8))  # ten are wanted and eight are of the kind: all of them
    many = [*files, *(real(f"n{i}", px=61) for i in range(10))]
    chosen = like_genuine(many, 9, [*reals, *range(10, 20)])
    # within 1.5 times: not 91, not 200 (40 is just within), and never the clip
    assert {files[i].entry.path.name for i in chosen if i < 9} == {
        "40",
        "41",
        "59",
        "60",
        "61",
        "89",
    }
    clip = JudgedFile(Entry(Path("x"), 1), 60, still=False)
    assert list(like_genuine([*files[:8], clip], 8, range(8))) != []  # no clip: any genuine file


def test_the_twin_of_the_same_person_goes_before_the_driving_actor():
    entries = [
        real("driver", "clip", "bob").entry,
        real("source", "clip", "ann").entry,
        fake("f", "fomm", "clip", "ann").entry,
        fake("g", "dae", "clip", "eve").entry,
        fake("h", "vasa").entry,
    ]
    assert find_twins(entries) == [(2, 1), (3, 0), (3, 1)]


def test_each_method_has_one_weight_and_few_items_have_no_auc_of_their_own():
    found = [*results("big", [1.0] * 90 + [0.0] * 10), *results("small", [0.3] * 5)]
    found += [*results("tiny", [0.2]), *results("gan", [0.5] * 6, family="gan")]
    everything, gan, swap = summarise(found, rounds=200)
    assert (everything.name, gan.name, swap.name) == ("all", "gan", "swap")
    assert everything.auc is not None
    assert everything.auc.value == pytest.approx((0.9 + 0.3 + 0.2 + 0.5) / 4)
    assert (everything.methods, everything.ranked, everything.below_chance) == (4, 3, 1)
    assert everything.worst_quarter == pytest.approx(0.3)  # one of three
    assert swap.auc is not None
    assert swap.auc.value == pytest.approx((0.9 + 0.3 + 0.2) / 3)
    assert gan.auc is not None
    assert (gan.auc.value, gan.auc.low) == (0.5, None)  # one method has no interval
    by_name = {row.name: row for row in tabulate(found)}
    assert by_name["big"].auc == pytest.approx(0.9)
    assert by_name["tiny"].auc is None


def test_the_interval_draws_methods_first_and_is_the_same_for_a_seed():
    apart = [[0.0] * 50, [1.0] * 50]
    number = two_level_mean(apart, rounds=400)
    assert number is not None
    assert (number.value, number.low, number.high) == (0.5, 0.0, 1.0)  # two methods: nothing known
    one = two_level_mean([[0.2, 0.8]] * 30, rounds=400, seed=3)
    assert one == two_level_mean([[0.2, 0.8]] * 30, rounds=400, seed=3)
    assert one is not None
    assert one.low is not None
    assert one.high is not None
    # sd of a method's mean is 0.3 / sqrt 2, of thirty of them 0.0387; 95 % is 1.96 of these
    assert one.high - one.low == pytest.approx(2 * 1.96 * 0.0387, rel=0.25)
    assert two_level_mean([]) is None


def test_two_detectors_are_compared_fake_by_fake():
    first, second = results("a", [0.9, 0.7]), results("a", [0.5, 0.3])
    first += results("b", [0.4])
    second += results("b", [0.6])
    gaps = compare_results(first, second, rounds=200)
    assert gaps["auc"].value == pytest.approx((0.4 - 0.2) / 2)
    assert "twins" not in gaps  # nothing has a twin


def test_fits_against_several_halves_are_averaged():
    one = results("a", [0.8, 0.6])
    other = [r.model_copy(update={"above": 0.4, "twins": 1.0}) for r in one]
    merged = merge_folds([one, other])
    assert [r.above for r in merged] == pytest.approx([0.6, 0.5])
    assert [r.twins for r in merged] == [1.0, 1.0]  # known from one of them
    assert merge_folds([[], []]) == []


def test_each_origin_is_held_against_the_others_whatever_their_size():
    files = [real(f"a{i}", origin="loud") for i in range(4)]
    files += [real(f"b{i}", origin="quiet") for i in range(100)]
    files += [real(f"c{i}", origin="third") for i in range(10)]
    scores = np.concatenate([[5.0, 5, 5, 0], np.linspace(0, 1, 100), np.linspace(0, 2, 10)])
    loud, quiet, third = count_alarms(files, scores, line=1.5)
    assert (loud.origin, loud.files, loud.called, loud.beyond) == ("loud", 4, 0.75, 0.75)
    assert (quiet.called, quiet.beyond) == (0.0, 0.0)
    # a quarter of the weight of the others lies at 5: the line is there, and nobody is above
    assert third.beyond == 0.0
    assert third.called == pytest.approx(0.3)
    assert count_alarms(files, scores)[0].called is None
