"""Trains a detector from a recipe: labelled faces or facesets in, weights out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import torch

from counterface.config import write_config
from counterface.datasets.face_store import MANIFEST_FILE
from counterface.datasets.labelled_faces import DrawConfig, FaceClip, FacePool, LabelledFaces
from counterface.datasets.manifest import of_split, read_manifest
from counterface.datasets.pairs.remake import AutoencoderRemake
from counterface.datasets.pairs.training_pairs import Sources, TrainingPairs
from counterface.datasets.twin_faces import TwinFaces
from counterface.detect.models.detector_model import DetectorModel, build_detector, clip_of
from counterface.detect.models.parts.folded import START_FACES, start_from_folded
from counterface.detect.training.detector_task import DetectorTask, first_batches
from counterface.detect.training.pair_data import read_sources, train_autoencoder
from counterface.detect.training.recipe import ModelChoice, TrainConfig
from counterface.detect.training.score_clips import ValidatedTask, first_clips
from counterface.device import keep_freed_memory, use_free_cores
from counterface.errors import ConfigError, TrainingError
from counterface.faces.align import crop_matrix, warp_image
from counterface.learn.architecture import load_tensors
from counterface.learn.checkpoint import read_weights
from counterface.learn.loop import TrainResult, train
from counterface.learn.task import Examples
from counterface.project_files import reading
from counterface.types import Image

RECIPE_FILE = "recipe.toml"  # in the folder of a run

Progress = Callable[[str, int, int, dict[str, float]], None]  # phase, step, steps, numbers
Report = Callable[[int, dict[str, float]], None]


def train_detector(config: TrainConfig, progress: Progress | None = None) -> TrainResult:
    """How the run ended; the run's folder holds weights, checkpoints, logs and the recipe.

    Raises:
        TrainingError: the recipe names no faces, a split or a class is missing, or weights that do
            not fit.
        FacesetError: a folder is no faceset.
        ShapeError: stored faces are not as the model wants them.
    """
    pool = open_pool(config) if config.data.faces is not None else None
    if pool is None or config.data.from_pairs:
        return _train_on_pairs(config, pool, progress)
    clips = {name: pool.of_entries(of_split(pool.entries, name)) for name in ("train", "val")}
    if not clips["train"]:
        raise TrainingError(
            f"no face of the split 'train' in {config.data.faces}; give the manifest splits by "
            "'counterface dataset split', or cross-validate with --folds"
        )
    return train_on(config, pool, clips["train"], clips["val"], config.out, progress)


def train_on(
    config: TrainConfig,
    pool: FacePool,
    clips: Sequence[FaceClip],
    held_back: Sequence[FaceClip],
    out: Path,
    progress: Progress | None = None,
) -> TrainResult:
    """How a run on some labelled clips ended.

    Args:
        config: the recipe; its splits and its folder are not looked at.
        pool: where the clips are from.
        clips: clips that are trained on.
        held_back: clips that choose the best weights; without any, the last weights are kept.
        out: folder of the run.
        progress: called with each log line.
    """
    draw = DrawConfig(balance=config.data.balance, seed=config.loop.seed)
    if config.data.twins is not None:
        examples: Examples = TwinFaces(pool, clips, config.data.twins, config.loop.seed)
    else:
        examples = LabelledFaces(pool, clips, draw, config.augment)
    about = {"train": _count(pool, clips), "val": _count(pool, held_back)}
    _prepare(config)
    net = start_net(config, lambda: _first_faces(pool, clips))
    return _run(config, net, examples, pool, held_back, about, out, progress)


def _train_on_pairs(
    config: TrainConfig, pool: FacePool | None, progress: Progress | None
) -> TrainResult:
    """How a run on made pairs ended; measured on labelled files where there are some."""
    _prepare(config)
    sources = read_sources(config.data)
    remake = train_autoencoder(
        config, sources, _phase(progress, "autoencoder", config.autoencoder_steps)
    )
    if remake is not None:
        sources = Sources(sources.real, sources.pairs, sources.synthetic, AutoencoderRemake(remake))
    torch.manual_seed(config.loop.seed)
    net = start_net(config, lambda: _drawn_faces(config, sources))
    held_back: list[FaceClip] = []
    about: dict[str, Any] = {"pairs": config.settled_pairs().model_dump(mode="json")}
    if pool is not None:
        held_back = pool.of_entries(of_split(pool.entries, "val"))
        about["val"] = _count(pool, held_back)
    examples = TrainingPairs(sources, config.settled_pairs())
    return _run(config, net, examples, pool, held_back, about, config.out, progress)


def _run(
    config: TrainConfig,
    net: DetectorModel,
    examples: Examples,
    pool: FacePool | None,
    held_back: Sequence[FaceClip],
    about: dict[str, Any],
    out: Path,
    progress: Progress | None,
) -> TrainResult:
    length = len(examples) if isinstance(examples, LabelledFaces) else None
    loop = config.settled_loop(length)
    task = DetectorTask(net, config.optimizer, config.loss, loop.steps)
    if pool is not None and held_back:
        task = ValidatedTask(task, pool, first_clips(held_back, config.data.val_clips))
    elif loop.early_stop_patience:
        raise TrainingError(
            "early stopping needs held-back files; give some the split 'val' by 'counterface "
            "dataset split', or set loop.early_stop_patience = 0"
        )
    if config.start_from is None:
        net.fit_line(first_batches(examples, config.line_crops))
    about = {"data": about, **describe_recipe(config)}
    report = _phase(progress, "detector", loop.steps)
    result = train(task, examples, loop, out, progress=report, about=about)
    write_config(config.model_copy(update={"out": out}), out / RECIPE_FILE)
    return result


def describe_recipe(config: TrainConfig) -> dict[str, Any]:
    """What of a recipe decides its weights, for JSON; stands in the weights file."""
    model = {"name": config.model.name, "options": config.model.settled().model_dump(mode="json")}
    parts = {
        name: getattr(config, name).model_dump(mode="json")
        for name in ("optimizer", "loss", "augment")
    }
    return {"model": model, **parts, "seed": config.loop.seed}


def open_pool(config: TrainConfig) -> FacePool:
    """The clips of the recipe's labelled files, as its model wants them.

    Raises:
        TrainingError: no store is named, or it holds nothing of use.
        ConfigError: the manifest cannot be read.
    """
    manifest = manifest_of(config)
    assert config.data.faces is not None  # else there is no manifest
    net = config.model.settled()
    kind = (net.template, net.size, *clip_of(net))
    return FacePool(read_manifest(manifest), config.data.faces, *kind)


def manifest_of(config: TrainConfig) -> Path:
    """Where labels and splits stand.

    Raises:
        TrainingError: no store is named, or it has no manifest.
    """
    folder = config.data.faces
    if folder is None:
        raise TrainingError(
            "the recipe names no labelled faces; set data.faces to a folder that 'counterface "
            "dataset faces' made"
        )
    manifest = config.data.manifest or folder / MANIFEST_FILE
    if not manifest.exists():
        raise TrainingError(f"{manifest} does not exist; cut faces by 'counterface dataset faces'")
    return manifest


def start_net(
    config: TrainConfig, faces: Callable[[], Sequence[Image]] | None = None
) -> DetectorModel:
    """The net with its starting weights: an earlier run's, a folded file's, timm's, or random.

    Args:
        config: the recipe.
        faces: gives real crops, RGB uint8 (S, S, 3), for the batch norms of a folded backbone.

    Raises:
        ConfigError: an architecture that cannot start from the folded file.
        TrainingError: a file that cannot be read.
    """
    if config.start_from is not None:
        return load_detector(config.start_from, config.model)
    net = build_detector(config.model.name, config.model.options)
    if callable(start := getattr(net, "set_prior", None)):
        start()
    if config.folded is not None:
        if not isinstance(backbone := getattr(net, "backbone", None), torch.nn.Module):
            raise ConfigError(f"folded: {config.model.name} has no backbone to start from a file")
        if not net.SIGNED:
            raise ConfigError(
                f"folded: the file's net sees values from -1 to 1, {config.model.name} gives its "
                "backbone others; set model.name to frame_cnn or texture_cnn"
            )
        start_from_folded(backbone, config.folded, faces() if faces else [])
    return net


def load_detector(weights: Path, model: ModelChoice | None = None) -> DetectorModel:
    """The net of a run, with its weights.

    Args:
        weights: a run's best or last `.safetensors`, or a checkpoint.
        model: the architecture; None reads it from the file, which knows it.

    Raises:
        TrainingError: unreadable, or weights of another architecture.
    """
    modules, record = read_weights(weights)
    if model is None:
        unknown = "does not say which architecture it is of"
        with reading(weights, TrainingError, "name the recipe", what=unknown, model=ModelChoice):
            model = ModelChoice.model_validate(record["about"]["model"])
    with reading(weights, TrainingError, what="the net that it names cannot be built"):
        net = build_detector(model.name, model.options, fetch=False)
    what = f"{model.name} with {model.options}"
    load_tensors(net, modules, "net", weights, TrainingError, what)
    return net


def _prepare(config: TrainConfig) -> None:
    keep_freed_memory()
    use_free_cores()
    cv2.setNumThreads(1)  # workers are processes
    torch.manual_seed(config.loop.seed)


def _count(pool: FacePool, clips: Sequence[FaceClip]) -> dict[str, Any]:
    """What clips are of: files by class, sets of people, licences."""
    entries = [pool.entries[number] for number in sorted({clip.entry for clip in clips})]
    return {
        "clips": len(clips),
        "real": sum(entry.label == 0 for entry in entries),
        "fake": sum(entry.label == 1 for entry in entries),
        "methods": sorted({entry.method for entry in entries if entry.method}),
        "licences": sorted({entry.licence or "not stated" for entry in entries}),
    }


def _first_faces(pool: FacePool, clips: Sequence[FaceClip]) -> list[Image]:
    real = [clip for clip in clips if clip.label == 0]
    return [pool.read(clip)[0] for clip in real[:: max(1, len(real) // START_FACES)]]


def _drawn_faces(config: TrainConfig, sources: Sources) -> list[Image]:
    """Real crops in turn from every bank."""
    net = config.model.settled()
    crops = []
    for number in range(START_FACES):
        bank = sources.real[number % len(sources.real)]
        face = bank[number // len(sources.real) % len(bank)]
        matrix = crop_matrix(face.landmarks, net.template, net.size)
        crops.append(warp_image(face.image, matrix, net.size))
    return crops


def _phase(progress: Progress | None, phase: str, steps: int) -> Report | None:
    if progress is None:
        return None
    return lambda step, numbers: progress(phase, step, steps, numbers)
