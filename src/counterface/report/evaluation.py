"""Evaluations, comparisons, cross matrices and robustness runs as pages and charts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from counterface.detect.evaluate import Evaluation
from counterface.detect.evaluation.compare import Comparison
from counterface.detect.evaluation.cross import CrossMatrix
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.evaluation.measure import Estimate
from counterface.detect.evaluation.robustness import Robustness
from counterface.detect.generalisation.controls import CONTROLS
from counterface.detect.generalisation.meter import Compared, Generalisation
from counterface.report import charts
from counterface.report.lab_page import Figures, write_outputs
from counterface.wording import counted

WORST = 12  # files shown of each kind of error
CONTROL_LABELS = {
    "ring": "the detector, with the face covered",
    "equalised": "the detector, all at one size and JPEG quality",
    **{name: f"alone: {text}" for name, text in CONTROLS.items()},
}


def write_evaluation(
    found: Evaluation,
    comparisons: Sequence[Comparison] = (),
    *,
    html: Path | None = None,
    png: Path | None = None,
) -> None:
    """Write one detector's evaluation on one data set as a page and as PNG charts.

    Raises:
        ConfigError: matplotlib is not installed.
        MediaError: they cannot be written there.
    """
    name = found.detector.name if found.detector else "A detector"
    data = found.opened.name if found.opened else counted(len(found.files), "file")
    write_outputs(
        html,
        png,
        "evaluation.html.j2",
        f"{name} on {data}",
        lambda: evaluation_charts(found) | _comparison_charts(comparisons),
        found=found,
        comparisons=comparisons,
        alarms=_worst(found, 0),
        misses=_worst(found, 1),
        silent=[s for s in found.files if s.logit is None],
        worst=WORST,
    )


def write_cross(
    matrix: CrossMatrix,
    evaluations: Sequence[Evaluation],
    comparisons: Sequence[Comparison] = (),
    *,
    html: Path | None = None,
    png: Path | None = None,
) -> None:
    """Write detectors (down) on data sets (across) as a page and as PNG charts."""
    write_outputs(
        html,
        png,
        "cross.html.j2",
        f"{len(matrix.detectors)} detectors, {len(matrix.opened)} data sets",
        lambda: _cross_charts(matrix) | _comparison_charts(comparisons),
        matrix=matrix,
        evaluations=evaluations,
        comparisons=comparisons,
    )


def write_comparison(
    found: Comparison, *, html: Path | None = None, png: Path | None = None
) -> None:
    """Write the comparison of two detectors on the same files as a page and as PNG charts."""
    write_outputs(
        html,
        png,
        "comparison.html.j2",
        " and ".join(found.names),
        lambda: _comparison_charts([found]),
        found=found,
    )


def write_robustness(
    found: Robustness, *, html: Path | None = None, png: Path | None = None
) -> None:
    """Write a detector's results under six kinds of damage as a page and as PNG charts."""
    name = found.detector.name if found.detector else "A detector"
    title = f"Robustness of {name}"
    write_outputs(
        html, png, "robustness.html.j2", title, lambda: robustness_charts(found), found=found
    )


def write_generalisation(
    found: Generalisation,
    compared: Sequence[Compared] = (),
    *,
    html: Path | None = None,
    png: Path | None = None,
) -> None:
    """Write how a detector does on makers that it never met, as a page and as PNG charts.

    Raises:
        ConfigError: matplotlib is not installed.
        MediaError: they cannot be written there.
    """
    data = found.opened.name if found.opened else counted(found.files, "file")
    write_outputs(
        html,
        png,
        "generalisation.html.j2",
        f"{found.name} on {data}",
        lambda: _method_charts(found),
        found=found,
        compared=compared,
        controls=CONTROL_LABELS,
        cells={(row.control, row.name): row for row in found.controls},
    )


def evaluation_charts(found: Evaluation) -> Figures:
    """The charts that can be drawn; those of two classes are left out where one is missing."""
    used = [score for score in found.files if score.logit is not None]
    labels = np.array([score.label for score in used])
    figures: Figures = {"confusion": (charts.draw_confusion(found.outcomes), "Truth and verdict")}
    if not used:
        return figures
    probabilities = np.array([score.probability for score in used], np.float64)
    lines = None
    if found.detector:
        limits = found.detector.info.thresholds
        lines = (limits.no_manipulation_found, limits.likely_manipulated)
    histogram = charts.draw_histogram(labels, probabilities, lines)
    figures["histogram"] = (histogram, "Scores of real and fake files")
    if not 0 < labels.sum() < len(labels):
        return figures
    logits = np.array([score.logit for score in used], np.float64)
    groups = [score.group for score in used]
    precision = charts.draw_precision_recall(labels, logits)
    reliability = charts.draw_reliability(labels, probabilities)
    figures |= {
        "roc": (charts.draw_roc(labels, logits, groups), "ROC curve with its band"),
        "precision_recall": (precision, "Precision against recall"),
        "reliability": (reliability, "Probability said against share that is fake"),
    }
    for part in found.slices:
        rows = [(n.name, n.values["auc"]) for n in part.parts if "auc" in n.values]
        if len(rows) > 1 and part.by in ("method", "compression", "generator"):
            title = f"AUC by {part.by}"
            figures[f"by_{part.by}"] = (charts.draw_parts(title, rows, "AUC", null=0.5), title)
    return figures


def robustness_charts(found: Robustness) -> Figures:
    """The curves, and how far the mean of each kind lies below the files as they are."""
    curves: dict[str, list[tuple[str, Estimate | None]]] = {}
    for level in found.levels:
        point = (f"{level.value:g}", level.numbers.values.get("auc"))
        curves.setdefault(f"{level.kind}: {level.unit}", []).append(point)
    clean = found.clean.numbers.values.get("auc")
    levels = charts.draw_levels(clean, curves)
    figures: Figures = {"levels": (levels, "AUC under damage of five strengths")}
    rows = [(kind, number) for kind, number in found.drop.items() if kind != "all"]
    if rows:
        title = "AUC lost, mean of five strengths"
        lost = charts.draw_parts(title, rows, "AUC as they are, less it", null=0)
        figures["drop"] = (lost, title)
    return figures


def _cross_charts(matrix: CrossMatrix) -> Figures:
    cells = [[cell.video.values.get("auc") for cell in row] for row in matrix.cells]
    rows = [detector.name for detector in matrix.detectors]
    figure = charts.draw_matrix(rows, [column.name for column in matrix.opened], cells)
    return {"matrix": (figure, "AUC of each detector on each data set")}


def _method_charts(found: Generalisation) -> Figures:
    rows = [(row.name, Estimate(value=row.auc)) for row in found.rows if row.auc is not None]
    title = "AUC by method"
    return {"methods": (charts.draw_parts(title, rows, "AUC", null=0.5), title)} if rows else {}


def _comparison_charts(comparisons: Sequence[Comparison]) -> Figures:
    figures: Figures = {}
    for turn, found in enumerate(comparisons):
        rows = [(d.name.replace("_", " "), d.difference) for d in found.differences]
        if rows:
            title = f"{found.names[0]} less {found.names[1]}"
            figure = charts.draw_parts(title, rows, "difference", null=0)
            figures[f"difference_{turn}"] = (figure, title)
    return figures


def _worst(found: Evaluation, label: int) -> list[FileScore]:
    """The files of a class that lie furthest on the wrong side of the line."""
    wrong = [
        s
        for s in found.files
        if s.label == label
        and s.probability is not None
        and (s.probability >= found.threshold) != bool(label)
    ]
    return sorted(wrong, key=lambda s: s.logit or 0.0, reverse=label == 0)[:WORST]
