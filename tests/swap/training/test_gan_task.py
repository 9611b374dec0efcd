"""The GAN task: steps in order, phases as data, decoders exchanged once whatever happens."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import default_collate

from counterface.config import read_config, to_toml
from counterface.errors import ConfigError, WeightsError
from counterface.learn.checkpoint import checkpoints, read_checkpoint
from counterface.learn.feature_net import (
    FeatureConfig,
    find_feature_net,
    perceptual_loss,
)
from counterface.learn.loop import LoopConfig, train
from counterface.swap.swap_model import Generated, SwapConfig, SwapModel, build_model
from counterface.swap.training.autoencoder_task import SwapOptimizerConfig
from counterface.swap.training.gan_schedule import GanPhase, GanSchedule
from counterface.swap.training.gan_task import GanConfig, GanTask

TINY = {"width": 8, "code": 16}
FAST = SwapOptimizerConfig(lr=1e-3)
ORDER = ["discriminator_source", "generator_source", "discriminator_target", "generator_target"]
SHORT = GanSchedule(
    steps=10,
    phases=(
        GanPhase(start=0),
        GanPhase(start=0.2, hinge=0.5),
        GanPhase(start=0.5, lr=0.3, swap_decoders=True),
    ),
)


class Faces:
    """Squares of a colour by side, each example a pure function of its index."""

    def __init__(self, size: int = 32) -> None:
        self.size = size

    def __getitem__(self, index: int) -> dict[str, dict[str, Tensor]]:
        generator = torch.Generator().manual_seed(index)
        return {name: self.side(name, generator) for name in ("source", "target")}

    def side(self, name: str, generator: torch.Generator) -> dict[str, Tensor]:
        size = self.size
        face, eye = slice(size // 4, size * 3 // 4), slice(size * 3 // 8, size * 7 // 16)
        truth = torch.full((3, size, size), 0.3)
        truth[("source", "target").index(name), face, face] = 0.9
        truth[2, eye, face] = float(torch.rand((), generator=generator))
        eyes = torch.zeros(1, size, size)
        eyes[:, eye, face] = 1
        return {"warped": torch.roll(truth, size // 32, 2), "target": truth, "eyes": eyes}


class Small(SwapModel):
    """What the task asks of a model, in a few layers and 32 px: attention takes its time."""

    TRAINED_BY = "gan"

    def __init__(self) -> None:
        super().__init__(SwapConfig(), in_size=32, out_size=32, code_shape=(8, 16, 16))
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.LeakyReLU(0.1))
        self.decoder_source, self.decoder_target = Painter(), Painter()

    def forward(self, images: Tensor, identity: int | Tensor) -> Generated:
        made = super().forward(images, identity)
        assert made.mask is not None
        image = images + made.mask * (made.image - images)
        return Generated(image, made.mask, (functional.avg_pool2d(made.image, 2),), made.image)


class Painter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.color = nn.Sequential(nn.Conv2d(8, 12, 3, 1, 1), nn.PixelShuffle(2), nn.Sigmoid())
        self.alpha = nn.Sequential(nn.Conv2d(8, 4, 3, 1, 1), nn.PixelShuffle(2), nn.Sigmoid())

    def forward(self, code: Tensor) -> Generated:
        return Generated(self.color(code), self.alpha(code))


def small() -> SwapModel:
    torch.manual_seed(1)
    return Small()


def make(config: GanConfig | None = None, model: SwapModel | None = None) -> GanTask:
    no_features = GanConfig(perceptual=(0, 0, 0, 0), schedule=SHORT)
    return GanTask(model or small(), config or no_features, FAST)


@pytest.fixture(scope="module")
def batch() -> Any:
    return default_collate([Faces()[k] for k in range(2)])


def test_the_default_is_the_published_schedule() -> None:
    schedule = GanSchedule()
    phases = {step: schedule.phase_at(step) for step in range(0, 44_000, 400)}
    assert schedule.first_step(schedule.phases[5]) == 26_800
    assert [p.perceptual for s, p in phases.items() if s < 8000] == [False] * 20
    assert all(p.perceptual for s, p in phases.items() if s >= 8000)
    hinges = [
        phases[step].hinge for step in (11_600, 12_000, 16_000, 20_000, 26_800, 32_000, 36_000)
    ]
    assert hinges == [0, 0.5, 0.2, 0.4, 0, 0.1, 0]
    assert [phases[s].lr for s in (26_400, 26_800, 32_000, 36_000, 43_600)] == [
        1,
        0.3,
        0.3,
        0.1,
        0.1,
    ]
    assert [s for s in range(44_000) if schedule.swaps_at(s)] == [32_000]


def test_a_schedule_survives_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(to_toml(SHORT))
    assert read_config(GanSchedule, tmp_path / "s.toml") == SHORT


@pytest.mark.parametrize(
    ("starts", "swap"), [((0.1, 0.5), False), ((0, 0.5, 0.5), False), ((0, 0.5), True)]
)
def test_schedules_that_cannot_be_are_refused(starts: tuple[float, ...], swap: bool) -> None:
    phases = tuple(GanPhase(start=s, swap_decoders=swap) for s in starts)
    with pytest.raises(ValidationError, match=r"rise from 0|cannot swap"):
        GanSchedule(phases=phases)


def test_each_person_has_a_discriminator_step_and_a_generator_step(batch: Any) -> None:
    task = make()
    optimizers = task.optimizers()
    assert sorted(optimizers) == sorted(ORDER)
    seen = []
    for name, loss in task.losses(batch, 0, {}):
        for module in task.modules().values():
            module.zero_grad(set_to_none=True)
        loss.backward()
        kind, _, side = name.partition("_")
        learning = {
            f"{part}.{child.split('.')[0]}" if part == "model" else part
            for part, module in task.modules().items()
            for child, p in module.named_parameters()
            if p.grad is not None
        }
        own = {f"discriminator_{side}"} if kind == "discriminator" else None
        assert learning == (own or {"model.encoder", f"model.decoder_{side}"})
        optimizers[name].step()
        seen.append(name)
    assert seen == ORDER


def test_rates_follow_the_phase_for_every_optimizer() -> None:
    task = make()
    task.optimizers()
    assert task.lr_factors(4) == dict.fromkeys(ORDER, 1.0)
    assert task.lr_factors(5) == dict.fromkeys(ORDER, 0.3)


def test_masks_are_pushed_down_and_by_the_hinge_up(batch: Any) -> None:
    def slope(step: int) -> float:
        """How the loss changes with the bias of the alpha layer."""
        config = GanConfig(
            adversarial=0, reconstruction=0, edges=0, eyes=0, mask_variation=0,
            perceptual=(0, 0, 0, 0), mask=1, hinge=1, schedule=SHORT,
        )  # fmt: skip
        task = make(config)
        with torch.no_grad():  # masks near 0.27, below the hinge
            for p in task.model.decoder_source.alpha.parameters():  # type: ignore[union-attr]
                p.zero_() if p.ndim > 1 else p.fill_(-1.0)
        loss = dict(task.losses(batch, step, {}))["generator_source"]
        loss.backward()
        biases = [p for p in task.model.decoder_source.alpha.parameters() if p.ndim == 1]  # type: ignore[union-attr]
        assert biases[0].grad is not None
        return float(biases[0].grad.sum())

    assert slope(0) > 0
    assert slope(3) < 0


def learn(task: GanTask, batch: Any, steps: int) -> list[dict[str, float]]:
    optimizers, history = task.optimizers(), []
    torch.manual_seed(0)
    for step in range(steps):
        losses = {}
        for name, loss in task.losses(batch, step, {}):
            optimizers[name].zero_grad(set_to_none=True)
            loss.backward()
            optimizers[name].step()
            losses[name] = loss.item()
        history.append(losses)
    return history


@pytest.mark.slow
def test_generators_learn_and_discriminators_see_it(batch: Any) -> None:
    history = learn(make(GanConfig(perceptual=(0, 0, 0, 0))), batch, 30)
    for name in ("generator_source", "generator_target"):
        assert history[-1][name] < 0.8 * history[0][name]
    assert history[-1]["discriminator_source"] < history[0]["discriminator_source"]


@pytest.mark.slow
def test_the_real_model_learns_so() -> None:
    torch.manual_seed(1)
    one = default_collate([Faces(64)[0]])
    task = make(GanConfig(perceptual=(0, 0, 0, 0)), build_model("gan", TINY))
    history = learn(task, one, 4)
    for name in ("generator_source", "generator_target"):
        assert history[-1][name] < 0.96 * history[0][name]


def test_exchanged_decoders_carry_their_moments(batch: Any) -> None:
    task = make()
    optimizers = task.optimizers()
    for name, loss in task.losses(batch, 0, {}):
        optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        optimizers[name].step()
    model, names = task.model, ("source", "target")
    parts = [getattr(model, f"decoder_{n}") for n in names]

    def moments(part: int) -> list[Tensor]:
        state = optimizers[f"generator_{names[part]}"].state
        return [state[p]["exp_avg"].clone() for p in parts[part].parameters()]

    image = torch.rand(1, 3, 32, 32)
    before, kept = [model(image, i).image for i in (0, 1)], [moments(i) for i in (0, 1)]
    task.swap_decoders()
    assert torch.equal(model(image, 0).image, before[1])
    assert torch.equal(model(image, 1).image, before[0])
    for i in (0, 1):
        assert all(torch.equal(a, b) for a, b in zip(moments(i), kept[1 - i], strict=True))


LOOP = LoopConfig(
    steps=8, batch_size=2, schedule="constant", checkpoint_every=1, log_every=1,
    tensorboard=False, device="cpu",
)  # fmt: skip


def run(out: Path, stop_at: int | None = None) -> dict[str, Tensor]:
    if stop_at is not None:
        train(make(), Faces(), LOOP.model_copy(update={"steps": stop_at}), out)
    train(make(), Faces(), LOOP, out)
    return read_checkpoint(checkpoints(out / "checkpoints")[-1]).tensors


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    return run(tmp_path_factory.mktemp("whole"))


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [4, 5, 6])  # before the exchange, right at it, after it
def test_resuming_around_the_exchange_changes_nothing(
    stop_at: int, tmp_path: Path, uninterrupted: dict[str, Tensor]
) -> None:
    resumed = run(tmp_path, stop_at)
    assert resumed.keys() == uninterrupted.keys()
    assert all(torch.equal(resumed[key], uninterrupted[key]) for key in resumed)


def test_other_models_cannot_be_trained_so() -> None:
    with pytest.raises(ConfigError, match="'gan'"):
        GanTask(build_model("lightweight", TINY), GanConfig(perceptual=(0, 0, 0, 0)), FAST)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> FeatureConfig:
    """A small untrained network as a file, in place of one that has learnt."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("net") / "net.safetensors"
    save_file(timm.create_model("resnet18").state_dict(), path)
    return FeatureConfig(backbone="resnet18", weights=path, side=64)


