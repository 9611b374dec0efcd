"""Trains the small network on a manifest of real and synthetic speech, and writes its ONNX file."""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import Optimizer

from counterface import __version__
from counterface.config import Record, Settings, write_config
from counterface.datasets.manifest import LABELS, Entry, of_split, read_manifest
from counterface.detect.open_net import NetInfo
from counterface.detect.sound.speech import speech_spans
from counterface.detect.synthetic_speech.net import SpeechNet, SpeechNetConfig, build_net
from counterface.detect.synthetic_speech.pieces import (
    COLUMNS,
    METADATA,
    PIECE,
    cut_pieces,
    speech_rows,
)
from counterface.detect.synthetic_speech.wear import worn_sound
from counterface.device import keep_freed_memory, use_free_cores
from counterface.errors import DetectorError, MediaError, TrainingError, reason_of
from counterface.learn.architecture import load_tensors
from counterface.learn.checkpoint import read_weights
from counterface.learn.loop import LoopConfig, TrainResult, train
from counterface.learn.optimizers import make_optimizer
from counterface.learn.write_net import write_net
from counterface.media.sandbox import read_sound
from counterface.project_files import reading
from counterface.types import Floats, Progress

LEAST_ROWS = 100  # of speech, one second; files with less are left out
LONGEST_S = 30.0  # of a file that is read
CLOSE = 1e-3  # log-odds of the file and of the network may differ by this
RECIPE_FILE, SPEECH_FILE = "recipe.toml", "synthetic_speech.onnx"  # in the folder of a run
NOT_FOR = "proof; music, singing, cleaned or telephone sound; programs that it has not met"
Told = Callable[[int, dict[str, float]], None]  # step, numbers


class SpeechData(Record):
    """Which files."""

    manifest: Path | None = Field(
        None,
        description="manifest of files with sound: label fake = the speech is synthetic, method = "
        "the program, identities = who speaks; --manifest sets it",
    )
    ways: int = Field(
        2, ge=0, le=32, description="worn copies that are made of each file; 0 = as it is alone"
    )


class SpeechConfig(Settings):
    """A training of the network on speech, whole."""

    out: Path = Field(Path("runs/synthetic_speech"), description="folder of the run")
    data: SpeechData = SpeechData()
    model: SpeechNetConfig = SpeechNetConfig()
    lr: float = Field(3e-3, gt=0, description="peak learning rate of AdamW")
    weight_decay: float = Field(0.01, ge=0, description="pull of weights toward zero")
    loop: LoopConfig = LoopConfig(
        steps=400, batch_size=32, warmup=50, clip_norm=1.0, ema_decay=0.99
    )


@dataclass(frozen=True, eq=False)
class Voice:
    """The speech of one file."""

    name: str
    label: int  # 1 = synthetic
    method: str
    speaker: str
    copies: tuple[NDArray[np.float16], ...]  # (T, 100) each; the first as it is, the others worn


@dataclass(frozen=True)
class SpeechResult:
    """How a training ended."""

    run: TrainResult
    file: Path | None  # the ONNX file; None where the run was stopped by a signal
    files: int  # that were trained on
    left_out: dict[str, str]  # why others were not, by path


