"""What every face-swap model is: pictures of a face and an identity in, that identity's face out.

An architecture is one class under `swap/models/`, named in `SWAP_MODELS`. Whatever it
looks like inside, `model(source_images, SOURCE)` reconstructs the source, `model(target_images,
TARGET)` the target, and `model(target_images, SOURCE)` is the swap. A trained model is a file of
tensors with `SwapAbout` in its record; `read_model` brings it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from counterface import __version__
from counterface.config import Record
from counterface.errors import ConfigError, ShapeError, SwapError
from counterface.files import file_sha256
from counterface.learn.architecture import (
    Architecture,
    Template,
    load_tensors,
    settle_options,
)
from counterface.learn.checkpoint import checkpoints, read_record, read_weights, step_of
from counterface.project_files import reading
from counterface.provenance.rights import Rights
from counterface.registry import SWAP_MODELS

SOURCE, TARGET = 0, 1
MODULE = "model"  # the name of the model's tensors in a file


class Generated(NamedTuple):
    """What a model gives for a batch; every tensor is float32."""

    image: Tensor  # (B, 3, R, R) RGB [0, 1], the face to paste
    mask: Tensor | None = None  # (B, 1, R, R) [0, 1], learned mask of what to paste
    sides: tuple[Tensor, ...] = ()  # smaller RGB outputs for deep supervision, (B, 3, r, r) [0, 1]
    raw: Tensor | None = None  # (B, 3, R, R) RGB [0, 1]: colour before the model laid it over


class SwapConfig(Record):
    """The options that every architecture has; its own come in a subclass."""

    template: Template = Field("face", description="how much of the head a crop shows")


class SwapModel(Architecture):
    """The parent of every architecture: checks inputs, and names what callers may rely on.

    A subclass says how a picture becomes a code (`code`) and a code a picture (`decode`), unless
    it has the usual form: `encoder`, `decoder_source` and `decoder_target`. Its direct children are
    its parts: no tensor stands outside them and no tensor is in two, so that a part can be counted,
    reset or exchanged by name.
    """

    KIND = "swap model"
    Config: ClassVar[type[SwapConfig]]
    MAX_IDENTITIES: ClassVar[int] = 2
    INTERS: ClassVar[tuple[str, ...]] = ()  # parts that start afresh after pretraining
    SHARED_CODE: ClassVar[bool] = True  # `code` does not depend on the identity
    TRAINED_BY: ClassVar[Literal["autoencoder", "gan"]] = "autoencoder"  # which task teaches it

    config: SwapConfig
    identities: int  # how many it knows; identity i is the i-th of `SwapAbout.identities`
    in_size: int  # side of the pictures that go in, pixels
    out_size: int  # side of those that come out, pixels
    code_shape: tuple[int, int, int]  # (C, h, w) of what a decoder reads; encode gives it flat
    encoder: nn.Module
    decoder_source: nn.Module
    decoder_target: nn.Module

    def __init__(
        self,
        config: SwapConfig,
        *,
        in_size: int,
        out_size: int,
        code_shape: tuple[int, int, int],
        identities: int = 2,
    ) -> None:
        """Set the attributes above; the subclass adds its parts."""
        super().__init__(config)
        self.identities = identities
        self.in_size, self.out_size = in_size, out_size
        self.code_shape = code_shape

    @property
    def template(self) -> str:
        """The crop template of the facesets that it is trained on and converts."""
        return self.config.template

    def code(self, images: Tensor, identity: int | Tensor) -> Tensor:
        """What the identity's decoder reads, (B, *code_shape); here the shared encoder's code."""
        code: Tensor = self.encoder(images)
        return code

    def decode(self, code: Tensor, identity: int | Tensor) -> Generated:
        """The identity's face from a code (B, *code_shape); here by the identity's own decoder."""
        decoder = self.decoder_source if identity == SOURCE else self.decoder_target
        generated: Generated = decoder(code)
        return generated

    def encode(self, images: Tensor, identity: int | Tensor) -> Tensor:
        """The flat code (B, C * h * w) that the identity's decoder reads.

        Args:
            images: RGB float32 [0, 1] (B, 3, in_size, in_size).
            identity: whose face will be made of it; an int for the whole batch.

        Raises:
            ShapeError: as `forward`.
        """
        self.check(images, identity)
        return self.code(images, identity).flatten(1)

    def forward(self, images: Tensor, identity: int | Tensor) -> Generated:
        """The faces of the pictures, as this identity.

        Args:
            images: RGB float32 [0, 1] (B, 3, in_size, in_size).
            identity: SOURCE or TARGET (0 to N - 1 where the model knows N) for the whole batch;
                models with more than two identities also take a LongTensor (B,).

        Raises:
            ShapeError: pictures of another shape, or an identity that the model does not know.
        """
        self.check(images, identity)
        return self.decode(self.code(images, identity), identity)

    def check(self, images: Tensor, identity: int | Tensor) -> None:
        """Refuse inputs that do not fit.

        Raises:
            ShapeError: pictures of another shape, or an identity that the model does not know.
        """
        size = self.in_size
        if images.ndim != 4 or images.shape[1:] != (3, size, size):
            raise ShapeError(
                f"{type(self).__name__} takes RGB (B, 3, {size}, {size}), got {tuple(images.shape)}"
            )
        if isinstance(identity, Tensor):
            if self.MAX_IDENTITIES == 2:
                raise ShapeError(
                    f"{type(self).__name__} takes one identity a batch, an int 0 or 1, not a "
                    f"tensor {tuple(identity.shape)}; 'many' takes one for each picture"
                )
            if identity.shape != images.shape[:1]:
                raise ShapeError(
                    f"one identity a picture: expected ({len(images)},), "
                    f"got {tuple(identity.shape)}"
                )
        elif not 0 <= identity < self.identities:
            raise ShapeError(
                f"identity {identity} is unknown; this model knows 0 to {self.identities - 1}"
            )


def model_kind(name: str) -> type[SwapModel]:
    """The class of an architecture.

    Raises:
        ConfigError: `SWAP_MODELS` knows no such name.
    """
    kind: type[SwapModel] = SWAP_MODELS.load(name)
    return kind


def build_model(
    name: str, options: Mapping[str, Any] | None = None, identities: int = 2
) -> SwapModel:
    """A new model with fresh weights, drawn from torch's global generator.

    Args:
        name: in `SWAP_MODELS`.
        options: fields of the model's `Config`; what is left out has its default.
        identities: how many people it is to know; two but for `many`.

    Raises:
        ConfigError: an unknown model or option, a wrong value, or more identities than it can take.
    """
    kind = model_kind(name)
    if not 2 <= identities <= kind.MAX_IDENTITIES:
        takes = "2" if kind.MAX_IDENTITIES == 2 else f"2 to {kind.MAX_IDENTITIES}"
        hint = "; 'many' takes more" if identities > 2 and kind.MAX_IDENTITIES == 2 else ""
        raise ConfigError(f"swap model {name!r} takes {takes} identities, got {identities}{hint}")
    return make_model(kind, settle_options(SWAP_MODELS, name, options), identities)


def make_model(kind: type[SwapModel], config: SwapConfig, identities: int = 2) -> SwapModel:
    """A new model of a class; only one that can know more than two people is told how many."""
    if kind.MAX_IDENTITIES == 2:
        return kind(config)  # type: ignore[call-arg]  # subclasses take their config alone
    return kind(config, identities=identities)  # type: ignore[call-arg]  # or this besides


def count_parameters(model: nn.Module) -> dict[str, int]:
    """How many numbers each part learns, and "total"."""
    counts = {
        name: sum(weight.numel() for weight in part.parameters())
        for name, part in model.named_children()
    }
    return {**counts, "total": sum(weight.numel() for weight in model.parameters())}


class FacesetUsed(Record):
    """A faceset that an identity was trained on; once for each rights record that it holds."""

    folder: str = Field(description="folder as given to the training")
    crops: int = Field(ge=0, description="number of crops of this record at the time")
    rights: Rights = Field(description="rights record of these crops")
    content: str = Field("", description="`Faceset.content_sha256`; '' in older files")


class IdentityAbout(Record):
    """One person that a model knows."""

    name: str = Field(description="'source', 'target', or the recipe's name of this identity")
    facesets: tuple[FacesetUsed, ...] = ()


class SwapAbout(Record):
    """What a model file says of itself."""

    kind: Literal["swap_model"] = "swap_model"
    format: Literal[1] = 1
    model: str = Field(description="name in the registry of swap models")
    options: dict[str, Any] = Field(description="whole configuration of the architecture")
    identities: tuple[IdentityAbout, ...] = Field(
        description="identities in the order of their numbers"
    )
    tool: str = Field(f"counterface {__version__}", description="program that trained it")

    @classmethod
    def of(cls, name: str, model: SwapModel, identities: tuple[IdentityAbout, ...]) -> SwapAbout:
        """The record of a model that was built under this registry name."""
        options = model.config.model_dump(mode="json")
        return cls(model=name, options=options, identities=identities)


@dataclass(frozen=True)
class TrainedModel:
    """A model that came from a file, ready to generate."""

    model: SwapModel  # in eval mode, on the device asked for, learning switched off
    about: SwapAbout
    step: int  # training steps behind it
    sha256: str  # of the file, hex
    path: Path  # of the file itself, also where a folder was given


def read_model(path: Path, device: str | torch.device = "cpu") -> TrainedModel:
    """The trained model in a file or run folder, on a device.

    Args:
        path: a weights file, a checkpoint, or a run's folder: there `best.safetensors` where the
            run judged one, otherwise what has seen most steps of `last.safetensors` and the
            newest checkpoint.

    Raises:
        SwapError: nothing to read there, not a swap model, or not of the architecture it names.
    """
    path = find_weights(Path(path))
    states, record = read_weights(path, SwapError)
    about = _read_about(record, path)
    model = _build(about, path)
    load_tensors(model, states, MODULE, path, SwapError, repr(about.model))
    model.requires_grad_(False)
    sha256 = file_sha256(path, SwapError)
    return TrainedModel(model.to(device).eval(), about, int(record.get("step", 0)), sha256, path)


def _build(about: SwapAbout, path: Path) -> SwapModel:
    """The model that a file names, without room for its weights."""
    asked = f"was it trained by another version ({about.tool}), or with a plug-in?"
    unbuilt = "the model that it names cannot be built here"
    with reading(path, SwapError, asked, what=unbuilt):
        try:
            with torch.device("meta"):  # no time for weights that are replaced at once
                return build_model(about.model, about.options, max(2, len(about.identities)))
        except ConfigError as error:
            raise ValueError(str(error)) from error


def find_weights(path: Path) -> Path:
    """The file to read where a file or a run's folder is given.

    Raises:
        SwapError: there is none.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise SwapError(f"{path}: no such file; name a run's folder, a weights file or checkpoint")
    best, last = path / "best.safetensors", path / "last.safetensors"
    if best.is_file():
        return best
    saved = checkpoints(path / "checkpoints")
    if not saved and not last.is_file():
        raise SwapError(
            f"{path}: holds neither weights nor checkpoints; train with 'counterface swap train', "
            "or name the run's folder"
        )
    if not last.is_file():
        return saved[-1]
    # a run that was stopped, continued and killed has a checkpoint of more steps than `last`
    done = int(read_record(last, SwapError).get("step", 0))
    return last if not saved or done >= step_of(saved[-1]) else saved[-1]


def _read_about(record: Mapping[str, Any], path: Path) -> SwapAbout:
    about = record.get("about")
    if not isinstance(about, dict):
        raise SwapError(
            f"{path}: does not say what it is, so it is not a swap model of this project; train "
            "one with 'counterface swap train'"
        )
    if about.get("kind") != "swap_model":
        raise SwapError(f"{path}: is a {about.get('kind')!r}, not a swap model")
    unusable = "what it says of itself cannot be used"
    with reading(path, SwapError, what=unusable, model=SwapAbout):
        return SwapAbout.model_validate(about)
