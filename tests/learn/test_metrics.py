from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterface.errors import ShapeError
from counterface.learn import metrics

# four fakes and four real; by hand: 12 of the 16 pairs are in order
LABELS = [1, 1, 0, 1, 0, 0, 1, 0]
SCORES = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.35, 0.1]


def random_case(seed: int, n: int = 400, levels: int = 50) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    p = np.clip(0.3 * labels + rng.normal(0.35, 0.2, n), 0, 1)
    return labels, np.round(p * levels) / levels  # rounded: ties


def test_known_answers() -> None:
    assert metrics.auc(LABELS, SCORES) == pytest.approx(12 / 16)
    # precision at the four fakes: 1/1, 2/2, 3/4, 4/7
    assert metrics.average_precision(LABELS, SCORES) == pytest.approx((1 + 1 + 3 / 4 + 4 / 7) / 4)
    assert metrics.equal_error_rate(LABELS, SCORES) == pytest.approx(0.25)
    assert metrics.tpr_at_fpr(LABELS, SCORES, 0.05) == pytest.approx(0.5)
    assert metrics.tpr_at_fpr(LABELS, SCORES, 0.25) == pytest.approx(0.75)
    assert metrics.log_loss([1, 0], [0.5, 0.5]) == pytest.approx(np.log(2))


def test_ties_count_half() -> None:
    assert metrics.auc([0, 1, 0, 1], [1, 1, 1, 1]) == pytest.approx(0.5)
    assert metrics.equal_error_rate([0, 1, 0, 1], [1, 1, 1, 1]) == pytest.approx(0.5)
    assert metrics.auc([0, 1, 1], [0.5, 0.5, 0.9]) == pytest.approx(0.75)


def test_perfect_and_reversed() -> None:
    labels = [0, 0, 1, 1]
    assert metrics.auc(labels, [1, 2, 3, 4]) == 1.0
    assert metrics.equal_error_rate(labels, [1, 2, 3, 4]) == 0.0
    assert metrics.auc(labels, [4, 3, 2, 1]) == 0.0
    assert metrics.equal_error_rate(labels, [4, 3, 2, 1]) == 1.0


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_auc_is_a_pair_count_and_keeps_its_order(seed: int) -> None:
    labels, p = random_case(seed, n=60, levels=12)
    fakes, reals = p[labels == 1], p[labels == 0]
    if not len(fakes) or not len(reals):
        return
    above = (fakes[:, None] > reals).mean() + 0.5 * (fakes[:, None] == reals).mean()
    assert metrics.auc(labels, p) == pytest.approx(above)
    assert metrics.auc(labels, np.exp(3 * p)) == pytest.approx(above)  # order is all that counts
    assert metrics.auc(1 - labels, -p) == pytest.approx(above)


def test_decisions_by_hand() -> None:
    found = metrics.decision_metrics([1, 1, 1, 0, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0, 0])
    assert found == {
        "accuracy": 6 / 8,
        "precision": 2 / 3,
        "recall": 2 / 3,
        "f1": 2 / 3,
        "specificity": 4 / 5,
    }


def test_a_ratio_without_cases_is_nan() -> None:
    found = metrics.decision_metrics([1, 0], [0, 0])
    assert np.isnan(found["precision"])
    assert found["recall"] == 0.0


