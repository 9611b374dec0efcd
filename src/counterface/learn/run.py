"""A run in its folder: its settings, its state, what is saved and restored."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn
from torch.optim import Optimizer

from counterface.config import Record
from counterface.device import Device
from counterface.errors import TrainingError
from counterface.files import make_folder, name_differences
from counterface.learn import checkpoint as disk
from counterface.learn.average import Average
from counterface.learn.schedule import Schedule
from counterface.learn.watch import find_trouble
from counterface.project_files import reading

Ended = Literal["finished", "early", "signal"]
# what makes two records of what the weights are (JSON: then, now) two runs, in words; "" = nothing
Differences = Callable[[Mapping[str, Any], Mapping[str, Any]], str]


class LoopConfig(Record):
    """How to train, whatever is trained."""

    steps: int = Field(1000, ge=1, description="steps of the whole run")
    batch_size: int = Field(32, ge=1, description="examples in a step, over all processes")
    schedule: Schedule = Field("cosine", description="course of the learning rate after warm-up")
    warmup: int = Field(0, ge=0, description="steps of linear learning-rate warm-up")
    final_lr: float = Field(
        0.0, ge=0, le=1, description="learning rate at the end of the cosine, share of the peak"
    )
    clip_norm: float = Field(
        0.0, ge=0, description="largest gradient norm; larger ones are scaled down; 0 = no limit"
    )
    ema_decay: float = Field(
        0.0, ge=0, lt=1, description="decay of the moving average of the weights; 0 = off"
    )
    precision: Literal["fp32", "bf16"] = Field(
        "fp32", description="precision of the losses; bf16 = autocast"
    )
    seed: int = Field(0, ge=0, description="seed for everything random outside the data set")
    validate_every: int = Field(0, ge=0, description="steps between validations; 0 = at the end")
    monitor: str = Field("loss", description="the validation metric that picks the best weights")
    monitor_mode: Literal["min", "max"] = Field("min", description="which way is better")
    early_stop_patience: int = Field(
        0, ge=0, description="validations without a better one that stop the run; 0 = off"
    )
    checkpoint_every: int = Field(500, ge=1, description="steps between checkpoints")
    backup_hours: float = Field(0.0, ge=0, description="hours between kept backups; 0 = none")
    backups: int = Field(5, ge=1, description="number of backups that are kept, the newest")
    loss_jump: float = Field(
        0.0, ge=0, description="stop when a loss is this many times its median; 0 = off"
    )
    log_every: int = Field(50, ge=1, description="steps that one log line averages")
    workers: int = Field(0, ge=0, description="additional processes that prepare examples")
    tensorboard: bool = Field(True, description="write a log for TensorBoard as well")
    device: Device = Field(
        "auto", description="device: auto (an accelerator if present), cpu, gpu, cuda, cuda:1, mps"
    )
    winograd: bool = Field(True, description="use fewer products for wide convolutions on a CPU")
    memory_format: Literal["auto", "contiguous", "channels_last"] = Field(
        "auto",
        description="order of feature maps in memory, which changes speed alone; auto = as "
        "winograd needs it",
    )
    compile: bool = Field(False, description="use torch.compile, which takes minutes at the start")


# these may differ when a run continues; any other change would make it another run
_FREE = {
    "steps", "validate_every", "early_stop_patience", "checkpoint_every", "log_every", "workers",
    "tensorboard", "device", "memory_format", "winograd", "compile", "backup_hours",
    "backups", "loss_jump", "clip_norm", "batch_size",
}  # fmt: skip
_TOLD = ("batch_size",)  # of those, what changes the steps to come: noted in the log


@dataclass(frozen=True)
class TrainResult:
    """How a run ended; run the same command again to continue one that was stopped by a signal."""

    step: int  # finished steps
    stopped: Ended
    best_step: int | None  # of the best validation
    best_score: float | None
    checkpoint: Path
    weights: Path  # safetensors: the best validated weights, or the last where none were validated
    signal: int | None = None  # that stopped it here, if one did


@dataclass
class RunState:
    """What changes while training besides tensors; JSON in the checkpoint."""

    step: int = 0
    best_step: int | None = None
    best_score: float | None = None
    worse: int = 0  # validations since the best
    sums: dict[str, float] = field(default_factory=dict)  # of the log line in the making
    counts: dict[str, int] = field(default_factory=dict)
    recent: dict[str, list[float]] = field(default_factory=dict)  # losses a jump is held against

    def add(self, values: dict[str, float]) -> None:
        """Add one step's scalars to the log line in the making."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def flush(self) -> dict[str, float]:
        """The means since the last line."""
        means = {name: self.sums[name] / self.counts[name] for name in self.sums}
        self.sums, self.counts = {}, {}
        return means


