"""A training run's log as curves, and its folds side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from counterface.errors import ConfigError
from counterface.learn.run_log import read_log
from counterface.project_files import read_json, reading
from counterface.report import charts
from counterface.report.lab_page import Figures, write_outputs

Rows = Sequence[Mapping[str, float | str]]
Curve = tuple[list[float], list[float]]  # steps, values
FOLDS_FILE = "folds.json"
_FOLD_METRICS = ("auc", "accuracy")
_NOT_CURVES = ("kind", "step", "files")  # of a line, not of a detector
_SPEEDS = ("_ms", "per_s", "seconds")  # in names of numbers about the machine
_LESS = ("loss", "error", "brier", "ece", "eer", "distance")  # in names where less is better


class FoldRow(NamedTuple):
    """One number of one way of folding, on the folds held back or on the unseen test."""

    by: str  # frame, video, identity
    on: str  # held back, unseen test
    metric: str
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over the folds."""
        return mean(self.values)

    @property
    def deviation(self) -> float:
        """The deviation between the folds, 0 for a single one."""
        return stdev(self.values) if len(self.values) > 1 else 0.0


def write_training(run: Path, *, html: Path | None = None, png: Path | None = None) -> None:
    """Write what a run logged, or a cross-validation found, as a page and as PNG charts.

    Args:
        run: folder with `log.jsonl`, or with `folds.json` and the folders of the folds.
        html: page to write.
        png: folder for the charts.

    Raises:
        ConfigError: the folder holds neither, no fold was trained, or matplotlib is not installed.
        MediaError: they cannot be written there.
    """
    report = read_folds(run)
    logs = find_logs(run)
    rows = fold_rows(report) if report else []
    lines = [row for log in logs.values() for row in log]
    if not rows and not logs:
        raise ConfigError(f"{run / FOLDS_FILE}: holds no folds; train them first")

    def draw() -> Figures:
        if rows:
            return fold_charts(rows) | _curves_of_folds(logs)
        return training_charts(next(iter(logs.values())))

    write_outputs(
        html,
        png,
        "training.html.j2",
        f"{'Folds' if rows else 'Training'} of {run.absolute().name}",
        draw,
        lines=len(lines),
        last=max((float(row["step"]) for row in lines), default=0.0),
        best=[] if rows else best_of(lines),
        folds=rows,
        report=report,
    )


def find_logs(run: Path) -> dict[str, Rows]:
    """The log of a run, or of each fold by the name of its folder.

    Raises:
        ConfigError: there is none.
    """
    if (run / "log.jsonl").is_file():
        return {run.name: read_log(run)}
    found: dict[str, Rows] = {
        f"{log.parent.parent.name} {log.parent.name}": read_log(log.parent)
        for log in sorted(run.glob("folds/*/*/log.jsonl"))
    }
    if not found and not (run / FOLDS_FILE).is_file():
        raise ConfigError(f"{run}: holds no log.jsonl; name the folder of a training run")
    return found


def read_folds(run: Path) -> dict[str, Any] | None:
    """The report of a cross-validation as it was written, or None where there is none.

    Plain JSON: its classes come with torch, which a page does not need.

    Raises:
        ConfigError: it cannot be read.
    """
    path = run / FOLDS_FILE
    if not path.is_file():
        return None
    advice = "'counterface detect train --folds' writes it"
    report: dict[str, Any] = read_json(path, ConfigError, advice, finite=False)
    with reading(path, ConfigError, advice):
        fold_rows(report)
    return report


def fold_rows(report: Mapping[str, Any]) -> list[FoldRow]:
    """Each number of a cross-validation by way of folding, held back first."""
    rows = []
    for metric in _FOLD_METRICS:
        for key, on in (("metrics", "held back"), ("unseen", "unseen test")):
            for grouping in report["groupings"]:
                values = [f[key][metric] for f in grouping["folds"] if metric in f[key]]
                if values:
                    rows.append(FoldRow(grouping["by"], on, metric, tuple(map(float, values))))
    return rows


def fold_charts(rows: Sequence[FoldRow]) -> Figures:
    """Bars of the folds, one chart for what was held back and one for the unseen test."""
    figures: Figures = {}
    for on in ("held back", "unseen test"):
        for metric in _FOLD_METRICS:
            bars = {f"by {r.by}": r.values for r in rows if r.on == on and r.metric == metric}
            if bars:
                title = f"{'AUC' if metric == 'auc' else metric.capitalize()}, {on}"
                name = f"folds_{on.split()[0]}_{metric}"
                figures[name] = (charts.draw_folds(bars, title), title)
    return figures


def _curves_of_folds(logs: Mapping[str, Rows]) -> Figures:
    """What validation found in each fold, all folds of one way in one chart."""
    found: dict[str, dict[str, Curve]] = {}
    for name, rows in logs.items():
        by, fold = name.split(" ", 1)
        curves = curves_of(rows, "validate")
        if "loss" in curves:
            found.setdefault(by, {})[fold.replace("_", " ")] = curves["loss"]
    return {
        f"validation_{by}": (
            charts.draw_training(f"Loss on validation, folds by {by}", curves),
            f"Validation of the folds by {by}",
        )
        for by, curves in found.items()
    }


def training_charts(rows: Rows) -> Figures:
    """Losses, rates and what validation found, each number over the steps."""
    train, found = curves_of(rows, "train"), curves_of(rows, "validate")
    losses = {name: curve for name, curve in train.items() if "loss" in name}
    rates = {name: curve for name, curve in train.items() if "lr" in name.split("_")}
    down = {name: curve for name, curve in found.items() if _less(name)}
    up = {name: curve for name, curve in found.items() if not _less(name)}
    wanted = (
        ("losses", "Losses in training", losses),
        ("validation_losses", "On validation, less is better", down),
        ("validation", "On validation, more is better", up),
        ("rates", "Learning rate, share of its peak", rates),
    )
    return {
        name: (charts.draw_training(title, curves), title)
        for name, title, curves in wanted
        if curves
    }


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
    """The best value of each number of the validation, and its step."""
    found = []
    for name, (steps, values) in curves_of(rows, "validate").items():
        value = min(values) if _less(name) else max(values)
        found.append((name, value, steps[values.index(value)]))
    return found


def _less(name: str) -> bool:
    return any(part in name for part in _LESS)
