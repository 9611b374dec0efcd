"""Training on labelled faces: learns, stops, selects on validation alone; folds and what leaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn_faces import write_store

from counterface.apps.cli.main import main
from counterface.config import write_config
from counterface.datasets.augment import AugmentConfig
from counterface.datasets.manifest import Entry, write_manifest
from counterface.datasets.split import linked_groups
from counterface.detect.detector import Detector
from counterface.detect.training import train as train_module
from counterface.detect.training.folds import FOLD_BY, cross_validate, fold_clips
from counterface.detect.training.recipe import (
    DataConfig,
    LossRecipe,
    ModelChoice,
    OptimizerRecipe,
    TrainConfig,
)
from counterface.detect.training.score_clips import first_clips, measure_clips, score_clips
from counterface.detect.training.train import load_detector, open_pool, train_detector
from counterface.errors import TrainingError
from counterface.learn.checkpoint import read_weights
from counterface.learn.loop import LoopConfig
from counterface.learn.run_log import read_log

MODEL = ModelChoice(
    name="frame_cnn",
    options={
        "backbone": "test_efficientnet", "width": 8, "stage": 1, "size": 32, "template": "face",
        "dropout": 0.0,
    },
)  # fmt: skip
LOOP = LoopConfig(
    batch_size=8, log_every=1, checkpoint_every=3, tensorboard=False, device="cpu", winograd=False
)
SPLITS = ("train", "train", "val", "test")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Entry]]:
    """12 real and 12 fake files of 6 people, 2 moments of 4 crops each."""
    folder = tmp_path_factory.mktemp("faces") / "store"
    return write_store(folder, real=12, fake=12, people=6, splits=SPLITS)


def recipe(store: tuple[Path, list[Entry]], out: Path, **changes: Any) -> TrainConfig:
    given = {
        "out": out,
        "model": MODEL,
        "data": DataConfig(faces=store[0]),
        "augment": AugmentConfig(flip=0.5),
        "optimizer": OptimizerRecipe(name="adam", lr=3e-3),
        "loop": LOOP.model_copy(update={"steps": 9, "validate_every": 3}),
    }
    return TrainConfig(**(given | changes))


@pytest.mark.slow
def test_a_grid_is_learnt_and_the_weights_say_what_they_are(store, tmp_path: Path):
    loop = LOOP.model_copy(update={"steps": 40, "validate_every": 10})
    result = train_detector(recipe(store, tmp_path / "run", loop=loop))
    assert result.best_step is not None
    record = read_weights(result.weights)[1]
    assert record["metrics"]["auc"] > 0.9
    assert record["metrics"]["files"] == 6  # all of the split val, both classes
    about = record["about"]
    assert about["model"]["options"]["size"] == 32
    assert about["data"]["train"]["licences"] == ["drawn"]
    assert about["data"]["train"]["fake"] == 6
    kinds = {line["kind"] for line in read_log(tmp_path / "run")}
    assert kinds == {"train", "validate"}


def test_no_other_split_is_looked_at(store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Neither in training nor in choosing: crops of the split test could be gone."""
    test = {e.sha256 for e in store[1] if e.split == "test"}
    read: set[str] = set()
    plain = train_module.FacePool.read

    def watched(self: Any, clip: Any) -> Any:
        read.update(row.source_sha256 for row in clip.rows)
        return plain(self, clip)

    monkeypatch.setattr(train_module.FacePool, "read", watched)
    train_detector(recipe(store, tmp_path / "run"))
    assert read
    assert not read & test


@pytest.mark.slow
def test_a_labelled_run_that_was_cut_off_ends_with_the_same_weights(store, tmp_path: Path):
    whole = train_detector(recipe(store, tmp_path / "whole"))

    class Cut(Exception):
        """As if the machine had lost power."""

    def cut(phase: str, step: int, steps: int, values: dict[str, float]) -> None:
        if step == 5:
            raise Cut

    with pytest.raises(Cut):
        train_detector(recipe(store, tmp_path / "cut"), cut)
    again = train_detector(recipe(store, tmp_path / "cut"))
    one = read_weights(whole.weights.parent / "last.safetensors")[0]["net"]
    two = read_weights(again.weights.parent / "last.safetensors")[0]["net"]
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert (whole.best_step, whole.best_score) == (again.best_step, again.best_score)


