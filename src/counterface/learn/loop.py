"""The one training loop: reads from top to bottom, knows neither detectors nor swaps.

What happens at step k follows from the configuration alone: the examples are
`dataset[k * batch_size] ... dataset[(k + 1) * batch_size - 1]`, and every random generator is
seeded from (seed, k, process). So a run that was killed continues from its last checkpoint with the
very losses it would have had. Several GPUs or machines: the same command by `accelerate launch`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, send_to_device
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from counterface.device import find_device
from counterface.errors import TrainingError
from counterface.files import name_differences
from counterface.learn.average import Average
from counterface.learn.run import (
    Differences,
    Ended,
    LoopConfig,
    Run,
    TrainResult,
    loss_name,
)
from counterface.learn.run_log import RunLog
from counterface.learn.schedule import lr_factor
from counterface.learn.task import Examples, Schedules, Task, Validates
from counterface.learn.watch import StepClock, leave_signals_to_parent, stop_on_signal
from counterface.learn.winograd import use_winograd

Progress = Callable[[int, dict[str, float]], None]  # step, what was logged
OnStep = Callable[[int, dict[str, nn.Module]], None]  # finished steps, the live modules
__all__ = ["LoopConfig", "TrainResult", "modes_kept", "seed_everything", "train"]


def train(
    task: Task,
    dataset: Examples,
    config: LoopConfig,
    out: Path,
    *,
    resume: bool = True,
    progress: Progress | None = None,
    about: dict[str, Any] | None = None,
    on_step: OnStep | None = None,
    differences: Differences = name_differences,
    instead: str = "train into another folder",
) -> TrainResult:
    """How the run ended; `out` then holds checkpoints, weights, `run.json` and logs.

    Args:
        dataset: examples by index, for every index below `steps * batch_size`.
        out: the run's own folder; made where absent.
        resume: continue from the newest checkpoint in `out`; False refuses a folder that has one.
        progress: called with the step and its numbers at each log line and validation.
        about: what the weights are, for JSON; stands in every checkpoint and weights file under
            "about". A run whose checkpoint says otherwise is refused with the differences.
        on_step: called after each finished step (1 for the first), before its checkpoint, in the
            main process, without gradients. It may look at the modules and draw random numbers; it
            must not change weights, which the other processes would not see.
        differences: what makes this another run than the checkpoint's, from the two `about`.
        instead: the next step for somebody whose run cannot go on, as part of a sentence.

    Raises:
        TrainingError: a checkpoint that cannot be read or is of another run, a loss that is not
            finite or jumped, an optimizer or metric name that does not exist.
    """
    accelerator = _open_accelerator(config.device)
    seed_everything(config.seed, 0, accelerator.process_index)
    modules = task.modules()
    for module in modules.values():
        _place(module, accelerator.device, config)
    _same_everywhere(accelerator, modules)
    optimizers = task.optimizers()
    peaks = {name: [group["lr"] for group in o.param_groups] for name, o in optimizers.items()}
    average = Average(modules, config.ema_decay)
    main = accelerator.is_main_process
    run = Run(out, config, modules, optimizers, average, about or {}, main)
    changed = run.restore(resume=resume, differences=differences, instead=instead)
    if run.patience_is_over:
        return run.finish("early")
    state = run.state
    log = RunLog(out, state.step, tensorboard=config.tensorboard) if run.main else None
    if log and changed:
        log.write("changed", state.step, changed)
    clock = StepClock()
    ended: Ended = "finished"
    with stop_on_signal() as stop, closing(log) if log else nullcontext():
        for batch in _batches(dataset, config, state.step, accelerator):
            clock.lap("data")
            seed_everything(config.seed, state.step, accelerator.process_index)
            factor = _set_rates(task, state.step, optimizers, peaks, config)
            scalars = _update(task, batch, state.step, optimizers, accelerator, config)
            run.check(scalars)
            state.add(scalars)
            average.update(state.step)
            state.step += 1
            clock.lap("compute")

            last = state.step == config.steps
            if state.step % config.log_every == 0 or last:
                line = _mean_of_all(accelerator, state.flush())
                line |= {"lr_factor": factor, **clock.rates(config.batch_size)}
                _tell(log, progress, "train", state.step, line)
            due = config.validate_every and state.step % config.validate_every == 0
            if isinstance(task, Validates) and (last or due):
                _same_everywhere(accelerator, average.modules)
                metrics = _validate(task, average)
                run.judge(metrics)
                _tell(log, progress, "validate", state.step, metrics)
            if on_step is not None and run.main:
                with modes_kept(modules), torch.no_grad():
                    on_step(state.step, modules)
            asked = _anyone(accelerator, stop.asked)
            stops = last or run.patience_is_over or asked
            if stops or state.step % config.checkpoint_every == 0:
                run.save()
            if stops:
                ended = "finished" if last else "early" if run.patience_is_over else "signal"
                break
            clock.restart()
    accelerator.wait_for_everyone()
    return run.finish(ended, stop.number)


def seed_everything(seed: int, step: int, process: int = 0) -> None:
    """Set Python's, NumPy's and torch's global generators from (seed, step, process) alone."""
    first, second = np.random.SeedSequence([seed, step, process]).generate_state(2, np.uint32)
    random.seed(int(first))
    np.random.seed(int(first))
    together = int(first) << 31 | int(second) >> 1  # 63 bits
    # torch.manual_seed would queue a call with its stack trace at each step while CUDA sleeps
    torch.default_generator.manual_seed(together)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(together)


