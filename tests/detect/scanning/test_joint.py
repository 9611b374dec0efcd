"""Detector and cues together: a sum in log-odds, with what each adds, and an honest interval."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_reports import a_cue

from counterface.detect.detector import Calibration
from counterface.detect.findings import Score
from counterface.detect.pool import calibrate, pool_logits
from counterface.detect.scanning.joint import MOST_FOR, join, name_strongest, of_picture, spread

CALIBRATION = Calibration(scale=1.5, offset=-0.5)


def alone(*logits: float) -> Score:
    return pool_logits(logits or (0.4, 0.6, 0.5, 0.5), CALIBRATION)


def test_without_a_cue_the_detector_is_alone() -> None:
    for cues in ((), (a_cue(None, 0.0),), (a_cue(1.0, 0.0),)):
        assert join(alone(), cues, CALIBRATION) == (alone(), ())
    assert join(None, [a_cue(1.0)], CALIBRATION) == (None, ())


def test_log_odds_are_added_with_their_shares() -> None:
    score, said = join(alone(), [a_cue(1.0, 0.5), a_cue(-2.0, 0.25)], CALIBRATION)
    assert score is not None
    assert [piece.log_odds for piece in said] == pytest.approx([1.5 * 0.5 - 0.5, 0.5, -0.5])
    assert score.probability == pytest.approx(alone().probability)
    assert score.mean_logit == alone().mean_logit
    more, _ = join(alone(), [a_cue(1.0)], CALIBRATION)
    assert more is not None
    assert more.probability == pytest.approx(float(calibrate(0.5 + 1 / 1.5, CALIBRATION)))


def test_the_interval_grows_by_what_the_cue_does_not_know() -> None:
    sure, _ = join(alone(), [a_cue(0.0, low=0.0, high=0.0)], CALIBRATION)
    unsure, _ = join(alone(), [a_cue(0.0, low=-2.0, high=2.0)], CALIBRATION)
    assert sure is not None
    assert unsure is not None
    assert (sure.low, sure.high) == pytest.approx((alone().low, alone().high))
    assert unsure.low < sure.low < sure.high < unsure.high


def test_a_score_without_an_interval_keeps_none() -> None:
    score, _ = join(alone(0.5), [a_cue(1.0)], CALIBRATION)
    assert score is not None
    assert (score.low, score.high) == (0, 1)


def test_spreads_of_independent_cues_add_as_squares() -> None:
    one = spread([a_cue(0.0)], 0.95)
    assert one == pytest.approx((0.4, 0.4))
    assert spread([a_cue(0.0)] * 4, 0.95) == pytest.approx((0.8, 0.8))
    assert spread([a_cue(0.0, 0.5)], 0.95) == pytest.approx((0.2, 0.2))
    assert spread([a_cue(0.0)], 0.9)[0] < 0.4


def test_the_two_strongest_are_named_with_their_signs() -> None:
    cues = [a_cue(0.3, title="Small"), a_cue(-1.5, title="Large")]
    _, said = join(alone(), cues, CALIBRATION)
    text = name_strongest(said)
    assert "'Large' (-1.5) and 'Small' (+0.3)" in text
    assert name_strongest(()) == ""


def test_only_cues_on_the_picture_are_of_it() -> None:
    kinds = ("stills", "window", "lips", "sound")
    found = of_picture([a_cue(1.0, reads=reads) for reads in kinds])
    assert [cue.reads for cue in found] == ["stills", "window"]


def test_extreme_scores_stay_in_bounds() -> None:
    score, _ = join(alone(60.0, 61.0), [a_cue(2.0)], CALIBRATION)
    assert score is not None
    assert np.isfinite([score.low, score.probability, score.high]).all()
    assert score.probability <= score.high <= 1


def test_cues_together_accuse_no_more_than_their_limit():
    cues = [a_cue(2.0), a_cue(1.5), a_cue(-0.5)]
    score, said = join(alone(), cues, CALIBRATION)
    own, *added = (piece.log_odds for piece in said)
    assert sum(added) == pytest.approx(MOST_FOR)
    assert added[0] / added[1] == pytest.approx(2.0 / 1.5)
    assert score is not None
    assert score.probability == pytest.approx(0.5 * (1 + np.tanh((own + MOST_FOR) / 2)))
    clearing, _ = join(alone(), [a_cue(-2.0), a_cue(-1.5)], CALIBRATION)
    assert clearing is not None
    assert clearing.probability == pytest.approx(0.5 * (1 + np.tanh((own - 3.5) / 2)))
