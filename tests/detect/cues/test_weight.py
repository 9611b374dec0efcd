"""A weight says what values are worth: signed, with an honest interval, and never too much."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest

from counterface.detect.cues.weight import (
    MOST,
    CueWeight,
    fit_shares,
    fit_weight,
    fitted_beside,
    read_weights,
    weigh,
)

SURE = (0.9, 0.8, 1.0)


def fitted(shift: float, count: int = 400, seed: int = 0) -> CueWeight:
    """Of normal values whose mean is `shift` higher in fakes: the true ratio is a line."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    values = rng.normal(size=count) + shift * labels
    return fit_weight("drawn", values, labels, [str(n) for n in range(count)], auc=SURE, samples=60)


def test_the_ratio_of_two_normals_is_recovered() -> None:
    weight = fitted(1.0, 4000)
    for value in (-0.5, 0.5, 1.5):
        ratio = weigh(value, weight)
        assert ratio.value == pytest.approx(value - 0.5, abs=0.12)
        assert ratio.low <= ratio.value <= ratio.high


@pytest.mark.slow
def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    ratios = [weigh(1.2, fitted(1.0, 200, seed)) for seed in range(40)]
    assert sum(ratio.low <= 0.7 <= ratio.high for ratio in ratios) >= 34


def test_more_of_one_class_is_no_evidence() -> None:
    rng = np.random.default_rng(1)
    labels = (np.arange(900) % 9 == 0).astype(int)
    weight = fit_weight(
        "x", rng.normal(size=900), labels, [str(n) for n in range(900)], auc=SURE, samples=60
    )
    assert abs(weigh(0.0, weight).value) < 0.2


def test_nothing_says_more_than_the_limit_nor_goes_beyond_what_was_seen() -> None:
    weight = fitted(3.0)
    far = weigh(1e9, weight)
    assert far.value <= MOST
    assert far == weigh(weight.high, weight)
    assert weigh(-1e9, weight).value >= -MOST


@pytest.mark.parametrize(
    ("auc", "counts"),
    [((0.6, 0.52, 0.7), True), ((0.4, 0.3, 0.48), False), ((0.6, 0.49, 0.7), False)],
)
def test_a_cue_counts_where_its_interval_lies_above_chance(
    auc: tuple[float, float, float], counts: bool
) -> None:
    assert fit_weight("x", [0, 1, 2, 3], [0, 1, 0, 1], list("abcd"), auc=auc).counts is counts


def test_equal_values_give_a_weight_that_says_nothing() -> None:
    weight = fit_weight("x", [5.0] * 8, [0, 1] * 4, list("abcdefgh"), auc=(0.5, 0.4, 0.6))
    assert weigh(5.0, weight).value == pytest.approx(0, abs=1e-6)


def test_the_weights_of_the_package_are_of_registered_cues() -> None:
    from counterface.registry import CUES

    for name, weight in read_weights().items():
        assert name in CUES.names()
        assert weight.real > 0 < weight.fake


def drawn_ratios(count: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-odds of a detector and of a cue that knows as much by itself, and the labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    own, cue = (rng.normal(size=count) + labels - 0.5 for _ in range(2))
    return own, cue, labels


def test_a_cue_of_its_own_gets_nearly_its_whole_share() -> None:
    own, cue, labels = drawn_ratios()
    (share,) = fit_shares(own, cue[:, None], labels)
    assert 0.75 < share <= 1


def test_two_cues_that_say_the_same_share_what_one_would_get() -> None:
    own, cue, labels = drawn_ratios()
    (once,) = fit_shares(own, cue[:, None], labels)
    twice = fit_shares(own, np.stack([cue, cue], axis=1), labels)
    assert twice[0] == pytest.approx(twice[1])
    assert twice.sum() == pytest.approx(once, abs=0.1)


def test_what_the_detector_says_already_is_not_said_again() -> None:
    own, cue, labels = drawn_ratios()
    shares = fit_shares(own, np.stack([own, cue], axis=1), labels)
    assert shares[0] < 0.2 < 0.75 < shares[1]


def test_a_cue_that_runs_against_the_labels_gets_no_share() -> None:
    own, cue, labels = drawn_ratios()
    shares = fit_shares(own, np.stack([-cue, cue], axis=1), labels)
    assert shares[0] == 0
    assert shares[1] > 0.75


def test_little_data_leaves_the_detector_alone() -> None:
    own, cue, labels = drawn_ratios(6)
    assert fit_shares(own, cue[:, None], labels)[0] < 0.3


def test_where_a_cue_does_not_apply_it_adds_nothing() -> None:
    own, cue, labels = drawn_ratios()
    silent = np.where(np.arange(len(cue)) % 3 == 0, np.nan, cue)
    assert 0.6 < fit_shares(own, silent[:, None], labels)[0] <= 1
    assert fit_shares(own, np.full((len(own), 1), np.nan), labels)[0] == 0


def test_the_shares_of_the_package_were_fitted_beside_its_detector() -> None:
    from counterface.detect.detector import DEFAULT, Detector

    assert fitted_beside() == Detector.load(DEFAULT).sha256
    for weight in read_weights().values():
        assert weight.counts or weight.share == 0


def test_every_weight_is_on_one_card() -> None:
    text = files("counterface.detect.data").joinpath("cues.json").read_text(encoding="utf-8")
    cards = json.loads(text)["cards"].values()
    assert all(card[words] for card in cards for words in ("what", "on", "fails"))
    assert sorted(name for card in cards for name in card["cues"]) == sorted(read_weights())
