"""The detector's task: which half is fake, what the loss is, who learns how fast."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from counterface.detect.models.frame_cnn import FrameCNN, FrameCNNConfig
from counterface.detect.training.pair_task import PairTask

TINY = FrameCNNConfig(backbone="test_efficientnet", width=16, dropout=0.0)


class Bright(nn.Module):
    """Calls a crop, and a cell, fake by its brightness."""

    def __init__(self, gain: float) -> None:
        super().__init__()
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


def task(net: nn.Module, cell_weight: float = 0.5) -> PairTask:
    return PairTask(net, 1e-3, 1e-2, 0.1, cell_weight)  # type: ignore[arg-type]


def loss_of(one: PairTask, examples: dict[str, Tensor]) -> tuple[float, dict[str, float]]:
    log: dict[str, float | Tensor] = {}
    ((name, loss),) = one.losses(examples, 0, log)
    assert name == "adamw"
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
    assert log["cell_loss"] == pytest.approx(math.log(2))
    assert loss == pytest.approx((1 + cell_weight) * math.log(2))


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