@dataclass
class Run:
    """What is saved and restored."""

    out: Path
    config: LoopConfig
    modules: dict[str, nn.Module]
    optimizers: dict[str, Optimizer]
    average: Average
    about: dict[str, Any]  # what the weights are, for JSON
    main: bool  # this process writes
    state: RunState = field(default_factory=RunState)
    _started: float = 0.0  # on the monotonic clock, less what earlier processes ran
    _backed_up: float = 0.0  # seconds of running at the last backup

    @property
    def folder(self) -> Path:
        """The folder of the checkpoints."""
        return self.out / "checkpoints"

    def save(self) -> None:
        """Write a checkpoint, and keep a backup of it when one is due; the previous checkpoint
        stays.

        Raises:
            TrainingError: a weight is not a finite number; nothing is written then.
        """
        if not self.main:
            return
        self._check_weights()
        ran = time.monotonic() - self._started
        due = 0 < self.config.backup_hours * 3600 <= ran - self._backed_up
        self._backed_up = ran if due else self._backed_up
        tensors = disk.pack_modules("module", self.modules)
        if self.average.decay:
            tensors |= disk.pack_modules("ema", self.average.modules)
        records = {}
        for name, optimizer in self.optimizers.items():
            packed, records[name] = disk.pack_optimizer(name, optimizer)
            tensors |= packed
        record = {
            "state": asdict(self.state),
            "config": self.config.model_dump(mode="json"),
            "optimizers": records,
            "about": self.about,
            "seconds": {"ran": ran, "backed_up": self._backed_up},
        }
        path = disk.write_checkpoint(self.folder, disk.Checkpoint(self.state.step, tensors, record))
        if due:
            disk.keep_backup(path, self.out / "backups", self.config.backups)

    def _refuse_links(self) -> None:
        """Refuse folders that are links: a run may come from anyone, and its checkpoints are
        deleted.
        """
        for folder in (self.folder, self.out / "backups"):
            if folder.is_symlink():
                raise TrainingError(
                    f"{folder} is a link to {str(folder.readlink())!r}, where old checkpoints "
                    "would be deleted; put the folder in its place, or delete the link"
                )

    def restore(self, *, resume: bool, differences: Differences, instead: str) -> dict[str, float]:
        """The settings that are others from here on, once the newest checkpoint is loaded.

        Raises:
            TrainingError: it is damaged, or of another run; only backups are left; a folder of
                the run is a link.
        """
        self._refuse_links()
        make_folder(self.out, TrainingError)
        self._started = time.monotonic()
        found = disk.checkpoints(self.folder)
        if not found:
            if kept := disk.checkpoints(self.out / "backups"):
                raise TrainingError(
                    f"{self.out}: no checkpoint, but backups; copy {kept[-1]} into {self.folder} "
                    "to go on from it, or train into another folder"
                )
            return {}
        if not resume:
            raise TrainingError(
                f"{self.out}: holds a run at {found[-1].name}; resume it, or {instead}"
            )
        saved = disk.read_checkpoint(found[-1])
        with reading(found[-1], TrainingError, "move it away to go on from the one before it"):
            self._check_same_run(found[-1], saved.record, differences, instead)
            changed = self._take(saved, found[-1])
        if self.main:
            disk.drop_older(found[-1])  # one more was left where a kill came between the two
        return changed

    def _take(self, saved: disk.Checkpoint, path: Path) -> dict[str, Any]:
        """The settings that are others from here on, once all is as in the checkpoint."""
        disk.unpack_modules("module", self.modules, saved.tensors)
        if self.average.decay:
            disk.unpack_modules("ema", self.average.modules, saved.tensors)
        for name, optimizer in self.optimizers.items():
            record = saved.record["optimizers"].get(name)
            if record is None:
                raise TrainingError(f"{path}: has no optimizer {name!r}; is this another task?")
            disk.unpack_optimizer(name, optimizer, saved.tensors, record)
        self.state = RunState(**saved.record["state"])
        seconds = saved.record.get("seconds", {"ran": 0.0, "backed_up": 0.0})
        self._started -= seconds["ran"]
        self._backed_up = seconds["backed_up"]
        then, now = saved.record["config"], self.config.model_dump()
        return {key: now[key] for key in _TOLD if then.get(key, now[key]) != now[key]}

    @property
    def patience_is_over(self) -> bool:
        """Whether the last validations brought nothing better for too long."""
        return 0 < self.config.early_stop_patience <= self.state.worse

    def judge(self, metrics: dict[str, float]) -> None:
        """Keep the averaged weights where a validation is the best so far.

        Raises:
            TrainingError: the monitored metric is not among them, or is not a number.
        """
        name = self.config.monitor
        score = metrics.get(name, math.nan)
        if math.isnan(score):
            raise TrainingError(f"monitor {name!r} has no value among the metrics {metrics}")
        sign = 1.0 if self.config.monitor_mode == "max" else -1.0
        best = self.state.best_score
        if best is not None and sign * score <= sign * best:
            self.state.worse += 1
            return
        self.state.best_step, self.state.best_score = self.state.step, score
        self.state.worse = 0
        if self.main:
            record = {"step": self.state.step, "metrics": metrics, "about": self.about}
            disk.write_weights(self.out / "best.safetensors", self.average.modules, record)

    def finish(self, ended: Ended, signal: int | None = None) -> TrainResult:
        """How the run went, once its last weights are written."""
        if self.main:
            record = {"step": self.state.step, "about": self.about}
            disk.write_weights(self.out / "last.safetensors", self.average.modules, record)
        best = self.out / "best.safetensors"
        return TrainResult(
            step=self.state.step,
            stopped=ended,
            best_step=self.state.best_step,
            best_score=self.state.best_score,
            checkpoint=self.folder / f"step-{self.state.step:08d}.safetensors",
            weights=best if self.state.best_step is not None else self.out / "last.safetensors",
            signal=signal if ended == "signal" else None,
        )

    def check(self, values: dict[str, float]) -> None:
        """Look at a step's numbers before the step is counted.

        Raises:
            TrainingError: one is not finite, or a loss jumped; names the last good checkpoint.
        """
        losses = [loss_name(name, self.optimizers) for name in self.optimizers]
        trouble = find_trouble(values, losses, self.state.recent, self.config.loss_jump)
        if trouble:
            raise TrainingError(f"{trouble} at step {self.state.step}; {self._way_back()}")

    def _check_weights(self) -> None:
        for name, module in self.modules.items():
            for key, weight in module.named_parameters():
                if not bool(torch.isfinite(weight).all()):
                    raise TrainingError(
                        f"weight {key!r} of {name!r} is not finite after step {self.state.step}, "
                        f"which is not saved; {self._way_back()}"
                    )

    def _way_back(self) -> str:
        """Advice after trouble; a checkpoint is good once a loss after it was fine."""
        found = disk.checkpoints(self.folder)
        good = [p for p in found if disk.step_of(p) < self.state.step]
        advice = "lower the learning rate or set clip_norm, and run again"
        if not good:
            again = f"move {found[-1]} away, " if found else ""
            return f"there is no good checkpoint before it: {again}{advice}: it starts anew"
        suspect = [p for p in found if p not in good]
        away = f" move {suspect[-1].name} away, whose weights gave this," if suspect else ""
        return f"the last good checkpoint is {good[-1]}:{away} {advice}: it continues from there"

    def _check_same_run(
        self, path: Path, record: dict[str, Any], differences: Differences, instead: str
    ) -> None:
        now = self.config.model_dump(mode="json", exclude=_FREE)
        then = LoopConfig().model_dump(mode="json") | record["config"]  # older ones lack new keys
        if changed := name_differences({key: then[key] for key in now}, now):
            raise TrainingError(
                f"{path}: the run was started with other settings ({changed}); restore them, or "
                f"{instead}"
            )
        if found := differences(record.get("about", {}), json.loads(json.dumps(self.about))):
            raise TrainingError(f"{path}: holds something else ({found}); restore it, or {instead}")


def loss_name(optimizer: str, optimizers: Collection[str]) -> str:
    """What the loss of an optimizer is called in the logs."""
    return "loss" if len(optimizers) == 1 else f"loss_{optimizer}"
