"""Trains the XSeg net on the masks of facesets, and writes its ONNX file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field, model_validator

from counterface import __version__
from counterface.config import Record, Settings
from counterface.device import keep_freed_memory, use_free_cores
from counterface.errors import FacesetError, MediaError, TrainingError
from counterface.faces.segment import SegmenterInfo, scaled
from counterface.faceset.inspect import Problem
from counterface.faceset.masks.read_mask import read_mask
from counterface.faceset.store import Faceset
from counterface.learn.architecture import load_tensors
from counterface.learn.checkpoint import read_weights
from counterface.learn.loop import LoopConfig, TrainResult, train
from counterface.learn.segment.examples import Augment, Labelled, SegmentExamples
from counterface.learn.segment.export import export_segmenter
from counterface.learn.segment.task import SegmentTask
from counterface.learn.segment.xseg_net import XSegNet
from counterface.types import Image, Progress

MASK_FILE = "mask.onnx"  # in the folder of a run
HELD_BACK = 8  # one crop of so many is judged, not learnt from
MOST_HELD_BACK = 64
LEAST = 2  # crops with a mask
Told = Callable[[int, dict[str, float]], None]  # step, numbers


class NetConfig(Record):
    """The net; DeepFaceLab's has 256 px, 6 levels and 32 channels."""

    size: int = Field(256, ge=32, le=512, description="side of the crops it looks at, pixels")
    base: int = Field(32, ge=2, le=128, description="channels of the first level")
    levels: int = Field(6, ge=2, le=7, description="how often the side is halved")

    @model_validator(mode="after")
    def _halves(self) -> NetConfig:
        if self.size % 2**self.levels:
            raise ValueError(f"size {self.size} cannot be halved {self.levels} times")
        return self


class MaskTrainConfig(Settings):
    """A training of a segmenter, whole."""

    net: NetConfig = NetConfig()
    lr: float = Field(5e-4, gt=0, description="peak learning rate of AdamW")
    pretrain: int = Field(
        0, ge=0, description="first steps that reconstruct the crops, before masks are learnt"
    )
    augment: Augment = Augment()
    loop: LoopConfig = LoopConfig(
        steps=5000, batch_size=4, warmup=100, clip_norm=1.0, ema_decay=0.995, validate_every=500
    )

    @model_validator(mode="after")
    def _masks_are_learnt(self) -> MaskTrainConfig:
        if self.pretrain >= self.loop.steps:
            raise ValueError(
                f"all {self.loop.steps} steps would reconstruct (pretrain = {self.pretrain}) and "
                "none learn masks; raise the steps or lower pretrain"
            )
        return self


@dataclass(frozen=True)
class MaskTraining:
    """How a training ended."""

    run: TrainResult
    file: Path | None  # the ONNX file; None where the run was stopped by a signal
    crops: int  # with a mask that was learnt from
    held_back: int  # that were judged
    iou: float | None  # with these, mean, of the weights in the file; None where there is none
    problems: tuple[Problem, ...]  # crops that could not be read


@dataclass(frozen=True, eq=False)
class _Read:
    """The crops with masks of all facesets, scaled to one side."""

    pictures: list[Image]
    masks: list[Image]  # uint8
    template: str
    problems: list[Problem]


