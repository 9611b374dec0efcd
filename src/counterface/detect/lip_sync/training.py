"""Trains the two towers on talking clips and writes them as the ONNX file that the cue reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from counterface import __version__
from counterface.config import Record, Settings, write_config
from counterface.detect.lip_sync.lips import POINTS
from counterface.detect.lip_sync.match import METADATA, PITCHES, LipSyncInfo, count_rows
from counterface.detect.lip_sync.talks import Talk, TalkExamples, read_talk
from counterface.detect.lip_sync.towers import Towers, TowersConfig, match_loss
from counterface.device import keep_freed_memory, use_free_cores
from counterface.errors import DetectorError, MediaError, TrainingError, reason_of
from counterface.learn.architecture import load_tensors
from counterface.learn.checkpoint import read_weights
from counterface.learn.loop import LoopConfig, TrainResult, train
from counterface.learn.optimizers import make_optimizer
from counterface.learn.write_net import write_net
from counterface.media.find_media import find_media
from counterface.project_files import reading
from counterface.types import Progress

CLOSE = 1e-4  # vectors of the file and of the network may differ by this
RECIPE_FILE, LIP_SYNC_FILE = "recipe.toml", "lip_sync.onnx"  # in the folder of a run
NOT_FOR = "proof; dubbed or sung footage; faces whose mouth is hidden; sound that is laid under"
_LENGTHS = (20, 30, 50)  # frames of a batch's examples, 0.8 to 2 s
Told = Callable[[int, dict[str, float]], None]  # step, numbers


class ClipsConfig(Record):
    """Which clips."""

    clips: tuple[Path, ...] = Field(
        (),
        description="videos of people who talk, with the sound that belongs to them: files, "
        "folders, globs",
    )
    leave_out: tuple[str, ...] = Field((), description="names of files that are not trained on")


class LipSyncConfig(Settings):
    """A training of the lip-sync network, whole."""

    out: Path = Field(Path("runs/lip_sync"), description="folder of the run")
    data: ClipsConfig = ClipsConfig()
    model: TowersConfig = TowersConfig()
    lr: float = Field(2e-3, gt=0, description="peak learning rate of AdamW")
    weight_decay: float = Field(0.05, ge=0, description="pull of weights toward zero")
    loop: LoopConfig = LoopConfig(
        steps=500, batch_size=24, warmup=50, clip_norm=1.0, ema_decay=0.98
    )


@dataclass(frozen=True)
class LipSyncResult:
    """How a training ended."""

    run: TrainResult
    file: Path | None  # the ONNX file; None where the run was stopped by a signal
    clips: int  # that were trained on
    seconds: float  # their length together
    left_out: dict[str, str]  # why other files were not trained on, by name


class TowersTask:
    """What the towers learn from a batch."""

    def __init__(self, towers: Towers, lr: float, weight_decay: float) -> None:
        """Take the network as it is."""
        self.towers, self.lr, self.weight_decay = towers, lr, weight_decay

    def modules(self) -> dict[str, nn.Module]:
        """The towers, as the only module."""
        return {"towers": self.towers}

    def optimizers(self) -> dict[str, Optimizer]:
        """One for all weights."""
        weights = self.towers.parameters()
        return {
            "towers": make_optimizer("adamw", weights, lr=self.lr, weight_decay=self.weight_decay)
        }

    def losses(
        self, batch: dict[str, Tensor], step: int, log: dict[str, float | Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """The loss of stretches of 0.8 to 2 s, another length in each step."""
        frames = _LENGTHS[int(torch.randint(len(_LENGTHS), ()))]
        lips, sound = batch["lips"][:, :frames], batch["sound"][:, : count_rows(frames)]
        loss, found = match_loss(self.towers, lips, sound)
        log["right_lag"] = found
        yield "towers", loss


def train_lip_sync(
    config: LipSyncConfig, told: Told | None = None, read: Progress | None = None
) -> LipSyncResult:
    """How the run ended; its folder holds weights, checkpoints, logs and `lip_sync.onnx`.

    A run that was stopped goes on when it is called again; the file is written when it is finished.

    Raises:
        TrainingError: fewer than two clips can be used, or the folder holds another run.
    """
    talks, left_out = read_talks(config.data, read)
    run = train_towers(config, talks, config.out, told)
    file = None if run.stopped == "signal" else config.out / LIP_SYNC_FILE
    if file is not None:
        export_towers(run.weights, file)
    seconds = sum(talk.length_s for talk in talks)
    return LipSyncResult(run, file, len(talks), seconds, left_out)


def read_talks(
    data: ClipsConfig, told: Progress | None = None
) -> tuple[list[Talk], dict[str, str]]:
    """The clips that can be learnt from, and why the others cannot, by name."""
    paths = [path for path in find_media(data.clips) if path.name not in data.leave_out]
    talks, left_out = [], {}
    for number, path in enumerate(paths, 1):
        try:
            found = read_talk(path)
        except MediaError as error:
            found = reason_of(error)
        if isinstance(found, Talk):
            talks.append(found)
        else:
            left_out[path.name] = found
        if told:
            told(number, len(paths), f"reading {path.name}")
    return talks, left_out


def train_towers(
    config: LipSyncConfig, talks: Sequence[Talk], out: Path, told: Told | None = None
) -> TrainResult:
    """How a run on some talks ended.

    Raises:
        TrainingError: fewer than two talks, or the folder holds another run.
    """
    keep_freed_memory()
    use_free_cores()
    torch.manual_seed(config.loop.seed)
    examples = TalkExamples(talks, max(_LENGTHS), config.loop.seed)
    task = TowersTask(Towers(config.model), config.lr, config.weight_decay)
    about = {
        "model": config.model.model_dump(mode="json"),
        "lr": config.lr,
        "weight_decay": config.weight_decay,
        "clips": sorted(talk.name for talk in talks),
        "seconds": round(sum(talk.length_s for talk in talks), 1),
    }
    found = train(task, examples, config.loop, out, progress=told, about=about)
    write_config(config.model_copy(update={"out": out}), out / RECIPE_FILE)
    return found


def load_towers(weights: Path) -> tuple[Towers, dict[str, Any]]:
    """The towers of a run, and what the run recorded of them.

    Raises:
        TrainingError: unreadable, or weights of something else.
    """
    modules, record = read_weights(weights)
    with reading(weights, TrainingError, what="weights of something else than lips and sound"):
        config = TowersConfig.model_validate(record["about"]["model"])
    towers = Towers(config)
    load_tensors(towers, modules, "towers", weights, TrainingError, "the lip-sync network")
    return towers.eval(), record


def export_towers(
    weights: Path, path: Path, name: str = "lip_sync", version: str = "0", **card: Any
) -> LipSyncInfo:
    """What the new file says of itself; it is checked before it replaces another.

    Args:
        weights: a run's `last.safetensors`.
        path: the ONNX file to write.
        name: name in reports.
        version: version of the weights.
        card: entries of the model card beside those that the run knows.

    Raises:
        TrainingError: weights of something else.
        DetectorError: the file says something else than the network, or cannot be written.
    """
    towers, record = load_towers(weights)
    about = record["about"]
    known = {
        "summary": "gives like vectors to lips and sound that belong together",
        "trained_on": f"{len(about['clips'])} clips, {about['seconds']:g} s",
        "steps": record.get("step"),
        "licence": "weights: by the terms of the training files",
        "made_by": f"counterface {__version__}",
        "not_for": NOT_FOR,
    }
    scale = float(towers.scale.detach())
    info = LipSyncInfo(name=name, version=version, scale=scale, card=known | card)
    inputs = {"lips": {0: "batch", 1: "frames"}, "sound": {0: "batch", 1: "rows"}}
    outputs = {
        "lip_vectors": {0: "batch", 1: "frames"},
        "sound_vectors": {0: "batch", 1: "steps"},
    }
    examples = _example(30), _example(77)
    write_net(
        towers, path, (METADATA, info), inputs, outputs, examples, CLOSE, "vectors", DetectorError
    )
    return info


def _example(frames: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    lips = 0.1 * torch.randn((2, frames, POINTS, 2), generator=generator)
    return lips, -12 * torch.rand((2, count_rows(frames), PITCHES), generator=generator)
