"""Detectors down, data sets across: what was learnt on one and holds on another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import Field

from counterface.config import Record
from counterface.detect.evaluate import (
    DetectorFacts,
    EvaluateConfig,
    Evaluation,
    Opened,
    evaluate_manifest,
)
from counterface.detect.evaluation.measure import Numbers
from counterface.errors import ConfigError
from counterface.types import Progress


class CrossCell(Record):
    """One detector on one data set."""

    video: Numbers
    frame: Numbers | None
    cautions: tuple[str, ...] = Field(description="codes of the cautions, see the evaluation")


class CrossMatrix(Record):
    """Every detector on every data set."""

    detectors: tuple[DetectorFacts, ...] = Field(description="detectors, one for each row")
    opened: tuple[Opened, ...] = Field(description="data sets, one for each column")
    cells: tuple[tuple[CrossCell, ...], ...]

    def mean_auc(self, row: int) -> float | None:
        """The mean of a row's AUCs; None where one of them could not be measured."""
        found = [cell.video.values.get("auc") for cell in self.cells[row]]
        known = [number.value for number in found if number is not None]
        return sum(known) / len(known) if known and len(known) == len(found) else None


def cross_evaluate(
    manifests: Sequence[Path],
    detectors: Sequence[str],
    config: EvaluateConfig | None = None,
    *,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> tuple[CrossMatrix, list[list[Evaluation]]]:
    """The matrix, and the evaluations behind it, one list a manifest.

    Raises:
        ConfigError, DetectorError: as `evaluate_manifest`.
    """
    if not manifests or not detectors:
        raise ConfigError("a cross matrix needs at least one manifest and one detector")
    columns = [
        evaluate_manifest(manifest, detectors, config, progress=progress, now=now)
        for manifest in manifests
    ]
    return cross_table(columns), columns


def cross_table(columns: Sequence[Sequence[Evaluation]]) -> CrossMatrix:
    """Evaluations of the same detectors, one list a data set, as a matrix."""
    rows = [[column[row] for column in columns] for row in range(len(columns[0]))]
    return CrossMatrix(
        detectors=tuple(e.detector for e in columns[0] if e.detector),
        opened=tuple(column[0].opened for column in columns if column[0].opened),
        cells=tuple(
            tuple(
                CrossCell(video=e.video, frame=e.frame, cautions=tuple(c.code for c in e.cautions))
                for e in row
            )
            for row in rows
        ),
    )
