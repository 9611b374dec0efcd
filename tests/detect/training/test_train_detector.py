"""Training a detector from facesets: the whole way, its resume, and recipes that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn_samples import write_heads
from pydantic import ValidationError

from counterface.config import read_config, write_config
from counterface.datasets.pairs.training_pairs import PairConfig, TrainingPairs
from counterface.detect.detector import Detector
from counterface.detect.models.detector_model import build_detector
from counterface.detect.training.export import export_detector, uncalibrated
from counterface.detect.training.pair_data import read_sources, train_autoencoder
from counterface.detect.training.recipe import (
    DataConfig,
    ModelChoice,
    PairFolders,
    SyntheticFolders,
    TrainConfig,
)
from counterface.detect.training.train import load_detector, start_net, train_detector
from counterface.errors import ConfigError, TrainingError
from counterface.learn.checkpoint import read_weights, write_weights
from counterface.learn.loop import LoopConfig

OPTIONS = {"backbone": "test_efficientnet", "width": 16, "stage": 3, "size": 64}
MODEL = ModelChoice(name="frame_cnn", options=OPTIONS)
LOOP = LoopConfig(
    steps=4, batch_size=2, warmup=1, ema_decay=0.9, log_every=1, checkpoint_every=2,
    tensorboard=False, device="cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Facesets: stills, clips of ann and bob, and swapped versions of both."""
    root = tmp_path_factory.mktemp("facesets")
    write_heads(root / "stills", {"one.png": (1,), "two.png": (2,)}, side=112)
    clips = {"ann.mp4": (3, 3), "bob.mp4": (4, 4, 4)}
    write_heads(root / "real", clips, side=112)
    write_heads(root / "fake", {"ann.mp4": (5, 5), "bob.mp4": (1, 1, 1)}, side=112, tint=20)
    return root


def recipe(folders: Path, out: Path, **changes: Any) -> TrainConfig:
    two = PairFolders(real=folders / "real", fake=folders / "fake")
    data = DataConfig(stills=(folders / "stills",), pairs=(two,))
    given = {
        "out": out,
        "data": data,
        "model": MODEL,
        "pairs": PairConfig(cells=4, pairs=0.3),
        "loop": LOOP,
    }
    return TrainConfig(**(given | changes))


def test_a_recipe_becomes_weights_that_become_a_detector(folders: Path, tmp_path: Path):
    told: list[tuple[str, int, int]] = []
    config = recipe(folders, tmp_path / "run")
    result = train_detector(config, lambda phase, step, n, values: told.append((phase, step, n)))
    assert (result.stopped, result.step) == ("finished", 4)
    assert told == [("detector", step, 4) for step in (1, 2, 3, 4)]
    net = load_detector(result.weights)  # the file knows what it is of
    info = uncalibrated("tiny", net.config.template, net.config.size)
    export_detector(net, info, tmp_path / "own.onnx")
    detector = Detector.load(tmp_path / "own.onnx")
    crops = TrainingPairs(read_sources(config.data), config.settled_pairs())[0]["images"]
    logits, maps = detector.score(np.asarray(crops, np.uint8))
    assert np.isfinite(logits).all()
    assert maps.shape == (2, 4, 4)


class Stopped(Exception):
    """As if the machine had lost power."""


@pytest.mark.slow
def test_a_run_that_was_cut_off_ends_with_the_same_weights(folders: Path, tmp_path: Path):
    whole = train_detector(recipe(folders, tmp_path / "whole"))

    def cut(phase: str, step: int, steps: int, values: dict[str, float]) -> None:
        if step == 3:
            raise Stopped

    config = recipe(folders, tmp_path / "cut")
    with pytest.raises(Stopped):
        train_detector(config, cut)
    steps: list[int] = []
    result = train_detector(config, lambda phase, step, n, values: steps.append(step))
    assert steps == [3, 4]  # from the checkpoint at step 2
    one, two = read_weights(whole.weights)[0]["net"], read_weights(result.weights)[0]["net"]
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_the_autoencoder_is_trained_once_and_used(folders: Path, tmp_path: Path):
    told: list[str] = []
    loop = LOOP.model_copy(update={"steps": 1})
    config = recipe(folders, tmp_path / "run", autoencoder_steps=1, loop=loop)
    train_detector(config, lambda phase, *rest: told.append(phase))
    assert told[0] == "autoencoder"
    made = tmp_path / "run" / "autoencoder" / "autoencoder.onnx"
    stamp = made.stat().st_mtime_ns
    told.clear()
    train_detector(config, lambda phase, *rest: told.append(phase))
    assert "autoencoder" not in told
    assert made.stat().st_mtime_ns == stamp
    other = recipe(folders, tmp_path / "other", autoencoder_steps=1, autoencoder=made)
    assert train_autoencoder(other, read_sources(other.data), None) == made
    assert not other.out.exists()


