import numpy as np
import pytest
from drawn_tracks import LINES, a_score
from hypothesis import given
from hypothesis import strategies as st

from counterface.detect.detector import Calibration
from counterface.detect.pool import (
    calibrate,
    effective_count,
    judge_score,
    pool_logits,
    show_interval,
    show_percent,
    t_quantile,
)
from counterface.errors import ShapeError
from counterface.types import Verdict

PLAIN = Calibration(scale=1.0, offset=0.0)


@pytest.mark.parametrize(
    ("level", "freedom", "table"),
    [
        (0.90, 1, 6.314),
        (0.90, 2, 2.920),
        (0.90, 3, 2.353),
        (0.90, 5, 2.015),
        (0.90, 31, 1.696),
        (0.95, 3, 3.182),
        (0.95, 10, 2.228),
        (0.95, 1000, 1.962),
    ],
)
def test_t_quantiles_match_the_printed_table(level, freedom, table):
    assert t_quantile(level, freedom) == pytest.approx(table, rel=0.005)


def test_the_interval_of_a_known_sample():
    score = pool_logits([1.0, 2.0, 3.0], Calibration(scale=2.0, offset=-1.0))
    half = 2.920 / np.sqrt(3)  # standard deviation 1
    assert score.mean_logit == pytest.approx(2.0)
    assert score.probability == pytest.approx(1 / (1 + np.exp(-3)))
    assert score.low == pytest.approx(1 / (1 + np.exp(-(2 * (2 - half) - 1))), rel=1e-3)
    assert score.high == pytest.approx(1 / (1 + np.exp(-(2 * (2 + half) - 1))), rel=1e-3)


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    generator = np.random.default_rng(1)
    hits = sum(
        s.low <= 0.5 <= s.high
        for s in (pool_logits(generator.normal(0, 2, 12), PLAIN) for _ in range(2000))
    )
    assert hits / 2000 == pytest.approx(0.9, abs=0.025)


def test_frames_that_resemble_their_neighbours_count_for_less():
    generator = np.random.default_rng(2)
    alone = generator.normal(size=400)
    slow = np.convolve(generator.normal(size=500), np.ones(20) / 20, mode="valid")[:400]
    assert effective_count(alone) > 300
    assert effective_count(slow) < 40
    assert effective_count(np.full(50, 3.0)) == 50


def test_one_logit_has_no_spread_and_so_no_verdict():
    score = pool_logits([9.0], PLAIN)
    assert (score.low, score.high, score.spread_over) == (0.0, 1.0, "none")
    assert judge_score(score, LINES) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("bad", [[], [1.0, float("nan")], [float("inf")]])
def test_a_number_that_is_none_is_refused(bad):
    with pytest.raises(ShapeError, match="finite"):
        pool_logits(bad, PLAIN)


@given(st.lists(st.floats(-500, 500), min_size=2, max_size=60), st.floats(0.01, 10))
def test_the_interval_always_holds_the_probability(logits, scale):
    score = pool_logits(logits, Calibration(scale=scale, offset=0.3))
    assert 0 <= score.low <= score.probability + 1e-12
    assert score.probability <= score.high + 1e-12 <= 1 + 1e-9


@given(st.floats(-30, 30), st.floats(0.001, 5))
def test_a_higher_logit_is_never_less_suspicious(logit, step):
    assert calibrate(logit + step, PLAIN) >= calibrate(logit, PLAIN)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.81, 0.99, Verdict.LIKELY_MANIPULATED),
        (0.79, 0.99, Verdict.INCONCLUSIVE),
        (0.3, 0.7, Verdict.INCONCLUSIVE),
        (0.01, 0.21, Verdict.INCONCLUSIVE),
        (0.01, 0.19, Verdict.NO_MANIPULATION_FOUND),
        (0.1, 0.9, Verdict.INCONCLUSIVE),
    ],
)
def test_a_verdict_needs_the_whole_interval_past_a_line(low, high, verdict):
    assert judge_score(a_score((low + high) / 2, low, high), LINES) is verdict


def test_no_number_and_no_range_make_no_claim():
    assert judge_score(None, LINES) is Verdict.INCONCLUSIVE
    sure = a_score(0.99, 0.98, 1.0)
    assert judge_score(sure, LINES, in_range=False) is Verdict.INCONCLUSIVE


def test_a_percentage_never_claims_certainty():
    assert show_percent(0.0001) == "under 1%"
    assert show_percent(0.9999) == "over 99%"
    assert show_percent(0.504) == "50%"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.001, 0.004, "under 1%"), (0.001, 0.014, "under 1% to 1%"), (0.26, 0.262, "26%")],
)
def test_an_interval_that_reads_the_same_at_both_ends_is_said_once(low, high, words):
    assert show_interval(low, high) == words
