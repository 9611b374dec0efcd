from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from counterface.errors import TrainingError
from counterface.learn import checkpoint as disk
from counterface.learn.checkpoint import Checkpoint
from counterface.learn.optimizers import OptimizerName, make_optimizer

NAMES = get_args(OptimizerName)


def weights(seed: int = 0) -> list[Tensor]:
    """A dense weight, a convolution in channels-last order, a number."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(40, 30), (6, 4, 3, 3), ()]
    drawn = [torch.randn(shape, generator=generator) for shape in shapes]
    drawn[1] = drawn[1].to(memory_format=torch.channels_last)
    return [nn.Parameter(tensor) for tensor in drawn]


def walk(optimizer: torch.optim.Optimizer, steps: int, first: int = 0) -> None:
    """Steps with the same gradients whatever the optimizer."""
    generator = torch.Generator()
    for step in range(first, first + steps):
        for group in optimizer.param_groups:
            for number, weight in enumerate(group["params"]):
                generator.manual_seed(100 * step + number)
                drawn = torch.randn(weight.shape, generator=generator) + 0.3
                weight.grad = torch.empty_like(weight).copy_(drawn)
        optimizer.step()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adabelief_is_the_papers_rule(weight_decay: float) -> None:
    weight = nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    expected = weight.detach().double()
    mean, spread = torch.zeros(2, 3, dtype=torch.float64)
    betas, eps, lr = (0.8, 0.99), 1e-12, 1e-2
    optimizer = make_optimizer(
        "adabelief", [weight], lr, betas=betas, eps=eps, weight_decay=weight_decay
    )
    for t in range(1, 7):
        gradient = torch.tensor([0.3 * t, -1.0, 2.0 / t], dtype=torch.float64)
        weight.grad = gradient.float()
        optimizer.step()
        mean = betas[0] * mean + (1 - betas[0]) * gradient
        spread = betas[1] * spread + (1 - betas[1]) * (gradient - mean) ** 2 + eps
        step = mean / (1 - betas[0] ** t) / ((spread / (1 - betas[1] ** t)).sqrt() + eps)
        expected = expected * (1 - lr * weight_decay) - lr * step
    torch.testing.assert_close(weight.detach().double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_one_kernel_gives_the_plain_version_s_numbers(name: OptimizerName) -> None:
    plain = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[name]
    ours, theirs = weights(), weights()
    walk(make_optimizer(name, ours, 1e-2, weight_decay=0.1), 5)
    walk(plain(theirs, lr=1e-2, weight_decay=0.1), 5)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_finds_the_lowest_point(name: OptimizerName) -> None:
    point = nn.Parameter(torch.tensor([3.0, -2.0]))
    optimizer = make_optimizer(name, [{"params": [point]}], 0.05)
    for _ in range(300):
        optimizer.zero_grad()
        (point - torch.tensor([1.0, 1.0])).square().sum().backward()
        optimizer.step()
    assert torch.allclose(point, torch.ones(2), atol=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_dropout_updates_the_share_asked_for_and_as_without_it(name: OptimizerName) -> None:
    start = torch.ones(300, 100)
    free, held = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    walk(make_optimizer(name, [free], 1e-2), 1)
    walk(make_optimizer(name, [held], 1e-2, lr_dropout=0.3), 1)
    moved = held != start
    assert moved.float().mean().item() == pytest.approx(0.3, abs=0.01)  # 77 of 256
    torch.testing.assert_close(held[moved], free[moved], rtol=1e-6, atol=0)


def test_dropout_chooses_anew_each_step_whatever_the_global_generator() -> None:
    def run(seed: int, steps: int, choice: int = 0) -> Tensor:
        torch.manual_seed(seed)  # as another process has it
        weight = nn.Parameter(torch.ones(100, 100))
        walk(make_optimizer("sgd", [weight], 1e-2, lr_dropout=0.3, seed=choice), steps)
        return weight.detach()

    assert torch.equal(run(1, 3), run(2, 3))
    assert not torch.equal(run(1, 3), run(1, 3, choice=1))
    moved = (run(1, 12) != 1).float().mean().item()
    assert moved == pytest.approx(1 - 0.7**12, abs=0.02)  # the same ones each time would be 0.3


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_goes_on_exactly(name: OptimizerName, tmp_path: Path) -> None:
    whole, cut = weights(), weights()
    walk(make_optimizer(name, whole, 1e-2, lr_dropout=0.5), 6)
    first = make_optimizer(name, cut, 1e-2, lr_dropout=0.5)
    walk(first, 3)
    tensors, record = disk.pack_optimizer("net", first)
    path = disk.write_checkpoint(tmp_path, Checkpoint(3, tensors, {"optimizer": record}))
    saved = disk.read_checkpoint(path)
    second = make_optimizer(name, cut, 1e-2, lr_dropout=0.5)
    disk.unpack_optimizer("net", second, saved.tensors, saved.record["optimizer"])
    walk(second, 3, first=3)
    assert all(torch.equal(a, b) for a, b in zip(whole, cut, strict=True))


def test_an_adabelief_checkpoint_of_the_version_before_goes_on() -> None:
    """Its groups held four options; the moments have kept their names."""
    whole, cut = weights(), weights()
    walk(make_optimizer("adabelief", whole, 1e-2, lr_dropout=0.5), 6)
    first = make_optimizer("adabelief", cut, 1e-2, lr_dropout=0.5)
    walk(first, 3)
    tensors, record = disk.pack_optimizer("net", first)
    assert {name.rpartition("/")[2] for name in tensors} == {"exp_avg", "exp_avg_var"}
    kept = ("lr", "betas", "eps", "weight_decay", "params", "dropout_step")
    record["groups"] = [{key: group[key] for key in kept} for group in record["groups"]]
    second = make_optimizer("adabelief", cut, 1e-2, lr_dropout=0.5)
    disk.unpack_optimizer("net", second, tensors, record)
    walk(second, 3, first=3)
    assert all(torch.equal(a, b) for a, b in zip(whole, cut, strict=True))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"'lion'.*adabelief"):
        make_optimizer("lion", weights(), 0.1)  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match=r"lr_dropout.*1\.0"):
        make_optimizer("adam", weights(), 0.1, lr_dropout=1.0)
