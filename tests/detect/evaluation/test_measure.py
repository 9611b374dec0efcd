"""Numbers of files and of their parts: what enters them, what is counted beside them."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_scores import PLAIN, scored, some_scores, unscored

from counterface.detect.evaluation.measure import (
    auc_bounds,
    count_abstentions,
    count_outcomes,
    measure_files,
    measure_frames,
    slice_files,
)

NAMES = {
    "auc", "ap", "eer", "tpr_at_1_fpr", "tpr_at_5_fpr", "log_loss", "ece", "brier", "accuracy",
    "precision", "recall", "f1", "specificity",
}  # fmt: skip


def test_every_number_has_an_interval_that_holds_it():
    found = measure_files(some_scores(), 0.5, rounds=300)
    assert set(found.values) == NAMES
    for name, number in found.values.items():
        assert number.low is not None, name
        assert number.high is not None, name
        assert number.low < number.high, name
        if name != "ece":  # its resamples lie above it: empty bins get noisier
            assert number.low <= number.value <= number.high, name
    assert (found.real, found.fake, found.groups, found.not_scored) == (30, 30, 30, 0)


def test_frames_have_their_own_numbers():
    found = measure_frames(some_scores(), 0.5, PLAIN, rounds=100)
    assert found is not None
    assert (found.real, found.fake, found.groups) == (60, 60, 30)
    assert set(found.values) == NAMES
    bare = measure_frames(some_scores(), 0.5, None, rounds=100)
    assert bare is not None
    assert bare.values["auc"] == found.values["auc"]
    assert "ece" not in bare.values
    assert measure_frames([unscored(1)], 0.5, PLAIN) is None


def test_one_group_has_a_number_and_no_interval():
    found = measure_files([scored(0, -1.0, "ann"), scored(1, 1.0, "ann")], 0.5)
    assert found.values["auc"].value == 1.0
    assert found.values["auc"].low is None
    scores = [scored(0, -1.0, "ann"), *(scored(1, 1.0 + i, f"p{i}") for i in range(9))]
    assert measure_files(scores, 0.5).values["auc"].low is None  # one real person says no more


def test_methods_share_the_reals_and_compressions_do_not():
    reals = some_scores(20, 0, 1, method="talking", compression="c23")
    scores = [s for s in reals if s.label == 0]
    scores += [scored(0, -3.0, f"r{i}", compression="c40", method="street") for i in range(4)]
    for name, logit in (("deepfakes", 3.0), ("face2face", 0.0)):
        scores += [
            scored(1, logit + i / 9, f"{name}{i}", method=name, generator="g", compression="c23")
            for i in range(5)
        ]
    slices = {s.by: {n.name: n for n in s.parts} for s in slice_files(scores, 0.5, rounds=100)}
    methods = slices["method"]
    assert set(methods) == {"deepfakes", "face2face"}
    assert [(n.real, n.fake) for n in methods.values()] == [(14, 5), (14, 5)]
    assert methods["deepfakes"].values["auc"].value > methods["face2face"].values["auc"].value
    compressions = slices["compression"]
    assert (compressions["c23"].real, compressions["c23"].fake) == (10, 10)
    assert (compressions["c40"].real, compressions["c40"].fake) == (4, 0)
    assert set(compressions["c40"].values) == {"specificity", "accuracy", "log_loss", "brier"}
    assert set(slices["kind of real footage"]) == {"street", "talking"}
    assert "identity group" not in slices or all(
        n.real + n.fake > 1 for n in slices["identity group"].values()
    )


def test_groups_of_people_stand_alone():
    found = {s.by: s for s in slice_files(some_scores(), 0.5, rounds=100)}["identity group"]
    assert len(found.parts) == 30
    assert all((n.real, n.fake, n.groups) == (1, 1, 1) for n in found.parts)


def test_each_file_has_one_outcome_and_one_reason():
    scores = [
        *some_scores(), unscored(1), unscored(0, "failed"), unscored(0, "inconclusive"),
        scored(1, 9.0, "far", in_range=False, verdict="inconclusive"),
    ]  # fmt: skip
    outcomes = {o.verdict: (o.real, o.fake) for o in count_outcomes(scores)}
    assert sum(map(sum, outcomes.values())) == len(scores)
    assert outcomes["no_face"] == (0, 1)
    assert outcomes["failed"] == (1, 0)
    why = count_abstentions(scores)
    assert sum(why.model_dump().values()) == len(scores)
    assert (why.no_face, why.failed, why.no_number, why.out_of_range) == (1, 1, 1, 1)
    assert why.firm == outcomes["likely_manipulated"][0] + outcomes["likely_manipulated"][1] + sum(
        outcomes["no_manipulation_found"]
    )


def test_bounds_hold_whatever_the_missing_files_had_scored():
    scores = some_scores()
    assert auc_bounds(scores) == pytest.approx(
        (measure_files(scores, 0.5, rounds=0).values["auc"].value,) * 2
    )
    hidden = [s.model_copy(update={"logit": None}) if i % 7 == 0 else s
              for i, s in enumerate(scores)]  # fmt: skip
    low, high = auc_bounds(hidden) or (1, 0)
    assert low < measure_files(scores, 0.5, rounds=0).values["auc"].value < high
    rng = np.random.default_rng(0)
    for _ in range(20):
        filled = [s if s.logit is not None else s.model_copy(update={"logit": rng.normal(0, 4)})
                  for s in hidden]  # fmt: skip
        assert low <= measure_files(filled, 0.5, rounds=0).values["auc"].value <= high
    assert auc_bounds([unscored(1)]) is None
