"""The values of a measure for all crops of a faceset, with what was measured before kept.

    folder/.measures/NAME.parquet   what a function returned, by the SHA-256 of the crop it read

A few threads each hold one crop at a time, so memory does not grow with the faceset. Deleting the
folder loses nothing but time.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from counterface.errors import FacesetError, MediaError
from counterface.faces.align import warp_points
from counterface.faces.identity import IdentityEmbedder
from counterface.faceset.inspect import Problem
from counterface.faceset.measures.measure import Measure
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.files import file_sha256, make_folder
from counterface.table import Table, array, write_table
from counterface.types import Floats, Progress

CACHE_FOLDER = ".measures"
PERSON = Measure(name="person", says="embedding", unit="", reads="identity", of=np.asarray)
WORKERS = 4  # threads at most: each waits for a decoder or computes without Python's lock
FLUSH_CROPS, FLUSH_S = 1024, 20.0  # what a kill loses at most
_ADVICE = "delete it: it is only a cache"


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """What was measured on one crop."""

    key: str
    values: Annotated[Floats, array()]


_KEPT = Table(_Kept)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The values of a measure for the rows of a faceset, in their order."""

    values: Floats  # (N,); NaN where a crop has none
    problems: tuple[Problem, ...]  # crops that could not be read

    def order(self, *, largest_first: bool) -> list[int]:
        """The rows' numbers in order of the values; those without one last, equal ones as given."""
        key = -self.values if largest_first else self.values
        return [int(i) for i in np.argsort(key, kind="stable")]  # NaN goes last


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What a measure reads of each row of a faceset, before one number is made of it."""

    found: tuple[Floats | None, ...]  # (D,) each; None where the crop could not be read
    problems: tuple[Problem, ...]  # one for each such crop


def measure_all(faceset: Faceset, measure: Measure, progress: Progress | None = None) -> Measured:
    """The measure's value for each crop.

    Crops that cannot be read have none, and are named in `problems`.

    Args:
        faceset: faceset to measure; its lock need not be held.
        measure: what is measured.
        progress: called as (crops done, crops, name).

    Raises:
        FacesetError: there is no crop, or what was kept cannot be read or written.
        WeightsError: identities are measured and dlib or its model is not there.
    """
    readings = read_all(faceset, measure, progress)
    found = readings.found
    values = np.full(len(found), np.nan, np.float32)
    whole = [i for i, v in enumerate(found) if v is not None and bool(np.isfinite(v).all())]
    if whole:
        points = np.array([found[i] for i in whole], np.float32)
        values[whole] = points[:, 0] if measure.together is None else measure.together(points)
    return Measured(values, readings.problems)


def read_all(faceset: Faceset, measure: Measure, progress: Progress | None = None) -> Readings:
    """What `measure.of` gives for each crop; errors as `measure_all`."""
    if not len(faceset):
        raise FacesetError(
            f"{faceset.folder} holds no crops, so there is nothing to measure; "
            f"fill it with 'counterface faceset extract FOOTAGE {faceset.folder}'"
        )
    if measure.reads == "row":
        return Readings(tuple(np.atleast_1d(measure.of(row)) for row in faceset), ())
    reader = _identity_reader() if measure.reads == "identity" else _crop_reader(measure)
    found = _read_each(faceset, reader, progress)
    problems = tuple(
        Problem(file=row.file, reason=one)
        for row, one in zip(faceset, found, strict=True)
        if isinstance(one, str)
    )
    read = tuple(None if isinstance(one, str) else one for one in found)
    if measure.reads == "identity":
        read = tuple(None if one is None else np.atleast_1d(measure.of(one)) for one in read)
    return Readings(read, problems)


def _read_each(faceset: Faceset, reader: _Reader, progress: Progress | None) -> list[Floats | str]:
    """What is read of each crop, or why it could not be."""
    cache = _Cache(faceset.folder, reader.name)

    def read(row: Row) -> Floats | str:
        try:
            key = reader.key(faceset, row)
            known = cache.known.get(key)
            return cache.put(key, reader.of(faceset, row)) if known is None else known
        except (FacesetError, MediaError) as error:
            return str(error)

    found: list[Floats | str] = []
    with ThreadPoolExecutor(min(WORKERS, os.cpu_count() or 1), "measure") as pool:
        try:
            for row, values in zip(faceset, pool.map(read, faceset), strict=True):
                found.append(values)
                if progress:
                    progress(len(found), len(faceset), row.file)
        finally:
            pool.shutdown(cancel_futures=True)
            cache.flush()
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    """How one kind of thing is read of a crop, and what it is kept under."""

    name: str
    key: Callable[[Faceset, Row], str]
    of: Callable[[Faceset, Row], Floats]


def _crop_reader(measure: Measure) -> _Reader:
    def read(faceset: Faceset, row: Row) -> Floats:
        return np.atleast_1d(np.asarray(measure.of(faceset.read(row).image), np.float32))

    return _Reader(f"{measure.of.__module__}.{measure.of.__qualname__}", _crop_key, read)


def _identity_reader() -> _Reader:
    """Embeds faces, with an embedder for each thread; WeightsError at once where there is none."""
    mine = threading.local()
    mine.embedder = IdentityEmbedder()

    def read(faceset: Faceset, row: Row) -> Floats:
        if not hasattr(mine, "embedder"):
            mine.embedder = IdentityEmbedder()
        embedder: IdentityEmbedder = mine.embedder
        points = warp_points(row.landmarks, row.frame_to_crop)
        return embedder.embed_landmarks(faceset.read(row).image, points)

    def key(faceset: Faceset, row: Row) -> str:
        points = warp_points(row.landmarks, row.frame_to_crop)
        return hashlib.sha256(_crop_key(faceset, row).encode() + points.tobytes()).hexdigest()

    return _Reader("identity", key, read)


def _crop_key(faceset: Faceset, row: Row) -> str:
    return file_sha256(faceset.folder / row.file)


class _Cache:
    """What one function returned for the crops of a faceset, by their content."""

    def __init__(self, folder: Path, name: str) -> None:
        """Read what there is.

        Raises:
            FacesetError: it cannot be read.
        """
        self.path = folder / CACHE_FOLDER / f"{name}.parquet"
        kept = _KEPT.read(self.path, FacesetError, _ADVICE) if self.path.exists() else []
        self.known = {one.key: one.values for one in kept}
        lengths = sorted({len(values) for values in self.known.values()})
        if lengths and (lengths[0] == 0 or len(lengths) > 1):
            raise FacesetError(f"{self.path} holds values of {lengths} numbers a crop; {_ADVICE}")
        self._written = len(self.known)
        self._when = time.monotonic()
        self._lock = threading.Lock()

    def put(self, key: str, values: Floats) -> Floats:
        """The values, kept; written now and then, the rarer the more there are."""
        with self._lock:
            self.known[key] = values
            new = len(self.known) - self._written
            late = time.monotonic() - self._when > FLUSH_S
            if new >= max(FLUSH_CROPS, self._written) or late:
                self._flush()
        return values

    def flush(self) -> None:
        """Write what is new."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        self._when = time.monotonic()
        if len(self.known) > self._written:
            make_folder(self.path.parent, FacesetError)
            rows = [_Kept(key, values) for key, values in self.known.items()]
            write_table(self.path, _KEPT.to_arrow(rows), FacesetError, compression="zstd")
            self._written = len(self.known)
