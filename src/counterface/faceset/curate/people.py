"""The people in a faceset: crops whose embeddings lie together, each person a group.

No list of people is known and none is kept: "person 1" is who has the most crops here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from counterface.config import Record
from counterface.errors import FacesetError
from counterface.faceset.curate.measuring import PERSON, read_all
from counterface.faceset.curate.order import write_groups
from counterface.faceset.curate.relocate import opened
from counterface.faceset.curate.sheet import draw_sheet, spread_out
from counterface.faceset.inspect import Problem
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.files import make_folder
from counterface.media.image import write_image
from counterface.types import Floats, Progress

NEAR = 0.45  # of a face to the centre of its person; dlib's 0.6 is between two single faces
_ROUNDS = 4

Numbers = NDArray[np.intp]


class PeopleConfig(Record):
    """How crops are told apart by person."""

    distance: float = Field(
        NEAR, gt=0, description="largest distance of a face from the mean of its person's faces"
    )


class CropsOfPerson(Record):
    """One person of a faceset."""

    group: str
    crops: int
    nearest: str = Field(description="crop that is nearest to the mean of the person's faces")
    sheet: str | None = Field(None, description="contact sheet of the person")


class PeopleInFaceset(Record):
    """The people of a faceset, the one with most crops first."""

    folder: str
    people: tuple[CropsOfPerson, ...]
    problems: tuple[Problem, ...] = Field(description="crops that could not be read")


def group_people(
    folder: Path,
    config: PeopleConfig | None = None,
    sheets: Path | None = None,
    progress: Progress | None = None,
) -> PeopleInFaceset:
    """Write whose face each crop shows into the rows (`group`), and return the people.

    Args:
        folder: the faceset.
        config: the settings.
        sheets: folder that gets a contact sheet of each person; made if absent.
        progress: called as (crops done, crops, name).

    Raises:
        FacesetError: no faceset, no crops, it cannot be written, or another process writes to it.
        WeightsError: dlib or its model is not there.
    """
    config = config or PeopleConfig()
    with opened(folder) as faceset:
        readings = read_all(faceset, PERSON, progress)
        read = [i for i, one in enumerate(readings.found) if one is not None]
        points = np.array([readings.found[i] for i in read], np.float32).reshape(len(read), -1)
        person = cluster(points, config.distance)
        names: list[str | None] = [None] * len(faceset)
        for i, number in zip(read, person, strict=True):
            names[i] = f"person {number + 1}"
        faceset = write_groups(faceset, names, "people")
        people = []
        for number in range(max(person, default=-1) + 1):
            own = [i for i, whose in enumerate(person) if whose == number]
            away = np.linalg.norm(points[own] - points[own].mean(axis=0), axis=1)
            rows = [faceset.rows[read[own[i]]] for i in np.argsort(away, kind="stable")]
            people.append(_person(faceset, number, rows, sheets))
    return PeopleInFaceset(folder=str(folder), people=tuple(people), problems=readings.problems)


def _person(faceset: Faceset, number: int, rows: list[Row], sheets: Path | None) -> CropsOfPerson:
    """One person, with a sheet of the rows, which come nearest to the mean first."""
    path = None
    if sheets is not None:
        make_folder(sheets, FacesetError)
        path = sheets / f"person_{number + 1}.jpg"
        shown = [(rows[i], rows[i].source[:16]) for i in spread_out(len(rows))]
        write_image(path, draw_sheet(faceset, shown))
    return CropsOfPerson(
        group=f"person {number + 1}",
        crops=len(rows),
        nearest=rows[0].file,
        sheet=str(path) if path else None,
    )


def cluster(points: Floats, distance: float) -> list[int]:
    """The number of each point's cluster, 0 for the largest.

    Each point joins the nearest centre within the distance, or founds one; then centres that lie
    within it of each other are one, and all points choose again, until nobody changes.

    Args:
        points: (N, D).
        distance: the largest from a point to the centre of its cluster.
    """
    if not len(points):
        return []
    sums: list[Floats] = []
    counts: list[int] = []
    for point in points:
        if sums:
            away = np.linalg.norm(np.array(sums) / np.array(counts)[:, None] - point, axis=1)
            nearest = int(away.argmin())
            if away[nearest] <= distance:
                sums[nearest] = sums[nearest] + point
                counts[nearest] += 1
                continue
        sums.append(point)
        counts.append(1)
    centres = _joined(np.array(sums), np.array(counts), distance)
    own: Numbers = np.zeros(len(points), np.intp)
    for _ in range(_ROUNDS):
        before, own = own, _nearest(points, centres)
        numbers = np.unique(own)
        centres = np.array([points[own == n].mean(axis=0) for n in numbers])
        own = np.asarray(np.searchsorted(numbers, own))
        if np.array_equal(before, own):
            break
    by_size = np.argsort(-np.bincount(own), kind="stable")
    rank = {int(n): place for place, n in enumerate(by_size)}
    return [rank[int(n)] for n in own]


def _joined(sums: Floats, counts: Numbers, distance: float) -> Floats:
    """The centres once those within the distance of each other are one, the nearest two first."""
    while len(sums) > 1:
        centres = sums / counts[:, None]
        away = np.linalg.norm(centres[:, None] - centres[None], axis=2)
        np.fill_diagonal(away, np.inf)
        one, other = divmod(int(away.argmin()), len(centres))
        if away[one, other] > distance:
            break
        sums[one] += sums[other]
        counts[one] += counts[other]
        sums, counts = np.delete(sums, other, axis=0), np.delete(counts, other)
    return np.asarray(sums / counts[:, None], np.float32)


def _nearest(points: Floats, centres: Floats) -> Numbers:
    away = (centres**2).sum(axis=1) - 2 * points @ centres.T  # but for what all have in common
    return np.asarray(away.argmin(axis=1))
