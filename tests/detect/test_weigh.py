"""Witnesses: right values by hand, and what must hold of any weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tiny_detector import weighing

from counterface.detect.weigh import (
    CONTRADICTION,
    LIMIT,
    NEVER,
    Quality,
    Statement,
    Weighing,
    find_contradiction,
    middle,
    start_weighing,
    take_statements,
)
from counterface.errors import ShapeError

HALF = st.sampled_from((0.0, 0.5, 1.0, 3.0))
LOGITS = st.floats(-20, 20)


def some(*slopes: Any, questions: str = "ab", **changes: Any) -> Weighing:
    return Weighing.model_validate(weighing(*slopes, questions=questions, **changes))


def odds(found: Weighing, *logits: float) -> float:
    return float(found.weigh([logits], found.bins[0])[0])


def test_evidence_is_stretched_moved_clipped_added_and_joined():
    found = some((2.0, 1.0, 0.5), questions="aab", offsets=[-1.0, 0.0, 1.0])
    assert found.hear([[1.0, -0.5, -4.0]], found.bins[0]).tolist() == [[1.0, -0.5, -1.0]]
    assert odds(found, 1.0, -0.5, -4.0) == pytest.approx(np.log(np.exp(0.5) + np.exp(-1.0)))
    assert found.hear([[9.0, -9.0, 0.0]], found.bins[0]).tolist() == [[LIMIT, -LIMIT, 1.0]]
    one = some((1.0,), questions="a")
    assert odds(one, 1.25) == 1.25


def test_another_number_of_witnesses_is_refused():
    with pytest.raises(ShapeError, match=r"\(N, 2\), got \(1, 3\)"):
        odds(some(), 1.0, 2.0, 3.0)


@given(st.lists(st.tuples(HALF, st.sampled_from("abc")), min_size=1, max_size=4), st.data())
def test_more_of_any_witness_is_never_less_and_the_silent_change_nothing(members, data):
    slopes, questions = zip(*members, strict=True)
    assume(any(slopes))
    found = some(slopes, questions="".join(questions))
    logits = [data.draw(LOGITS) for _ in slopes]
    number = data.draw(st.integers(0, len(slopes) - 1))
    more = list(logits)
    more[number] += data.draw(st.floats(0, 9))
    if slopes[number] == 0:
        assert odds(found, *more) == odds(found, *logits)
    assert odds(found, *more) >= odds(found, *logits)
    for extra in "az":  # a silent witness of an old question or of a new one
        wider = some((*slopes, 0.0), questions="".join(questions) + extra)
        assert odds(wider, *logits, data.draw(LOGITS)) == odds(found, *logits)
    assert odds(found, *logits) <= LIMIT * len(slopes) + np.log(len(slopes))


LADDER = {"min_eye_px": 40, "min_sharpness": 0.6, "max_compression": 0.5}


def ladder() -> Weighing:
    """A good bin, a middling one and a poor one, in which all are silent."""
    told = weighing((1, 1), (1, 0), (0, 0))
    told["bins"][0] |= LADDER
    told["bins"][1] |= {"min_eye_px": 20, "min_sharpness": 0.5, "max_compression": 0.8}
    return Weighing.model_validate(told)


@pytest.mark.parametrize(
    ("quality", "name"),
    [
        (Quality(50, 0.7, 0.2), "bin 0"),
        (Quality(40, 0.6, 0.5), "bin 0"),  # limits belong to the bin
        (Quality(39, 0.7, 0.2), "bin 1"),
        (Quality(50, 0.59, 0.2), "bin 1"),
        (Quality(50, 0.7, 0.51), "bin 1"),
        (Quality(19, 0.7, 0.2), None),  # there all are silent
        (Quality(None, None, None), "bin 0"),  # not measured: not held against it
        (Quality(30, None, None), "bin 1"),
    ],
)
def test_a_face_belongs_to_the_best_bin_that_it_is_good_enough_for(quality, name):
    found = ladder().bin_of(quality)
    assert (found.name if found else None) == name
    assert ladder().nearest(quality).name == (name or "bin 1")  # a number, though no verdict


def test_the_middle_of_the_frames_decides():
    assert (middle([10, 30, None, 50]), middle([None, None])) == (30, None)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"bins": weighing((1, 1, 1), questions="abc")["bins"]}, "3 slopes for 2 witnesses"),
        ({"bins": weighing((-1, 1))["bins"]}, "-1.0 is negative"),
        ({"bins": weighing((0, 1), offsets=[1, 0])["bins"]}, "silent witness"),
        ({"bins": weighing((1, 1), offsets=[1])["bins"]}, "2 slopes and 1 offsets"),
        ({"bins": weighing((0, 0))["bins"]}, "silent in every bin"),
        ({"bins": list(reversed(weighing((1, 1), **LADDER)["bins"])) * 2}, "stands twice"),
        ({"bins": [weighing()["bins"][0], {**weighing((1, 1), **LADDER)["bins"][0], "name": "c"}]},
         "asks for more"),
        ({"bins": []}, "at least 1"),
        ({"witnesses": weighing(questions="aa")["witnesses"][:1] * 2}, "stands twice"),
    ],
)  # fmt: skip
def test_weights_that_make_no_sense_are_refused(change, word):
    with pytest.raises(ValueError, match=word):
        Weighing.model_validate(weighing() | change)


def test_what_each_says_is_one_sentence():
    found = some((1.0, 1.0, 0.0), questions="aab")
    said = take_statements([[2.0, -0.2, 5.0], [4.0, 0.0, 5.0]], found, found.bins[0])
    assert [one.says for one in said] == ["for", "neither", "silent"]
    assert [one.log_odds for one in said] == [pytest.approx(2.5), pytest.approx(-0.1), None]
    assert said[0].text == (
        "'witness 0', which looks for bright faces, speaks for manipulation (+2.5 of at most 3)."
    )
    assert said[2].text.endswith("cannot tell at this quality.")
    assert take_statements([[-2.0, 0, 0]], found, found.bins[0])[0].says == "against"


@pytest.mark.parametrize(
    ("questions", "logits", "apart"),
    [
        ("aab", (2.5, -2.0, 0.0), True),
        ("aab", (2.0, -2.0, 0.0), False),  # by 4, not more
        ("aab", (2.5, 0.0, -2.5), False),  # of two questions: a generated face has no seam
        ("aba", (3.0, 0.0, -3.0), True),
    ],
)
def test_only_witnesses_of_one_question_contradict_each_other(questions, logits, apart):
    found = some((1.0, 1.0, 1.0), questions=questions)
    pair = find_contradiction(take_statements([logits], found, found.bins[0]))
    assert (pair is not None) == apart
    if pair is not None:
        one, other = pair
        assert one.question == other.question
        assert one.log_odds - other.log_odds > CONTRADICTION
    silent = some((1.0, 0.0, 0.0), questions=questions)
    assert find_contradiction(take_statements([logits], silent, silent.bins[0])) is None


def test_a_fresh_file_takes_every_witness_at_its_word_and_calls_nothing():
    found = start_weighing(some().witnesses)
    assert found.bin_of(Quality(100, 0.8, 0.1)) is found.bins[0]
    assert found.bin_of(Quality(5, 0.8, 0.1)) is None
    assert {bin_.line for bin_ in found.bins} == {NEVER}
    assert odds(found, 1.0, 2.0) == pytest.approx(np.logaddexp(1.0, 2.0))
    assert Statement.model_validate(take_statements([[1, 2]], found, found.bins[0])[0].model_dump())


def test_a_bin_is_described_with_its_weights_and_its_promise():
    promise = {"share": 0.05, "origins": 3, "files": 90}
    found = some((1.5, 0.0), offsets=[-0.25, 0.0], line=0.9, promise=promise, **LADDER)
    assert found.describe(found.bins[0]) == (
        "eyes 40 pixels apart and more, sharpness from 0.6, compression up to 0.5; witness 0 1.5 z "
        "-0.25, witness 1 silent; likely manipulated from 0.900, passed by 5% of genuine files at "
        "most, from the worst of 3 sources (90 files)"
    )
    fresh = found.unfitted()
    assert (fresh.bins[0].slopes, fresh.bins[0].min_eye_px) == ((1.0, 1.0), 40)
    assert fresh.describe(fresh.bins[0]).endswith("nothing is called likely manipulated")
