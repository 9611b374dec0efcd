"""What every detector architecture is: aligned faces in, a logit and a map of the evidence out.

An architecture is one class under `detect/models/`, named in `DETECTORS`. A frame detector judges
one crop, a clip detector `frames` crops of one person, `step` frames of the video apart. What was
trained travels as a file of tensors, and as ONNX to whoever scans (`export.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field
from torch import Tensor, nn

from counterface.config import Record
from counterface.errors import ShapeError, TrainingError
from counterface.learn.architecture import Architecture, Template, settle_options
from counterface.registry import DETECTORS


class DetectorConfig(Record):
    """The options that every architecture has; its own come in a subclass."""

    template: Template = Field("whole_face", description="how much of the head a crop shows")
    size: int = Field(224, ge=16, le=1024, description="crop side, pixels")

    def without_fetch(self) -> Self:
        """The same net, to be filled with weights that one has: none are fetched."""
        fetches = "pretrained" in type(self).model_fields
        return self.model_copy(update={"pretrained": False}) if fetches else self


class ClipConfig(DetectorConfig):
    """The options of an architecture that judges several frames together."""

    frames: int = Field(5, ge=2, le=64, description="number of frames that are judged together")
    step: int = Field(1, ge=1, description="distance between those frames, in frames of the video")


def clip_of(config: DetectorConfig) -> tuple[int, int]:
    """The frames that are judged together, and the step from one to the next; 1, 1 of crops."""
    return (config.frames, config.step) if isinstance(config, ClipConfig) else (1, 1)


class DetectorModel(Architecture):
    """The parent of every architecture.

    `forward` takes RGB float32 [0, 1], (B, 3, S, S) where `frames` is 1, else (B, T, 3, S, S), and
    gives logit (B,), above 0 = fake, and activation (B, h, w), the signed evidence of each cell. It
    normalises by itself, and exports to ONNX. Most architectures write `features` alone and name a
    `head` that reads them (`parts/map_head.py`); others replace `forward` and `embedding`.
    """

    KIND = "detector"
    Config: ClassVar[type[DetectorConfig]]
    PUBLISHED: ClassVar[str] = ""  # of the weights that `load_published` reads: whose, licence
    HEAD: tuple[str, ...] = ("head",)  # the parts, by their dotted names, that read the embedding
    ANY_SIDE: ClassVar[bool] = False  # crops of another side than `config.size` fit as well
    SIGNED: ClassVar[bool] = False  # the backbone sees [-1, 1], as folded files want it

    config: DetectorConfig
    head: nn.Module

    def features(self, images: Tensor) -> Tensor:
        """What the head reads, (B, C, h, w)."""
        raise NotImplementedError(f"{type(self).__name__} has neither features() nor forward()")

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The logit (B,) and the map (B, h, w) of each item.

        Raises:
            ShapeError: the input is not of `input_shape`.
        """
        self.check(images)
        logit, activation = self.head(self.features(images))
        return logit, activation

    def embedding(self, images: Tensor) -> Tensor:
        """What the parts in `HEAD` make the logit from, (B, D): for training by distances.

        Raises:
            ShapeError: the input is not of `input_shape`.
        """
        self.check(images)
        found: Tensor = self.head.embed(self.features(images))  # type: ignore[operator]
        return found

    def fit_line(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Fit the head in closed form before training starts, where the net can; others do nothing.

        Args:
            batches: images as `forward` takes them, and labels (B,) in [0, 1].
        """

    def load_published(self, path: Path) -> None:
        """Fill the net with weights that its authors published, converted to our conventions.

        Raises:
            TrainingError: no such files are known for this architecture, or it is not one.
        """
        raise TrainingError(
            f"{path}: no published weights are known for {type(self).__name__}; those of a run "
            "of ours are read by 'counterface detect export'"
        )

    @property
    def frames(self) -> int:
        """Frames that are judged together."""
        return clip_of(self.config)[0]

    @property
    def step(self) -> int:
        """Frames of the video from one of them to the next."""
        return clip_of(self.config)[1]

    def input_shape(self, batch: int = 1) -> tuple[int, ...]:
        """What `forward` takes."""
        crop = (3, self.config.size, self.config.size)
        return (batch, *crop) if self.frames == 1 else (batch, self.frames, *crop)

    def check(self, images: Tensor) -> None:
        """Refuse inputs that do not fit.

        Raises:
            ShapeError: it does not.
        """
        wanted, shape = self.input_shape(len(images)), tuple(images.shape)
        sides = 2 if self.ANY_SIDE else 0  # how many of the last axes are free
        last = len(wanted) - sides
        if len(shape) != len(wanted) or shape[:last] != wanted[:last]:
            raise ShapeError(
                f"{type(self).__name__} takes RGB {('B', *wanted[1:])}, got {tuple(images.shape)}"
            )


def detector_kind(name: str) -> type[DetectorModel]:
    """The class of an architecture.

    Raises:
        ConfigError: `DETECTORS` knows no such name.
    """
    kind: type[DetectorModel] = DETECTORS.load(name)
    return kind


def build_config(name: str, options: Mapping[str, Any] | None = None) -> DetectorConfig:
    """All options of an architecture, defaults filled in.

    Raises:
        ConfigError: an unknown architecture or option, or a wrong value.
    """
    config: DetectorConfig = settle_options(DETECTORS, name, options)
    return config


def build_detector(
    name: str, options: Mapping[str, Any] | None = None, *, fetch: bool = True
) -> DetectorModel:
    """A new net with fresh weights, drawn from torch's global generator.

    Args:
        name: in `DETECTORS`.
        options: fields of its `Config`; what is left out has its default.
        fetch: False leaves `pretrained` out, for a net whose own weights follow.

    Raises:
        ConfigError: an unknown architecture or option, or a wrong value.
    """
    config = build_config(name, options)
    return detector_kind(name)(config if fetch else config.without_fetch())
