"""Train a swap model from a recipe: facesets in, a run's folder with model and picture out.

    train_swap(SwapTrainConfig(source=(Path("a"),), target=(Path("b"),), out=Path("runs/df")))

The folder holds `config.toml`, `checkpoints/`, `last.safetensors`, `preview.png` and the logs. The
same call goes on from the newest checkpoint, exactly where the settings are the same; those that
may be changed on the way (augmentation, weights of losses, learning rate) are noted in
`changes.jsonl`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import cv2
import torch
from pydantic import Field, model_validator
from torch import nn

from counterface.config import Settings, to_toml
from counterface.device import keep_freed_memory, use_free_cores
from counterface.errors import ConfigError, SwapError, TrainingError
from counterface.faceset.store import Faceset
from counterface.files import describe_differences, find_differences, write_bytes
from counterface.learn.checkpoint import checkpoints
from counterface.learn.loop import LoopConfig, Progress, TrainResult, train
from counterface.project_files import parse_toml, read_toml, writing
from counterface.swap.swap_model import (
    MODULE,
    FacesetUsed,
    IdentityAbout,
    SwapAbout,
    SwapModel,
    build_model,
    model_kind,
    read_model,
)
from counterface.swap.training.autoencoder_task import (
    AutoencoderTask,
    SwapLossConfig,
    SwapOptimizerConfig,
)
from counterface.swap.training.examples import ExamplesConfig, SwapExamples
from counterface.swap.training.gan_task import GanConfig, GanTask
from counterface.swap.training.picture import Preview, PreviewRow, to_image
from counterface.swap.training.same_run import find_other_run
from counterface.wording import unknown_name

_log = logging.getLogger(__name__)

CONFIG_FILE, CHANGES_FILE = "config.toml", "changes.jsonl"
# what may change when a run goes on; the loop judges its own part, the checkpoint the model's
_MAY_CHANGE = ("examples.", "loss.", "optimizer.lr", "gan.", "preview", "loop.", "out", "init_from",
               "reset", "source", "target", "identities", "model", "preset", "options")  # fmt: skip
_MAY_NOT = ("loss.gan_patch_size", "loss.gan_dims", "gan.schedule")
_SWITCHES = ("loss.gan_power", "loss.true_face_power")  # 0 or not: another set of networks


class SwapTrainConfig(Settings):
    """All settings of a swap model's training."""

    model: str = Field("df", description="registered name of the architecture")
    preset: str = Field("", description="named set of options: quick96 or saehd; '' = none")
    options: dict[str, Any] = Field({}, description="options of the model; override the preset's")
    source: tuple[Path, ...] = Field((), description="facesets of the person who gives the face")
    target: tuple[Path, ...] = Field((), description="facesets of the person to be replaced")
    identities: dict[str, tuple[Path, ...]] = Field(
        {}, description="facesets by name, for all people that 'many' learns"
    )
    out: Path = Field(Path("runs/swap"), description="folder of the run")
    pretrain: bool = Field(
        False,
        description="learn faces in general first; a source alone is enough and serves both sides",
    )
    init_from: Path | None = Field(
        None, description="run or weights to start from, of the same model and options"
    )
    reset: Literal["none", "inter"] = Field(
        "none", description="parts of init_from that start afresh; inter: as after pretraining"
    )
    preview_every: int = Field(250, ge=0, description="steps between previews; 0 = none")
    preview_rows: int = Field(4, ge=1, le=16, description="faces of each person in a preview")
    preview_history: bool = Field(False, description="keep every preview in previews/ as well")
    examples: ExamplesConfig = ExamplesConfig()
    loss: SwapLossConfig = SwapLossConfig()
    gan: GanConfig = GanConfig()
    optimizer: SwapOptimizerConfig = SwapOptimizerConfig()
    loop: LoopConfig = LoopConfig(
        steps=100_000, batch_size=16, schedule="constant", checkpoint_every=500, log_every=20
    )

    @model_validator(mode="after")
    def _fits_together(self) -> SwapTrainConfig:
        if self.identities and (self.source or self.target):
            raise ValueError("name either source and target, or identities")
        if self.pretrain and (self.loss.gan_power or self.loss.true_face_power):
            raise ValueError(
                "pretrain learns faces in general: gan_power, true_face_power must be 0"
            )
        if self.reset != "none" and self.init_from is None:
            raise ValueError("reset needs init_from, the run whose parts start afresh")
        exchanged = any(phase.swap_decoders for phase in self.gan.schedule.phases)
        if self.loop.ema_decay and exchanged and model_kind(self.model).TRAINED_BY == "gan":
            raise ValueError("ema_decay would average decoders that were exchanged; set it to 0")
        return self

    def people(self) -> dict[str, tuple[Path, ...]]:
        """Facesets by the name of the person.

        Raises:
            ConfigError: somebody's are missing.
        """
        if self.identities:
            named = dict(self.identities)
        else:
            target = self.source if self.pretrain and not self.target else self.target
            named = {"source": self.source, "target": target}
        empty = [name for name, folders in named.items() if not folders]
        if empty or len(named) < 2:
            raise ConfigError(
                f"no faceset of {', '.join(empty) or 'a second person'}; name folders that "
                "'counterface faceset extract' made, with --source and --target"
            )
        return named

    def model_options(self) -> dict[str, Any]:
        """The preset's options with the recipe's own over them.

        Raises:
            ConfigError: the model has no such preset.
        """
        presets = model_kind(self.model).PRESETS
        if self.preset and self.preset not in presets:
            if not presets:
                raise ConfigError(f"model {self.model!r} has no presets; leave preset out")
            raise ConfigError(unknown_name(f"preset of {self.model!r}", self.preset, presets))
        return {**presets.get(self.preset, {}), **self.options}


