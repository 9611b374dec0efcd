"""Weights and lines from scored files: known answers, and promises that hold on any data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_scores import scored
from hypothesis import given
from hypothesis import strategies as st
from tiny_detector import metadata, weighing, write_detector

from counterface.detect.calibrate import calibrate_file
from counterface.detect.detector import Detector, DetectorInfo
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.evaluation.fit_weighing import (
    FEWEST_GENUINE,
    calibrate_witnesses,
    draw_votes,
    fit_lines,
    fit_weights,
    separates,
    weigh_score,
)
from counterface.detect.scanning.scan import ScanConfig
from counterface.detect.weigh import NEVER, Weighing
from counterface.errors import DetectorError

GOOD, POOR = {"eye_px": 80.0}, {"eye_px": 30.0}


def told(bins: int = 2, questions: str = "ab") -> Weighing:
    """Eyes of 50 pixels and more, of 20 and more, and of 10 and more."""
    found = weighing(*[(1.0,) * len(questions)] * bins, questions=questions)
    for bin_, least in zip(found["bins"], (50, 20, 10), strict=False):
        bin_["min_eye_px"] = least
    return Weighing.model_validate(found)


def heard(
    label: int, *logits: float, frames: int = 4, spread: float = 0.1, **fields: Any
) -> FileScore:
    """A file of which the witnesses say this, give or take `spread` from frame to frame."""
    sway = spread * np.resize([-1.0, 1.0], frames)
    rows = tuple(tuple(z + step for z in logits) for step in sway.tolist())
    values = {"sharpness": 0.8, "strength": 0.2, "spread_over": "frames", **GOOD, **fields}
    return scored(label, 0.0, str(fields), witness_logits=rows, **values)


def some(
    gaps: Sequence[float], fields: dict[str, Any], seed: int = 0, count: int = 40
) -> list[FileScore]:
    """Genuine files of two origins and fakes of four methods, each witness with its gap."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(2 * count):
        label = number % 2
        logits = rng.normal(np.array(gaps) * (label - 0.5), 1.0).tolist()
        name = {"method": f"m{number // 2 % 4}"} if label else {"origin": f"o{number // 2 % 2}"}
        found.append(heard(label, *logits, **name, **fields))
    return found


def test_a_witness_that_separates_speaks_and_one_that_does_not_is_silent_there():
    scores = some((3.0, 0.0), GOOD) + some((3.0, 3.0), POOR, seed=1)
    good, poor = fit_weights(scores, told()).bins
    assert good.slopes[0] > 0.5
    assert (good.slopes[1], good.offsets[1]) == (0, 0)
    assert min(poor.slopes) > 0.5
    turned = some((3.0, -3.0), GOOD)
    assert fit_weights(turned, told()).bins[0].slopes[1] == 0  # never turned round


@pytest.mark.slow
def test_many_votes_recover_the_odds():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 600)
    logits = rng.normal(4.0 * labels - 1.0, 2.0)  # the odds at even priors are e^(x - 1)
    scores = [
        heard(int(label), float(z), spread=0, method=f"m{i % 40}", origin=f"o{i % 40}")
        for i, (label, z) in enumerate(zip(labels, logits, strict=True))
    ]
    (found,) = fit_weights(scores, told(1, "a")).bins
    assert 0.7 < found.slopes[0] < 1.05  # 80 votes, pulled toward silence
    assert found.offsets[0] / found.slopes[0] == pytest.approx(-1.0, abs=0.15)


def test_a_witness_is_weighed_by_the_fakes_that_it_speaks_to():
    """The first separates two makers of four, and puts the others far below genuine files."""
    scores = [
        s if s.method not in ("m2", "m3") else heard(1, -4.0, 2.0, method=s.method)
        for s in some((3.0, 3.0), {})
    ]
    assert fit_weights(scores, told(1)).bins[0].slopes[0] == 0
    first, second = told(1).witnesses
    special = first.model_copy(update={"methods": ("m0", "m1")})
    apart = told(1).model_copy(update={"witnesses": (special, second)})
    assert min(fit_weights(scores, apart).bins[0].slopes) > 0.5


