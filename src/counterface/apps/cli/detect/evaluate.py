"""`counterface detect evaluate|compare|robustness|curves`: what a detector is worth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.apps.cli.detect.leave_out import evaluate_left_out
from counterface.datasets.leave_out import LeaveOut
from counterface.detect.evaluate import EvaluateConfig
from counterface.detect.evaluation.robustness import RobustnessConfig
from counterface.wording import counted

if TYPE_CHECKING:
    from counterface.detect.evaluate import Evaluation
    from counterface.detect.evaluation.compare import Comparison
    from counterface.detect.evaluation.cross import CrossMatrix
    from counterface.detect.evaluation.measure import Estimate
    from counterface.detect.evaluation.robustness import Robustness

Config = TypeVar("Config", bound=EvaluateConfig)
Html = Annotated[Path | None, Parameter(help="write one self-contained page here")]
Png = Annotated[Path | None, Parameter(help="write each chart as a PNG into this folder")]


def evaluate(
    manifests: Annotated[tuple[Path, ...], Parameter(negative="")],
    /,
    *,
    detector: Annotated[tuple[str, ...], Parameter(negative="")] = ("default",),
    against: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    leave_out: LeaveOut | None = None,
    config: Annotated[EvaluateConfig, Parameter(name="*")] = EvaluateConfig(),  # noqa: B008
    html: Html = None,
    png: Png = None,
    json_output: Json = False,
) -> int:
    """Measure how well detectors judge labelled files, by the same path as a scan.

    One detector and one manifest give all its numbers; several of either also give a table,
    detectors down, data sets across. Where a manifest has splits, its test split is measured, and
    that is logged beside it (test_openings.jsonl). Scores are kept, so a run that was stopped
    continues and nothing is scanned twice.

    Args:
        manifests: Parquet, or CSV with the columns path and label (real or fake).
        detector: 'default' or the path of an ONNX detector file; several may be named.
        against: Other detectors, each compared with the first on the same files.
        leave_out: Report by method, family or origin instead, with controls: fakes among genuine
            files of similar quality, and above their twins. A recipe of 'detect fit' (.toml) named
            as the detector is fitted anew without each of them.
    """
    from counterface.detect.evaluation.compare import compare_evaluations
    from counterface.detect.evaluation.cross import cross_evaluate
    from counterface.report.evaluation import write_cross, write_evaluation

    _check_outputs(html, png)
    if leave_out is not None:
        return evaluate_left_out(
            manifests, (*detector, *against), leave_out, config,
            html=html, png=png, json_output=json_output,
        )  # fmt: skip
    config = _with_cache(config)
    with output.progress("evaluate") as report:
        matrix, columns = cross_evaluate(manifests, (*detector, *against), config, progress=report)
    comparisons = [
        compare_evaluations(column[0], other, rounds=config.rounds)
        for column in columns
        for other in column[len(detector) :]
    ]
    evaluations = [evaluation for column in columns for evaluation in column]
    single = len(evaluations) == 1
    for evaluation in evaluations:
        output.tell(evaluation, _evaluation_lines(evaluation), json_output)
    for comparison in comparisons:
        output.tell(comparison, _comparison_lines(comparison), json_output)
    if not single:
        output.tell(matrix, _matrix_lines(matrix), json_output)
    if single or len(manifests) == len(detector) == 1:
        write_evaluation(evaluations[0], comparisons, html=html, png=png)
    else:
        write_cross(matrix, evaluations, comparisons, html=html, png=png)
    return 2 if any(score.error for e in evaluations for score in e.files) else 0


def compare(
    first: str,
    second: str,
    manifest: Path,
    /,
    *,
    config: Annotated[EvaluateConfig, Parameter(name="*")] = EvaluateConfig(),  # noqa: B008
    html: Html = None,
    png: Png = None,
    json_output: Json = False,
) -> int:
    """Say which of two detectors is better on the same files, or that the data cannot tell.

    Scores are kept: run again to continue.

    Args:
        first: 'default' or the path of an ONNX detector file.
        second: The detector to compare with, likewise.
        manifest: Parquet, or CSV with the columns path and label (real or fake).
    """
    from counterface.detect.evaluation.compare import compare_detectors
    from counterface.report.evaluation import write_comparison

    _check_outputs(html, png)
    with output.progress("compare") as report:
        found = compare_detectors(manifest, first, second, _with_cache(config), progress=report)
    output.tell(found, _comparison_lines(found), json_output)
    write_comparison(found, html=html, png=png)
    return 0


def robustness(
    manifest: Path,
    /,
    *,
    detector: str = "default",
    config: Annotated[RobustnessConfig, Parameter(name="*")] = RobustnessConfig(),  # noqa: B008
    html: Html = None,
    png: Png = None,
    json_output: Json = False,
) -> int:
    """Measure a detector on compressed, blurred, noisy, shrunk, brighter and darker files.

    Six kinds of damage at five strengths: 31 scans of each file; --limit draws some files. Scores
    are kept: run again to continue.

    Args:
        manifest: Parquet, or CSV with the columns path and label (real or fake).
        detector: 'default' or the path of an ONNX detector file.
    """
    from counterface.detect.evaluation.robustness import measure_robustness
    from counterface.report.evaluation import write_robustness

    _check_outputs(html, png)
    with output.progress("robustness") as report:
        found = measure_robustness(manifest, detector, _with_cache(config), progress=report)
    output.tell(found, _robustness_lines(found), json_output)
    write_robustness(found, html=html, png=png)
    return 0


def curves(run: Path, /, *, html: Html = None, png: Png = None, json_output: Json = False) -> int:
    """Draw what a training run logged, or what a cross-validation found.

    Args:
        run: Folder of the run, or of `detect train --folds`.
    """
    from counterface.report.training import find_logs, fold_rows, read_folds, write_training

    _check_outputs(html, png)
    logs, report = find_logs(run), read_folds(run)
    for name, rows in logs.items():
        last = max((float(row["step"]) for row in rows), default=0.0)
        line = f"{name}: {len(rows)} lines, up to step {last:g}"
        output.tell([{"run": name, **row} for row in rows], [line], json_output)
    if report:
        lines = (
            f"{fold.metric} {fold.on}, folds by {fold.by}: mean {fold.mean:.3f}, deviation "
            f"{fold.deviation:.3f}, each {' '.join(f'{value:.3f}' for value in fold.values)}"
            for fold in fold_rows(report)
        )
        output.tell(report, lines, json_output)
    write_training(run, html=html, png=png)
    return 0


def _check_outputs(html: Path | None, png: Path | None) -> None:
    """Check that what is asked for can be written, before hours of work, not after."""
    if html is not None:
        output.require_place(html, "--html")
    if html is not None or png is not None:
        from counterface.report.drawing import require_matplotlib

        require_matplotlib()


def _with_cache(config: Config) -> Config:
    from counterface.detect.evaluation.score_store import default_store_folder

    return config.model_copy(update={"cache": config.cache or default_store_folder()})


def _evaluation_lines(found: Evaluation) -> Iterator[str]:
    """The numbers in words; every file is in one of the counts."""
    if found.opened and found.detector:
        opened = found.opened
        yield (
            f"{found.detector.name} on {opened.name}, split {opened.split}, "
            f"{counted(opened.files, 'file')}"
        )
        if opened.openings:
            yield f"the test split was opened {len(opened.openings)} times before"
    yield f"{found.real} real, {found.fake} fake, {found.not_scored} not scored"
    if found.auc:
        yield f"auc {_shown(found.video.values['auc'])}"
        if found.auc_bounds and found.not_scored:
            low, high = found.auc_bounds
            yield f"auc of all files, whatever the missing had scored: {low:.3f} to {high:.3f}"
    for name, number in found.video.values.items():
        if name != "auc":
            yield f"{name} {_shown(number)}"
    if found.frame_auc is not None:
        yield f"frame auc {found.frame_auc:.3f}"
    for part in found.slices:
        for numbers in part.parts if part.by != "identity group" else ():
            key = next((k for k in ("auc", "recall", "specificity") if k in numbers.values), None)
            shown = f"{key} {_shown(numbers.values[key])}" if key else "not measured"
            yield f"{part.by} {numbers.name}: {numbers.real} real, {numbers.fake} fake, {shown}"
    for outcome in found.outcomes:
        yield f"{outcome.verdict}: {outcome.real} real, {outcome.fake} fake"
    for caution in found.cautions:
        yield f"! {caution.text}"


def _shown(number: Estimate) -> str:
    if number.low is None or number.high is None:
        return f"{number.value:.3f}"
    return f"{number.value:.3f} ({number.low:.3f} to {number.high:.3f})"


def _comparison_lines(found: Comparison) -> Iterator[str]:
    one, two = found.names
    yield found.verdict
    yield (
        f"{found.real} real and {found.fake} fake of {counted(found.files, 'file')} "
        "scored by both; "
        f"only by {one} {found.only_first}, only by {two} {found.only_second}, "
        f"by neither {found.neither}: left out for both"
    )
    for part in found.differences:
        better = {"first": one, "second": two}.get(part.better, part.better)
        gap = _shown(part.difference)
        yield f"{part.name} {part.first:.3f} and {part.second:.3f}: {gap}, {better}"
    for caution in found.cautions:
        yield f"! {caution.text}"


def _matrix_lines(found: CrossMatrix) -> Iterator[str]:
    yield "auc, detectors down, data sets across"
    yield "detector | " + " | ".join(column.name for column in found.opened)
    for detector, row in zip(found.detectors, found.cells, strict=True):
        cells = (cell.video.values.get("auc") for cell in row)
        shown = (_shown(number) if number else "not measured" for number in cells)
        yield f"{detector.name} {detector.sha256[:8]} | " + " | ".join(shown)


def _robustness_lines(found: Robustness) -> Iterator[str]:
    clean = found.clean.numbers
    yield f"as they are: {clean.real} real, {clean.fake} fake" + (
        f", auc {_shown(clean.values['auc'])}" if "auc" in clean.values else ""
    )
    for level in found.levels:
        number = level.numbers.values.get("auc")
        yield (
            f"{level.kind} {level.value:g} ({level.unit}): auc "
            f"{_shown(number) if number else 'not measured'}, {level.lost} no longer scored"
        )
    for kind, number in found.mean_auc.items():
        yield f"mean auc {kind} {_shown(number)}, {_shown(found.drop[kind])} below"
    for caution in found.cautions:
        yield f"! {caution.text}"
