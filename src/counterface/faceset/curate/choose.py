"""Crops that are set aside into a faceset's trash, and brought back, by what is asked of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from counterface.config import Record
from counterface.errors import ConfigError, FacesetError, MediaError
from counterface.faces.face_detector import find_faces
from counterface.faces.identity import (
    SAME_PERSON,
    IdentityEmbedder,
    identity_distance,
    mean_embedding,
)
from counterface.faceset.curate.measuring import PERSON, measure_all, read_all
from counterface.faceset.curate.order import restore_names
from counterface.faceset.curate.relocate import opened, opened_trash, relocate, trash_of
from counterface.faceset.curate.sheet import spread_out
from counterface.faceset.header import HEADER_FILE
from counterface.faceset.inspect import Problem
from counterface.faceset.measures.measure import load_measure
from counterface.faceset.store import Faceset
from counterface.media import sandbox
from counterface.types import Floats, Progress

_SAMPLE = 50  # crops of a faceset that stand for its person

Flags = NDArray[np.bool_]


class Choice(Record):
    """What is asked of crops; all that is said must hold."""

    by: str | None = Field(None, description="measure that min, max and first are of")
    min: float | None = Field(None, description="least value of the measure")
    max: float | None = Field(None, description="largest value of the measure")
    first: int | None = Field(
        None, ge=1, description="only the first n in the measure's own order, as 'sort' shows it"
    )
    like: Path | None = Field(
        None, description="only the person in this picture, or in this faceset"
    )
    unlike: Path | None = Field(None, description="anybody but the person in this picture, faceset")
    distance: float = Field(
        SAME_PERSON, gt=0, description="distance of embeddings below which two are one person"
    )
    group: tuple[str, ...] = Field(
        (), description="only these groups, as 'group' and 'people' named them"
    )

    @model_validator(mode="after")
    def _fits(self) -> Choice:
        limits = (self.min, self.max, self.first)
        if self.by is None and any(limit is not None for limit in limits):
            raise ValueError("min, max and first are of a measure: name it by 'by'")
        if self.by is not None and all(limit is None for limit in limits):
            raise ValueError(f"say what of {self.by!r} is wanted: min, max or first")
        return self

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked."""
        return self.by is None and self.like is None and self.unlike is None and not self.group


