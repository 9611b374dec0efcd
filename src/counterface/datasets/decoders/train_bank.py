"""The bank of decoders, trained one after the other from genuine faces; run again to continue.

    train_decoders(read_config(DecodersConfig, Path("decoders.toml")))

OUT/
  nearest128.onnx     a decoder that is done
  nearest128/         its run: checkpoints, weights, logs
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from pydantic import Field, field_validator

from counterface import weights as weight_store
from counterface.config import Record, Settings
from counterface.datasets.decoders.architectures import (
    ARCHITECTURES,
    DecoderNet,
    architecture,
)
from counterface.datasets.decoders.autoencoder import FaceAutoencoder, export_autoencoder
from counterface.datasets.decoders.autoencoder_task import FaceAutoencoderTask, GenuineFaces
from counterface.datasets.decoders.bank import TAEF2
from counterface.datasets.pairs.faceset_bank import FacesetBank, open_for_training
from counterface.datasets.pairs.training_pairs import Bank
from counterface.errors import StoppedBySignal
from counterface.files import make_folder
from counterface.learn.checkpoint import read_weights
from counterface.learn.feature_net import FeatureConfig, FeatureNet
from counterface.learn.loop import LoopConfig, Progress, train

Told = Callable[[str, int, dict[str, float]], None]  # decoder, step, what was logged


class DecodersConfig(Settings):
    """A bank of decoders."""

    out: Path = Field(Path("runs/decoders"), description="folder of the bank")
    facesets: tuple[Path, ...] = Field(
        description="facesets of genuine faces, `head` crops; each has the same weight"
    )
    decoders: tuple[str, ...] = Field(
        tuple(ARCHITECTURES), min_length=1, description="names of the decoders to train"
    )
    taef2: bool | Path = Field(
        False,
        description="add TAEF2: the path of its file, or true for the one in the weight store",
    )
    features: FeatureConfig | None = Field(
        None, description="network of the perceptual loss, with a weights file; unset: none"
    )
    steps: int = Field(1500, ge=1, description="training steps for each decoder")
    batch: int = Field(
        16, ge=1, description="faces in a step at 128 px; at other sides as many pixels"
    )
    lr: float = Field(2e-3, gt=0, description="peak learning rate")
    loop: LoopConfig = LoopConfig(
        warmup=50, ema_decay=0.995, log_every=100, checkpoint_every=250, precision="bf16"
    )

    @field_validator("decoders")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            architecture(name)
        return value


class BankSummary(Record):
    """What the bank holds."""

    folder: str
    decoders: tuple[str, ...]
    trained: tuple[str, ...] = Field(description="decoders trained in this call")


def train_decoders(config: DecodersConfig, *, progress: Told | None = None) -> BankSummary:
    """What was trained; decoders that are done are left alone.

    Args:
        config: the bank.
        progress: called with the decoder's name, the step and its numbers at each log line.

    Raises:
        FacesetError, TrainingError: a faceset is not there, or cannot be used.
        StoppedBySignal: a signal stopped a training; it was saved first.
        WeightsError: TAEF2's or the features' weights cannot be read.
    """
    make_folder(config.out)
    made = []
    if config.taef2 and not (config.out / f"{TAEF2}.onnx").exists():
        from counterface.datasets.decoders.taef2 import export_taef2, read_taef2

        given = config.taef2
        path = given if isinstance(given, Path) else weight_store.path(TAEF2)
        export_taef2(read_taef2(path), config.out / f"{TAEF2}.onnx")
        made.append(TAEF2)
    banks: list[Bank] = [FacesetBank(open_for_training(folder)) for folder in config.facesets]
    for name in config.decoders:
        if not (config.out / f"{name}.onnx").exists():
            _train_one(name, config, banks, progress)
            made.append(name)
    found = sorted(path.stem for path in config.out.glob("*.onnx"))
    return BankSummary(folder=str(config.out), decoders=tuple(found), trained=tuple(made))


def _train_one(
    name: str, config: DecodersConfig, banks: Sequence[Bank], progress: Told | None
) -> None:
    plan = architecture(name)
    features = _features(config, plan)
    batch = max(2, round(config.batch * (128 / plan.side) ** 2))
    loop = config.loop.model_copy(update={"steps": config.steps, "batch_size": batch})
    task = FaceAutoencoderTask(plan, config.steps, config.lr, features)
    told = None if progress is None else partial(progress, name)
    net = train_autoencoder(task, banks, loop, config.out / name, told)
    export_autoencoder(net, config.out / f"{name}.onnx")


def _features(config: DecodersConfig, plan: DecoderNet) -> FeatureNet | None:
    if config.features is None or config.features.weights is None or not plan.perceptual:
        return None
    return FeatureNet(config.features, config.features.weights)


def train_autoencoder(
    task: FaceAutoencoderTask,
    banks: Sequence[Bank],
    loop: LoopConfig,
    out: Path,
    progress: Progress | None = None,
) -> FaceAutoencoder:
    """The trained net, on the CPU.

    Raises:
        StoppedBySignal: before its end; it was saved.
    """
    faces = GenuineFaces(banks, task.net.architecture.side, loop.seed)
    about = {"decoder": task.net.architecture.model_dump()}
    result = train(task, faces, loop, out, progress=progress, about=about)
    if result.stopped == "signal":
        where = f"stopped at step {result.step} of {loop.steps} of the autoencoder"
        raise StoppedBySignal(result.signal, where)
    modules, _ = read_weights(result.weights)
    task.net.load_state_dict(modules["autoencoder"])
    return task.net.cpu()