def train_mask(
    folders: Sequence[Path],
    out: Path,
    config: MaskTrainConfig | None = None,
    told: Told | None = None,
    progress: Progress | None = None,
) -> MaskTraining:
    """How the run ended; its folder holds weights, checkpoints, logs and `mask.onnx`.

    All crops that have a mask are learnt from, but for one of eight, which are judged. They are
    held in memory. A run that was stopped goes on when it is called again.

    Args:
        folders: facesets of one template.
        out: the run's folder; made where absent.
        config: the settings.
        told: called with the step and its numbers.
        progress: called as (crops read, crops, name).

    Raises:
        FacesetError: no faceset.
        TrainingError: fewer than two crops have a mask that can be read, the templates differ, or
            `out` holds another run.
    """
    config = config or MaskTrainConfig()
    keep_freed_memory()
    use_free_cores()
    read = _read(folders, config.net.size, progress)
    every = min(HELD_BACK, len(read.pictures))
    judged = list(range(every - 1, len(read.pictures), every))[:MOST_HELD_BACK]
    learnt = sorted(set(range(len(read.pictures))) - set(judged))
    torch.manual_seed(config.loop.seed)
    net = XSegNet(**config.net.model_dump())
    held_back = _stacked(read.pictures, judged), _stacked(read.masks, judged)
    task = SegmentTask(net, lr=config.lr, pretrain=config.pretrain, held_back=held_back)
    labelled = Labelled(
        [read.pictures[n] for n in learnt], [read.masks[n] for n in learnt], read.template
    )
    examples = SegmentExamples(labelled, config.net.size, config.augment, config.loop.seed)
    about = {**config.model_dump(mode="json", exclude={"loop"}), "labels": _digest(read)}
    run = train(task, examples, config.loop, out, progress=told, about=about)
    file = None if run.stopped == "signal" else out / MASK_FILE
    iou = None if file is None else _export(config, run, read, (len(learnt), len(judged)), file)
    return MaskTraining(run, file, len(learnt), len(judged), iou, tuple(read.problems))


def _read(folders: Sequence[Path], size: int, progress: Progress | None) -> _Read:
    facesets = [Faceset.open(folder, allow_strays=True) for folder in folders]
    if not facesets:
        raise TrainingError("no faceset is named to learn masks from")
    templates = {faceset.header.template for faceset in facesets}
    if len(templates) > 1:
        raise TrainingError(
            f"the facesets have the templates {', '.join(sorted(templates))}; a segmenter is for "
            "one: extract them alike"
        )
    rows = [(faceset, row) for faceset in facesets for row in faceset if row.mask is not None]
    read = _Read([], [], templates.pop(), [])
    for number, (faceset, row) in enumerate(rows):
        if progress is not None:
            progress(number, len(rows), row.file)
        try:
            crop = faceset.read(row).image
            mask = read_mask(faceset.folder / str(row.mask), crop.shape[:2])
        except (FacesetError, MediaError) as error:
            read.problems.append(Problem(file=row.file, reason=str(error)))
            continue
        read.pictures.append(scaled(crop, size))
        read.masks.append(scaled(np.round(mask * 255).astype(np.uint8), size))
    if len(read.pictures) < LEAST:
        where = ", ".join(map(str, folders))
        raise TrainingError(
            f"{where}: {len(read.pictures)} crops have a mask that can be read, and {LEAST} are "
            "needed; draw some and bring them in with 'counterface faceset mask import'"
        )
    return read


def _export(
    config: MaskTrainConfig, run: TrainResult, read: _Read, counts: tuple[int, int], file: Path
) -> float:
    """The mean IoU with the crops held back of the weights that were written as ONNX."""
    net = XSegNet(**config.net.model_dump())
    states, record = read_weights(run.weights)
    load_tensors(net, states, "net", run.weights, TrainingError, "this net")
    iou = float(record["metrics"]["iou"])
    card: dict[str, Any] = {
        "trained_on": f"{counts[0]} crops with masks",
        "judged_on": f"{counts[1]} others of the same facesets",
        "iou": round(iou, 4),
        "tool": f"counterface {__version__}",
    }
    info = SegmenterInfo(
        name="xseg", version=f"step {record['step']}", template=read.template,
        size=config.net.size, card=card,
    )  # fmt: skip
    export_segmenter(net.eval(), file, info)
    return iou


def _stacked(pictures: Sequence[Image], numbers: Sequence[int]) -> Image:
    return np.stack([pictures[n] for n in numbers])


def _digest(read: _Read) -> str:
    """A name for all crops and masks, so that a run goes on with the same ones alone."""
    digest = hashlib.sha256()
    for picture, mask in zip(read.pictures, read.masks, strict=True):
        digest.update(picture.tobytes() + mask.tobytes())
    return digest.hexdigest()
