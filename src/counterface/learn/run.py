"""A run in its folder: its settings, its state, what is saved and restored."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import nn
from torch.optim import Optimizer

from counterface.errors import TrainingError
from counterface.learn import checkpoint as disk
from counterface.learn.average import Average

Ended = Literal["finished", "early", "signal"]


class LoopConfig(BaseModel):
    """How to train, whatever is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(1000, ge=1, description="steps of the whole run")
    batch_size: int = Field(32, ge=1, description="examples a step, over all processes")
    warmup: int = Field(0, ge=0, description="steps of linear learning-rate warm-up")
    final_lr: float = Field(0.0, ge=0, le=1, description="end of the cosine, share of the peak")
    clip_norm: float = Field(0.0, ge=0, description="gradient norm is cut to this; 0 = never")
    ema_decay: float = Field(0.0, ge=0, lt=1, description="weight averaging; 0 = off")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16 = autocast of the losses")
    seed: int = Field(0, ge=0, description="of everything random outside the data set")
    validate_every: int = Field(0, ge=0, description="steps between validations; 0 = at the end")
    monitor: str = Field("loss", description="the validation metric that picks the best weights")
    monitor_mode: Literal["min", "max"] = Field("min", description="which way is better")
    early_stop_patience: int = Field(0, ge=0, description="stop after so many validations; 0 = off")
    checkpoint_every: int = Field(500, ge=1, description="steps between checkpoints")
    log_every: int = Field(50, ge=1, description="steps that one log line averages")
    workers: int = Field(0, ge=0, description="processes that prepare examples; 0 = this one")
    tensorboard: bool = Field(True, description="also log for TensorBoard")
    device: Literal["auto", "cpu"] = Field("auto", description="auto = an accelerator if present")


# these may differ when a run continues; any other change would make it another run
_FREE = {
    "steps", "validate_every", "early_stop_patience", "checkpoint_every", "log_every", "workers",
    "tensorboard", "device",
}  # fmt: skip


@dataclass(frozen=True)
class TrainResult:
    """How a run ended; run the same command again to continue one that was stopped by a signal."""

    step: int  # finished steps
    stopped: Ended
    best_step: int | None  # of the best validation
    best_score: float | None
    checkpoint: Path
    weights: Path  # safetensors: the best validated weights, or the last where none were validated


@dataclass
class RunState:
    """What changes while training besides tensors; JSON in the checkpoint."""

    step: int = 0
    best_step: int | None = None
    best_score: float | None = None
    worse: int = 0  # validations since the best
    sums: dict[str, float] = field(default_factory=dict)  # of the log line in the making
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, values: dict[str, float]) -> None:
        """Adds one step's scalars to the log line in the making."""
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
    main: bool  # this process writes
    state: RunState = field(default_factory=RunState)

    @property
    def folder(self) -> Path:
        """Where the checkpoints lie."""
        return self.out / "checkpoints"

    def save(self) -> None:
        """Writes a checkpoint; the one before it stays."""
        if not self.main:
            return
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
        }
        disk.write_checkpoint(self.folder, disk.Checkpoint(self.state.step, tensors, record))

    def restore(self, *, resume: bool) -> None:
        """Loads the newest checkpoint of the folder; without any, records the new run."""
        self.out.mkdir(parents=True, exist_ok=True)
        found = disk.checkpoints(self.folder)
        if not found:
            return
        if not resume:
            raise TrainingError(
                f"{self.out}: holds a run at {found[-1].name}; resume it, or train into another "
                "folder"
            )
        saved = disk.read_checkpoint(found[-1])
        self._check_same_run(found[-1], saved.record["config"])
        disk.unpack_modules("module", self.modules, saved.tensors)
        if self.average.decay:
            disk.unpack_modules("ema", self.average.modules, saved.tensors)
        for name, optimizer in self.optimizers.items():
            record = saved.record["optimizers"].get(name)
            if record is None:
                raise TrainingError(
                    f"{found[-1]}: has no optimizer {name!r}; is this another task?"
                )
            disk.unpack_optimizer(name, optimizer, saved.tensors, record)
        self.state = RunState(**saved.record["state"])

    @property
    def patience_is_over(self) -> bool:
        """Whether the last validations brought nothing better for too long."""
        return 0 < self.config.early_stop_patience <= self.state.worse

    def judge(self, metrics: dict[str, float]) -> None:
        """Keeps the averaged weights where a validation is the best so far.

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
            record = {"step": self.state.step, "metrics": metrics}
            disk.write_weights(self.out / "best.safetensors", self.average.modules, record)

    def finish(self, ended: Ended) -> TrainResult:
        """Writes the last weights and says how it went."""
        if self.main:
            record = {"step": self.state.step}
            disk.write_weights(self.out / "last.safetensors", self.average.modules, record)
        best = self.out / "best.safetensors"
        return TrainResult(
            step=self.state.step,
            stopped=ended,
            best_step=self.state.best_step,
            best_score=self.state.best_score,
            checkpoint=self.folder / f"step-{self.state.step:08d}.safetensors",
            weights=best if self.state.best_step is not None else self.out / "last.safetensors",
        )

    def _check_same_run(self, path: Path, then: dict[str, Any]) -> None:
        now = self.config.model_dump(mode="json")
        changed = [k for k in now if k not in _FREE and now[k] != then.get(k)]
        if changed:
            listed = ", ".join(f"{k} {then.get(k)!r} -> {now[k]!r}" for k in changed)
            raise TrainingError(
                f"{path}: the run was started with other settings ({listed}); restore them, or "
                "train into another folder"
            )