class VoiceExamples:
    """Pieces of speech by number: real and synthetic in turn.

    Real pieces are drawn evenly over speakers, synthetic ones over programs and then speakers.
    """

    def __init__(self, voices: Sequence[Voice], seed: int) -> None:
        """Take the voices.

        Raises:
            TrainingError: one class has no file.
        """
        groups: list[dict[str, dict[str, list[Voice]]]] = [{}, {}]
        for voice in voices:
            method = voice.method if voice.label else ""
            of_method = groups[voice.label].setdefault(method, defaultdict(list))
            of_method[voice.speaker].append(voice)
        for label, group in enumerate(groups):
            if not group:
                raise TrainingError(
                    f"no {LABELS[label]} file with a second of speech to train on; the manifest "
                    "needs real and synthetic speech whose split is train or empty"
                )
        self._groups, self._seed = groups, seed

    def __getitem__(self, index: int) -> tuple[Floats, np.float32]:
        """Rows (PIECE, 100), and 1 for synthetic."""
        rng = np.random.default_rng((self._seed, index))
        label = index % 2
        group = self._groups[label]
        for _ in range(2):
            chosen = sorted(group)[rng.integers(len(group))]
            group = group[chosen]  # type: ignore[assignment]
        files: list[Voice] = group  # type: ignore[assignment]
        voice = files[rng.integers(len(files))]
        rows = voice.copies[rng.integers(len(voice.copies))]
        first = rng.integers(max(1, len(rows) - PIECE + 1))
        taken = rows[(first + np.arange(PIECE)) % len(rows)]
        return taken.astype(np.float32), np.float32(label)


