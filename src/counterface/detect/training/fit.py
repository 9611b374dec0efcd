"""Fits the heads of a `FrameStatistics` detector: closed form, minutes on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import nn

from counterface.config import Record
from counterface.datasets.manifest import Entry, read_manifest
from counterface.detect.generalisation.face_crops import CropConfig, FaceCutter
from counterface.detect.models.evidence_sum import EvidenceSum
from counterface.detect.models.frame_statistics import FrameStatistics, FrameStatisticsConfig
from counterface.detect.models.parts.folded import START_FACES, start_from_folded
from counterface.detect.training.collect import Failed, collect_crops
from counterface.detect.training.export import export_detector, uncalibrated
from counterface.detect.training.statistics import Statistics, collect_statistics
from counterface.detect.training.train import load_detector
from counterface.detect.weigh import WitnessInfo, start_weighing
from counterface.errors import TrainingError
from counterface.learn.checkpoint import read_weights
from counterface.types import Image, Progress


class HeadConfig(Record):
    """A line: which fakes against which real ones, by the manifest's columns.

    A share is of a `method`, or of one `generator` (of real files: one `origin`), for which it
    stands in the place of its method's.
    """

    name: str = Field(description="name of the line, and of the witness that it becomes")
    question: str = Field("", description="question that the line speaks to; empty: its name")
    looks_for: str = Field(
        "",
        description="words that complete 'looks for ...'; where all heads and voters have some, "
        "the file names them as witnesses",
    )
    fakes: dict[str, float] = Field(description="share of the fakes for each method or generator")
    reals: dict[str, float] = Field(description="share of the real files for each method or origin")
    even: bool = Field(
        False,
        description="give each generator of the fakes and each origin of the real files the whole "
        "share of its method, however many files it has",
    )
    mouth: bool = Field(
        True, description="read the mouth's own statistics too, where the model has `mouth`"
    )
    scale: float = Field(3.0, gt=0, description="factor from the raw score (-1 to 1) to log-odds")
    offset: float = Field(0.0, description="offset added after the scale")
    ridge: float | None = Field(
        None, gt=0, description="penalty of this line alone; unset: as the recipe's"
    )
    speaks_to: tuple[str, ...] = Field(
        (), description="methods and generators that it is weighed by; empty: all of `fakes`"
    )


class VoterConfig(Record):
    """A trained net that speaks to a head's question, or asks one more."""

    weights: Path = Field(description="weights of a run of `counterface detect train`")
    question: str = Field(
        description="head whose log-odds it adds to, or the name of a new question"
    )
    name: str = Field("", description="name of the witness; empty: that of the question")
    looks_for: str = Field("", description="words that complete 'looks for ...', as for a head")
    fakes: tuple[str, ...] = Field(
        (), description="methods and generators that it is weighed by; empty: all"
    )
    scale: float = Field(1.0, gt=0, description="factor of its logit")
    offset: float = Field(
        0.0, description="offset added after the scale, where the question is its own"
    )
    met: Path | None = Field(
        None,
        description="manifest of the files that it was trained on, which then weigh no witness",
    )


class TuningConfig(Record):
    """A run of `counterface detect train` that tunes the backbone, made on the way."""

    recipe: Path = Field(
        description="recipe of `detect train`; its folder and data are set by the fit"
    )
    share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of the tuned weights in the backbone; the rest is its start",
    )