def test_calibration_error_by_hand() -> None:
    # in the bin at 0.8 three of four are fake, in the bin at 0.2 none of four
    labels = [1, 1, 1, 0, 0, 0, 0, 0]
    p = [0.85] * 4 + [0.25] * 4
    assert metrics.calibration_error(labels, p, 10) == pytest.approx((0.1 + 0.25) / 2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_torchmetrics_agrees(seed: int) -> None:
    torch = pytest.importorskip("torch")
    reference = pytest.importorskip("torchmetrics.functional.classification")
    labels, p = random_case(seed)
    p = np.clip(p + 1e-4, 0, 1).astype(np.float32)  # off the bin edges, whose side is a convention
    y, q = torch.as_tensor(labels), torch.as_tensor(p)
    found = metrics.probability_metrics(labels, p)
    fpr, tpr, _ = reference.binary_roc(q, y)
    expected = {
        "auc": reference.binary_auroc(q, y),
        "ap": reference.binary_average_precision(q, y),
        "ece": reference.binary_calibration_error(q, y, n_bins=15, norm="l1"),
        "accuracy": reference.binary_accuracy(q, y),
        "precision": reference.binary_precision(q, y),
        "recall": reference.binary_recall(q, y),
        "f1": reference.binary_f1_score(q, y),
        "specificity": reference.binary_specificity(q, y),
        "log_loss": torch.nn.functional.binary_cross_entropy(q.clamp(1e-7, 1 - 1e-7), y.float()),
        "tpr_at_5_fpr": tpr[fpr <= 0.05].max(),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(float(value), abs=2e-6), name


@pytest.mark.slow
def test_bootstrap_covers_the_truth_as_often_as_it_says() -> None:
    # two unit normals 1 apart: AUC = Phi(1 / sqrt 2) = 0.7602
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        labels = np.arange(120) % 2
        scores = rng.normal(labels, 1.0)
        found = metrics.bootstrap(metrics.auc, labels, scores, rounds=100, level=0.9, seed=seed)
        assert found.low <= found.value <= found.high
        covered += found.low <= 0.7602 <= found.high
    assert 0.8 <= covered / 60 <= 0.99


def test_frames_of_one_video_are_not_independent() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 20)
    labels = groups % 2
    scores = np.repeat(rng.normal(np.arange(30) % 2, 1.0), 20)
    alone = metrics.bootstrap(metrics.auc, labels, scores, rounds=300)
    grouped = metrics.bootstrap(metrics.auc, labels, scores, list(groups), rounds=300)
    assert grouped.value == alone.value
    assert grouped.high - grouped.low > 2.5 * (alone.high - alone.low)  # expected: sqrt(20) = 4.5


def test_bootstrap_is_repeatable_and_counts_what_it_left_out() -> None:
    first = metrics.bootstrap(metrics.auc, [0, 1], [0.1, 0.9], rounds=100, seed=3)
    assert first == metrics.bootstrap(metrics.auc, [0, 1], [0.1, 0.9], rounds=100, seed=3)
    assert 25 < first.rounds < 75  # half of the resamples hold one class only


@pytest.mark.parametrize(
    ("labels", "scores", "says"),
    [
        ([0, 0], [0.1, 0.2], "both classes"),
        ([0, 1, 1], [0.1, 0.2], "one shape"),
        ([], [], "one shape"),
        ([0, 2], [0.1, 0.2], "0 or 1"),
        ([0, 1], [0.1, float("nan")], "not finite"),
    ],
)
def test_bad_input_is_refused(labels: list[int], scores: list[float], says: str) -> None:
    with pytest.raises(ShapeError, match=says):
        metrics.auc(labels, scores)


def test_logits_are_no_probabilities() -> None:
    with pytest.raises(ShapeError, match=r"\[0, 1\]"):
        metrics.log_loss([0, 1], [-2.0, 3.0])


def test_many_numbers_share_the_resamples_of_one() -> None:
    labels, p = random_case(5, n=80)
    groups = [i // 2 for i in range(80)]
    one = metrics.bootstrap(metrics.auc, labels, p, groups, rounds=200, seed=2)

    def measure(index: np.ndarray) -> dict[str, float]:
        found = metrics.probability_metrics(labels[index], p[index])
        return {**found, "twice": 2 * found["auc"], "never": float("nan")}

    many = metrics.bootstrap_numbers(measure, groups, rounds=200, seed=2)
    assert many["auc"] == one
    assert many["twice"].low == pytest.approx(2 * one.low)
    assert "never" not in many
    assert many["auc"].value == metrics.auc(labels, p)


def test_names_of_numbers_are_those_of_their_functions() -> None:
    labels, p = random_case(7, n=90)
    found = metrics.probability_metrics(labels, p)
    assert found["auc"] == metrics.auc(labels, p)
    assert found["ap"] == pytest.approx(metrics.average_precision(labels, p))
    assert found["eer"] == metrics.equal_error_rate(labels, p)
    assert found["tpr_at_1_fpr"] == metrics.tpr_at_fpr(labels, p, 0.01)
    assert found["tpr_at_5_fpr"] == metrics.tpr_at_fpr(labels, p, 0.05)
    assert found["brier"] == metrics.brier(labels, p)


def test_brier_score_by_hand() -> None:
    assert metrics.brier([1, 0], [0.5, 0.5]) == 0.25
    assert metrics.brier([1, 0, 0], [1.0, 0.0, 0.6]) == pytest.approx(0.12)


def test_the_band_of_a_curve_holds_the_curve() -> None:
    labels, p = random_case(9, n=200)
    grid, low, high = metrics.roc_band(labels, p, rounds=100)
    fpr, tpr, _ = metrics.roc_curve(labels, p)
    curve = tpr[np.searchsorted(fpr, grid, side="right") - 1]
    assert ((low - 0.03 <= curve) & (curve <= high + 0.03)).all()
    assert (np.diff(low) >= 0).all()
    assert (high - low).max() > 0.02


def test_importing_metrics_leaves_torch_alone() -> None:
    code = "import sys, counterface.learn.metrics; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