class SpeechTask:
    """What the network learns from a batch."""

    def __init__(self, net: SpeechNet, config: SpeechConfig) -> None:
        """Take the network as it is."""
        self.net, self.config = net, config

    def modules(self) -> dict[str, nn.Module]:
        """The network, as the only module."""
        return {"net": self.net}

    def optimizers(self) -> dict[str, Optimizer]:
        """One for all weights."""
        weights, decay = self.net.parameters(), self.config.weight_decay
        return {"net": make_optimizer("adamw", weights, lr=self.config.lr, weight_decay=decay)}

    def losses(
        self, batch: tuple[Tensor, Tensor], step: int, log: dict[str, float | Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """The cross-entropy of the label."""
        rows, labels = batch
        logits = self.net(rows)
        log["accuracy"] = ((logits > 0) == (labels > 0.5)).float().mean()
        yield "net", binary_cross_entropy_with_logits(logits, labels)


def train_speech(
    config: SpeechConfig, told: Told | None = None, read: Progress | None = None
) -> SpeechResult:
    """How the run ended; its folder holds weights, checkpoints, logs and `synthetic_speech.onnx`.

    Files of the splits `val` and `test` are not trained on. A run that was stopped goes on when it
    is called again; the file is written when it is finished.

    Raises:
        ConfigError: the manifest cannot be read.
        TrainingError: no manifest, no file of one class, or the folder holds another run.
    """
    if config.data.manifest is None:
        raise TrainingError("no manifest of speech is named; give one with --manifest")
    entries = of_split(read_manifest(config.data.manifest), "train", "")
    voices, left_out = read_voices(entries, config.data.ways, read)
    run = train_voices(config, voices, config.out, told)
    file = None if run.stopped == "signal" else config.out / SPEECH_FILE
    if file is not None:
        export_speech(run.weights, file)
    return SpeechResult(run, file, len(voices), left_out)


def read_voices(
    entries: Sequence[Entry], ways: int, told: Progress | None = None
) -> tuple[list[Voice], dict[str, str]]:
    """The files that can be learnt from, and why the others cannot, by path."""
    voices, left_out = [], {}
    for number, entry in enumerate(entries, 1):
        try:
            found = read_voice(entry, ways)
        except MediaError as error:
            found = reason_of(error)
        if isinstance(found, Voice):
            voices.append(found)
        else:
            left_out[str(entry.path)] = found
        if told:
            told(number, len(entries), f"reading {entry.path.name}")
    return voices, left_out


def read_voice(entry: Entry, ways: int) -> Voice | str:
    """The speech of a file, as it is and worn; or why it cannot be learnt from.

    Raises:
        MediaError: the file cannot be read.
    """
    sound = read_sound(entry.path, duration=LONGEST_S)
    if sound is None:
        return "it has no sound"
    spans = speech_spans(sound)
    first = speech_rows(sound, spans)[0]
    if len(first) < LEAST_ROWS:
        return f"{len(first) / 100:.1f} s of speech are under 1 s"
    rng = np.random.default_rng(zlib.crc32(str(entry.path.name).encode()))
    copies = [first]
    for _ in range(ways):
        copies.append(speech_rows(*worn_sound(sound, spans, rng))[0])
    speaker = "+".join(entry.identities) or entry.source or str(entry.path)
    kept = tuple(rows.astype(np.float16) for rows in copies)
    return Voice(str(entry.path), entry.label, entry.method or "unknown", speaker, kept)


def train_voices(
    config: SpeechConfig, voices: Sequence[Voice], out: Path, told: Told | None = None
) -> TrainResult:
    """How a run on some voices ended.

    Raises:
        TrainingError: no file of one class, or the folder holds another run.
    """
    keep_freed_memory()
    use_free_cores()
    torch.manual_seed(config.loop.seed)
    examples = VoiceExamples(voices, config.loop.seed)
    net = build_net(config.model)
    net.expect(*(torch.from_numpy(found) for found in usual(voices)))
    task = SpeechTask(net, config)
    about = {
        "model": config.model.model_dump(mode="json"),
        "lr": config.lr,
        "weight_decay": config.weight_decay,
        "ways": config.data.ways,
        "real": sum(not voice.label for voice in voices),
        "synthetic": dict(sorted(Counter(v.method for v in voices if v.label).items())),
        "speakers": len({voice.speaker for voice in voices if not voice.label}),
    }
    found = train(task, examples, config.loop, out, progress=told, about=about)
    write_config(config.model_copy(update={"out": out}), out / RECIPE_FILE)
    return found


def usual(voices: Sequence[Voice]) -> tuple[Floats, Floats]:
    """The usual mean of each column of a file, and its usual deviation within one, (100,) each."""
    files = [voice.copies[0].astype(np.float32) for voice in voices]
    middle = np.median([rows.mean(axis=0) for rows in files], axis=0)
    spread = np.median([rows.std(axis=0) for rows in files], axis=0)
    return middle.astype(np.float32), np.maximum(spread, 1e-3).astype(np.float32)


def score_voices(net: SpeechNet, voices: Sequence[Voice], copy: int = 0) -> Floats:
    """The mean log-odds over the pieces of each voice, (N,)."""
    net.eval()
    said = []
    with torch.no_grad():
        for voice in voices:
            rows = voice.copies[min(copy, len(voice.copies) - 1)].astype(np.float32)
            pieces = cut_pieces(rows, np.zeros(len(rows)))
            said.append(float(net(torch.from_numpy(pieces.rows)).mean()))
    return np.array(said, np.float32)


def load_net(weights: Path) -> tuple[SpeechNet, dict[str, Any]]:
    """The network of a run, and what the run recorded of it.

    Raises:
        TrainingError: unreadable, or weights of something else.
    """
    modules, record = read_weights(weights)
    with reading(weights, TrainingError, what="weights of something else than speech"):
        config = SpeechNetConfig.model_validate(record["about"]["model"])
    net = build_net(config)
    load_tensors(net, modules, "net", weights, TrainingError, "the network on speech")
    return net.eval(), record


def export_speech(
    weights: Path, path: Path, name: str = "synthetic_speech", version: str = "0", **card: Any
) -> NetInfo:
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
    net, record = load_net(weights)
    about = record["about"]
    known = {
        "summary": "tells speech that a program made from real speech",
        "real": about["real"],
        "speakers": about["speakers"],
        "synthetic": about["synthetic"],
        "steps": record.get("step"),
        "licence": "weights: by the terms of the training files",
        "made_by": f"counterface {__version__}",
        "not_for": NOT_FOR,
    }
    info = NetInfo(name=name, version=version, card=known | card)
    inputs, outputs = {"rows": {0: "batch"}}, {"logits": {0: "batch"}}
    examples = (_example(2),), (_example(5),)
    write_net(
        net, path, (METADATA, info), inputs, outputs, examples, CLOSE, "log-odds", DetectorError
    )
    return info


def _example(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn((count, PIECE, COLUMNS), generator=generator)
