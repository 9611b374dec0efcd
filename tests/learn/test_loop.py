from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from learn import toy_task
from learn.toy_program import PLAIN, PlainToy
from learn.toy_task import CONFIG, Points, ToyTask
from pydantic import ValidationError
from torch import Tensor, nn

from counterface.errors import TrainingError
from counterface.learn.checkpoint import checkpoints, read_weights
from counterface.learn.loop import LoopConfig, train
from counterface.learn.run_log import read_log

SHORT = CONFIG.model_copy(update={"steps": 12, "checkpoint_every": 5, "validate_every": 0})


class Line:
    """One weight, whose gradient is the batch's mean: every update can be done by hand."""

    def __init__(self, lr: float = 0.5) -> None:
        self.net = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.net.weight)
        self.lr = lr
        self.scores: list[float] = []

    def modules(self) -> dict[str, nn.Module]:
        return {"net": self.net}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"net": torch.optim.SGD(self.net.parameters(), lr=self.lr)}

    def losses(self, batch: Any, step: int, log: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
        yield "net", self.net(batch).mean()

    def validate(self, modules: dict[str, nn.Module]) -> dict[str, float]:
        return {"loss": self.scores.pop(0) if self.scores else 0.0}


class Ones:
    def __getitem__(self, index: int) -> Tensor:
        return torch.ones(1)


def line_config(**changes: Any) -> LoopConfig:
    return LoopConfig(
        **{"steps": 4, "batch_size": 2, "log_every": 1, "final_lr": 1.0, "device": "cpu"}
        | {"tensorboard": False}
        | changes
    )


def test_plain_descent_by_hand(tmp_path: Path) -> None:
    task = Line()
    train(task, Ones(), line_config(), tmp_path)
    assert task.net.weight.item() == pytest.approx(-4 * 0.5)  # constant rate: final_lr = 1


def test_warm_up_and_cosine_reach_the_optimizer(tmp_path: Path) -> None:
    task = Line()
    train(task, Ones(), line_config(warmup=2, final_lr=0.0), tmp_path)
    # factors 1/2, 1, then half a cosine over two steps: 1, 1/2
    assert task.net.weight.item() == pytest.approx(-0.5 * (0.5 + 1 + 1 + 0.5))


def test_clipping_bounds_the_step_and_logs_the_norm_before_it(tmp_path: Path) -> None:
    task = Line()
    train(task, Ones(), line_config(clip_norm=0.1), tmp_path)
    assert task.net.weight.item() == pytest.approx(-4 * 0.5 * 0.1, rel=1e-4)
    assert read_log(tmp_path)[0]["norm"] == pytest.approx(1.0)


def test_average_by_hand(tmp_path: Path) -> None:
    task = Line()
    result = train(task, Ones(), line_config(ema_decay=0.2), tmp_path)
    expected, weight = 0.0, 0.0
    for step in range(4):
        weight -= 0.5
        decay = min(0.2, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight
    states, _ = read_weights(result.weights)
    assert states["net"]["weight"].item() == pytest.approx(expected)
    assert task.net.weight.item() == pytest.approx(-2.0)  # the live weight goes its own way


def test_examples_are_read_in_order_and_only_once(tmp_path: Path) -> None:
    seen: list[int] = []

    class Watched:
        def __getitem__(self, index: int) -> Tensor:
            seen.append(index)
            return torch.ones(1)

    train(Line(), Watched(), line_config(steps=3, checkpoint_every=3), tmp_path)
    train(Line(), Watched(), line_config(steps=5), tmp_path)  # more steps: goes on
    assert seen == list(range(10))


class Gan(ToyTask):
    """Two optimizers: the second one's loss flows through the first one's module."""

    def __init__(self) -> None:
        super().__init__()
        self.judge = nn.Linear(1, 1)
        self.order: list[str] = []

    def modules(self) -> dict[str, nn.Module]:
        return {"net": self.net, "judge": self.judge}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {
            "net": torch.optim.SGD(self.net.parameters(), lr=0.1),
            "judge": torch.optim.SGD(self.judge.parameters(), lr=0.1),
        }

    def losses(self, batch: Any, step: int, log: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
        before = self.judge.weight.clone()
        yield "judge", self.judge(self.net(batch["x"]).detach()).square().mean()
        self.order.append("judge stepped" if not torch.equal(before, self.judge.weight) else "no")
        before = self.judge.weight.clone()
        yield "net", self.judge(self.net(batch["x"])).mean()
        self.order.append("judge kept" if torch.equal(before, self.judge.weight) else "no")

    def validate(self, modules: dict[str, nn.Module]) -> dict[str, float]:
        return {"loss": 0.0}


def test_two_optimizers_step_in_turn(tmp_path: Path) -> None:
    task = Gan()
    train(task, Points(), SHORT, tmp_path)
    assert task.order == ["judge stepped", "judge kept"] * 12
    assert {"loss_net", "loss_judge", "norm_net", "norm_judge"} <= read_log(tmp_path)[0].keys()


def test_early_stopping_keeps_the_best_weights(tmp_path: Path) -> None:
    task = Line()
    task.scores = [3.0, 1.0, 2.0, 1.0, 0.0]  # best at the second; equal is not better
    config = line_config(steps=50, validate_every=2, early_stop_patience=2)
    result = train(task, Ones(), config, tmp_path)
    assert (result.stopped, result.step, result.best_step) == ("early", 8, 4)
    states, record = read_weights(result.weights)
    assert states["net"]["weight"].item() == pytest.approx(-4 * 0.5)  # as it was after step 4
    assert record["metrics"] == {"loss": 1.0}
    again = train(Line(), Ones(), config, tmp_path)  # nothing more is trained
    assert again == result


def test_a_score_may_rise(tmp_path: Path) -> None:
    task = Line()
    task.scores = [0.5, 0.9, 0.7]
    config = line_config(steps=3, validate_every=1, monitor_mode="max")
    assert train(task, Ones(), config, tmp_path).best_score == 0.9


def test_validation_leaves_the_modes_alone(tmp_path: Path) -> None:
    modes: list[tuple[bool, bool]] = []

    class Frozen(ToyTask):
        def losses(self, batch, step, log):  # type: ignore[no-untyped-def]
            modes.append((self.net[1].training, self.net[3].training))
            yield from super().losses(batch, step, log)

        def validate(self, modules):  # type: ignore[no-untyped-def]
            assert not any(part.training for part in modules["net"].modules())
            return super().validate(modules)

    task = Frozen()
    task.net[1].eval()  # a frozen batch norm stays frozen
    config = SHORT.model_copy(update={"ema_decay": 0.0, "validate_every": 2})
    train(task, Points(), config, tmp_path)
    assert modes == [(False, True)] * 12


def test_bf16_runs_the_forward_pass_in_bfloat16(tmp_path: Path) -> None:
    kinds: set[torch.dtype] = set()

    class Watched(ToyTask):
        def losses(self, batch, step, log):  # type: ignore[no-untyped-def]
            kinds.add(self.net(batch["x"]).dtype)
            yield from super().losses(batch, step, log)

    task = Watched()
    train(task, Points(), SHORT.model_copy(update={"precision": "bf16"}), tmp_path)
    assert kinds == {torch.bfloat16}
    assert {p.dtype for p in task.net.parameters()} == {torch.float32}


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = train(ToyTask(), Points(), SHORT, tmp_path)
    lines = (tmp_path / "log.jsonl").read_text()
    weights = first.weights.read_bytes()
    assert train(ToyTask(), Points(), SHORT, tmp_path) == first
    assert (tmp_path / "log.jsonl").read_text() == lines
    assert first.weights.read_bytes() == weights


def test_an_unreadable_checkpoint_is_never_a_fresh_start(tmp_path: Path) -> None:
    train(ToyTask(), Points(), SHORT, tmp_path)
    older, newest = checkpoints(tmp_path / "checkpoints")
    newest.write_bytes(newest.read_bytes()[:1000])
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(TrainingError, match=newest.name):
        train(ToyTask(), Points(), SHORT, tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    newest.unlink()  # the advice in the message: the one before it is still there
    assert train(ToyTask(), Points(), SHORT, tmp_path).step == 12
    assert older.exists()


def test_the_same_folder_takes_no_other_run(tmp_path: Path) -> None:
    train(ToyTask(), Points(), SHORT, tmp_path)
    with pytest.raises(TrainingError, match="seed 4 -> 5"):
        train(ToyTask(), Points(), SHORT.model_copy(update={"seed": 5}), tmp_path)
    with pytest.raises(TrainingError, match="another folder"):
        train(ToyTask(), Points(), SHORT, tmp_path, resume=False)
    longer = SHORT.model_copy(update={"steps": 14, "workers": 1, "log_every": 3})
    assert train(ToyTask(), Points(), longer, tmp_path).step == 14


def test_a_loss_that_is_not_a_number_stops_the_run(tmp_path: Path) -> None:
    class Explodes(ToyTask):
        def losses(self, batch, step, log):  # type: ignore[no-untyped-def]
            for name, loss in super().losses(batch, step, log):
                yield name, loss * (float("nan") if step == 7 else 1.0)

    with pytest.raises(TrainingError, match="loss is nan at step 7"):
        train(Explodes(), Points(), SHORT, tmp_path)
    assert [p.stem for p in checkpoints(tmp_path / "checkpoints")] == ["step-00000005"]


def test_wrong_names_are_refused(tmp_path: Path) -> None:
    class Misnamed(ToyTask):
        def losses(self, batch, step, log):  # type: ignore[no-untyped-def]
            for _, loss in super().losses(batch, step, log):
                yield "generator", loss

    with pytest.raises(TrainingError, match=r"'generator'.*'net'"):
        train(Misnamed(), Points(), SHORT, tmp_path / "a")
    with pytest.raises(TrainingError, match="monitor 'auc'"):
        train(ToyTask(), Points(), SHORT.model_copy(update={"monitor": "auc"}), tmp_path / "b")
    with pytest.raises(ValidationError, match="stepz"):
        LoopConfig(stepz=3)  # type: ignore[call-arg]


def test_a_task_need_not_validate(tmp_path: Path) -> None:
    class Silent:
        def __init__(self) -> None:
            inner = ToyTask()
            self.modules, self.optimizers = inner.modules, inner.optimizers
            self.losses = inner.losses

    result = train(Silent(), Points(), SHORT, tmp_path)
    assert (result.best_step, result.weights.name) == (None, "last.safetensors")


def test_progress_and_both_logs_tell_the_same(tmp_path: Path) -> None:
    told: list[tuple[int, dict[str, float]]] = []
    config = SHORT.model_copy(update={"log_every": 4, "tensorboard": True})
    train(ToyTask(), Points(), config, tmp_path, progress=lambda *a: told.append(a))
    rows = read_log(tmp_path)
    assert [row["step"] for row in rows] == [4, 8, 12, 12]
    assert [(s, v["loss"]) for s, v in told] == [(r["step"], r["loss"]) for r in rows]
    assert rows[-1]["kind"] == "validate"
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    shown = [(e.step, e.value) for e in board.Scalars("train/loss")]
    assert shown == [(r["step"], pytest.approx(r["loss"])) for r in rows[:3]]


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    """Half of each batch on each process: mean loss and weights as from the whole batch."""
    torch.manual_seed(0)
    train(PlainToy(), Points(), PLAIN, tmp_path / "one")
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(toy_task.__file__).parent.parent),
        "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "true",
    }
    program = toy_task.__file__.replace("toy_task.py", "toy_program.py")
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    run = subprocess.Popen(
        [*launch, program, str(tmp_path / "two")],
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _ = run.communicate(timeout=280)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)  # the workers too, where it hangs
    assert run.returncode == 0, said
    one, two = read_log(tmp_path / "one"), read_log(tmp_path / "two")
    assert [r["step"] for r in one] == [r["step"] for r in two]
    for a, b in zip(one, two, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
    first, _ = read_weights(tmp_path / "one" / "last.safetensors")
    second, _ = read_weights(tmp_path / "two" / "last.safetensors")
    assert all(torch.allclose(v, second["net"][k], rtol=1e-3) for k, v in first["net"].items())
