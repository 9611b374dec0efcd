"""What every detector architecture is: aligned faces in, a logit and a map of the evidence out.

An architecture is one file under `detect/models/` with one class, named in `DETECTORS`. A frame
detector judges one crop, a clip detector `frames` crops of one person, `step` frames of the video
apart. What was trained travels as a file of tensors, and as ONNX to whoever scans (`export.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, ValidationError
from torch import Tensor, nn

from counterface.config import STRICT, describe_error
from counterface.errors import ConfigError, RegistryError, ShapeError
from counterface.registry import DETECTORS

Template = Literal["face", "whole_face", "head"]


class DetectorConfig(BaseModel):
    """The options that every architecture has; its own come in a subclass."""

    model_config = STRICT

    template: Template = Field("whole_face", description="how much of the head a crop shows")
    size: int = Field(224, ge=16, le=1024, description="crop side, pixels")


class ClipConfig(DetectorConfig):
    """The options of an architecture that judges several frames together."""

    frames: int = Field(5, ge=2, le=64, description="frames that are judged together")
    step: int = Field(1, ge=1, description="frames of the video from one to the next")


class DetectorModel(nn.Module):
    """The parent of every architecture.

    `forward` takes RGB float32 [0, 1], (B, 3, S, S) where `frames` is 1, else (B, T, 3, S, S), and
    gives logit (B,), above 0 = fake, and activation (B, h, w), the signed evidence of each cell. It
    normalises by itself, and exports to ONNX.
    """

    Config: ClassVar[type[DetectorConfig]]  # frozen; unknown keys are errors
    TINY: ClassVar[Mapping[str, Any]] = {}  # options of the smallest useful net, for tests

    config: DetectorConfig

    def __init__(self, config: DetectorConfig) -> None:
        """Keeps the options; the subclass adds its parts."""
        super().__init__()
        self.config = config

    @property
    def frames(self) -> int:
        """Frames that are judged together."""
        return self.config.frames if isinstance(self.config, ClipConfig) else 1

    @property
    def step(self) -> int:
        """Frames of the video from one of them to the next."""
        return self.config.step if isinstance(self.config, ClipConfig) else 1

    def input_shape(self, batch: int = 1) -> tuple[int, ...]:
        """What `forward` takes."""
        crop = (3, self.config.size, self.config.size)
        return (batch, *crop) if self.frames == 1 else (batch, self.frames, *crop)

    def check(self, images: Tensor) -> None:
        """Nothing, if the input fits.

        Raises:
            ShapeError: it does not.
        """
        wanted = self.input_shape(len(images))
        if tuple(images.shape) != wanted:
            raise ShapeError(
                f"{type(self).__name__} takes RGB {('B', *wanted[1:])}, got {tuple(images.shape)}"
            )


def detector_kind(name: str) -> type[DetectorModel]:
    """The class of an architecture.

    Raises:
        ConfigError: `DETECTORS` knows no such name.
    """
    try:
        kind: type[DetectorModel] = DETECTORS.load(name)
    except RegistryError as error:
        raise ConfigError(str(error)) from error
    return kind


def build_detector(name: str, options: Mapping[str, Any] | None = None) -> DetectorModel:
    """A new net with fresh weights, drawn from torch's global generator.

    Args:
        name: in `DETECTORS`.
        options: fields of its `Config`; what is left out has its default.

    Raises:
        ConfigError: an unknown architecture or option, or a wrong value.
    """
    kind = detector_kind(name)
    try:
        config = kind.Config.model_validate(dict(options or {}))
    except ValidationError as error:
        raise ConfigError(f"detector {name!r}: {describe_error(error, kind.Config)}") from error
    return kind(config)