@pytest.mark.slow
def test_epochs_become_steps_and_patience_ends_a_run(store, tmp_path: Path):
    config = recipe(store, tmp_path / "run", epochs=2, loop=LOOP)
    pool = open_pool(config)
    crops = len(pool.of_entries([e for e in store[1] if e.split == "train"]))
    result = train_detector(config)
    assert result.step == 2 * -(-crops // LOOP.batch_size)
    assert sum(line["kind"] == "validate" for line in read_log(tmp_path / "run")) == 2
    frozen = recipe(
        store, tmp_path / "frozen", optimizer=OptimizerRecipe(name="sgd", lr=1e-12),
        loop=LOOP.model_copy(update={
            "steps": 9, "validate_every": 1, "early_stop_patience": 2, "monitor": "accuracy",
            "monitor_mode": "max",
        }),
    )  # fmt: skip
    assert train_detector(frozen).stopped == "early"


def test_the_last_clips_are_scored_too_and_in_order(store, tmp_path: Path):
    pool = open_pool(recipe(store, tmp_path))
    torch.manual_seed(0)
    net = train_module.start_net(recipe(store, tmp_path)).eval()
    clips = pool.clips[:11]
    one_by_one = np.concatenate([score_clips(net, pool, [clip]) for clip in clips])
    assert np.allclose(score_clips(net, pool, clips, batch=4), one_by_one, atol=1e-5)


def test_a_file_is_the_mean_of_its_clips(store, tmp_path: Path):
    pool = open_pool(recipe(store, tmp_path))
    real = [clip for clip in pool.clips if clip.label == 0][:16]
    fake = [clip for clip in pool.clips if clip.label == 1][:16]
    clips = real + fake  # 2 files of 8 crops of each class
    logits = np.array([-1.0] * 15 + [9.0] + [1.0] * 15 + [-9.0])
    metrics = measure_clips(pool, clips, logits)
    assert metrics["clip_accuracy"] == pytest.approx(30 / 32)
    assert metrics["accuracy"] == pytest.approx(0.5)  # -7 + 9 = 2 > 0: one file of each is wrong
    assert metrics["files"] == 4
    assert "auc" not in measure_clips(pool, real, logits[:16])
    few = first_clips(clips, 2)
    assert len(few) == 8
    assert len({(clip.entry, clip.rows[0].file) for clip in few}) == 8


def test_missing_splits_and_faces_are_refused(store, tmp_path: Path):
    folder, entries = store
    bare = [Entry(e.path, e.label, sha256=e.sha256) for e in entries]
    write_manifest(bare, tmp_path / "bare.parquet")
    data = DataConfig(faces=folder, manifest=tmp_path / "bare.parquet")
    with pytest.raises(TrainingError, match=r"dataset split.*--folds"):
        train_detector(recipe(store, tmp_path / "run", data=data))
    with pytest.raises(TrainingError, match="no faces to learn from"):
        train_detector(recipe(store, tmp_path / "run", data=DataConfig()))
    with pytest.raises(ValueError, match="early stopping would end a triplet run"):
        recipe(
            store, tmp_path, loss=LossRecipe(kind="triplet"),
            loop=LOOP.model_copy(update={"early_stop_patience": 1}),
        )  # fmt: skip


def test_folds_keep_together_what_they_say(store, tmp_path: Path):
    pool = open_pool(recipe(store, tmp_path))
    groups = linked_groups(pool.entries)
    parted = {}
    for by in FOLD_BY:
        folds = fold_clips(pool, pool.clips, 3, by)
        assert {folds.count(f) for f in range(3)} == {len(pool.clips) // 3}
        files: dict[int, set[int]] = {}
        people: dict[str, set[int]] = {}
        for clip, fold in zip(pool.clips, folds, strict=True):
            files.setdefault(clip.entry, set()).add(fold)
            people.setdefault(groups[clip.entry], set()).add(fold)
        parted[by] = (
            max(len(found) for found in files.values()),
            max(len(found) for found in people.values()),
        )
    assert parted["frame"][0] == 3  # crops of one file are everywhere
    assert parted["video"][0] == 1
    assert parted["video"][1] > 1  # but people are on several sides
    assert parted["identity"] == (1, 1)


@pytest.mark.slow
def test_cross_validation_reports_each_way_and_goes_on_after_a_stop(
    store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data = DataConfig(faces=store[0], val_clips=1)
    config = recipe(store, tmp_path / "run", data=data, loop=LOOP.model_copy(update={"steps": 2}))

    class Cut(Exception):
        """As if the machine had lost power."""

    def cut(phase: str, *rest: Any) -> None:
        if phase == "fold 1 by identity":
            raise Cut

    with pytest.raises(Cut):
        cross_validate(config, 3, ("video", "identity"), cut)
    phases: list[str] = []
    report = cross_validate(
        config, 3, ("video", "identity"), lambda phase, *rest: phases.append(phase)
    )
    assert set(phases) == {"fold 1 by identity", "fold 2 by identity"}
    assert report.files == 18
    assert report.test_files == 6
    assert report.fake_share == 0.5
    for grouping in report.groupings:
        accuracies = [fold.metrics["accuracy"] for fold in grouping.folds]
        assert grouping.mean["accuracy"] == pytest.approx(np.mean(accuracies))
        assert grouping.deviation["accuracy"] == pytest.approx(np.std(accuracies, ddof=1))
        assert {fold.unseen["files"] for fold in grouping.folds} == {6}
        assert sum(fold.held_back_files for fold in grouping.folds) == 18
        assert all(fold.train_files + fold.held_back_files < 18 for fold in grouping.folds)
    openings = (store[0] / "test_openings.jsonl").read_text().splitlines()
    assert len(openings) == 6  # once for each fold of each way
    assert json.loads((tmp_path / "run" / "folds.json").read_text())["folds"] == 3

    write_config(config, tmp_path / "recipe.toml")
    words = ["detect", "train", str(tmp_path / "recipe.toml"), "--folds", "3", "--fold-by"]
    assert main([*words, "video", "identity"]) == 0
    shown = capsys.readouterr().out
    assert "by video" in shown
    assert "unseen (6)" in shown
    other = config.model_copy(update={"optimizer": OptimizerRecipe(lr=0.5)})
    with pytest.raises(TrainingError, match="of another recipe"):
        cross_validate(other, 3, ("video",))
    with pytest.raises(TrainingError, match="use 3 or more"):
        cross_validate(config, 2)


def test_a_run_is_exported_with_its_card(store, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_config(recipe(store, tmp_path / "run"), tmp_path / "recipe.toml")
    assert main(["detect", "train", str(tmp_path / "recipe.toml"), "--set", "loop.steps=3"]) == 0
    weights = tmp_path / "run" / "best.safetensors"
    assert main(["detect", "export", str(weights), str(tmp_path / "own.onnx")]) == 0
    assert "not calibrated" in capsys.readouterr().out  # the drawn files are not on disk
    detector = Detector.load(tmp_path / "own.onnx")
    card = detector.info.card
    assert detector.info.name == "frame_cnn"
    assert (detector.info.template, detector.info.size) == ("face", 32)
    assert "drawn" in card["licence"]
    assert card["seed"] == 0
    assert card["trained_on"]["train"]["real"] == 6
    assert "hours" in card["cost"]
    pool = open_pool(recipe(store, tmp_path))
    crops = np.stack([pool.read(clip)[0] for clip in pool.clips[:5]])
    wanted = score_clips(load_detector(weights), pool, pool.clips[:5])
    assert np.allclose(detector.score(crops)[0], wanted, atol=1e-3)


@pytest.mark.slow
def test_two_runs_fuse_to_the_mean_of_their_calibrated_logits(
    store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    weights = []
    for seed in (1, 2):
        loop = LOOP.model_copy(update={"steps": 2, "seed": seed})
        config = recipe(store, tmp_path / f"run{seed}", loop=loop)
        weights.append(train_detector(config).weights)
    words = ["detect", "fuse", str(tmp_path / "both.onnx"), *map(str, weights)]
    assert main(words) == 0
    assert "not calibrated" in capsys.readouterr().out
    detector = Detector.load(tmp_path / "both.onnx")
    members = detector.info.card["members"]
    assert [members[n]["seed"] for n in ("0", "1")] == [1, 2]
    pool = open_pool(recipe(store, tmp_path))
    crops = np.stack([pool.read(clip)[0] for clip in pool.clips[:4]])
    single = [score_clips(load_detector(one), pool, pool.clips[:4]) for one in weights]
    assert np.allclose(detector.score(crops)[0], np.mean(single, axis=0), atol=1e-3)
