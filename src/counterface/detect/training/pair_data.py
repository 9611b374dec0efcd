"""The facesets of a recipe as sources of pairs, and the re-making net that some pairs need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from counterface.datasets.decoders.architectures import architecture
from counterface.datasets.decoders.autoencoder import export_autoencoder
from counterface.datasets.decoders.autoencoder_task import FaceAutoencoderTask
from counterface.datasets.decoders.train_bank import train_autoencoder as train_net
from counterface.datasets.pairs.faceset_bank import (
    FacesetBank,
    banks_by_clip,
    match_pairs,
    open_for_training,
)
from counterface.datasets.pairs.training_pairs import Bank, Sources
from counterface.detect.training.recipe import DataConfig, TrainConfig
from counterface.errors import TrainingError
from counterface.learn.loop import LoopConfig

_REMAKES = "nested128"  # decoder of the bank that re-makes faces


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
        raise TrainingError(
            "no faces to learn from; name labelled ones that 'counterface dataset faces' made with "
            "--faces, or facesets of real faces in data.stills or data.clips"
        )
    return Sources(real, pairs, synthetic)


def train_autoencoder(
    config: TrainConfig, sources: Sources, progress: Callable[[int, dict[str, float]], None] | None
) -> Path | None:
    """The re-making net as an ONNX file, trained first where the recipe asks for it; or None.

    Args:
        config: the recipe.
        sources: banks whose real faces it learns.
        progress: called with each log line.

    Raises:
        StoppedBySignal: before its end; it was saved.
    """
    if config.autoencoder is not None or not config.autoencoder_steps or not config.pairs.remade:
        return config.autoencoder
    out = config.out / "autoencoder"
    if (out / "autoencoder.onnx").exists():
        return out / "autoencoder.onnx"
    task = FaceAutoencoderTask(architecture(_REMAKES), config.autoencoder_steps)
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
    net = train_net(task, sources.real, loop, out, progress)
    export_autoencoder(net, out / "autoencoder.onnx")
    return out / "autoencoder.onnx"
