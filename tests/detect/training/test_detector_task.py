"""The detector's task: which half is fake, what the loss is, who learns how fast and when."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from counterface.detect.models.detector_model import DetectorConfig, DetectorModel
from counterface.detect.models.frame_cnn import FrameCNN, FrameCNNConfig
from counterface.detect.training.detector_task import DetectorTask, triplet_loss
from counterface.detect.training.recipe import LossRecipe, OptimizerRecipe

TINY = FrameCNNConfig(backbone="test_efficientnet", width=16, dropout=0.0)


class Bright(DetectorModel):
    """Calls a crop, and a cell, fake by its brightness."""

    Config = DetectorConfig
    HEAD = ("head",)

    def __init__(self, gain: float) -> None:
        super().__init__(DetectorConfig(size=32))
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        cells = nn.functional.avg_pool2d(image.mean(dim=1), 8) - 0.5
        return cells.mean(dim=(1, 2)) * self.gain, cells * self.gain


def batch(real: int = 0, fake: int = 255) -> dict[str, Tensor]:
    images = torch.zeros(3, 2, 32, 32, 3, dtype=torch.uint8)
    images[:, 0], images[:, 1] = real, fake
    masks = torch.zeros(3, 2, 4, 4)
    masks[:, 1] = 1
    return {"images": images, "masks": masks}


def task(net: DetectorModel, cell_weight: float = 0.5, **changes: Any) -> DetectorTask:
    optimizer = {"name": "adamw", "lr": 1e-3, "head_lr": 1e-2, "weight_decay": 0.1}
    names = ("kind", "triplet_share", "rank", "centre")
    loss = {name: changes.pop(name) for name in names if name in changes}
    return DetectorTask(
        net,
        OptimizerRecipe(**(optimizer | changes)),
        LossRecipe(cell_weight=cell_weight, **loss),
        steps=10,
    )


def loss_of(one: DetectorTask, examples: dict[str, Tensor]) -> tuple[float, dict[str, float]]:
    log: dict[str, float | Tensor] = {}
    ((name, loss),) = one.losses(examples, 0, log)
    assert name == "net"
    return float(loss), {key: float(value) for key, value in log.items()}


def test_the_second_of_a_pair_is_the_fake_one():
    _, log = loss_of(task(Bright(40.0)), batch())
    assert log["accuracy"] == 1.0
    assert log["crop_loss"] < 1e-6
    assert log["cell_loss"] < 1e-6
    _, log = loss_of(task(Bright(40.0)), batch(real=255, fake=0))
    assert log["accuracy"] == 0.0
    assert log["crop_loss"] == pytest.approx(20.0, abs=1e-3)


@pytest.mark.parametrize("cell_weight", [0.0, 0.5, 2.0])
def test_the_loss_is_the_crops_and_the_cells_share(cell_weight: float):
    loss, log = loss_of(task(Bright(0.0), cell_weight), batch())
    assert log["crop_loss"] == pytest.approx(math.log(2))
    assert ("cell_loss" in log) == (cell_weight > 0)
    assert loss == pytest.approx((1 + cell_weight) * math.log(2))


@pytest.mark.parametrize(("real", "fake", "gap"), [(0, 255, 20.0), (255, 0, -20.0), (99, 99, 0)])
def test_a_fake_that_is_not_above_its_twin_costs(real: int, fake: int, gap: float):
    plain, _ = loss_of(task(Bright(20.0), 0), batch(real, fake))
    ranked, log = loss_of(task(Bright(20.0), 0, rank=0.5), batch(real, fake))
    assert ranked - plain == pytest.approx(0.5 * math.log1p(math.exp(-gap)), abs=1e-5)
    assert log["twins"] == float(gap > 0)


def test_genuine_crops_are_drawn_to_one_place():
    plain, _ = loss_of(task(Bright(20.0), 0), batch(real=255, fake=0))
    centred, _ = loss_of(task(Bright(20.0), 0, centre=0.1), batch(real=255, fake=0))
    assert centred - plain == pytest.approx(0.1 * 10.0**2)  # of the genuine logit alone


def test_every_weight_is_in_one_group_and_only_matrices_decay():
    net = FrameCNN(TINY)
    (optimizer,) = task(net).optimizers().values()
    home = {id(w): group for group in optimizer.param_groups for w in group["params"]}
    assert len(home) == len(list(net.parameters()))
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(home)
    for name, weight in net.named_parameters():
        group = home[id(weight)]
        assert group["lr"] == (1e-3 if name.startswith("backbone.") else 1e-2), name
        assert group["weight_decay"] == (0.1 if weight.ndim > 1 else 0.0), name


def test_a_few_steps_learn_an_easy_batch():
    torch.manual_seed(0)
    net = FrameCNN(TINY)
    net.set_prior()
    one = task(net)
    (optimizer,) = one.optimizers().values()
    examples = batch(0, 255)
    examples["images"] = torch.nn.functional.pad(examples["images"], (0, 0, 0, 32, 0, 32))
    losses = []
    for step in range(12):
        log: dict[str, float | Tensor] = {}
        ((_, loss),) = one.losses(examples, step, log)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_squared_error_is_of_the_probability():
    loss, _ = loss_of(task(Bright(0.0), kind="squared_error"), labelled([0, 1, 1, 0]))
    assert loss == pytest.approx(0.25)


def labelled(labels: list[float], size: int = 32) -> dict[str, Tensor]:
    images = torch.zeros(len(labels), size, size, 3, dtype=torch.uint8)
    images[torch.tensor(labels) > 0.5] = 255
    return {"images": images, "labels": torch.tensor(labels)}


def test_labelled_crops_are_judged_by_their_labels():
    _, log = loss_of(task(Bright(40.0)), labelled([0, 1, 1]))
    assert log["accuracy"] == 1.0
    assert "cell_loss" not in log
    mixed, _ = loss_of(task(Bright(0.0)), labelled([0.5, 0.25]))
    assert mixed == pytest.approx(math.log(2))


def test_the_rate_falls_where_the_recipe_says():
    one = task(Bright(1.0), drop_at=(0.3, 0.8), drop_to=0.1)
    factors = [one.lr_factors(step)["net"] for step in range(10)]
    assert factors == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_a_sharpness_aware_step_goes_down_the_slope_of_the_worst_point_nearby():
    rho, lr = 0.5, 0.1
    net = Bright(2.0)
    one = task(net, 0.0, name="sgd", lr=lr, head_lr=lr, sam_rho=rho, weight_decay=0.0)
    (optimizer,) = one.optimizers().values()
    examples = labelled([0, 1, 0])
    log: dict[str, float | Tensor] = {}
    for _, loss in one.losses(examples, 0, log):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def slope(gain: float) -> float:  # of log(1 + exp(-gain / 2)) by the gain
        return -0.5 / (1 + math.exp(gain / 2))

    worst = 2.0 - rho  # uphill is towards a smaller gain
    assert float(net.gain) == pytest.approx(2.0 - lr * slope(worst), abs=1e-5)
    assert log["crop_loss"] == pytest.approx(math.log(1 + math.exp(-1.0)), abs=1e-5)


@pytest.mark.slow
def test_the_second_pass_of_a_sharpness_aware_step_leaves_batch_norms_alone():
    torch.manual_seed(0)
    examples = batch(0, 255)
    examples["images"] = torch.nn.functional.pad(examples["images"], (0, 0, 0, 32, 0, 32))
    seen = []
    for rho in (0.0, 0.5):
        torch.manual_seed(0)
        net = FrameCNN(TINY)
        one = task(net, 0.0, sam_rho=rho)
        one.optimizers()
        list(one.losses(examples, 0, {}))
        norm = net.neck[1]
        assert norm.momentum == 0.1
        seen.append(norm.running_mean.clone())
    assert torch.equal(seen[0], seen[1])


def test_no_triplet_is_left_once_classes_are_apart():
    labels = torch.tensor([0.0, 0.0, 1.0, 1.0])
    apart = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    assert float(triplet_loss(apart, labels, 1.0)) == 0.0
    mixed = torch.tensor([[0.0], [2.0], [1.0], [3.0]], requires_grad=True)
    loss = triplet_loss(mixed, labels, 1.0)
    # by hand, |a - p| - |a - n| + 1 where positive: 0: 2, 0; 1: 2, 2; 2: 2, 2; 3: 0, 2
    assert float(loss) == pytest.approx(2.0, abs=1e-4)
    loss.backward()
    assert torch.isfinite(mixed.grad).all()  # type: ignore[arg-type]
    one_class = triplet_loss(apart, torch.zeros(4), 1.0)
    assert float(one_class) == 0.0


def test_triplets_train_the_embedding_and_then_the_head_alone():
    torch.manual_seed(0)
    net = FrameCNN(TINY)
    one = task(net, kind="triplet", triplet_share=0.5)
    optimizers = one.optimizers()
    assert set(optimizers) == {"embedding", "head"}
    examples = labelled([0, 1, 0, 1], 64)
    names = []
    for step in (0, 5):
        before = {name: weight.detach().clone() for name, weight in net.state_dict().items()}
        for name, loss in one.losses(examples, step, {}):
            names.append(name)
            optimizers[name].zero_grad()
            loss.backward()
            optimizers[name].step()
        moved = {n for n, w in net.state_dict().items() if not torch.equal(w, before[n])}
        in_head = {name.split(".")[0] in net.HEAD for name in moved}
        assert in_head == {step == 5}, moved
    assert names == ["embedding", "head"]