def _open_accelerator(name: str) -> Accelerator:
    """Accelerate on the device that is named; with many processes each has its own anyway."""
    device = name if name == "auto" else find_device(name)
    if device.startswith("cuda"):
        torch.cuda.set_device(device)  # Accelerate takes the current one
    return Accelerator(cpu=device == "cpu")


def _place(module: nn.Module, device: torch.device, config: LoopConfig) -> None:
    """Move a module to where and how it is trained, in place; only the speed changes."""
    module.to(device)
    taken = use_winograd(module) if config.winograd and device.type == "cpu" else 0
    if config.memory_format == "channels_last" or (config.memory_format == "auto" and taken):
        module.to(memory_format=torch.channels_last)
    if config.compile:
        module.compile()


def _set_rates(
    task: Task,
    step: int,
    optimizers: dict[str, Optimizer],
    peaks: dict[str, list[float]],
    config: LoopConfig,
) -> float:
    """The loop's own factor, once every group has its learning rate for this step."""
    factor = lr_factor(step, config.steps, config.warmup, config.final_lr, config.schedule)
    own = task.lr_factors(step) if isinstance(task, Schedules) else {}
    if unknown := own.keys() - optimizers.keys():
        raise TrainingError(f"lr_factors names optimizers {sorted(unknown)}; has {[*optimizers]}")
    for name, optimizer in optimizers.items():
        for group, peak in zip(optimizer.param_groups, peaks[name], strict=True):
            group["lr"] = peak * factor * own.get(name, 1.0)
    return factor


def _update(
    task: Task,
    batch: Any,
    step: int,
    optimizers: dict[str, Optimizer],
    accelerator: Accelerator,
    config: LoopConfig,
) -> dict[str, float]:
    """The scalars of one training step, after every optimizer it named has stepped."""
    scalars: dict[str, float | Tensor] = {}
    for name, loss in _losses(task, batch, step, scalars, accelerator, config.precision):
        if name not in optimizers:
            raise TrainingError(f"the task's loss names optimizer {name!r}; it has {[*optimizers]}")
        optimizer = optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        weights = [p for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        _share_gradients(accelerator, weights)
        key = loss_name(name, optimizers)
        scalars[key] = loss.detach()
        if config.clip_norm:
            norm = nn.utils.clip_grad_norm_(weights, config.clip_norm)
            scalars[key.replace("loss", "norm")] = norm
        optimizer.step()
    return {name: float(value) for name, value in scalars.items()}


def _losses(
    task: Task,
    batch: Any,
    step: int,
    scalars: dict[str, float | Tensor],
    accelerator: Accelerator,
    precision: str,
) -> Iterator[tuple[str, Tensor]]:
    """The task's losses; its forward passes run under autocast, the backward passes do not."""
    losses = task.losses(batch, step, scalars)
    while True:
        with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=precision == "bf16"):
            pair = next(losses, None)
        if pair is None:
            return
        yield pair


