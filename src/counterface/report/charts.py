"""Charts of detectors' numbers: each function gives one matplotlib figure, see `drawing`.

Convention: labels (N,) 0 = real or 1 = fake, probabilities (N,) in [0, 1]; real files are drawn in
one colour and fakes in another everywhere; a shaded band or a whisker is a 95 % interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from counterface.detect.evaluation.measure import Estimate, Outcome
from counterface.learn.metrics import (
    auc,
    calibration_curve,
    precision_recall_curve,
    roc_band,
    roc_curve,
)
from counterface.report.drawing import COLOURS, SERIES, chart_style, new_chart

REAL, FAKE, SOFT, INK = (COLOURS[name] for name in ("real", "fake", "soft", "ink"))
BAND_ROUNDS = 300  # resamplings of the band of a ROC curve
MOST_ROWS = 24  # in a chart of parts; a table beside it holds all


def draw_roc(labels: ArrayLike, scores: ArrayLike, groups: Sequence[str] | None) -> Any:
    """Fakes found against false alarms, with the band over groups."""
    with new_chart(4.4, 4.2, aspect="equal") as (figure, axes):
        fpr, tpr, _ = roc_curve(labels, scores)
        grid, low, high = roc_band(labels, scores, groups, rounds=BAND_ROUNDS)
        axes.fill_between(grid, low, high, step="post", color=FAKE, alpha=0.18, linewidth=0)
        axes.plot(fpr, tpr, color=FAKE, drawstyle="steps-post")
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.9, linestyle="--")
        axes.set(
            xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), title=f"ROC, area {auc(labels, scores):.3f}"
        )
        axes.set(xlabel="real files called fake", ylabel="fakes called fake")
        return figure


def draw_precision_recall(labels: ArrayLike, scores: ArrayLike) -> Any:
    """How many calls are right against how many fakes are found."""
    with new_chart(4.4, 4.2, aspect="equal") as (figure, axes):
        recall, precision = precision_recall_curve(labels, scores)
        share = float(np.mean(np.asarray(labels)))
        axes.plot(recall, precision, color=FAKE, drawstyle="steps-pre")
        axes.axhline(share, color=SOFT, linewidth=0.9, linestyle="--")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03), title="Precision and recall")
        axes.set(xlabel="fakes found (recall)", ylabel="calls that are right (precision)")
        axes.annotate("guessing", (0.02, share), color=SOFT, va="bottom", fontsize=8.5)
        return figure


def draw_reliability(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> Any:
    """What was said against what came true, and how many files each point stands for."""
    with chart_style() as figure_class:
        figure = figure_class(figsize=(4.4, 4.6))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
        said, seen, count = calibration_curve(labels, probabilities, bins)
        full = count > 0
        upper.plot([0, 1], [0, 1], color=SOFT, linewidth=0.9, linestyle="--")
        # Wilson's interval keeps a bin of two files from looking certain
        middle, half = _wilson(seen[full], count[full])
        upper.vlines(said[full], middle - half, middle + half, color=FAKE, alpha=0.45)
        upper.plot(said[full], seen[full], "o-", color=FAKE, markersize=5)
        upper.set(xlim=(-0.01, 1.01), ylim=(-0.02, 1.02), title="Reliability")
        upper.set_ylabel("share that is fake")
        edges = np.linspace(0, 1, bins + 1)
        lower.bar(edges[:-1], count, width=0.94 / bins, align="edge", color=SOFT, alpha=0.7)
        lower.set(xlabel="probability that was said", ylabel="files")
        lower.grid(visible=False, axis="x")
        return figure


def draw_histogram(
    labels: ArrayLike, probabilities: ArrayLike, lines: tuple[float, float] | None, bins: int = 20
) -> Any:
    """Probabilities of real files above the axis and of fakes below, with the verdict's lines.

    Args:
        labels: (N,).
        probabilities: (N,).
        lines: no_manipulation_found and likely_manipulated, or None.
        bins: bins of the probability.
    """
    truth, p = np.asarray(labels), np.asarray(probabilities, np.float64)
    with new_chart(6.0, 3.0) as (figure, axes):
        edges = np.linspace(0, 1, bins + 1)
        for label, colour, name, way in ((0, REAL, "real", 1), (1, FAKE, "fake", -1)):
            count, _ = np.histogram(p[truth == label], edges)
            title = f"{name}, {int(count.sum())}"
            axes.bar(edges[:-1], way * count, 0.94 / bins, align="edge", color=colour, label=title)
        for line in lines or ():
            axes.axvline(line, color=INK, linewidth=1, linestyle=":")
        axes.axhline(0, color=SOFT, linewidth=0.8)
        axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        axes.set(xlim=(0, 1), xlabel="probability of manipulation", ylabel="files")
        axes.set_title("Scores by class" + (", dotted: the lines of the verdicts" if lines else ""))
        axes.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.22))
        return figure


def draw_confusion(outcomes: Sequence[Outcome]) -> Any:
    """Truth down, verdict across, every file in one cell: those without an answer too."""
    shown = list(outcomes)
    counts = np.array([[o.real for o in shown], [o.fake for o in shown]], np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with new_chart(6.0, 2.4) as (figure, axes):
        for row, colour in enumerate((REAL, FAKE)):
            for column in range(len(shown)):
                share = float(shares[row, column])
                axes.bar(column, 0.94, 0.94, row - 0.47, color=colour, alpha=0.06 + 0.5 * share)
                text = f"{int(counts[row, column])}\n{share:.0%}"
                axes.text(column, row, text, ha="center", va="center", fontsize=9.5)
        _name_cells(axes, ["real", "fake"], [o.verdict.replace("_", "\n") for o in shown])
        axes.set_title("Truth and verdict")
        return figure


def draw_parts(title: str, rows: Sequence[tuple[str, Estimate]], label: str, *, null: float) -> Any:
    """A number of each part with its interval, one row each.

    Args:
        title: title of the chart.
        rows: name and number, from the top.
        label: label of the axis.
        null: where no effect would lie; drawn as a line.
    """
    rows = rows[:MOST_ROWS]
    with new_chart(6.0, 0.9 + 0.3 * len(rows)) as (figure, axes):
        axes.axvline(null, color=SOFT, linewidth=0.9, linestyle="--")
        for place, (_, number) in enumerate(rows):
            if number.low is not None and number.high is not None:
                axes.hlines(place, number.low, number.high, color=FAKE, alpha=0.5, linewidth=3)
            axes.plot(number.value, place, "o", color=FAKE, markersize=6)
        axes.set_yticks(range(len(rows)), [_short(name) for name, _ in rows])
        axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel=label, title=title)
        axes.grid(visible=False, axis="y")
        return figure


def draw_levels(
    clean: Estimate | None, curves: Mapping[str, Sequence[tuple[str, Estimate | None]]]
) -> Any:
    """A small chart for each kind of damage: AUC over its five strengths, and undamaged.

    Args:
        clean: AUC of the files as they are.
        curves: by kind, its values in words and the AUCs; None where nothing could be measured.
    """
    with chart_style() as figure_class:
        columns = min(3, len(curves))
        rows = -(-len(curves) // columns)
        figure = figure_class(figsize=(2.5 * columns + 0.6, 2.1 * rows + 0.3))
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for axes, (kind, points) in zip(grid.flat, curves.items(), strict=False):
            if clean is not None:
                axes.axhline(clean.value, color=SOFT, linewidth=1)
            axes.axhline(0.5, color=SOFT, linewidth=0.9, linestyle="--")
            known = [(x, n) for x, (_, n) in enumerate(points) if n is not None]
            spread = [(x, n.low, n.high) for x, n in known if n.low is not None]
            if spread:
                places, low, high = zip(*spread, strict=True)
                axes.fill_between(places, low, high, color=FAKE, alpha=0.18, linewidth=0)
            axes.plot([x for x, _ in known], [n.value for _, n in known], "o-", color=FAKE, ms=4)
            axes.set_xticks(range(len(points)), [text for text, _ in points])
            axes.set_title(kind)
        for axes in grid.flat[len(curves) :]:
            axes.set_visible(False)
        for row in grid:
            row[0].set_ylabel("AUC")
        return figure


def draw_matrix(
    rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[Estimate | None]]
) -> Any:
    """Detectors down, data sets across; the shade rises with the AUC above guessing."""
    with new_chart(1.8 + 1.35 * len(columns), 0.9 + 0.62 * len(rows)) as (figure, axes):
        for y, row in enumerate(cells):
            for x, number in enumerate(row):
                value = 0.5 if number is None else number.value
                shade = 0.05 + 0.55 * min(1.0, abs(value - 0.5) * 2)
                axes.bar(x, 0.94, 0.94, y - 0.47, color=REAL if value >= 0.5 else FAKE, alpha=shade)
                axes.text(x, y, _interval_text(number), ha="center", va="center", fontsize=9)
        _name_cells(axes, [_short(name) for name in rows], [_short(name, 18) for name in columns])
        axes.set_title("AUC: detectors down, data sets across")
        return figure


def draw_training(title: str, curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Any:
    """Numbers of a run over its steps.

    Args:
        title: title of the chart.
        curves: by name, steps and values.
    """
    with new_chart(6.0, 2.8) as (figure, axes):
        for (name, (steps, values)), colour in zip(curves.items(), _colours(), strict=False):
            if len(steps) > 60:
                axes.plot(steps, values, color=colour, linewidth=0.8, alpha=0.3)
                axes.plot(steps, _smooth(values), color=colour, label=name)
            else:
                axes.plot(steps, values, "o-", color=colour, ms=3.5, label=name)
        axes.set(xlabel="step", title=title)
        axes.ticklabel_format(axis="y", useOffset=False)  # whole numbers, however near together
        axes.xaxis.get_major_locator().set_params(integer=True)
        if len(curves) > 1:
            axes.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.24))
        return figure


def draw_folds(groups: Mapping[str, Sequence[float]], label: str) -> Any:
    """Each fold's number as bars, ways of folding side by side, means as lines.

    Args:
        groups: by way of folding, the number of each fold.
        label: label of the axis.
    """
    with new_chart(6.4, 3.0) as (figure, axes):
        start, ticks = 0, []
        for (name, values), colour in zip(groups.items(), _colours(), strict=False):
            places = np.arange(start, start + len(values))
            axes.bar(places, values, 0.82, color=colour, alpha=0.75)
            if len(values):
                mean = float(np.mean(values))
                axes.hlines(mean, start - 0.5, start + len(values) - 0.5, color=INK, linewidth=1)
                ticks.append((float(places.mean()), f"{name}\nmean {mean:.3f}"))
            start += len(values) + 1
        axes.axhline(0.5, color=SOFT, linewidth=0.9, linestyle="--")
        axes.set_xticks([x for x, _ in ticks], [text for _, text in ticks])
        axes.set(ylim=(0, 1.02), ylabel=label, title=f"{label}, each fold")
        axes.grid(visible=False, axis="x")
        return figure


def _name_cells(axes: Any, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Name the rows, from the top, and the columns of a chart of unit cells without any lines."""
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _wilson(share: Any, count: Any) -> tuple[Any, Any]:
    """Middle and half width of Wilson's 95 % interval of shares."""
    z = 1.96
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return middle, half


def _interval_text(number: Estimate | None) -> str:
    if number is None:
        return "not\nmeasured"
    if number.low is None or number.high is None:
        return f"{number.value:.3f}"
    return f"{number.value:.3f}\n{number.low:.2f} to {number.high:.2f}"


def _smooth(values: Sequence[float]) -> Any:
    """A moving mean over 5 % of the points, shorter at the ends."""
    width = max(3, len(values) // 20)
    total = np.convolve(np.asarray(values, np.float64), np.ones(width), "same")
    return total / np.convolve(np.ones(len(values)), np.ones(width), "same")


def _short(text: str, most: int = 32) -> str:
    printable = "".join(c if c.isprintable() else "?" for c in text)
    return printable if len(printable) <= most else printable[: most - 1] + "…"


def _colours() -> Sequence[str]:
    return SERIES * 8