class Moved(Record):
    """What became of the crops of a faceset."""

    folder: str
    moved: tuple[str, ...] = Field(description="crops that went to the trash, or came from it")
    crops: int = Field(description="crops in the faceset now")
    in_trash: int = Field(description="crops in its trash now")
    problems: tuple[Problem, ...] = Field(
        description="crops of which it could not be told; they stay where they are"
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Chosen:
    fit: Flags  # (N,) all that was asked holds
    known: Flags  # (N,) whether it could be told
    problems: tuple[Problem, ...]


def filter_(
    folder: Path, choice: Choice, *, dry_run: bool = False, progress: Progress | None = None
) -> Moved:
    """Keep the crops that fit, and move the others to the trash of the faceset.

    A crop of which it cannot be told, for it cannot be read or has no such value, stays.

    Args:
        folder: the faceset.
        choice: what is asked of the crops that stay.
        dry_run: only tell what would move.
        progress: called as (crops done, crops, name).

    Raises:
        ConfigError: nothing is asked, or no crop has a group of that name.
        FacesetError: no faceset, no crops, none that fits, it cannot be written, or another process
            writes to it.
        MediaError: the sample picture cannot be read, or shows no face.
        RegistryError: no measure of that name.
        WeightsError: people are compared and dlib or its model is not there.
    """
    if choice.is_empty:
        raise ConfigError(
            "say which crops are kept: by a measure (--by blur --max 0.5), a person "
            "(--like FACE.jpg) or a group (--group 'person 1')"
        )
    with opened(folder) as faceset:
        chosen = _choose(faceset, choice, progress)
        leave = [
            row.file for row, go in zip(faceset, chosen.known & ~chosen.fit, strict=True) if go
        ]
        if len(leave) == len(faceset):
            raise FacesetError(
                f"{folder}: no crop fits what was asked, so none was moved; ask less"
            )
        if not dry_run:
            set_aside(faceset, leave)
        return report(folder, leave, chosen.problems)


def restore(
    folder: Path,
    choice: Choice | None = None,
    *,
    names: bool = False,
    progress: Progress | None = None,
) -> Moved:
    """Bring crops back from the trash, or give numbered files their first names back.

    Args:
        folder: the faceset.
        choice: what is asked of the crops that come back; all where left out.
        names: undo `sort --rename` and leave the trash alone.
        progress: called as (crops done, crops, name).

    Raises:
        FacesetError: no faceset, it cannot be written, or another process writes to it.
    """
    choice = choice or Choice()
    with opened(folder) as faceset:
        if names:
            numbered = tuple(row.file for row in faceset if row.original)
            restore_names(faceset)
            return report(folder, numbered)
        if not (trash_of(folder) / HEADER_FILE).exists():
            return report(folder, ())
        with opened_trash(faceset) as trash:
            if not len(trash):
                return report(folder, ())
            chosen = _choose(trash, choice, progress)
            back = [
                row.file for row, fit in zip(trash, chosen.fit & chosen.known, strict=True) if fit
            ]
            relocate(trash, faceset, {name: name for name in back})
            return report(folder, back, chosen.problems)


def set_aside(faceset: Faceset, names: list[str]) -> None:
    """Move crops to the trash. Call with the lock of the faceset held."""
    if names:
        with opened_trash(faceset) as trash:
            relocate(faceset, trash, {name: name for name in names})


def report(
    folder: Path, moved: list[str] | tuple[str, ...], problems: tuple[Problem, ...] = ()
) -> Moved:
    """What is where, after crops moved."""
    trash = trash_of(folder)
    return Moved(
        folder=str(folder),
        moved=tuple(moved),
        crops=len(Faceset.open(folder)),
        in_trash=len(Faceset.open(trash)) if (trash / HEADER_FILE).exists() else 0,
        problems=problems,
    )


def _choose(faceset: Faceset, choice: Choice, progress: Progress | None) -> _Chosen:
    fit, known = np.ones(len(faceset), bool), np.ones(len(faceset), bool)
    problems: list[Problem] = []
    if choice.group:
        fit &= _in_groups(faceset, choice.group)
    if choice.by is not None:
        measure = load_measure(choice.by)
        measured = measure_all(faceset, measure, progress)
        values = measured.values
        known &= np.isfinite(values)
        problems += measured.problems
        with np.errstate(invalid="ignore"):
            fit &= values >= (-np.inf if choice.min is None else choice.min)
            fit &= values <= (np.inf if choice.max is None else choice.max)
        if choice.first is not None:
            early = np.zeros(len(faceset), bool)
            early[measured.order(largest_first=measure.largest_first)[: choice.first]] = True
            fit &= early
    for sample, wanted in ((choice.like, True), (choice.unlike, False)):
        if sample is not None:
            away, unread = _distances(faceset, sample_person(sample, progress), progress)
            known &= np.isfinite(away)
            fit &= (away < choice.distance) == wanted
            problems += unread
    return _Chosen(fit, known, tuple({p.file: p for p in problems}.values()))


def _in_groups(faceset: Faceset, names: tuple[str, ...]) -> Flags:
    there = {row.group for row in faceset if row.group}
    if absent := [name for name in names if name not in there]:
        listed = ", ".join(map(repr, sorted(there))) or "none: 'faceset group' makes them"
        raise ConfigError(f"{faceset.folder} has no group {absent[0]!r}; its groups are {listed}")
    return np.array([row.group in names for row in faceset], bool)


def _distances(
    faceset: Faceset, person: Floats, progress: Progress | None
) -> tuple[Floats, tuple[Problem, ...]]:
    """How far each crop's face is from a person, (N,), NaN where it cannot be read."""
    readings = read_all(faceset, PERSON, progress)
    away = [np.nan if v is None else identity_distance(v, person) for v in readings.found]
    return np.array(away, np.float32), readings.problems


def sample_person(sample: Path, progress: Progress | None = None) -> Floats:
    """The embedding (128,) of the person in a picture, or the mean of a faceset's.

    Raises:
        FacesetError: a folder that is no faceset, or holds no crop that can be read.
        MediaError: the picture cannot be read, or shows no face or several.
        WeightsError: dlib or its model is not there.
    """
    if sample.is_dir():
        faceset = Faceset.open(sample)
        some = replace(
            faceset, rows=tuple(faceset.rows[i] for i in spread_out(len(faceset), _SAMPLE))
        )
        read = [one for one in read_all(some, PERSON, progress).found if one is not None]
        if not read:
            raise FacesetError(f"{sample} holds no crop of which a person could be read")
        return mean_embedding(read)
    image = sandbox.read_image(sample)
    faces = [face for face in find_faces(image) if face.landmarks is not None]
    if len(faces) != 1 or faces[0].landmarks is None:
        raise MediaError(
            f"{sample} shows {len(faces) or 'no'} faces that can be aligned; give a picture of one "
            "person"
        )
    return IdentityEmbedder().embed_landmarks(image, faces[0].landmarks)
