"""A detector's recipe: the architecture, what it learns from, and how."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from counterface.config import Record
from counterface.datasets.augment import AugmentConfig
from counterface.datasets.pairs.training_pairs import PairConfig
from counterface.datasets.twin_faces import TwinConfig
from counterface.detect.models.detector_model import DetectorConfig, build_config
from counterface.learn.loop import LoopConfig
from counterface.learn.optimizers import OptimizerName


class ModelChoice(Record):
    """Which architecture."""

    name: str = Field("frame_cnn", description="registered name, see docs/detector_models.md")
    options: dict[str, Any] = Field(default_factory=dict, description="fields of its Config")

    def settled(self) -> DetectorConfig:
        """All options, defaults filled in.

        Raises:
            ConfigError: an unknown name or option, or a wrong value.
        """
        return build_config(self.name, self.options)


class PairFolders(Record):
    """Two facesets of the same clips and moments."""

    real: Path = Field(description="faceset of the genuine clips")
    fake: Path = Field(description="faceset of their manipulated versions")


class SyntheticFolders(Record):
    """Generated faces, and real ones that were photographed and stored alike."""

    fake: Path = Field(description="faceset of generated faces")
    real: Path = Field(description="faceset of comparable real faces")


class DataConfig(Record):
    """Labelled files with a face store, or facesets (`--template head --size 384`) for pairs.

    With both, pairs are trained on and the labelled files of the split `val` are validated on.
    """

    faces: Path | None = Field(None, description="made by 'counterface dataset faces'")
    manifest: Path | None = Field(
        None, description="labels and splits; the one in the store where none is named"
    )
    balance: Literal["even", "repeat"] = Field(
        "even", description="even: real and fake take turns; repeat: by the manifest's `repeat`"
    )
    twins: TwinConfig | None = Field(
        None, description="draw fakes beside their genuine twins, in place of `balance`"
    )
    val_clips: int = Field(
        32, ge=1, description="clips or crops of each file that validation looks at"
    )

    stills: tuple[Path, ...] = Field((), description="facesets of real pictures")
    clips: tuple[Path, ...] = Field((), description="facesets of real clips")
    pairs: tuple[PairFolders, ...] = Field((), description="genuine and manipulated clips")
    synthetic: tuple[SyntheticFolders, ...] = Field((), description="wholly generated faces")
    leave_out: tuple[str, ...] = Field((), description="names of clips that are not trained on")

    @property
    def from_pairs(self) -> bool:
        """Whether facesets are named, from which pairs are made."""
        return bool(self.stills or self.clips or self.pairs or self.synthetic)


class OptimizerConfig(Record):
    """How weights move; biases and norms never decay."""

    name: OptimizerName = Field("adamw", description="the rule")
    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    head_lr: float | None = Field(None, gt=0, description="of what is new; None = as the rest")
    weight_decay: float = Field(0.0, ge=0, description="of weights")
    momentum: float = Field(0.0, ge=0, lt=1, description="of sgd and rmsprop")
    sam_rho: float = Field(0.0, ge=0, description="sharpness-aware steps of this radius; 0 = none")
    drop_at: tuple[float, ...] = Field(
        (), description="shares of the run after each of which the rate falls"
    )
    drop_to: float = Field(0.1, gt=0, le=1, description="share of the rate that a fall leaves")


class LossConfig(Record):
    """What is made small."""

    kind: Literal["cross_entropy", "squared_error", "triplet"] = Field(
        "cross_entropy",
        description="of the label; triplet: distances of embeddings, then the head alone",
    )
    smooth: float = Field(
        0.0, ge=0, lt=0.5, description="labels become this and 1 - this, where fakes are few"
    )
    margin: float = Field(1.0, gt=0, description="between distances, of triplet")
    triplet_share: float = Field(
        0.7, gt=0, lt=1, description="of the run that learns distances, before the head"
    )
    rank: float = Field(
        0.0, ge=0, description="of fakes that are not above their twins, beside the label's loss"
    )
    centre: float = Field(0.0, ge=0, description="of the squared logits of genuine crops")
    cell_weight: float = Field(
        0.0, ge=0, description="of the cells' loss beside the crop's; where masks are known"
    )


class TrainConfig(Record):
    """A detector's training, whole."""

    out: Path = Field(Path("runs/detector"), description="folder of the run")
    start_from: Path | None = Field(None, description="weights of an earlier run, .safetensors")
    folded: Path | None = Field(None, description="TFLite file that starts the backbone")
    autoencoder_steps: int = Field(0, ge=0, description="of the re-making net of pairs; 0 = none")
    autoencoder: Path | None = Field(None, description="a re-making net of an earlier run, .onnx")
    line_crops: int = Field(
        1024, ge=0, description="crops that a witness's line is fitted on before the first step"
    )
    epochs: int = Field(
        0, ge=0, description="rounds over the labelled faces; 0 = loop.steps says how long"
    )
    model: ModelChoice = ModelChoice()
    data: DataConfig = DataConfig()
    pairs: PairConfig = PairConfig()
    augment: AugmentConfig = AugmentConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    loss: LossConfig = LossConfig()
    loop: LoopConfig = LoopConfig()

    @model_validator(mode="after")
    def _fits(self) -> TrainConfig:
        net = self.model.settled()
        for name in ("template", "size"):
            wanted, said = getattr(net, name), getattr(self.pairs, name)
            if said not in (wanted, PairConfig.model_fields[name].default):
                raise ValueError(
                    f"pairs.{name} is {said!r}, but the model's is {wanted!r}; set "
                    f"model.options.{name} alone"
                )
        if self.loss.kind == "triplet" and self.loop.early_stop_patience:
            raise ValueError("early stopping would end a triplet run before its head is trained")
        if self.epochs and self.data.from_pairs:
            raise ValueError("pairs are endless and have no epochs; set loop.steps")
        return self

    def settled_pairs(self) -> PairConfig:
        """How pairs are made, cut as the model wants them."""
        net = self.model.settled()
        return self.pairs.model_copy(update={"template": net.template, "size": net.size})

    def settled_loop(self, examples: int | None) -> LoopConfig:
        """The loop with the steps of the epochs, and a validation after each of them.

        Args:
            examples: of an epoch; None where there is no such thing.
        """
        if not self.epochs or examples is None:
            return self.loop
        steps = math.ceil(examples / self.loop.batch_size)
        every = self.loop.validate_every or steps
        return self.loop.model_copy(update={"steps": self.epochs * steps, "validate_every": every})
