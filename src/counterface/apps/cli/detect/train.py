"""`counterface detect train|export|fuse`: from a recipe to a detector file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.apps.cli.detect.overrides import overrides
from counterface.config import read_config_with, require_toml
from counterface.wording import counted

if TYPE_CHECKING:
    from counterface.detect.training.folds import FoldReport

FoldBy = Literal["frame", "video", "identity"]


def train(
    recipe: Path,
    /,
    *,
    faces: Path | None = None,
    out: Path | None = None,
    device: str | None = None,
    settings: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    folds: int = 0,
    fold_by: Annotated[tuple[FoldBy, ...], Parameter(consume_multiple=True)] = (
        "frame",
        "video",
        "identity",
    ),
    json_output: Json = False,
) -> int:
    """Train a detector from a recipe; run again to continue a run that was stopped.

    Args:
        recipe: TOML file, see `recipes/`.
        faces: Labelled faces that `counterface dataset faces` made.
        out: Folder of the run, instead of the recipe's.
        device: Device, as loop.device: auto (a GPU if there is one), cpu, gpu, cuda, cuda:1 or mps.
        settings: Single settings that override the recipe's, such as `--set loop.steps=200`.
        folds: Cross-validate on so many folds instead of training once; 0 = no.
        fold_by: What may not be on both sides of a fold; each way is trained by itself.
    """
    require_toml(recipe)
    from counterface.detect.training.recipe import TrainConfig
    from counterface.detect.training.train import train_detector

    values = overrides(settings, out, device, faces=faces and str(faces))
    config = read_config_with(TrainConfig, recipe, values)

    with output.progress("train") as report:

        def told(phase: str, step: int, steps: int, numbers: dict[str, float]) -> None:
            report(step, steps, f"{phase}: {output.numbers_text(numbers)}")

        if folds:
            from counterface.detect.training.folds import cross_validate

            found = cross_validate(config, folds, fold_by, told)
            return output.tell(found, fold_lines(found), json_output)
        result = train_detector(config, told)
    again = "run the same command again to go on"
    export_it = f"next: counterface detect export {result.weights} own.onnx"
    lines = [
        f"{result.stopped} at step {result.step}; weights: {result.weights}",
        again if result.stopped == "signal" else export_it,
    ]
    output.tell(result, lines, json_output)
    return output.exit_code(result.signal)


def export(
    weights: Path,
    detector: Path,
    /,
    *,
    name: str = "",
    recipe: Path | None = None,
    manifest: Path | None = None,
    jobs: int = 1,
    half: bool = False,
    json_output: Json = False,
) -> int:
    """Write trained weights as a detector file that `counterface scan --detector` reads.

    The file has a model card, and is calibrated where the split `val` has enough files; one that
    is not calibrated calls nothing before its logit is extreme.

    Args:
        weights: The run's last.safetensors or best.safetensors.
        detector: The ONNX file to write.
        name: Name in reports; the architecture where empty.
        recipe: Recipe, needed for weights that do not say what they are.
        manifest: Manifest with a split `val`, instead of the recipe's own.
        jobs: Processes that scan for the calibration.
        half: Store weights in 16 bits: half the file, the same speed.
    """
    from counterface.detect.training.package import package_detector

    with output.progress("export") as report:
        done = package_detector(
            weights,
            detector,
            name=name,
            recipe=recipe,
            manifest=manifest,
            jobs=jobs,
            half=half,
            progress=report,
        )
    return output.tell(done, [f"{done.path}: {done.note}"], json_output)


def fuse(
    detector: Path,
    weights: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)],
    /,
    *,
    name: str = "fusion",
    manifest: Path | None = None,
    jobs: int = 1,
    json_output: Json = False,
) -> int:
    """Write several runs' weights as one detector file: the mean of their calibrated log-odds.

    Args:
        detector: The ONNX file to write.
        weights: Two or more runs' best.safetensors.
        name: Name in reports.
        manifest: Manifest with a split `val`, instead of the first run's own.
        jobs: Processes that scan for the calibration.
    """
    from counterface.detect.training.package import fuse_detectors

    with output.progress("fuse") as report:
        done = fuse_detectors(
            weights, detector, name=name, manifest=manifest, jobs=jobs, progress=report
        )
    return output.tell(done, [f"{done.path}: {done.note}"], json_output)


def fold_lines(report: FoldReport) -> list[str]:
    """The groupings side by side, as text."""
    lines = [
        f"{report.model}, {report.folds} folds of {counted(report.files, 'file')}, "
        f"always saying fake: {report.fake_share:.1%}"
    ]
    lines.append(_row("fold", [f"by {grouping.by}" for grouping in report.groupings]))
    for number in range(report.folds):
        cells = [_cell(grouping.folds[number].metrics) for grouping in report.groupings]
        lines.append(_row(str(number), cells))
    for name, mean, spread in (
        ("mean", "mean", "deviation"),
        (f"unseen ({report.test_files})", "unseen_mean", "unseen_deviation"),
    ):
        means = [getattr(grouping, mean) for grouping in report.groupings]
        spreads = [getattr(grouping, spread) for grouping in report.groupings]
        if any(means):
            pairs = zip(means, spreads, strict=True)
            lines.append(_row(name, [_cell(one, two) for one, two in pairs]))
    lines.append("accuracy by file, then AUC; only 'by identity' keeps people and footage apart")
    return lines


def _row(first: str, cells: Sequence[str]) -> str:
    return f"{first:<12}" + "".join(f"{cell:<34}" for cell in cells).rstrip()


def _cell(metrics: dict[str, float], spread: dict[str, float] | None = None) -> str:
    """A table's cell, as far as known: `81.2 % +- 3.0, AUC 0.871 +- 0.020`."""
    parts = []
    if "accuracy" in metrics:
        around = f" +- {100 * spread['accuracy']:.1f}" if spread and "accuracy" in spread else ""
        parts.append(f"{100 * metrics['accuracy']:.1f} %{around}")
    if "auc" in metrics:
        around = f" +- {spread['auc']:.3f}" if spread and "auc" in spread else ""
        parts.append(f"AUC {metrics['auc']:.3f}{around}")
    return ", ".join(parts) or "-"
