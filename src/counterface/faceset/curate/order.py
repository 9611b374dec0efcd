"""An order and groups of the crops of a faceset, written into their rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.errors import ConfigError
from counterface.faceset.curate.measuring import Measured, measure_all
from counterface.faceset.curate.relocate import opened, relocate
from counterface.faceset.curate.sheet import draw_sheet, spread_out
from counterface.faceset.inspect import Problem
from counterface.faceset.measures.measure import Measure, load_measure
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset, save
from counterface.media.image import write_image
from counterface.types import Floats, Progress

_MOST_BINS = 1000


class SortConfig(Record):
    """How a faceset is sorted."""

    by: str = Field(description="measure to sort by")
    reverse: bool = Field(False, description="turn the measure's usual order round")
    rename: bool = Field(
        False,
        description="put the place in front of the files' names; 'faceset restore' takes it away",
    )


class GroupConfig(Record):
    """How a faceset is grouped."""

    by: str = Field(description="measure to group by")
    bins: int = Field(8, ge=1, le=_MOST_BINS, description="number of groups, equally wide")
    step: float | None = Field(
        None, gt=0, description="width of a group in the measure's unit, in place of a number"
    )


class PlacedCrop(Record):
    """One crop after sorting or grouping."""

    file: str
    value: float | None = Field(description="value of the measure; null where the crop has none")
    group: str | None = None


class Ordering(Record):
    """The crops of a faceset in their new order."""

    folder: str
    by: str
    says: str = Field(description="what a value says")
    unit: str
    crops: tuple[PlacedCrop, ...]
    problems: tuple[Problem, ...] = Field(description="crops that could not be read; they are last")


def sort(
    folder: Path,
    config: SortConfig,
    sheet: Path | None = None,
    progress: Progress | None = None,
) -> Ordering:
    """Write the order by a measure into the rows (`place`), and return it.

    Args:
        folder: the faceset.
        config: the settings.
        sheet: up to 60 crops of the order, evenly spread, are drawn here (.png, .jpg).
        progress: called as (crops done, crops, name).

    Raises:
        FacesetError: no faceset, no crops, it cannot be written, or another process writes to it.
        RegistryError: no measure of that name.
        WeightsError: identities are measured and dlib or its model is not there.
    """
    measure = load_measure(config.by)
    with opened(folder) as faceset:
        measured = measure_all(faceset, measure, progress)
        order = measured.order(largest_first=measure.largest_first != config.reverse)
        placed = [replace(faceset.rows[i], place=place) for place, i in enumerate(order)]
        header = faceset.header.model_copy(update={"sorted_by": measure.name})
        faceset = replace(faceset, header=header, rows=tuple(placed))
        save(faceset)
        if config.rename:
            placed = _numbered(faceset)
        _draw(faceset, placed, measured.values[order], sheet)
    return _ordering(folder, measure, placed, measured.values[order], measured.problems)


def group(
    folder: Path,
    config: GroupConfig,
    sheet: Path | None = None,
    progress: Progress | None = None,
) -> Ordering:
    """Write the bin of a measure that each crop lies in into the rows (`group`), and return it.

    Args: and errors as `sort`; crops come in order of the value. A ConfigError where the step would
        make more than 1,000 groups.
    """
    measure = load_measure(config.by)
    with opened(folder) as faceset:
        measured = measure_all(faceset, measure, progress)
        faceset = write_groups(faceset, _bins(measured, config), measure.name)
        order = measured.order(largest_first=False)
        rows = [faceset.rows[i] for i in order]
        _draw(faceset, rows, measured.values[order], sheet)
    return _ordering(folder, measure, rows, measured.values[order], measured.problems)


def write_groups(faceset: Faceset, names: list[str | None], by: str) -> Faceset:
    """The faceset with a group for each row, in their order, as written. Call with lock held."""
    rows = (replace(row, group=name) for row, name in zip(faceset, names, strict=True))
    header = faceset.header.model_copy(update={"grouped_by": by})
    grouped = replace(faceset, header=header, rows=tuple(rows))
    save(grouped)
    return grouped


def restore_names(faceset: Faceset) -> int:
    """The number of files that got the name back that they had before `sort` numbered them.

    Call with the lock held.
    """
    numbered = {row.file: row.original for row in faceset if row.original}
    if not numbered:
        return 0
    named = relocate(faceset, faceset, numbered)
    faceset = Faceset.open(faceset.folder)
    save(replace(faceset, rows=tuple(replace(row, original=None) for row in faceset)))
    return len(named)


def _ordering(
    folder: Path, measure: Measure, rows: list[Row], values: Floats, problems: tuple[Problem, ...]
) -> Ordering:
    crops = (
        PlacedCrop(file=row.file, value=float(v) if np.isfinite(v) else None, group=row.group)
        for row, v in zip(rows, values, strict=True)
    )
    return Ordering(
        folder=str(folder),
        by=measure.name,
        says=measure.says,
        unit=measure.unit,
        crops=tuple(crops),
        problems=problems,
    )


def _numbered(faceset: Faceset) -> list[Row]:
    """The rows, once their files carry the place in front of the name that they had at first."""
    digits = max(5, len(str(len(faceset))))
    first = {row.file: row.original or row.file for row in faceset}
    marked = replace(faceset, rows=tuple(replace(row, original=first[row.file]) for row in faceset))
    save(marked)
    names = {row.file: f"{row.place:0{digits}d}_{row.original}" for row in marked}
    named = relocate(marked, marked, names)
    return [replace(row, file=named.get(row.file, row.file)) for row in marked]


def _bins(measured: Measured, config: GroupConfig) -> list[str | None]:
    values = measured.values
    known = values[np.isfinite(values)]
    if not len(known):
        return [None] * len(values)
    edges = _edges(float(known.min()), float(known.max()), config)
    at = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    names = [f"{config.by} {low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
    return [names[i] if np.isfinite(v) else None for i, v in zip(at, values, strict=True)]


def _edges(low: float, high: float, config: GroupConfig) -> list[float]:
    if config.step is None:
        return [float(edge) for edge in np.linspace(low, high, config.bins + 1)]
    first, last = int(np.floor(low / config.step)), int(np.floor(high / config.step))
    if last - first >= _MOST_BINS:
        raise ConfigError(
            f"a step of {config.step:g} makes {last - first + 1} groups of {low:g} to {high:g}; "
            f"choose a larger one, at most {_MOST_BINS} groups are made"
        )
    return [config.step * edge for edge in range(first, last + 2)]


def _draw(faceset: Faceset, rows: list[Row], values: Floats, sheet: Path | None) -> None:
    if sheet is not None:
        shown = [(rows[i], f"{i}: {values[i]:.3g}") for i in spread_out(len(rows))]
        write_image(sheet, draw_sheet(faceset, shown))
