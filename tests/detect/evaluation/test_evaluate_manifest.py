"""From a manifest to numbers: which files, which thresholds, and what is logged; cross tables."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from scan_media import drawn_picture, empty_picture
from tiny_detector import metadata, write_detector

from counterface.datasets.manifest import Entry, write_manifest
from counterface.detect.evaluate import EvaluateConfig, evaluate_manifest
from counterface.detect.evaluation.compare import compare_detectors
from counterface.detect.evaluation.cross import cross_evaluate
from counterface.detect.evaluation.openings import read_openings
from counterface.errors import ConfigError
from counterface.media.image import read_image, write_image

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark real and bright fake portraits: two people of test, one of train; one file is empty."""
    folder = tmp_path_factory.mktemp("set")
    items = []
    for person in range(3):
        plain = read_image(drawn_picture(folder / "plain.png", person, 200)).astype(float)
        for label, gain in ((0, 0.5), (1, 1.3)):
            path = folder / f"{person}_{label}.png"
            write_image(path, np.clip(plain * gain, 0, 255).astype(np.uint8))
            split = "train" if person == 2 else "test"
            items.append(Entry(path, label, "drawn", identities=(f"p{person}",), split=split))
    items.append(Entry(empty_picture(folder / "empty.png"), 1, "drawn", split="test"))
    write_manifest(items, folder / "manifest.parquet")
    write_manifest([Entry(i.path, i.label) for i in items], folder / "plain.csv")
    write_detector(folder / "good.onnx")
    write_detector(folder / "bad.onnx", metadata(name="against"), gain=-8.0)
    return folder


@pytest.fixture
def config(folder: Path) -> EvaluateConfig:
    return EvaluateConfig(rounds=100, cache=folder / "scores")


def test_the_test_split_is_measured_and_each_opening_is_logged_once(
    folder: Path, config: EvaluateConfig
):
    manifest, detectors = folder / "manifest.parquet", [str(folder / "good.onnx")]
    before = len(read_openings(manifest))
    (found,) = evaluate_manifest(manifest, detectors, config, now=NOON)
    assert {s.file for s in found.files} == {
        "0_0.png",
        "0_1.png",
        "1_0.png",
        "1_1.png",
        "empty.png",
    }
    assert (found.real, found.fake, found.not_scored) == (2, 2, 1)
    assert found.threshold == 0.8  # the detector file's
    assert found.auc is not None
    assert found.auc[0] == 1.0
    assert found.opened is not None
    assert (found.opened.split, found.opened.name) == ("test", folder.name)
    assert len(found.opened.openings) == before
    assert found.detector is not None
    (line,) = read_openings(manifest)[before:]
    assert (line.purpose, line.time) == ("evaluate", "2026-11-21T12:00:00+00:00")
    assert line.detectors == (found.detector.sha256,)
    two = evaluate_manifest(manifest, [*detectors, str(folder / "bad.onnx")], config)
    assert len(read_openings(manifest)) == before + 2  # one line for both detectors
    assert two[0].opened is not None
    assert len(two[0].opened.openings) == before + 1


def test_other_files_are_not_the_test_and_are_not_logged(folder: Path, config: EvaluateConfig):
    manifest, detectors = folder / "manifest.parquet", [str(folder / "good.onnx")]
    before = len(read_openings(manifest))
    train = config.model_copy(update={"split": "train"})
    (found,) = evaluate_manifest(manifest, detectors, train)
    assert len(found.files) == 2
    assert "not_test" in {c.code for c in found.cautions}
    (plain,) = evaluate_manifest(folder / "plain.csv", detectors, config)
    assert plain.opened is not None
    assert (plain.opened.split, len(plain.files)) == ("all", 7)
    assert len(read_openings(manifest)) == before
    with pytest.raises(ConfigError, match="has the splits test, train"):
        evaluate_manifest(manifest, detectors, config.model_copy(update={"split": "val"}))
    with pytest.raises(ConfigError, match="has no splits"):
        evaluate_manifest(
            folder / "plain.csv", detectors, config.model_copy(update={"split": "test"})
        )


@pytest.mark.slow
def test_a_cross_table_holds_the_evaluations_it_is_made_of(folder: Path, config: EvaluateConfig):
    manifests = [folder / "manifest.parquet", folder / "plain.csv"]
    detectors = [str(folder / "good.onnx"), str(folder / "bad.onnx")]
    matrix, columns = cross_evaluate(manifests, detectors, config)
    assert [d.name for d in matrix.detectors] == ["tiny", "against"]
    assert [o.split for o in matrix.opened] == ["test", "all"]
    for row in range(2):
        for column in range(2):
            assert matrix.cells[row][column].video == columns[column][row].video
    assert [matrix.mean_auc(row) for row in range(2)] == [1.0, 0.0]
    with pytest.raises(ConfigError, match="at least one manifest"):
        cross_evaluate([], detectors, config)


def test_two_detector_files_are_compared_in_pairs(folder: Path, config: EvaluateConfig):
    manifest = folder / "plain.csv"
    one, two = str(folder / "good.onnx"), str(folder / "bad.onnx")
    found = compare_detectors(manifest, one, two, config)
    assert found.names == ("tiny", "against")
    assert found.neither == 1
    assert found.verdict.startswith("tiny is better")
    same = compare_detectors(manifest, one, one, config)
    assert same.names[0].startswith("tiny ")  # told apart by hash where the names are one
    assert "cannot tell" in same.verdict
