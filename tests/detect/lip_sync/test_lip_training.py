"""The towers learn from talks, the same way each time, and their file says what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from drawn_talks import draw_talk

from counterface.config import read_config
from counterface.detect.lip_sync.lips import POINTS
from counterface.detect.lip_sync.match import (
    LAGS,
    PITCHES,
    LipSyncFile,
    count_rows,
    lag_parts,
    match_of,
    relative,
    rows_at,
)
from counterface.detect.lip_sync.talks import Talk, TalkExamples, stretch
from counterface.detect.lip_sync.towers import Towers, TowersConfig, lag_correlations, match_loss
from counterface.detect.lip_sync.training import (
    ClipsConfig,
    LipSyncConfig,
    export_towers,
    load_towers,
    read_talks,
    train_lip_sync,
    train_towers,
)
from counterface.errors import TrainingError
from counterface.learn.loop import LoopConfig

RECIPE = Path(__file__).resolve().parents[3] / "recipes/lip_sync.toml"
TINY = LipSyncConfig(
    model=TowersConfig(width=16, vector=8, dropout=0.1),
    lr=5e-3,
    loop=LoopConfig(steps=3, batch_size=4, tensorboard=False, device="cpu"),
)


def odds(network: LipSyncFile, talk: Talk) -> float:
    rows = relative(rows_at(talk.rows, np.arange(count_rows(len(talk.points))) - 60))
    parts = lag_parts(*network.vectors(talk.points, rows))
    assert parts is not None
    return match_of(parts, network.info.scale, 0.0).log_odds


def test_towers_give_a_vector_for_each_moment():
    towers = Towers(TowersConfig())
    seen, heard = towers(torch.zeros(2, 30, POINTS, 2), torch.zeros(2, count_rows(30), PITCHES))
    assert seen.shape == (2, 30, 32)
    assert heard.shape == (2, 2 * 30 - 1 + LAGS - 1, 32)
    assert lag_correlations(seen, heard).shape == (2, LAGS)


def test_the_loss_compares_as_the_cue_does():
    torch.manual_seed(0)
    seen, heard = torch.randn(1, 30, 4), torch.randn(1, 2 * 30 - 1 + LAGS - 1, 4)
    parts = lag_parts(seen[0].numpy(), heard[0].numpy())
    assert parts is not None
    found = lag_correlations(seen, heard)[0].numpy()
    np.testing.assert_allclose(found, parts.sum(axis=1), atol=1e-4)
    loss, right = match_loss(Towers(TowersConfig()), *batch_of(3))
    assert loss.ndim == 0
    assert 0 <= float(right) <= 1


def batch_of(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    examples = TalkExamples([draw_talk(0), draw_talk(1)], 50, 0)
    found = [examples[index] for index in range(count)]
    return torch.stack([e["lips"] for e in found]), torch.stack([e["sound"] for e in found])


def test_an_example_follows_from_its_index():
    examples = TalkExamples([draw_talk(0), draw_talk(1)], 50, seed=3)
    first, other = examples[7], examples[8]
    again = TalkExamples([draw_talk(0), draw_talk(1)], 50, seed=3)[7]
    assert first["lips"].shape == (50, POINTS, 2)
    assert first["sound"].shape == (count_rows(50), PITCHES)
    for name in ("lips", "sound"):
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name])


@pytest.mark.parametrize("seconds", [1.8, 6.0])
def test_a_stretch_keeps_lips_and_sound_together(seconds: float):
    talk = draw_talk(0, seconds)
    for seed in range(5):
        points, rows = stretch(talk, 50, np.random.default_rng(seed))
        opening = points[:, 18, 1] - points[:, 14, 1]
        loudness = rows.mean(axis=1)[60 : 60 + 4 * 50 : 4]
        heard = np.isfinite(loudness)
        assert np.corrcoef(opening[heard], loudness[heard])[0, 1] > 0.95


def test_one_talk_is_too_few():
    with pytest.raises(TrainingError, match="two or more"):
        TalkExamples([draw_talk(0)], 50, 0)


def test_files_that_cannot_be_learnt_from_are_named(tmp_path: Path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    talks, left_out = read_talks(ClipsConfig(clips=(tmp_path,)))
    assert talks == []
    assert "broken.mp4" in left_out["broken.mp4"]
    with pytest.raises(TrainingError, match="0 usable talking clips"):
        train_lip_sync(TINY.model_copy(update={"out": tmp_path, "data": ClipsConfig()}))


def test_the_recipe_is_that_of_the_defaults():
    config = read_config(LipSyncConfig, RECIPE)
    assert config.model == TowersConfig()
    assert config.out == Path("runs/lip_sync")


def test_a_run_is_the_same_each_time_and_its_file_says_the_same(tmp_path: Path):
    talks = [draw_talk(seed) for seed in range(3)]
    runs = [train_towers(TINY, talks, tmp_path / name) for name in ("one", "other")]
    one, other = (load_towers(run.weights)[0].state_dict() for run in runs)
    assert all(torch.equal(one[name], other[name]) for name in one)
    info = export_towers(runs[0].weights, tmp_path / "lip_sync.onnx", licence="CC0-1.0")
    assert info.card["licence"] == "CC0-1.0"
    assert info.card["trained_on"] == "3 clips, 18 s"
    network = LipSyncFile(tmp_path / "lip_sync.onnx")
    assert network.info == info
    talk, towers = talks[0], load_towers(runs[0].weights)[0]
    rows = relative(rows_at(talk.rows, np.arange(count_rows(len(talk.points))) - 60))
    with torch.no_grad():
        wanted = towers(torch.from_numpy(talk.points)[None], torch.from_numpy(rows)[None])
    for got, want in zip(network.vectors(talk.points, rows), wanted, strict=True):
        np.testing.assert_allclose(got, want[0].numpy(), atol=1e-4)
    assert {node.domain for node in onnx.load(tmp_path / "lip_sync.onnx").graph.node} <= {""}


@pytest.mark.slow
def test_towers_learn_who_speaks_in_step(tmp_path: Path):
    talks = [draw_talk(seed) for seed in range(8)]
    loop = TINY.loop.model_copy(update={"steps": 150, "batch_size": 12, "ema_decay": 0.9})
    run = train_towers(TINY.model_copy(update={"loop": loop}), talks, tmp_path / "run")
    export_towers(run.weights, tmp_path / "lip_sync.onnx")
    network = LipSyncFile(tmp_path / "lip_sync.onnx")
    strangers = range(100, 106)
    own = [odds(network, draw_talk(seed)) for seed in strangers]
    late = [odds(network, draw_talk(seed, late_s=0.2)) for seed in strangers]
    assert min(own) > max(late)
    assert min(own) > 0
