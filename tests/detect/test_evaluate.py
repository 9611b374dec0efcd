"""Evaluation: numbers over what was scored, and a calibration that is written into the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_scores import unscored
from scan_media import drawn_clip, drawn_picture, empty_picture, tiny_config
from tiny_detector import metadata, write_detector

from counterface.datasets.manifest import Entry
from counterface.detect.calibrate import calibrate_file, calibrate_scores
from counterface.detect.detector import NOT_CALIBRATED, Calibration, Detector
from counterface.detect.evaluate import FileScore, evaluate_files, score_files
from counterface.detect.evaluation.measure import measure_files
from counterface.detect.pool import calibrate
from counterface.detect.scanning.scan import ScanConfig
from counterface.errors import ConfigError, DetectorError
from counterface.media.image import read_image, write_image

THEN = Calibration(scale=1.0, offset=0.0)


def scored(label: int, logit: float, group: str, then: Calibration = THEN) -> FileScore:
    p, low, high = calibrate([logit, logit - 0.5, logit + 0.5], then).tolist()
    return FileScore(
        file=f"{group}.mp4", label=label, method="", group=group, logit=logit, probability=p,
        low=low, high=high, verdict="inconclusive", frame_logits=(logit - 0.1, logit + 0.1),
    )  # fmt: skip


def some(then: Calibration = THEN, seed: int = 0) -> list[FileScore]:
    rng = np.random.default_rng(seed)
    labels = np.arange(40) % 2
    logits = rng.normal(labels * 3.0 - 1.5, 1.5)
    return [
        scored(int(y), float(x), f"p{i}", then)
        for i, (y, x) in enumerate(zip(labels, logits, strict=True))
    ]


def test_files_without_a_number_are_left_out_and_counted():
    plain = evaluate_files(some(), 0.8, rounds=50)
    more = [unscored(1), *some(), unscored(0, "failed"), unscored(0)]
    mixed = evaluate_files(more, 0.8, rounds=50)
    assert mixed.not_scored == 3
    assert (mixed.real, mixed.fake) == (plain.real, plain.fake) == (20, 20)
    assert mixed.metrics == plain.metrics  # at 0.5 they would have moved every one of them
    assert mixed.auc == plain.auc
    assert mixed.frame_auc == plain.frame_auc
    assert len(mixed.files) == 43


def test_the_area_is_the_share_of_pairs_in_the_right_order():
    scores = [scored(0, x, f"r{x}") for x in (-2.0, -1.0, 0.5)]
    scores += [scored(1, x, f"f{x}") for x in (0.0, 1.0)]
    found = evaluate_files(scores, 0.5, rounds=50)
    assert found.auc is not None
    assert found.auc[0] == pytest.approx(5 / 6)
    assert found.auc[1] <= found.auc[0] <= found.auc[2]


@pytest.mark.slow
def test_files_of_one_person_widen_the_interval():
    once = some()
    often = [score for score in once for _ in range(6)]  # each file six times, one group
    alone = [s.model_copy(update={"group": f"{i}"}) for i, s in enumerate(often)]
    one, many, wrong = (
        measure_files(s, 0.5, rounds=300).values["auc"] for s in (once, often, alone)
    )
    assert many.high - many.low == pytest.approx(one.high - one.low, rel=0.3)
    assert wrong.high - wrong.low < 0.7 * (many.high - many.low)


def test_one_class_alone_has_no_metric_of_two():
    found = evaluate_files([scored(0, 0.1, "a"), unscored(1)], 0.5)
    assert (found.real, found.fake, found.not_scored) == (1, 0, 1)
    assert found.auc is None
    assert found.frame_auc is None
    assert set(found.metrics) == {"specificity", "accuracy", "log_loss", "brier"}
    nothing = evaluate_files([unscored(1)], 0.5)
    assert (nothing.real, nothing.fake, nothing.not_scored) == (0, 0, 1)


def test_no_files_are_refused():
    with pytest.raises(ConfigError, match="no files to evaluate"):
        evaluate_files([], 0.5)


@pytest.mark.parametrize("then", [Calibration(scale=2.0, offset=-1), Calibration(scale=0.3)])
def test_a_new_calibration_does_not_depend_on_the_old_one(then: Calibration):
    calibration, lines = calibrate_scores(some(), THEN)
    other, others = calibrate_scores(some(then), then)
    assert other == calibration
    assert others.likely_manipulated == pytest.approx(lines.likely_manipulated, abs=1e-6)
    assert others.no_manipulation_found == pytest.approx(lines.no_manipulation_found, abs=1e-6)


def test_calibration_needs_scored_files():
    with pytest.raises(DetectorError, match="0 real 0 fake"):
        calibrate_scores([unscored(0), unscored(1)], THEN)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """Seven dark real portraits and seven bright fake ones: the tiny detector reads brightness."""
    folder = tmp_path_factory.mktemp("pictures")
    items = []
    for person in range(7):
        plain = read_image(drawn_picture(folder / "plain.png", person, 240)).astype(float)
        for label, gain in ((0, 0.5), (1, 1.3)):
            path = folder / f"{person}_{label}.png"
            write_image(path, np.clip(plain * gain, 0, 255).astype(np.uint8))
            items.append(Entry(path, label, "drawn", f"p{person}"))
    return items


@pytest.mark.slow
def test_every_file_is_scored_or_says_why_not(tmp_path: Path):
    items = [
        Entry(drawn_picture(tmp_path / "face.png"), 0, "still", "ann"),
        Entry(empty_picture(tmp_path / "empty.png"), 1),
        Entry(tmp_path / "broken.mp4", 1),
        Entry(drawn_clip(tmp_path / "clip.mp4", (2,), 24), 1, "swap", "bob"),
    ]
    (tmp_path / "broken.mp4").write_bytes(b"nothing" * 99)
    told: list[str] = []
    found = score_files(
        items, tiny_config(tmp_path, frames=6), progress=lambda i, n, name: told.append(name)
    )
    assert told == ["face.png", "empty.png", "broken.mp4", "clip.mp4"]
    face, empty, broken, clip = found
    assert (face.file, face.label, face.method, face.group) == (
        "face.png",
        0,
        "still",
        "source:ann",
    )
    assert face.logit is not None
    assert (empty.logit, empty.probability, empty.verdict) == (None, None, "no_face")
    assert empty.error is None
    assert (broken.logit, broken.verdict) == (None, "failed")
    assert "broken.mp4" in (broken.error or "")
    assert len(clip.frame_logits) == 6
    assert clip.logit == pytest.approx(np.mean(clip.frame_logits), abs=1e-4)
    assert clip.low is not None
    assert clip.high is not None
    assert clip.probability is not None
    assert clip.low <= clip.probability <= clip.high


@pytest.mark.slow
def test_calibrating_a_file_changes_its_numbers_and_not_its_logits(
    pictures: list[Entry], tmp_path: Path
):
    path = write_detector(
        tmp_path / "own.onnx", metadata(card={"note": "kept", "summary": NOT_CALIBRATED})
    )
    drawn = ScanConfig(quality_gate=False)
    config = drawn.model_copy(update={"detector": str(path)})
    before = score_files(pictures, config)
    info = calibrate_file(path, pictures, drawn)
    assert Detector.load(path).info == info
    assert info.card == {"note": "kept"}
    after = score_files(pictures, config)
    assert [s.logit for s in after] == [s.logit for s in before]
    for score in after:
        assert score.logit is not None
        assert score.probability is not None
        wanted = calibrate(score.logit, info.calibration)
        assert score.probability == pytest.approx(float(wanted), abs=1e-6)
        assert (score.probability > 0.5) is bool(score.label)
    lines = info.thresholds
    assert not any((s.low or 0) >= lines.likely_manipulated for s in after if not s.label)
    assert sum((s.high or 1) <= lines.no_manipulation_found for s in after if s.label) <= 1


def test_calibrating_on_inverted_labels_leaves_the_file_alone(
    pictures: list[Entry], tmp_path: Path
):
    path = write_detector(tmp_path / "own.onnx")
    content = path.read_bytes()
    swapped = [Entry(i.path, 1 - i.label, i.method, i.source) for i in pictures]
    with pytest.raises(DetectorError, match="inverted"):
        calibrate_file(path, swapped, ScanConfig(quality_gate=False))
    assert path.read_bytes() == content