def test_two_witnesses_of_one_question_that_say_the_same_count_once():
    once = some((3.0,), GOOD)
    twice = [
        s.model_copy(update={"witness_logits": tuple((z, z) for (z,) in s.witness_logits)})
        for s in once
    ]
    (alone,) = fit_weights(once, told(1, "a")).bins
    (double,) = fit_weights(twice, told(1, "aa")).bins
    assert sum(double.slopes) < 1.5 * alone.slopes[0]  # what is left is the weaker pull
    (asked_twice,) = fit_weights(twice, told(1, "ab")).bins
    assert asked_twice.slopes[0] == pytest.approx(alone.slopes[0])


def test_a_bin_of_few_files_goes_by_what_files_of_all_qualities_say():
    many = some((3.0, 3.0), GOOD, count=200)
    few = some((8.0, 3.0), POOR, seed=1, count=20)
    good, poor = fit_weights([*many, *few], told()).bins
    (alone,) = fit_weights(few, told()).bins
    assert abs(poor.slopes[0] - good.slopes[0]) < 0.1 < abs(poor.slopes[0] - alone.slopes[0])


def test_a_big_method_has_one_vote_like_any_other():
    few = some((4.0, 4.0), GOOD)
    crowd = [heard(1, 0.0, 0.0, method="big")] * 400
    drowned = fit_weights([*few, *crowd], told()).bins[0].slopes
    equal = fit_weights([*few, *crowd[:10]], told()).bins[0].slopes
    assert drowned == pytest.approx(equal, abs=0.2)
    assert drowned[0] > 0.3


def test_the_interval_of_the_auc_decides():
    labels = np.repeat([0, 1], 30)
    groups = [(int(label), f"{i % 3}") for i, label in enumerate(labels)]
    votes = draw_votes(groups)
    assert votes[:, labels == 1].sum(axis=1) == pytest.approx(3.0)  # a vote each, drawn three times
    assert separates(labels + 0.0, labels, votes)
    assert not separates(np.ones(60), labels, votes)
    assert not separates(-labels + 0.0, labels, votes)
    one_of_three = np.where((labels == 1) & (np.arange(60) % 3 == 0), 1.0, 0.0)
    assert not separates(one_of_three, labels, votes)  # other methods might all be like the rest
    chance = [
        separates(np.random.default_rng(seed).normal(size=60), labels, votes) for seed in range(40)
    ]
    assert sum(chance) <= 6


@pytest.mark.parametrize("reals", [0, 4, FEWEST_GENUINE - 1])
def test_a_bin_of_too_few_files_is_merged_with_the_next_poorer(reals):
    few = [s for s in some((3.0, 3.0), GOOD) if s.label] + some((3.0, 3.0), GOOD)[: 2 * reals : 2]
    many = some((3.0, 3.0), POOR)
    (left,) = fit_weights([*few, *many], told()).bins
    assert left.name == "bin 1"
    worse = [s.model_copy(update={"eye_px": 15.0}) for s in few]
    found = fit_weights([*many, *worse], told(3))
    assert [bin_.name for bin_ in found.bins] == ["bin 1"]  # and the poorest is not judged at all
    assert not weigh_score(worse[0], an_info(found)).in_range


@pytest.mark.parametrize(
    ("scores", "word"),
    [
        ([], "got 0 and 0 in all"),
        (some((3.0, 3.0), GOOD, count=10), "got 10 and 10 in all"),
        (some((0.0, -3.0), GOOD), "inverted"),
    ],
)
def test_weights_without_ground_are_refused(scores, word):
    with pytest.raises(DetectorError, match=word):
        fit_weights(scores, told())


def an_info(found: Weighing, **changes: Any) -> DetectorInfo:
    return DetectorInfo.model_validate(metadata(weighing=found.model_dump(), **changes))


LOWS = st.lists(st.floats(0.01, 0.99), min_size=1, max_size=90)