def train_swap(config: SwapTrainConfig, progress: Progress | None = None) -> TrainResult:
    """How the run ended; call it again to continue one that was stopped.

    Raises:
        ConfigError: settings that do not fit together or the model.
        RightsError: a faceset without a rights record.
        ShapeError: a faceset that shows less than the model needs.
        SwapError: `init_from` is not a model of this kind.
        TrainingError: the folder holds another run, or training failed.
    """
    keep_freed_memory()
    use_free_cores()
    cv2.setNumThreads(1)  # workers are processes
    people = open_people(config.people())
    torch.manual_seed(config.loop.seed)
    model = build_model(config.model, config.model_options(), len(people))
    changes = find_changes(config)
    if config.init_from is not None and not checkpoints(config.out / "checkpoints"):
        start_from(model, config)
    examples = SwapExamples(
        list(people.values()), config.examples, model.template, model.in_size, model.out_size,
        config.loop.seed,
    )  # fmt: skip
    task: GanTask | AutoencoderTask
    if model.TRAINED_BY == "gan":
        task = GanTask(model, config.gan, config.optimizer)
    else:
        task = AutoencoderTask(model, config.loss, config.optimizer, config.loop.compile)
    about = SwapAbout.of(config.model, model, _about(people)).model_dump(mode="json")
    preview = Preview(
        lambda: preview_rows(model, examples, config.preview_rows),
        config.out,
        config.preview_every,
        history=config.preview_history,
        board=config.loop.tensorboard,
    )
    hook = _Hook(config, changes, preview)
    result = train(
        task, examples, config.loop, config.out, progress=progress, about=about, on_step=hook,
        differences=find_other_run, instead=_instead(config.out),
    )  # fmt: skip
    # without a step, an earlier call may have been killed between its last and the picture
    if preview.every and (not hook.last or hook.last % preview.every):
        preview.write(result.step, {MODULE: model})
    return result


def open_people(people: Mapping[str, Sequence[Path]]) -> dict[str, list[Faceset]]:
    """The facesets by person; every crop has a rights record.

    Raises:
        FacesetError: a folder is no faceset, or is damaged.
        RightsError: one without a rights record.
    """
    found = {name: [Faceset.open(folder) for folder in folders] for name, folders in people.items()}
    for faceset in chain.from_iterable(found.values()):
        faceset.require_rights()
    return found


