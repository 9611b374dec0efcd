"""Trains a frame detector from a recipe: facesets in, weights and an ONNX detector out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from counterface.config import STRICT
from counterface.datasets.face_autoencoder import AutoencoderTask, export_autoencoder
from counterface.datasets.faceset_bank import (
    FacesetBank,
    banks_by_clip,
    match_pairs,
    open_for_training,
)
from counterface.datasets.remake import SIDE, AutoencoderRemake
from counterface.datasets.training_pairs import Bank, PairConfig, Sources, TrainingPairs
from counterface.detect.models.frame_cnn import FrameCNN, FrameCNNConfig
from counterface.detect.models.parts.folded import START_FACES, start_from_folded
from counterface.detect.training.pair_task import PairTask
from counterface.device import keep_freed_memory
from counterface.errors import TrainingError
from counterface.faces.align import crop_matrix, warp_image
from counterface.learn.checkpoint import read_weights
from counterface.learn.loop import LoopConfig, TrainResult, train
from counterface.types import Image


class PairFolders(BaseModel):
    """Two facesets of the same clips and moments."""

    model_config = STRICT

    real: Path = Field(description="faceset of the genuine clips")
    fake: Path = Field(description="faceset of their manipulated versions")


class SyntheticFolders(BaseModel):
    """Generated faces, and real ones that were photographed and stored alike."""

    model_config = STRICT

    fake: Path = Field(description="faceset of generated faces")
    real: Path = Field(description="faceset of comparable real faces")


class DataConfig(BaseModel):
    """Facesets, extracted with `--template head --size 384`."""

    model_config = STRICT

    stills: tuple[Path, ...] = Field((), description="facesets of real pictures")
    clips: tuple[Path, ...] = Field((), description="facesets of real clips")
    pairs: tuple[PairFolders, ...] = Field((), description="genuine and manipulated clips")
    synthetic: tuple[SyntheticFolders, ...] = Field((), description="wholly generated faces")
    leave_out: tuple[str, ...] = Field((), description="names of clips that are not trained on")


class OptimizerConfig(BaseModel):
    """AdamW."""

    model_config = STRICT

    lr: float = Field(6e-4, gt=0, description="peak learning rate of the backbone")
    head_lr: float = Field(2e-3, gt=0, description="peak learning rate of the heads")
    weight_decay: float = Field(0.02, ge=0, description="of weights, not of biases and norms")
    cell_weight: float = Field(0.5, ge=0, description="of the cells' loss beside the crop's")


class TrainConfig(BaseModel):
    """A detector's training, whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path = Field(Path("runs/detector"), description="folder of the run")
    start_from: Path | None = Field(None, description="weights of an earlier run, .safetensors")
    folded: Path | None = Field(None, description="TFLite file that starts the backbone")
    autoencoder_steps: int = Field(2000, ge=0, description="of the re-making net; 0 = none")
    autoencoder: Path | None = Field(None, description="a re-making net of an earlier run, .onnx")
    data: DataConfig = DataConfig()
    model: FrameCNNConfig = FrameCNNConfig()
    pairs: PairConfig = PairConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    loop: LoopConfig = LoopConfig()


Progress = Callable[[str, int, int, dict[str, float]], None]  # phase, step, steps, numbers


def train_detector(config: TrainConfig, progress: Progress | None = None) -> TrainResult:
    """How the run ended; the run's folder holds weights, checkpoints, logs and the recipe.

    Raises:
        TrainingError: the recipe names no faces, or weights that do not fit.
        FacesetError: a folder is no faceset.
    """
    keep_freed_memory()
    cv2.setNumThreads(1)  # workers are processes
    sources = read_sources(config.data)
    remake = _autoencoder(config, sources, progress)
    if remake is not None:
        sources = Sources(sources.real, sources.pairs, sources.synthetic, AutoencoderRemake(remake))
    torch.manual_seed(config.loop.seed)
    net = start_net(config, sources)
    o = config.optimizer
    task = PairTask(net, o.lr, o.head_lr, o.weight_decay, o.cell_weight)
    return train(
        task,
        TrainingPairs(sources, config.pairs),
        config.loop,
        config.out,
        progress=_phase(progress, "detector", config.loop.steps),
    )