@given(st.dictionaries(st.sampled_from("abcd"), LOWS, max_size=4), st.floats(0.5, 0.9))
def test_no_origin_lies_above_the_line_in_more_than_its_share(origins, least):
    one = scored(0, 0.0, "g", eye_px=80.0)
    scores = [
        one.model_copy(update={"low": low, "origin": name})
        for name, lows in origins.items()
        for low in lows
    ]
    fitted = fit_lines(scores, told(), least)
    good, poor = fitted.bins
    assert poor.line == NEVER  # of whose quality no file is known
    assert poor.promise is None
    enough = {name: lows for name, lows in origins.items() if len(lows) >= FEWEST_GENUINE}
    few = [low for name, lows in origins.items() if name not in enough for low in lows]
    groups = [*enough.values(), *([few] if few else [])]
    assert good.line >= least
    for lows in groups:
        over = sum(low >= good.line for low in lows)
        assert over <= 0.05 * len(lows)
    sure = [lows for lows in groups if len(lows) >= FEWEST_GENUINE]
    assert (good.promise is None) == (not sure) == (good.line == NEVER)
    if good.promise is not None:
        assert good.promise.origins == len(sure)
        assert good.promise.files == sum(map(len, sure))
        more = [*scores, scored(0, 0.0, "g", eye_px=80.0, low=0.995, origin="a")]
        assert fit_lines(more, told(), least).bins[0].line >= good.line - 1e-9


def test_the_line_follows_the_file_that_decides():
    def line_of(count: int) -> float:
        lows = np.linspace(0.5, 0.9, count)
        scores = [scored(0, 0.0, "g", eye_px=80.0, low=low) for low in lows.tolist()]
        return fit_lines(scores, told(), 0.5).bins[0].line

    assert line_of(18) == NEVER  # of 18 files 5 % cannot be promised
    assert line_of(19) == pytest.approx(0.9 + 0.001)
    assert line_of(39) == pytest.approx(np.linspace(0.5, 0.9, 39)[37] + 0.001)
    sure = [scored(0, 0.0, "g", eye_px=80.0, low=1.0, origin="a")] * 30
    assert fit_lines(sure, told(), 0.5).bins[0].line == NEVER


@pytest.mark.slow
def test_the_whole_fit_keeps_its_promise_and_its_numbers_are_those_of_a_scan():
    scores = some((3.0, 0.0), GOOD, count=80) + some((2.0, 2.0), POOR, seed=1, count=80)
    off = [heard(0, 9.0, 9.0, in_range=False)] * 30  # set aside: moves nothing
    info = calibrate_witnesses([*scores, *off], an_info(told()))
    assert info == calibrate_witnesses(scores, an_info(told()))
    ground = {"methods": 4, "origins": 2, "manipulated_files": 160, "genuine_files": 160}
    assert info.card["weighed_on"] == ground
    found = [weigh_score(score, info) for score in scores]
    for bin_, files in zip(info.weighing.bins, (found[:160], found[160:]), strict=True):
        assert bin_.promise.origins == 2
        for origin in ("o0", "o1"):
            called = [s.verdict == "likely_manipulated" for s in files if s.origin == origin]
            assert np.mean(called) <= 0.05
    assert any(s.verdict == "likely_manipulated" and s.label for s in found)
    score = found[0]
    logits = info.weighing.weigh(score.witness_logits, info.weighing.bins[0])
    assert score.logit == pytest.approx(np.mean(logits))
    assert weigh_score(off[0], info).verdict == "inconclusive"
    again = [weigh_score(score, info) for score in found]
    assert again == found
    plain = scored(1, 1.0, "g")
    assert weigh_score(plain, info) == plain


def test_a_file_is_fitted_as_if_it_never_had_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told_by = metadata(weighing=weighing((0.5, 2.0), questions="aa", line=0.9))
    path = write_detector(tmp_path / "heard.onnx", told_by, witnesses=[(1.0, 0.4), (1.0, 0.0)])
    scores = some((3.0, 0.0), GOOD)

    def made_up(items: Any, settled: ScanConfig, **rest: Any) -> list[FileScore]:
        found = Detector.load(settled.detector).info.weighing
        assert found is not None
        assert [bin_.slopes for bin_ in found.bins] == [(1.0, 1.0)]  # each at its word
        return scores

    monkeypatch.setattr("counterface.detect.calibrate.score_files", made_up)
    first = calibrate_file(path, [], ScanConfig())
    assert first.weighing.bins[0].slopes[1] == 0
    assert first == calibrate_witnesses(scores, first)
    assert Detector.load(path).info == first