def test_the_perceptual_loss_knows_pictures_apart(features: FeatureConfig) -> None:
    net = find_feature_net(features)
    assert net is not None
    net.train()
    assert not net.training  # its statistics stay
    one, other = Faces()[0]["source"]["target"][None], Faces()[0]["target"]["target"][None]
    near = (one + 0.02 * torch.rand_like(one)).requires_grad_()
    powers = {32: 0.01, 8: 0.1, 4: 0.3, 2: 0.1}
    assert perceptual_loss(net, one, one, powers).item() == pytest.approx(0, abs=1e-6)
    loss = perceptual_loss(net, near, one, powers)
    assert 0 < loss.item() < perceptual_loss(net, other, one, powers).item()
    loss.backward()
    assert near.grad is not None
    assert perceptual_loss(net, other, one, {64: 1.0}).item() == 0


def test_the_perceptual_loss_starts_with_its_phase(features: FeatureConfig, batch: Any) -> None:
    phases = (GanPhase(start=0), GanPhase(start=0.5, perceptual=True))
    config = GanConfig(schedule=GanSchedule(steps=10, phases=phases), features=features)
    task, logs = make(config), [{}, {}]
    for step, log in zip((4, 5), logs, strict=True):
        list(task.losses(batch, step, log))
    assert "perceptual" not in logs[0]
    assert float(logs[1]["perceptual"]) > 0
    assert set(task.modules()) == {"model", "discriminator_source", "discriminator_target"}


def test_without_weights_the_perceptual_loss_is_off_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with caplog.at_level(logging.WARNING):
        task = GanTask(small(), GanConfig(), FAST)
    assert [r.message for r in caplog.records] == [caplog.records[0].message]
    assert "perceptual loss is off" in caplog.text
    assert "gan.features.weights" in caplog.text
    assert task.config.perceptual[0] == 0.01


def test_wrong_weights_are_an_error(tmp_path: Path, features: FeatureConfig) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match=r"other\.safetensors: lacks \d+ tensors"):
        find_feature_net(features.model_copy(update={"weights": path}))
    with pytest.raises(WeightsError, match="not weights"):
        find_feature_net(features.model_copy(update={"weights": tmp_path / "none"}))
    with pytest.raises(WeightsError, match="nonesuch"):
        find_feature_net(features.model_copy(update={"backbone": "nonesuch"}))