def _batches(
    dataset: Examples, config: LoopConfig, start: int, accelerator: Accelerator
) -> Iterator[Any]:
    """The batches from step `start` on, on the device; each process takes its share of a batch."""
    share, left = divmod(config.batch_size, accelerator.num_processes)
    if left:
        raise TrainingError(
            f"batch_size {config.batch_size} cannot be shared evenly by "
            f"{accelerator.num_processes} processes"
        )
    mine = accelerator.process_index * share
    order = [
        range(step * config.batch_size + mine, step * config.batch_size + mine + share)
        for step in range(start, config.steps)
    ]
    loader: DataLoader[Any] = DataLoader(
        dataset,  # type: ignore[arg-type]  # any object with __getitem__ will do
        batch_sampler=order,  # type: ignore[arg-type]  # a range is as good as a list
        num_workers=config.workers,
        worker_init_fn=leave_signals_to_parent if config.workers else None,
        generator=torch.Generator(),  # its own: the loader must not draw from the run's
        pin_memory=accelerator.device.type == "cuda",
    )
    for batch in loader:
        yield send_to_device(batch, accelerator.device, non_blocking=True)


def _validate(task: Validates, average: Average) -> dict[str, float]:
    """The task's metrics of the averaged modules; the live ones come back in the mode they had."""
    with modes_kept(average.modules), torch.no_grad():
        for module in average.modules.values():
            module.eval()
        return {name: float(value) for name, value in task.validate(average.modules).items()}


@contextmanager
def modes_kept(modules: Mapping[str, nn.Module]) -> Iterator[None]:
    """A block after which every part is in train or eval mode as it was before."""
    modes = [(part, part.training) for m in modules.values() for part in m.modules()]
    yield
    for part, training in modes:
        part.training = training


def _tell(
    log: RunLog | None, progress: Progress | None, kind: str, step: int, values: dict[str, float]
) -> None:
    """Log and report, in the process that writes."""
    if log is None:
        return
    log.write(kind, step, values)
    if progress is not None:
        progress(step, values)


def _same_everywhere(accelerator: Accelerator, modules: dict[str, nn.Module]) -> None:
    """Give every process the first one's weights and buffers (batch-norm statistics differ)."""
    if accelerator.num_processes > 1:
        for module in modules.values():
            for tensor in module.state_dict().values():
                tensor.copy_(broadcast(tensor.clone()))


def _share_gradients(accelerator: Accelerator, weights: list[Tensor]) -> None:
    """Average the gradients over the processes, in one message."""
    if accelerator.num_processes == 1 or not weights:
        return
    gradients = [w.grad for w in weights if w.grad is not None]
    together = torch.cat([g.reshape(-1) for g in gradients])
    shared = accelerator.reduce(together, reduction="mean")
    for gradient, part in zip(gradients, shared.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def _mean_of_all(accelerator: Accelerator, values: dict[str, float]) -> dict[str, float]:
    """Each value averaged over the processes, which saw different examples."""
    if accelerator.num_processes == 1 or not values:
        return values
    numbers = torch.tensor([*values.values()], dtype=torch.float32, device=accelerator.device)
    shared = accelerator.reduce(numbers, reduction="mean").tolist()
    return dict(zip(values, shared, strict=True))


def _anyone(accelerator: Accelerator, asked: bool) -> bool:
    """Whether any process was asked to stop; all must stop at the same step."""
    if accelerator.num_processes == 1:
        return asked
    flag = torch.tensor(float(asked), device=accelerator.device)
    return bool(accelerator.reduce(flag, reduction="sum") > 0)
