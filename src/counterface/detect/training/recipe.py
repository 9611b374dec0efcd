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

    name: str = Field(
        "frame_cnn", description="registered name of the architecture, see docs/detector_models.md"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="options of that architecture"
    )

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

    faces: Path | None = Field(
        None, description="store made by 'counterface dataset faces'; --faces sets it"
    )
    manifest: Path | None = Field(
        None, description="manifest with labels and splits; unset: the one in the store"
    )
    balance: Literal["even", "repeat"] = Field(
        "even", description="even: real and fake alternate; repeat: follow the manifest's `repeat`"
    )
    twins: TwinConfig | None = Field(
        None, description="draw fakes beside their genuine twins, in place of `balance`"
    )
    val_clips: int = Field(
        32, ge=1, description="clips or crops of each file that validation reads"
    )

    stills: tuple[Path, ...] = Field((), description="facesets of real pictures")
    clips: tuple[Path, ...] = Field((), description="facesets of real clips")
    pairs: tuple[PairFolders, ...] = Field(
        (),
        description="facesets of genuine clips (`real`) and of their manipulated versions (`fake`)",
    )
    synthetic: tuple[SyntheticFolders, ...] = Field(
        (), description="facesets of generated faces (`fake`) and of comparable real ones (`real`)"
    )
    leave_out: tuple[str, ...] = Field((), description="names of clips that are not trained on")

    @property
    def from_pairs(self) -> bool:
        """Whether facesets are named, from which pairs are made."""
        return bool(self.stills or self.clips or self.pairs or self.synthetic)


class OptimizerRecipe(Record):
    """How weights move; biases and norms never decay."""

    name: OptimizerName = Field("adamw", description="optimizer")
    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    head_lr: float | None = Field(
        None, gt=0, description="peak learning rate of the parts that are new; unset: as `lr`"
    )
    weight_decay: float = Field(0.0, ge=0, description="pull of weights toward zero")
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum of sgd and rmsprop")
    sam_rho: float = Field(
        0.0, ge=0, description="radius of sharpness-aware steps; 0 = plain steps"
    )
    drop_at: tuple[float, ...] = Field(
        (), description="points at which the rate falls, as shares of the run"
    )
    drop_to: float = Field(
        0.1, gt=0, le=1, description="share of the rate that is left after each fall"
    )


class LossRecipe(Record):
    """What is made small."""

    kind: Literal["cross_entropy", "squared_error", "triplet"] = Field(
        "cross_entropy",
        description="loss of the label; triplet: distances of embeddings first, then the head "
        "alone",
    )
    smooth: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="label smoothing: labels become this and 1 - this, for sets with few fakes",
    )
    margin: float = Field(1.0, gt=0, description="triplet: margin between the distances")
    triplet_share: float = Field(
        0.7,
        gt=0,
        lt=1,
        description="triplet: share of the run that learns distances, before the head",
    )
    rank: float = Field(
        0.0, ge=0, description="weight of the loss of fakes that do not score above their twins"
    )
    centre: float = Field(0.0, ge=0, description="weight of the squared logits of genuine crops")
    cell_weight: float = Field(
        0.0, ge=0, description="weight of the loss of the cells, where masks are known"
    )


class TrainConfig(Record):
    """A detector's training, whole."""

    out: Path = Field(Path("runs/detector"), description="folder of the run")
    start_from: Path | None = Field(None, description="weights of an earlier run, .safetensors")
    folded: Path | None = Field(None, description="TFLite file that the backbone starts from")
    autoencoder_steps: int = Field(
        0, ge=0, description="training steps of the net that re-makes faces for pairs; 0 = none"
    )
    autoencoder: Path | None = Field(None, description="re-making net of an earlier run, .onnx")
    line_crops: int = Field(
        1024,
        ge=0,
        description="crops on which the line of a `witness` is fitted before the first step; 0 = "
        "a random line",
    )
    epochs: int = Field(
        0, ge=0, description="rounds over the labelled faces; 0 = loop.steps sets the length"
    )
    model: ModelChoice = ModelChoice()
    data: DataConfig = DataConfig()
    pairs: PairConfig = PairConfig()
    augment: AugmentConfig = AugmentConfig()
    optimizer: OptimizerRecipe = OptimizerRecipe()
    loss: LossRecipe = LossRecipe()
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
            examples: number of examples of an epoch; None where there is no such thing.
        """
        if not self.epochs or examples is None:
            return self.loop
        steps = math.ceil(examples / self.loop.batch_size)
        every = self.loop.validate_every or steps
        return self.loop.model_copy(update={"steps": self.epochs * steps, "validate_every": every})
