"""What a detector or a backbone says of the crops of many files, as they are and changed.

A view is a way of looking at a file's crops: `plain`, `ring` (the face covered), `equalised` (one
size, one JPEG quality) or blurred until a twin is as soft. Answers are kept by content of the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from counterface.detect.generalisation.controls import (
    blur,
    equal_blur,
    equalise,
    ring_only,
    sharpness,
)
from counterface.detect.generalisation.face_crops import FaceCrops
from counterface.detect.generalisation.twin_table import Pair
from counterface.table import Column, Parts, Table
from counterface.types import Image

FORMAT = 1  # of what is kept; another one when a view changes
PLAIN, RING, EQUALISED = "plain", "ring", "equalised"
SOME = 4  # moments of a file that the changed views look at

Answers = NDArray[np.float32]  # (M, D) of a file's moments: a logit, or statistics
Read = Callable[[Image], NDArray[Any]]  # crops (M, T, S, S, 3) -> (M, D)


class FileView(NamedTuple):
    """A way of looking at one file."""

    file: int
    change: str = PLAIN
    sigma: float = 0.0  # of the blur, pixels of the crop

    @property
    def name(self) -> str:
        """A name that tells all that changes the answer."""
        return f"blur {self.sigma:.3f}" if self.sigma else self.change


def plan_views(files: Sequence[FaceCrops]) -> list[FileView]:
    """Every file with a face as it is, with its face covered, and equalised."""
    seen = [index for index, file in enumerate(files) if len(file.crops)]
    return [FileView(index, change) for change in (PLAIN, RING, EQUALISED) for index in seen]


def plan_twins(
    files: Sequence[FaceCrops], pairs: Sequence[Pair], template: str
) -> dict[Pair, tuple[FileView, FileView]]:
    """The views in which both of a pair are equally sharp: the sharper one is blurred."""
    wanted = {index for pair in pairs for index in pair if len(files[index].crops)}
    some = {index: _flat(_some(files[index].crops)) for index in wanted}
    sharp = {i: float(np.mean([sharpness(c, template) for c in some[i]])) for i in wanted}
    plan = {}
    for fake, twin in pairs:
        if fake in wanted and twin in wanted:
            level = min(sharp[fake], sharp[twin])
            sigmas = [round(equal_blur(some[i], level, template), 3) for i in (fake, twin)]
            plan[fake, twin] = (FileView(fake, PLAIN, sigmas[0]), FileView(twin, PLAIN, sigmas[1]))
    return plan


def _join(moments: int, values: bytes) -> Answers:
    answers = np.frombuffer(values, np.float32)
    return answers.reshape(moments, len(answers) // max(moments, 1))  # 0: a file without a face


_COLUMN = Column(
    {"moments": pa.int64(), "values": pa.binary()}, lambda a: (len(a), a.tobytes()), _join
)


class _Kept(NamedTuple):
    """An answer on disk."""

    key: str
    answers: Annotated[Answers, _COLUMN]


class ViewStore:
    """Answers of one reader, on disk; opened again, it goes on."""

    def __init__(self, folder: Path, reader: str) -> None:
        """Open the folder of a reader; `reader` says all that its answers depend on."""
        folder = folder / hashlib.sha256(f"{FORMAT} {reader}".encode()).hexdigest()[:16]
        self._parts = Parts(Table(_Kept), folder, itemgetter(0), "its files are read again")
        self.folder = folder
        self.known = {key: one.answers for key, one in self._parts.known.items()}

    def put(self, key: str, answers: Answers) -> None:
        """Keep one answer."""
        self.known[key] = answers
        self._parts.put(_Kept(key, answers))

    def flush(self) -> None:
        """Write what is new."""
        self._parts.flush()


def read_views(
    files: Sequence[FaceCrops],
    views: Sequence[FileView],
    read: Read,
    template: str,
    store: ViewStore,
    progress: Callable[[int, int | None, str], None] | None = None,
) -> Mapping[FileView, Answers]:
    """What `read` says of each view; kept answers are not asked for again.

    Args:
        files: crops.
        views: views of files with a face.
        read: the detector or backbone.
        template: template of the crops.
        store: store of this reader.
        progress: called as (done, total, name of the view).
    """
    found: dict[FileView, Answers] = {}
    try:
        for number, view in enumerate(views):
            key = f"{files[view.file].sha256} {view.name}"
            if key not in store.known:
                crops = _changed(files[view.file].crops, view, template)
                store.put(key, np.asarray(read(crops), np.float32).reshape(len(crops), -1))
            found[view] = store.known[key]
            if progress:
                progress(number + 1, len(views), view.name)
    finally:
        store.flush()
    return found


def _changed(crops: Image, view: FileView, template: str) -> Image:
    if view.sigma:
        return _each(_some(crops), lambda crop: blur(crop, view.sigma))
    if view.change == RING:
        return _each(_some(crops), lambda crop: ring_only(crop, template))
    if view.change == EQUALISED:
        return _each(_some(crops), equalise)
    return crops


def _some(crops: Image) -> Image:
    return crops[:: max(1, -(-len(crops) // SOME))]


def _flat(crops: Image) -> Image:
    return crops.reshape(-1, *crops.shape[2:])


def _each(crops: Image, change: Callable[[Image], Image]) -> Image:
    flat = [change(crop) for crop in _flat(crops)]
    return np.stack(flat).reshape(crops.shape)