def test_a_run_can_start_from_the_weights_of_another(folders: Path, tmp_path: Path):
    torch.manual_seed(0)
    trained = build_detector("frame_cnn", OPTIONS)
    write_weights(tmp_path / "last.safetensors", {"net": trained}, {})
    config = recipe(folders, tmp_path / "second", start_from=tmp_path / "last.safetensors")
    started = start_net(config).state_dict()
    assert all(torch.equal(started[name], value) for name, value in trained.state_dict().items())


def test_weights_of_another_architecture_are_refused(tmp_path: Path):
    weights = tmp_path / "last.safetensors"
    write_weights(weights, {"net": build_detector("frame_cnn", OPTIONS)}, {})
    other = ModelChoice(name="frame_cnn", options=OPTIONS | {"stage": 2})
    with pytest.raises(TrainingError, match=r"not weights of frame_cnn with .*'stage': 2"):
        load_detector(weights, other)


@pytest.mark.parametrize(
    ("name", "why"),
    [("pooled_cnn", "set model.name to frame_cnn or texture_cnn"), ("meso4", "no backbone")],
)
def test_a_net_that_cannot_start_from_a_folded_file_says_so(
    folders: Path, tmp_path: Path, name: str, why: str
):
    config = recipe(folders, tmp_path, folded=tmp_path / "net.tflite")
    size = config.model.options["size"]
    options = {"backbone": "test_resnet", "size": size} if name == "pooled_cnn" else {}
    config = config.model_copy(update={"model": ModelChoice(name=name, options=options)})
    with pytest.raises(ConfigError, match=f"folded: .*{why}"):
        start_net(config)


def test_crops_are_cut_as_the_model_wants_them(folders: Path, tmp_path: Path):
    with pytest.raises(ValidationError, match=r"pairs.size is 96, but the model's is 64"):
        recipe(folders, tmp_path, pairs=PairConfig(size=96))
    assert recipe(folders, tmp_path).settled_pairs().size == 64


def test_an_unknown_option_of_the_model_is_refused(folders: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"detector 'frame_cnn': unknown key 'depth'"):
        recipe(folders, tmp_path, model=ModelChoice(options={"depth": 3}))


def test_clips_are_banks_of_their_own_and_those_left_out_are_nowhere(folders: Path):
    pairs = (PairFolders(real=folders / "real", fake=folders / "fake"),)
    data = DataConfig(stills=(folders / "stills",), clips=(folders / "real",), pairs=pairs)
    whole = read_sources(data)
    assert [len(bank) for bank in whole.real] == [2, 2, 3]
    assert [len(bank) for bank in whole.pairs] == [2, 3]
    part = read_sources(data.model_copy(update={"leave_out": ("bob",)}))
    assert [len(bank) for bank in part.real] == [2, 2]
    assert [len(bank) for bank in part.pairs] == [2]
    rows = [row for bank in part.real for row in bank.rows]  # type: ignore[attr-defined]
    assert not any("bob" in row.source for row in rows)


def test_generated_faces_come_with_real_ones_of_their_kind(folders: Path):
    two = SyntheticFolders(fake=folders / "fake", real=folders / "stills")
    sources = read_sources(DataConfig(stills=(folders / "stills",), synthetic=(two,)))
    ((made, real),) = sources.synthetic
    assert (len(made), len(real)) == (5, 2)


def test_a_recipe_without_real_faces_is_refused(folders: Path, tmp_path: Path):
    with pytest.raises(
        TrainingError, match=r"--faces, or facesets .* in data\.stills or data\.clips"
    ):
        train_detector(recipe(folders, tmp_path, data=DataConfig()))
    everything = DataConfig(clips=(folders / "real",), leave_out=("ann", "bob"))
    with pytest.raises(TrainingError, match="no faces to learn from"):
        read_sources(everything)


def test_a_share_of_pairs_without_pairs_is_refused(folders: Path, tmp_path: Path):
    data = DataConfig(stills=(folders / "stills",))
    with pytest.raises(TrainingError, match="asks for pairs"):
        train_detector(recipe(folders, tmp_path, data=data))


def test_a_recipe_survives_its_file(folders: Path, tmp_path: Path):
    config = recipe(folders, tmp_path / "run")
    write_config(config, tmp_path / "recipe.toml")
    assert read_config(TrainConfig, tmp_path / "recipe.toml") == config


@pytest.mark.parametrize("name", ["self_blended", "footage_pairs"])
def test_the_recipes_of_the_project_can_be_read(name: str):
    path = Path(__file__).resolve().parents[3] / "recipes" / f"{name}.toml"
    config = read_config(TrainConfig, path)
    assert config.loop.steps > 0
    assert config.data.stills