def start_from(model: SwapModel, config: SwapTrainConfig) -> None:
    """Give the model the weights of another run, except the parts that are to start afresh.

    Where the two know different numbers of people, what is kept for each person starts afresh too.

    Raises:
        SwapError: not a swap model, or of another architecture; the text names the differences.
    """
    assert config.init_from is not None
    given = read_model(config.init_from)
    have, want = given.about.options, model.config.model_dump(mode="json")
    different = [f"{k} {have.get(k)!r} -> {want[k]!r}" for k in want if have.get(k) != want[k]]
    if given.about.model != config.model:
        different.insert(0, f"model {given.about.model!r} -> {config.model!r}")
    if different:
        raise SwapError(
            f"{given.path}: cannot start from it, it is another architecture "
            f"({', '.join(different)}); use its options, or leave init_from out"
        )
    fresh = set(model.INTERS) if config.reset == "inter" else set()
    parts = dict(given.model.named_children())
    for name, part in model.named_children():
        if name in fresh:
            continue
        mine, theirs = part.state_dict(), parts[name].state_dict()
        if given.model.identities != model.identities:
            theirs = {k: t if t.shape == mine[k].shape else mine[k] for k, t in theirs.items()}
        part.load_state_dict(theirs)
    _log.info("started from %s, step %d; afresh: %s", given.path, given.step, sorted(fresh) or "-")


def preview_rows(model: SwapModel, examples: SwapExamples, rows: int) -> list[PreviewRow]:
    """What the model makes of crops as they are: pairs of people in turn."""
    device = next(model.parameters()).device
    count = model.identities
    pairs = [(row % count, (row + 1) % count) if count > 2 else (0, 1) for row in range(rows)]
    sides = [[examples.plain(pair[k], row) for row, pair in enumerate(pairs)] for k in (0, 1)]
    images = [torch.stack([torch.from_numpy(s["warped"]) for s in side]) for side in sides]
    source, target = (batch.to(device) for batch in images)
    who: list[Any] = [0, 1]
    if model.MAX_IDENTITIES > 2:
        who = [torch.tensor([pair[k] for pair in pairs], device=device) for k in (0, 1)]
    again, other, swap = model(source, who[0]), model(target, who[1]), model(target, who[0])
    masks = [None] * rows if swap.mask is None else [m[0].float().cpu().numpy() for m in swap.mask]
    faces = [[to_image(torch.from_numpy(s["target"])) for s in side] for side in sides]
    made = [[to_image(picture) for picture in batch.image] for batch in (again, other, swap)]
    columns = faces[0], made[0], faces[1], made[1], made[2], masks  # as a row has them
    return [PreviewRow(*row) for row in zip(*columns, strict=True)]


def find_changes(config: SwapTrainConfig) -> dict[str, tuple[Any, Any]]:
    """What differs from the run that `out` holds: dotted keys, old and new value.

    Raises:
        TrainingError: something differs that would make it another run, or its settings cannot be
            read.
    """
    path = config.out / CONFIG_FILE
    if not path.exists() or not checkpoints(config.out / "checkpoints"):
        return {}
    old = read_toml(path, TrainingError, "restore or delete it")
    changes = find_differences(old, parse_toml(to_toml(config)))
    wrong = {
        key: pair
        for key, pair in changes.items()
        if not key.startswith(_MAY_CHANGE)
        or key.startswith(_MAY_NOT)
        or (key in _SWITCHES and bool(pair[0]) != bool(pair[1]))
    }
    if wrong:
        raise TrainingError(
            f"{path}: the run was started with other settings ({describe_differences(wrong)}); "
            f"restore them, or {_instead(config.out)}"
        )
    return changes


def _instead(out: Path) -> str:
    """Advice for a run that cannot go on."""
    return f"train into another folder with init_from = {str(out)!r}"


@dataclass
class _Hook:
    """Called after each step: the settings are written once the run really goes on by them."""

    config: SwapTrainConfig
    changes: Mapping[str, tuple[Any, Any]]
    preview: Preview
    last: int = 0  # step

    def __call__(self, step: int, modules: dict[str, nn.Module]) -> None:
        if not self.last:
            self._record(step)
        self.last = step
        self.preview(step, modules)

    def _record(self, step: int) -> None:
        out = self.config.out
        write_bytes(out / CONFIG_FILE, to_toml(self.config).encode(), TrainingError)
        shown = {key: list(pair) for key, pair in self.changes.items() if key != "out"}
        if shown:
            log = out / CHANGES_FILE
            with writing(log, TrainingError), log.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step - 1, "changed": shown}) + "\n")


def _about(people: Mapping[str, Sequence[Faceset]]) -> tuple[IdentityAbout, ...]:
    return tuple(
        IdentityAbout(
            name=name,
            facesets=tuple(
                FacesetUsed(
                    folder=str(f.folder),
                    crops=sum(f.rights_of(row) == rights for row in f),
                    rights=rights,
                    content=f.content_sha256,
                )
                for f in facesets
                for rights in f.require_rights()
            ),
        )
        for name, facesets in people.items()
    )
