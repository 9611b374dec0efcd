"""The contract of a faceset's measure, for plug-in authors and for our own tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from counterface.faceset.measures.measure import Measure, Reads
from counterface.faceset.row import Row
from counterface.types import Floats, Image

_SIDES = 64, 250  # of crops: the least, and one that nothing divides


def check_measure(name: str, measure: Measure, rows: Sequence[Row]) -> None:
    """Pass if a measure keeps the promises of `faceset.measures.measure.Measure`.

    Args:
        name: the name under which it is registered.
        measure: as it is registered.
        rows: rows of a few crops of one faceset, all with a pose.
    """
    assert measure.name == name, f"its name is {measure.name!r}, it is registered as {name!r}"
    for field in ("says", "unit"):
        assert getattr(measure, field).strip(), f"{field} is empty"
    assert measure.reads in get_args(Reads), f"it reads {measure.reads!r}"
    assert "<" not in measure.of.__qualname__, "`of` is no function of a module, which has a name"
    values = []
    for thing in _things(measure, rows):
        before = thing.copy() if isinstance(thing, np.ndarray) else None
        value = _measured(measure, thing)
        again = _measured(measure, thing)
        assert np.array_equal(value, again, equal_nan=True), "a second call gave something else"
        if before is not None:
            assert np.array_equal(before, thing), "it changed what it was shown"
        values.append(value)
    assert len({len(value) for value in values}) == 1, "its values differ in length"
    if measure.together is None:
        assert len(values[0]) == 1, f"{len(values[0])} numbers, and nothing makes one of them"
    else:
        _check_together(measure, np.stack([v for v in values if np.isfinite(v).all()]))


def _check_together(measure: Measure, values: Floats) -> None:
    assert measure.together is not None
    for count in (1, 2, len(values)):
        some = values[:count].copy()
        found = np.asarray(measure.together(some))
        assert found.shape == (count,), f"{count} crops gave {found.shape}"
        assert np.isfinite(found).all(), f"{count} crops gave {found}"
        assert np.array_equal(some, values[:count]), "it changed what it was shown"
        assert np.array_equal(found, measure.together(some)), "a second call gave something else"
    same = np.repeat(values[:1], 3, axis=0)
    assert np.isfinite(measure.together(same)).all(), "crops that are all the same are too much"


def _measured(measure: Measure, thing: Any) -> Floats:
    value = np.atleast_1d(np.asarray(measure.of(thing), np.float32))
    assert value.ndim == 1, f"gave {value.shape}"
    assert not np.isinf(value).any(), f"gave {value}"
    return value


def _things(measure: Measure, rows: Sequence[Row]) -> list[Any]:
    rng = np.random.default_rng(0)
    if measure.reads == "row":
        return list(rows)
    if measure.reads == "identity":
        return [rng.normal(0, 0.1, 128).astype(np.float32) for _ in range(5)]
    crops: list[Image] = []
    for side in _SIDES:
        noise = rng.integers(0, 256, (side, side, 3), np.uint8)
        ramp = np.linspace(0, 255, side).astype(np.uint8)
        slope = np.repeat(np.repeat(ramp[None, :, None], side, axis=0), 3, axis=2)
        crops += [noise, slope, *(np.full_like(noise, level) for level in (0, 90, 255))]
    return crops
