"""The autoencoder task: what counts, who learns from what, and that every model learns by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from drawn_facesets import write_person
from torch import Tensor
from torch.utils.data import default_collate

from counterface.errors import ConfigError
from counterface.faceset.store import Faceset
from counterface.registry import SWAP_MODELS
from counterface.swap.swap_model import SOURCE, TARGET, Generated, SwapModel, build_model
from counterface.swap.training import losses
from counterface.swap.training.autoencoder_task import (
    AutoencoderTask,
    SwapLossConfig,
    SwapOptimizerConfig,
)
from counterface.swap.training.examples import ExamplesConfig, SwapExamples

Batch = dict[str, dict[str, Tensor]]
MakeBatch = Callable[[SwapModel, int], Batch]
FAST = SwapOptimizerConfig(name="adam", lr=2e-3, beta1=0.9)
NONE = SwapLossConfig(dssim=0, mse=0, mask=0)
AUTOENCODERS = [n for n in SWAP_MODELS.built_in if SWAP_MODELS.load(n).TRAINED_BY == "autoencoder"]


def tiny(name: str, identities: int = 2) -> SwapModel:
    torch.manual_seed(3)
    return build_model(name, SWAP_MODELS.load(name).TINY, identities)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[list[Faceset]]:
    folder = tmp_path_factory.mktemp("people")
    return [[write_person(folder / str(i), i, 6, template="head", side=160)] for i in (1, 2, 3)]


@pytest.fixture(scope="module")
def make_batch(people: list[list[Faceset]]) -> MakeBatch:
    def make(model: SwapModel, count: int = 2) -> Batch:
        examples = SwapExamples(
            people[: model.identities],
            ExamplesConfig(),
            model.template,
            model.in_size,
            model.out_size,
        )
        batch: Batch = default_collate([examples[index] for index in range(count)])
        return batch

    return make


def step(task: AutoencoderTask, batch: Batch, optimizers: dict[str, Any]) -> dict[str, float]:
    """One step of every optimizer, as the loop does it."""
    log: dict[str, Any] = {}
    for name, loss in task.losses(batch, 0, log):
        optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        optimizers[name].step()
        log[f"loss_{name}"] = loss.detach()
    return {key: float(value) for key, value in log.items()}


def total(task: AutoencoderTask, batch: Batch) -> Tensor:
    return next(loss for name, loss in task.losses(batch, 0, {}) if name == "model")


def touched(model: SwapModel) -> set[str]:
    """The parts that got a gradient."""
    return {
        name
        for name, part in model.named_children()
        if any(p.grad is not None and bool(p.grad.abs().max() > 0) for p in part.parameters())
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", AUTOENCODERS)
def test_every_model_learns_its_batch(name: str, make_batch: MakeBatch) -> None:
    model = tiny(name)
    task, batch = AutoencoderTask(model, SwapLossConfig(), FAST), make_batch(model, 1)
    optimizers = task.optimizers()
    seen = [step(task, batch, optimizers)["loss_model"] for _ in range(12)]
    assert min(seen[-3:]) < 0.9 * seen[0]


class Echo(SwapModel):
    """Gives back what it is told, for known answers."""

    def __init__(self, image: Tensor, mask: Tensor | None) -> None:
        super().__init__(
            SWAP_MODELS.load("df").Config(), in_size=64, out_size=64, code_shape=(3, 64, 64)
        )
        self.image, self.mask = image, mask

    def code(self, images: Tensor, identity: int | Tensor) -> Tensor:
        return images

    def decode(self, code: Tensor, identity: int | Tensor) -> Generated:
        half = len(self.image) // 2
        part = slice(0, half) if identity == SOURCE else slice(half, None)
        return Generated(self.image[part], None if self.mask is None else self.mask[part])


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(tiny("df"), 2)


def joined(batch: Batch, key: str) -> Tensor:
    return torch.cat([batch["source"][key], batch["target"][key]])


def test_the_truth_costs_nothing(batch: Batch) -> None:
    echo = Echo(joined(batch, "target"), joined(batch, "mask"))
    loss = SwapLossConfig(eyes_mouth_prio=300, l1=1, eyes_weight=3, mouth_weight=2)
    assert total(AutoencoderTask(echo, loss, FAST), batch).item() == pytest.approx(0, abs=1e-5)


def test_losses_add_up_by_their_weights_over_both_sides(batch: Batch) -> None:
    truth = joined(batch, "target")
    echo = Echo((truth + 0.1).clamp(0, 1), joined(batch, "mask") * 0.5)
    log: dict[str, Any] = {}
    config = SwapLossConfig(masked_training=False, eyes_mouth_prio=300)
    whole = next(AutoencoderTask(echo, config, FAST).losses(batch, 0, log))[1].item()
    parts = 10 * log["dssim"] + 10 * log["mse"] + 300 * log["eyes_mouth"] + 10 * log["mask"]
    assert whole == pytest.approx(2 * float(parts), rel=1e-5)
    assert float(log["mse"]) == pytest.approx(losses.mse(echo.image, truth).item(), rel=1e-5)
    assert float(log["mask"]) == pytest.approx((joined(batch, "mask") / 2).square().mean().item())


def test_masked_training_is_blind_outside_the_mask(batch: Batch) -> None:
    truth, mask = joined(batch, "target"), joined(batch, "mask")
    reached = losses.soft_edge(mask, SwapLossConfig().mask_edge) > 0
    assert 0.2 < reached.float().mean().item() < 0.98
    echo = Echo(torch.where(reached, truth, torch.rand_like(truth)), mask)
    assert total(AutoencoderTask(echo, SwapLossConfig(), FAST), batch).item() < 1e-4
    unmasked = SwapLossConfig(masked_training=False)
    assert total(AutoencoderTask(echo, unmasked, FAST), batch).item() > 0.3


def test_eyes_and_mouth_weigh_more(batch: Batch) -> None:
    truth, eyes = joined(batch, "target"), joined(batch, "eyes") > 0.99
    only_mse = SwapLossConfig(dssim=0, mask=0, masked_training=False)
    heavy = only_mse.model_copy(update={"eyes_weight": 3.0})
    echo = Echo(torch.where(eyes, 1 - truth, truth), None)
    plain, weighted = (
        total(AutoencoderTask(echo, config, FAST), batch).item() for config in (only_mse, heavy)
    )
    assert weighted == pytest.approx(3 * plain, rel=0.02)


def test_one_pass_through_the_encoder_is_two(make_batch: MakeBatch) -> None:
    model = tiny("lightweight")
    batch, task = make_batch(model, 2), AutoencoderTask(model, SwapLossConfig(), FAST)
    once = total(task, batch).item()
    model.SHARED_CODE = False  # type: ignore[misc]  # of this instance: each side by itself
    assert total(task, batch).item() == pytest.approx(once, rel=1e-4)


def test_many_people_are_told_by_their_numbers(make_batch: MakeBatch) -> None:
    model = tiny("many", 3)
    batch = make_batch(model, 3)
    numbers = joined(batch, "identity")
    assert set(numbers.tolist()) == {0, 1, 2}
    task = AutoencoderTask(model, NONE.model_copy(update={"mse": 10.0}), FAST)
    made = [
        model(image[None], int(number)).image
        for image, number in zip(joined(batch, "warped"), numbers, strict=True)
    ]
    counted = losses.soft_edge(joined(batch, "mask"), SwapLossConfig().mask_edge)
    by_hand = losses.mse(torch.cat(made) * counted, joined(batch, "target") * counted)
    assert total(task, batch).item() == pytest.approx(20 * by_hand.item(), rel=1e-3)


@pytest.mark.slow
def test_the_discriminator_and_the_model_learn_apart(make_batch: MakeBatch) -> None:
    model = tiny("lightweight")
    task = AutoencoderTask(model, NONE.model_copy(update={"gan_power": 0.1}), FAST)
    critic, batch = task.modules()["discriminator"], make_batch(model, 2)
    pairs = task.losses(batch, 0, {})
    name, loss = next(pairs)
    assert name == "model"
    loss.backward()
    assert touched(model) == {"encoder", "decoder_source"}  # it judges the source's faces
    assert all(p.grad is None for p in critic.parameters())
    model.zero_grad()
    name, loss = next(pairs)
    assert name == "discriminator"
    loss.backward()
    assert touched(model) == set()
    assert all(p.grad is not None for p in critic.parameters())
    optimizers = task.optimizers()
    judged = []
    for _ in range(10):
        judged.append(
            step(task, batch, {**optimizers, "model": torch.optim.SGD(model.parameters(), 0)})
        )
    assert judged[-1]["loss_discriminator"] < 0.8 * judged[0]["loss_discriminator"]


def test_true_face_brings_codes_together(make_batch: MakeBatch) -> None:
    model = tiny("lightweight")
    task = AutoencoderTask(model, NONE.model_copy(update={"true_face_power": 1.0}), FAST)
    batch = make_batch(model, 2)
    total(task, batch).backward()
    assert touched(model) == {"encoder"}
    optimizers = task.optimizers()

    def apart() -> float:
        with torch.no_grad():
            codes = model.encode(joined(batch, "warped"), SOURCE)
        return float((codes[:2].mean(0) - codes[2:].mean(0)).norm() / codes.norm(dim=1).mean())

    before = apart()
    for _ in range(15):
        step(task, batch, optimizers)
    assert apart() < before


def test_true_face_of_many_people_favours_nobody(make_batch: MakeBatch) -> None:
    model = tiny("many", 3)
    task = AutoencoderTask(model, NONE.model_copy(update={"true_face_power": 1.0}), FAST)
    assert task.modules()["code_discriminator"](torch.zeros(2, *model.code_shape)).shape[1] == 3
    seen = step(task, make_batch(model, 3), task.optimizers())
    assert seen["true_face"] >= torch.tensor(3.0).log().item() - 1e-4


def test_true_face_needs_one_code() -> None:
    with pytest.raises(ConfigError, match=r"LIAE does not have.*df"):
        AutoencoderTask(tiny("liae"), SwapLossConfig(true_face_power=0.01), FAST)


@pytest.mark.parametrize("name", ["df", "liae", "many"])
def test_styles_teach_the_decoder_alone(name: str, make_batch: MakeBatch) -> None:
    model = tiny(name)
    config = NONE.model_copy(update={"face_style_power": 10.0, "bg_style_power": 10.0})
    loss = total(AutoencoderTask(model, config, FAST), make_batch(model, 2))
    loss.backward()
    decoders = {"df": {"decoder_source"}, "liae": {"decoder"}, "many": {"decoder", "people"}}
    assert loss.item() > 0
    assert touched(model) == decoders[name]


def test_half_precision_losses_are_near_the_full_ones(make_batch: MakeBatch) -> None:
    model = tiny("lightweight")
    task, batch = AutoencoderTask(model, SwapLossConfig(gan_power=0.1), FAST), make_batch(model, 2)
    full = total(task, batch)
    with torch.autocast("cpu", torch.bfloat16):
        half = total(task, batch)
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(full.item(), rel=0.02)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="gan_power"):
        SwapLossConfig(gan_power=9)
    with pytest.raises(ValueError, match="eyes_weight"):
        SwapLossConfig(eyes_weight=0.5)
    assert TARGET == 1
