"""Calibration and thresholds: known answers, hard cases, promises that hold on the data."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_scores import PLAIN, scored, some_scores

from counterface.detect.calibrate import (
    calibrate_scores,
    choose_thresholds,
    fit_calibration,
)
from counterface.detect.detector import Calibration
from counterface.detect.pool import calibrate
from counterface.errors import DetectorError


def two_classes(reals: int, fakes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Real logits N(-1, 2), fake logits N(3, 2): the odds at even priors are e^(x - 1)."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [reals, fakes])
    return labels, rng.normal(np.where(labels, 3.0, -1.0), 2.0)


@pytest.mark.parametrize(("reals", "fakes"), [(3000, 3000), (4000, 800), (800, 4000)])
def test_scale_and_offset_are_recovered_whatever_the_mix(reals: int, fakes: int):
    found = fit_calibration(*two_classes(reals, fakes))
    assert found.scale == pytest.approx(1.0, abs=0.12)
    assert found.offset == pytest.approx(-1.0, abs=0.2)


def test_a_stretched_and_moved_logit_gives_the_same_probabilities():
    labels, logits = two_classes(2000, 2000)
    plain = calibrate(logits, fit_calibration(labels, logits))
    moved = 0.2 * logits + 5
    assert np.allclose(plain, calibrate(moved, fit_calibration(labels, moved)), atol=0.01)


@pytest.mark.parametrize("size", [0.01, 0.5, 3.0, 40.0, 1000.0])
@pytest.mark.parametrize("count", [5, 50, 500])
@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_perfectly_separated_clips_give_a_finite_scale(size: float, count: int, shift: float):
    labels = np.repeat([0, 1], count)
    spread = 1 + 0.1 * np.sin(np.arange(2 * count))
    logits = (np.where(labels, 1.0, -1.0) * spread + shift) * size
    found = fit_calibration(labels, logits)
    assert np.isfinite([found.scale, found.offset]).all()
    assert 0 < found.scale < 200
    p = calibrate(logits, found)
    assert p[labels == 1].min() > p[labels == 0].max()
    if size >= 0.5:  # on tiny logits the pull toward scale 1 keeps the odds near even
        assert p[labels == 1].min() > 0.5 > p[labels == 0].max()


def test_few_clips_are_never_certain():
    labels, logits = np.repeat([0, 1], 5), np.repeat([-3.0, 3.0], 5)
    p = calibrate(logits, fit_calibration(labels, logits))
    assert p.max() < 0.99
    assert p.min() > 0.01


def test_inverted_labels_are_refused():
    labels, logits = two_classes(200, 200)
    with pytest.raises(DetectorError, match=r"run against the labels.*inverted"):
        fit_calibration(1 - labels, logits)


@pytest.mark.parametrize(("reals", "fakes"), [(4, 50), (50, 4), (0, 50)])
def test_too_few_clips_are_refused(reals: int, fakes: int):
    with pytest.raises(DetectorError, match=f"got {reals} real {fakes} fake"):
        fit_calibration(*two_classes(reals, fakes))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("false_alarms", "misses"), [(0.05, 0.15), (0.0, 0.0), (0.2, 0.4)])
def test_the_promised_shares_hold_on_the_data(seed: int, false_alarms: float, misses: float):
    labels, logits = two_classes(61, 47, seed)
    width = np.random.default_rng(seed).uniform(0.1, 2.0, len(labels))
    low = calibrate(logits - width, Calibration(scale=1, offset=-1))
    high = calibrate(logits + width, Calibration(scale=1, offset=-1))
    lines = choose_thresholds(labels, low, high, false_alarms, misses)
    assert (low[labels == 0] >= lines.likely_manipulated).mean() <= false_alarms
    assert (high[labels == 1] <= lines.no_manipulation_found).mean() <= misses
    assert lines.no_manipulation_found <= 0.5 <= lines.likely_manipulated


def test_thresholds_follow_the_clip_that_decides():
    labels = np.repeat([0, 1], 20)
    low = np.concatenate([np.linspace(0.05, 0.81, 20), np.full(20, 0.9)])
    high = np.concatenate([np.full(20, 0.1), np.linspace(0.1, 0.86, 20)])
    lines = choose_thresholds(labels, low, high, false_alarms=0.05, misses=0.15)
    assert lines.likely_manipulated == pytest.approx(np.sort(low[:20])[-2] + 0.001)
    assert lines.no_manipulation_found == pytest.approx(np.sort(high[20:])[3] - 0.001)


def test_a_perfect_detector_never_says_likely_below_even_odds():
    labels = np.repeat([0, 1], 10)
    lines = choose_thresholds(labels, labels * 0.98 + 0.01, labels * 0.98 + 0.01)
    assert lines.likely_manipulated == 0.5
    assert lines.no_manipulation_found == 0.5


@pytest.mark.parametrize("label", [0, 1])
def test_thresholds_need_both_classes(label: int):
    with pytest.raises(DetectorError, match="need both classes"):
        choose_thresholds(np.full(9, label), np.full(9, 0.2), np.full(9, 0.4))


def test_faces_that_are_set_aside_do_not_move_the_lines():
    judged = some_scores(60)
    soft = [scored(0, 9.0, f"identity:s{i}", in_range=False) for i in range(12)]
    assert calibrate_scores([*judged, *soft], PLAIN) == calibrate_scores(judged, PLAIN)
