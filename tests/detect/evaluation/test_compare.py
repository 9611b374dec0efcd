"""Two detectors on the same files: pairs, and files that one of them cannot score."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_scores import some_scores

from counterface.detect.evaluate import DetectorFacts
from counterface.detect.evaluation.compare import Comparison, compare_scores
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.training.export import uncalibrated
from counterface.errors import ConfigError

LINES = (0.5, 0.5)


def shifted(scores: list[FileScore], noise: float, seed: int = 3) -> list[FileScore]:
    """Another detector: the same opinion with its own noise."""
    rng = np.random.default_rng(seed)
    moved = []
    for score in scores:
        logit = (score.logit or 0.0) + float(rng.normal(0, noise))
        p = float(1 / (1 + np.exp(-logit)))
        moved.append(score.model_copy(update={"logit": logit, "probability": p}))
    return moved


def auc_of(found: Comparison) -> str:
    return next(d.better for d in found.differences if d.name == "auc")


def test_a_detector_is_no_better_than_itself():
    found = compare_scores(some_scores(), some_scores(), LINES, rounds=200)
    assert {d.better for d in found.differences} == {"cannot tell"}
    assert all(d.difference.value == 0 for d in found.differences)
    assert found.verdict.startswith("The data cannot tell")


def test_the_better_one_is_named_from_either_side():
    good = some_scores(120, 3.0)
    bad = shifted(good, 4.0)
    one, other = (compare_scores(a, b, LINES, rounds=300) for a, b in ((good, bad), (bad, good)))
    assert (auc_of(one), auc_of(other)) == ("first", "second")
    assert one.verdict.startswith("first is better")
    assert other.verdict.startswith("second is better")
    better = {d.name: d.better for d in one.differences}
    assert better["log_loss"] == better["eer"] == "first"  # where less is better
    for a, b in zip(one.differences, other.differences, strict=True):
        assert a.difference.value == pytest.approx(-b.difference.value)


def test_two_detectors_of_one_name_are_told_apart_by_version_or_by_hash():
    found = compare_scores(some_scores(), some_scores(), LINES, rounds=2)
    info = uncalibrated("a", "face", 64)
    facts = DetectorFacts(name="a", version="1", sha256="0123456789", info=info, file="a.onnx")

    def names(**changes: str) -> tuple[str, str]:
        other = facts.model_copy(update=changes)
        return found.model_copy(update={"first": facts, "second": other}).names

    assert names(name="b") == ("a", "b")
    assert names(version="2") == ("version 1", "version 2")
    assert names(sha256="9876543210") == ("a 01234567", "a 98765432")


def test_a_pair_says_more_than_two_intervals():
    scores = some_scores(200, 1.0)
    other = shifted(scores, 0.3)
    found = {
        d.name: d.difference for d in compare_scores(scores, other, LINES, rounds=200).differences
    }["auc"]
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low < 0.06  # each AUC's own interval is about 0.14 wide


def test_files_that_one_cannot_score_leave_both_and_are_counted():
    first, second = some_scores(), shifted(some_scores(), 0.5)
    gone = {"logit": None, "probability": None, "verdict": "no_face"}
    first[0] = first[0].model_copy(update=gone)
    second[1] = second[1].model_copy(update=gone)
    second[2] = second[2].model_copy(update=gone)
    first[3], second[3] = (s[3].model_copy(update=gone) for s in (first, second))
    found = compare_scores(first, second, LINES, rounds=100)
    assert (found.only_first, found.only_second, found.neither) == (2, 1, 1)
    assert found.real + found.fake == found.files - 4
    both = compare_scores(first[4:], second[4:], LINES, rounds=100)
    assert found.differences == both.differences


def test_other_files_are_refused():
    with pytest.raises(ConfigError, match="same files"):
        compare_scores(some_scores(), some_scores()[1:], LINES)
    with pytest.raises(ConfigError, match="same files"):
        compare_scores([], [], LINES)