def read_sources(data: DataConfig) -> Sources:
    """The banks of a recipe; clips that are left out are not in them."""
    real: list[Bank] = [FacesetBank(open_for_training(folder)) for folder in data.stills]
    for folder in data.clips:
        found = banks_by_clip(open_for_training(folder))
        real += [bank for name, bank in found.items() if name not in data.leave_out]
    pairs = []
    for two in data.pairs:
        matched = match_pairs(open_for_training(two.real), open_for_training(two.fake))
        pairs += [clip for name, clip in matched.items() if name not in data.leave_out]
    synthetic = [
        (FacesetBank(open_for_training(two.fake)), FacesetBank(open_for_training(two.real)))
        for two in data.synthetic
    ]
    if not real:
        raise TrainingError("the recipe names no real faces; fill data.stills or data.clips")
    return Sources(real, pairs, synthetic)


def start_net(config: TrainConfig, sources: Sources) -> FrameCNN:
    """The net with its starting weights: an earlier run's, a folded file's, timm's, or random."""
    if config.start_from is not None:
        return load_net(config.model, config.start_from)
    net = FrameCNN(config.model)
    net.set_prior()
    if config.folded is not None:
        start_from_folded(net.backbone, config.folded, _start_faces(config, sources))
    return net


def load_net(config: FrameCNNConfig, weights: Path) -> FrameCNN:
    """The net with the weights of a run.

    Raises:
        TrainingError: unreadable, or weights of another architecture.
    """
    net = FrameCNN(config.model_copy(update={"pretrained": False}))
    modules, _ = read_weights(weights)
    try:
        net.load_state_dict(modules["net"])
    except (KeyError, RuntimeError) as error:
        raise TrainingError(
            f"{weights}: not weights of {config.backbone} at stage {config.stage}: "
            f"{str(error)[:200]}"
        ) from error
    return net


def _start_faces(config: TrainConfig, sources: Sources) -> list[Image]:
    """Real crops, RGB uint8 (S, S, 3), in turn from every bank."""
    template, size = config.pairs.template, config.pairs.size
    crops = []
    for number in range(START_FACES):
        bank = sources.real[number % len(sources.real)]
        face = bank[number // len(sources.real) % len(bank)]
        crops.append(warp_image(face.image, crop_matrix(face.landmarks, template, size), size))
    return crops


class _AutoencoderFaces:
    """Tight crops of the real faces: RGB float32 [0, 1] (3, 128, 128) by index."""

    def __init__(self, sources: Sources, seed: int) -> None:
        self.sources, self.seed = sources, seed

    def __getitem__(self, index: int) -> torch.Tensor:
        rng = np.random.default_rng((self.seed, index))
        bank = self.sources.real[int(rng.integers(len(self.sources.real)))]
        face = bank[int(rng.integers(len(bank)))]
        matrix = crop_matrix(face.landmarks, "face", SIDE) * np.float32(rng.uniform(0.92, 1.05))
        image = warp_image(face.image, matrix, SIDE)
        if rng.random() < 0.5:
            image = image[:, ::-1]
        return torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255


def _autoencoder(config: TrainConfig, sources: Sources, progress: Progress | None) -> Path | None:
    """The re-making net as an ONNX file, trained first where the recipe asks for it."""
    if config.autoencoder is not None or not config.autoencoder_steps or not config.pairs.remade:
        return config.autoencoder
    out = config.out / "autoencoder"
    if (out / "autoencoder.onnx").exists():
        return out / "autoencoder.onnx"
    task = AutoencoderTask()
    loop = LoopConfig(
        steps=config.autoencoder_steps,
        batch_size=16,
        warmup=50,
        ema_decay=0.995,
        log_every=100,
        checkpoint_every=500,
        workers=config.loop.workers,
        device=config.loop.device,
        seed=config.loop.seed,
    )
    faces = _AutoencoderFaces(sources, config.loop.seed)
    report = _phase(progress, "autoencoder", loop.steps)
    result = train(task, faces, loop, out, progress=report)
    if result.stopped == "signal":
        raise TrainingError(f"stopped at step {result.step} of {loop.steps}; run again to continue")
    modules, _ = read_weights(result.weights)
    task.net.load_state_dict(modules["autoencoder"])
    export_autoencoder(task.net.cpu(), out / "autoencoder.onnx")
    return out / "autoencoder.onnx"


def _phase(
    progress: Progress | None, phase: str, steps: int
) -> Callable[[int, dict[str, float]], None] | None:
    if progress is None:
        return None
    return lambda step, numbers: progress(phase, step, steps, numbers)