class FitConfig(Record):
    """A statistics detector, whole."""

    out: Path = Field(Path("runs/statistics"), description="folder of the run")
    manifest: Path | None = Field(
        None, description="manifest, Parquet or CSV: path, label, method, source"
    )
    frames: int = Field(64, ge=1, description="frames of each video")
    template: str = Field("whole_face", description="alignment of the crops")
    size: int = Field(224, ge=64, description="side of the crops, pixels")
    folded: Path | None = Field(None, description="TFLite file that gives the backbone's weights")
    tuned: Path | None = Field(
        None, description="weights of a run that tuned the same backbone, .safetensors"
    )
    tuned_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of the tuned weights in the backbone; the rest is its start",
    )
    tuning: TuningConfig | None = Field(
        None, description="training that tunes the backbone on the way, in place of `tuned`"
    )
    faces: Path | None = Field(
        None, description="store of `dataset faces --twins` that the tuning reads"
    )
    folds: int = Field(
        0,
        ge=0,
        description="number of groups of methods that are left out in turn; fits without a group "
        "judge it, and that weighs the witnesses; 0 = the file is not weighed",
    )
    limit: int = Field(
        60, ge=1, description="left-out files that are scored for each maker and each origin"
    )
    ridge: float = Field(0.3, gt=0, description="penalty on standardised weights")
    heads: tuple[HeadConfig, ...] = Field(description="lines to fit")
    model: FrameStatisticsConfig = FrameStatisticsConfig()
    voters: tuple[VoterConfig, ...] = Field((), description="trained nets that have a say as well")
    half: bool = Field(False, description="store the weights in 16 bits: half the file")

    @property
    def cutter(self) -> FaceCutter:
        """How files are cut; crops are kept where several backbones read them."""
        several = self.tuning is not None and self.folds
        cut = CropConfig(self.template, self.size, self.frames)
        return FaceCutter(cut, self.out / "crops" if several else None)

    @property
    def speakers(self) -> tuple[HeadConfig | VoterConfig, ...]:
        """The heads, then the voters."""
        return *self.heads, *self.voters

    @property
    def witnesses(self) -> tuple[WitnessInfo, ...]:
        """The heads and voters as witnesses that are weighed by quality, where all say `looks_for`.

        It completes "looks for ...". Where none says it, scales and offsets of the recipe hold.
        """
        return tuple(
            WitnessInfo(
                name=one.name or one.question,
                question=one.question or one.name,
                looks_for=one.looks_for,
                methods=getattr(one, "speaks_to", ()) or tuple(one.fakes),
            )
            for one in self.speakers
            if one.looks_for
        )

    @model_validator(mode="after")
    def _all_or_none(self) -> FitConfig:
        named = [witness.name for witness in self.witnesses]
        if named and len(named) < len(self.speakers):
            raise ValueError(
                f"only {named} say what they look for; let all heads and voters say it"
            )
        if len(set(named)) < len(named):
            raise ValueError(f"witnesses need names of their own, got {named}")
        if self.folds == 1:
            raise ValueError("folds is 1; nothing is left out of one fold, use 2 or more, or 0")
        if self.folds and not named:
            raise ValueError("folds weigh witnesses; let all heads and voters say looks_for")
        if self.tuning and self.tuned:
            raise ValueError("tuned and tuning both name a backbone; leave one out")
        return self


def start_statistics(config: FitConfig, faces: Sequence[Image] = ()) -> FrameStatistics:
    """The net with its backbone's weights and empty heads.

    Args:
        config: names the folded file, or asks for pretrained weights.
        faces: crops that set the batch norms of a folded backbone; 32 or more.
    """
    model = config.model.model_copy(update={"heads": len(config.heads)})
    net = FrameStatistics(model)
    if config.folded is not None:
        start_from_folded(net.backbone, config.folded, faces)
    if config.tuned is not None:
        _mix_tuned(net.backbone, config.tuned, config.tuned_share)
    return net.eval()


@torch.no_grad()
def _mix_tuned(backbone: nn.Module, path: Path, share: float) -> None:
    """Move a backbone toward that of a run, along the straight line between their weights.

    What was tuned on few methods forgets what the start knew of others; halfway between the two
    both are kept (Wortsman et al. 2022, https://arxiv.org/abs/2109.01903).

    Raises:
        TrainingError: not a run's weights, or those of another backbone.
    """
    modules, _ = read_weights(path)
    found = {
        name.removeprefix("backbone."): value
        for name, value in modules.get("net", {}).items()
        if name.startswith("backbone.")
    }
    own = backbone.state_dict()
    wrong = [name for name in own if name not in found or found[name].shape != own[name].shape]
    if wrong:
        raise TrainingError(
            f"{path}: its backbone is not the recipe's: {len(wrong)} of {len(own)} tensors are "
            f"missing or of another shape, the first is {wrong[0]!r}; name the same model.backbone"
        )
    for name, value in own.items():
        if value.is_floating_point():
            value.lerp_(found[name].to(value), share)


