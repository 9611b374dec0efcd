"""A training run's log as curves, and its folds side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from counterface.learn.run_log import read_log
from counterface.report import charts
from counterface.report.lab_page import write_outputs

Rows = Sequence[Mapping[str, float | str]]
Curve = tuple[list[float], list[float]]  # steps, values
_NOT_CURVES = ("kind", "step")
_SPEEDS = ("_ms", "per_s", "seconds")  # in names of numbers about the machine
_LESS = ("loss", "error", "brier", "ece", "eer", "distance")  # in names where less is better


class FoldRow(NamedTuple):
    """One way of folding the same files, with the number of each fold."""

    name: str  # by frame, by video, by identity
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the folds."""
        return mean(self.values)

    @property
    def deviation(self) -> float:
        """Of the folds, 0 for a single one."""
        return stdev(self.values) if len(self.values) > 1 else 0.0


def write_training(
    run: Path,
    *,
    html: Path | None = None,
    png: Path | None = None,
    folds: Sequence[FoldRow] = (),
    fold_label: str = "AUC",
) -> None:
    """Nothing; what a run logged, as a page and as PNG charts.

    Args:
        run: folder with `log.jsonl`.
        html: page to write.
        png: folder for the charts.
        folds: of a cross-validation, shown beside the curves.
        fold_label: which number the folds hold.

    Raises:
        ConfigError: matplotlib is not installed.
        MediaError: they cannot be written there.
    """
    if html is None and png is None:
        return
    rows = read_log(run)
    figures = training_charts(rows)
    curves = list(figures)
    if folds:
        bars = charts.draw_folds({row.name: row.values for row in folds}, fold_label)
        figures["folds"] = (bars, "Each fold, ways of folding side by side")
    write_outputs(
        html,
        png,
        "training.html.j2",
        f"Training of {run.absolute().name}",
        figures,
        lines=len(rows),
        last=max((float(row["step"]) for row in rows), default=0.0),
        best=best_of(rows),
        curves=curves,
        folds=folds,
    )


def training_charts(rows: Rows) -> dict[str, tuple[Any, str]]:
    """Losses, rates and what validation found, each number over the steps."""
    train, found = curves_of(rows, "train"), curves_of(rows, "validate")
    losses = {name: curve for name, curve in train.items() if "loss" in name}
    rates = {name: curve for name, curve in train.items() if "lr" in name.split("_")}
    figures: dict[str, tuple[Any, str]] = {}
    if losses:
        figures["losses"] = (charts.draw_training("Losses in training", losses), "Losses")
    down = {name: curve for name, curve in found.items() if _less(name)}
    up = {name: curve for name, curve in found.items() if not _less(name)}
    if down:
        title = "On validation, less is better"
        figures["validation_losses"] = (charts.draw_training(title, down), title)
    if up:
        title = "On validation, more is better"
        figures["validation"] = (charts.draw_training(title, up), title)
    if rates:
        title = "Learning rate, share of its peak"
        figures["rates"] = (charts.draw_training(title, rates), title)
    return figures


def curves_of(rows: Rows, kind: str) -> dict[str, Curve]:
    """The numbers of one kind of line by name, those about the machine's speed left out."""
    curves: dict[str, Curve] = {}
    for row in rows:
        if row["kind"] != kind:
            continue
        for name, value in row.items():
            if name in _NOT_CURVES or any(part in name for part in _SPEEDS):
                continue
            steps, values = curves.setdefault(name, ([], []))
            steps.append(float(row["step"]))
            values.append(float(value))
    return curves


def best_of(rows: Rows) -> list[tuple[str, float, float]]:
    """Of each number of validation its best value and the step of it."""
    found = []
    for name, (steps, values) in curves_of(rows, "validate").items():
        value = min(values) if _less(name) else max(values)
        found.append((name, value, steps[values.index(value)]))
    return found


def _less(name: str) -> bool:
    return any(part in name for part in _LESS)