def fit_heads(
    net: FrameStatistics,
    found: Statistics,
    items: Sequence[Entry],
    config: FitConfig,
) -> None:
    """Fill every head of the net by weighted ridge regression on -1 (real) and 1 (fake).

    Each method has its share however many crops it has, and both classes weigh the same. In an
    even head its generators (of real files, its origins) have that share each.

    Raises:
        TrainingError: a head without real or without fake crops.
    """
    labels = np.array([items[i].label for i in found.item])
    methods = np.array([items[i].method for i in found.item])
    makers = np.array(
        [items[i].generator if items[i].label else items[i].origin for i in found.item]
    )
    for number, head in enumerate(config.heads):
        weights = np.zeros(len(labels))
        for label, shares in ((0, head.reals), (1, head.fakes)):
            mine = labels == label
            for method, share in shares.items():
                rows = mine & (methods == method)
                parts = [rows & (makers == part) for part in set(makers[rows].tolist())]
                for part in parts if head.even else [rows]:
                    weights[part] = share / max(part.sum(), 1)
            for maker, share in shares.items():
                rows = mine & (makers == maker)
                weights[rows] = share / max(rows.sum(), 1)
            total = weights[mine].sum()
            if not total:
                kind = "fake" if label else "real"
                raise TrainingError(
                    f"head {head.name!r}: no {kind} crops of {sorted(shares)}; methods in the "
                    f"manifest: {sorted(set(methods.tolist()))}"
                )
            weights[mine] /= total
        penalty = config.ridge if head.ridge is None else head.ridge
        width = found.values.shape[1]
        seen = np.ones(width, bool) if head.mouth else net.read.without_mouth().numpy()
        weight = np.zeros(width)
        weight[seen], bias = _ridge(found.values[:, seen], labels * 2.0 - 1.0, weights, penalty)
        net.set_head(number, torch.from_numpy(weight).float(), bias)


def _ridge(
    values: NDArray[np.float32], wanted: NDArray[np.float64], shares: NDArray[np.float64], l2: float
) -> tuple[NDArray[np.float64], float]:
    """Weight and bias on the statistics as they are, from a fit on standardised ones."""
    rows = shares > 0
    x, t, w = values[rows].astype(np.float64), wanted[rows], shares[rows] / shares.sum()
    mean = w @ x
    spread = np.sqrt(w @ (x - mean) ** 2) + 1e-4  # a dead channel must not divide by zero
    a, b = (x - mean) / spread * np.sqrt(w)[:, None], np.sqrt(w) * t
    if len(a) < a.shape[1]:  # the same solution by the smaller of both systems
        solved = a.T @ np.linalg.solve(a @ a.T + l2 * np.eye(len(a)), b)
    else:
        solved = np.linalg.solve(a.T @ a + l2 * np.eye(a.shape[1]), a.T @ b)
    weight = solved / spread
    return weight, float(-(mean @ weight))


def join_evidence(net: FrameStatistics, config: FitConfig) -> EvidenceSum:
    """The detector: the heads, and the nets that the recipe names.

    Raises:
        TrainingError: a voter's weights cannot be read.
    """
    said = [(one.question or one.name, one) for one in config.speakers]
    questions: dict[str, float] = {}
    for question, one in said:
        questions.setdefault(question, one.offset)
    mix = [[one.scale * (own == question) for own, one in said] for question in questions]
    voters = [load_detector(voter.weights) for voter in config.voters]
    return EvidenceSum(net, voters, mix, list(questions.values())).eval()


def read_items(config: FitConfig) -> list[Entry]:
    """The files of the recipe's manifest.

    Raises:
        TrainingError: it names none.
        ConfigError: it cannot be read.
    """
    if config.manifest is None:
        raise TrainingError(
            "no manifest is named; say --manifest list.csv, or set manifest in the recipe"
        )
    return read_manifest(config.manifest)


def fit_items(
    config: FitConfig,
    items: Sequence[Entry],
    path: Path,
    progress: Progress | None = None,
    failed: Failed | None = None,
) -> None:
    """Write the detector of a recipe, fitted on some files, as an uncalibrated ONNX file.

    Args:
        config: the recipe; its manifest, `tuning` and `folds` are not looked at.
        items: labelled files.
        path: ends in .onnx.
        progress: called as (files done, total, name).
        failed: called with each file that could not be read, and why; the rest goes on.

    Raises:
        TrainingError: no real faces, or a head without its methods.
    """
    net = start_statistics(config, real_faces(items, config) if config.folded else ())
    kept = config.out / "statistics"
    found = collect_statistics(net, items, config.cutter, kept, progress=progress, failed=failed)
    fit_heads(net, found, items, config)
    joined = join_evidence(net, config)
    info = uncalibrated("frame statistics", config.template, config.size)
    if config.witnesses:
        info = info.model_copy(update={"weighing": start_weighing(config.witnesses)})
    export_detector(joined, info, path, half=config.half)


def real_faces(items: Sequence[Entry], config: FitConfig) -> list[Image]:
    """A few real crops, one a file, that set the batch norms of a folded backbone."""
    real = [item for item in items if item.label == 0]
    real = real[:: max(1, len(real) // START_FACES)][:START_FACES]
    crops = collect_crops(real, 1, config.template, config.size, failed=lambda item, why: None)
    faces = [face for _, faces in crops for face in faces]
    if not faces:
        raise TrainingError(f"no face in {len(real)} real files of the manifest; look at one")
    return faces
