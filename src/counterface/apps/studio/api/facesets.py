"""Facesets: where they are, their crops in rows, and changes of them that take a moment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from pydantic import Field

from counterface.apps.studio.api.answers import Png
from counterface.apps.studio.find_folders import find_folders, is_faceset
from counterface.apps.studio.opened_facesets import mark_of, open_faceset
from counterface.apps.studio.store import StudioError
from counterface.apps.studio.studio import Studio, StudioHere
from counterface.config import Record
from counterface.errors import ConfigError, CounterfaceError
from counterface.faceset.alignments.change import Work, list_changes
from counterface.faceset.coverage import Coverage, draw_coverage, find_coverage
from counterface.faceset.curate.by_name import (
    MovedByName,
    bring_back_by_name,
    set_aside_by_name,
)
from counterface.faceset.curate.measuring import measure_all
from counterface.faceset.curate.relocate import trash_of
from counterface.faceset.header import HEADER_FILE
from counterface.faceset.measures.measure import Reads, load_measure
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset, set_rights
from counterface.media.image import IMAGE_SUFFIXES, encode_image
from counterface.provenance.rights import Rights
from counterface.registry import FACESET_MEASURES

router = APIRouter(tags=["facesets"])
MOST_NAMES = 200_000  # of crops in one request


Place = Annotated[str, Query(description="the faceset's folder")]


class FacesetEntry(Record):
    """A faceset below the folders of the studio."""

    place: str
    name: str = Field(description="name of its folder")
    crops: int = Field(description="pictures in its folder")
    template: str | None = Field(None, description="template of its crops")
    size: int | None = Field(None, description="side of its crops, pixels")
    shown: str | None = Field(None, description="person that its rights record names")
    sources: int = Field(0, description="files that it was cut from")
    changed: float = Field(description="seconds since 1970")
    problem: str | None = Field(None, description="why it cannot be opened")


class MeasureEntry(Record):
    """A measure of crops."""

    name: str
    says: str
    unit: str
    reads: Reads
    largest_first: bool
    problem: str | None = Field(None, description="why it cannot be used")


class CropColumns(Record):
    """The crops of a faceset, one value a crop in each list, by source, frame and face."""

    file: list[str]
    source: list[int] = Field(description="number in the list of sources")
    frame: list[int]
    face: list[int]
    place: list[int | None] = Field(description="place in the last sorting")
    group: list[str | None]
    mask: list[bool] = Field(description="whether it has a mask")
    blur: list[float | None]
    yaw: list[float | None] = Field(description="degrees, right above 0")


class FacesetView(Record):
    """A faceset with its crops."""

    place: str
    mark: str = Field(description="changes when anything in the faceset does")
    template: str
    size: int = Field(description="side of the crops, pixels")
    rights: Rights | None
    several_rights: bool = Field(description="whether crops have records of their own")
    sorted_by: str | None
    grouped_by: str | None
    gone: int = Field(description="rows whose file was deleted")
    strays: tuple[str, ...] = Field(description="pictures without a row, the first 20 of them")
    stray_count: int
    in_trash: int
    changes: tuple[Work, ...] = Field(description="changes of landmarks that can be taken back")
    sources: tuple[str, ...]
    crops: CropColumns


class MeasuredValues(Record):
    """The values of a measure, in the order of the crops."""

    mark: str
    by: str
    values: list[float | None]


class CropNames(Record):
    """Crops of a faceset by the names of their files."""

    place: str
    files: tuple[str, ...] = Field(min_length=1, max_length=MOST_NAMES)


class RightsOf(Record):
    """A rights record for a faceset."""

    place: str
    rights: Rights


@router.get("/facesets")
def facesets(studio: StudioHere) -> list[FacesetEntry]:
    """The facesets below the folders of the studio; hidden folders, links and trash left out."""
    found = [_entry(studio, folder) for folder in find_folders(studio.places, is_faceset)]
    return sorted(found, key=lambda one: one.place)


@router.get("/facesets/measures")
def measures() -> list[MeasureEntry]:
    """What crops can be sorted and grouped by."""
    found = []
    for name in FACESET_MEASURES.names():
        try:
            one = load_measure(name)
        except CounterfaceError as error:
            unusable = {"says": "", "unit": "", "reads": "row", "largest_first": False}
            found.append(MeasureEntry(name=name, problem=str(error), **unusable))
            continue
        found.append(
            MeasureEntry(
                name=name,
                says=one.says,
                unit=one.unit,
                reads=one.reads,
                largest_first=one.largest_first,
            )
        )
    return found


@router.get("/facesets/rows")
def rows(studio: StudioHere, place: Place) -> FacesetView:
    """A faceset with its crops; its trash is the faceset PLACE/trash."""
    folder = faceset_folder(studio, place)
    mark = mark_of(folder)
    faceset = open_faceset(folder, mark)
    header, trash = faceset.header, trash_of(folder)
    return FacesetView(
        place=place,
        mark=mark,
        template=header.template,
        size=header.size,
        rights=header.rights,
        several_rights=any(row.rights is not None for row in faceset),
        sorted_by=header.sorted_by,
        grouped_by=header.grouped_by,
        gone=faceset.gone,
        strays=faceset.strays[:20],
        stray_count=len(faceset.strays),
        in_trash=len(open_faceset(trash)) if is_faceset(trash) else 0,
        changes=list_changes(folder),
        sources=tuple(dict.fromkeys(row.source for row in faceset)),
        crops=_columns(faceset),
    )


@router.get("/facesets/values")
def values(
    studio: StudioHere, place: Place, by: Annotated[str, Query(description="the measure")]
) -> MeasuredValues:
    """The values of a measure that stands in the rows; those of pictures are told by a sorting."""
    folder = faceset_folder(studio, place)
    mark = mark_of(folder)
    measure = load_measure(by)
    if measure.reads != "row":
        raise ConfigError(f"{by!r} is measured on the pictures; sort by it")
    faceset = open_faceset(folder, mark)
    found = measure_all(faceset, measure).values if len(faceset) else np.zeros(0)
    return MeasuredValues(mark=mark, by=by, values=[_number(value) for value in found])


@router.get("/facesets/coverage")
def coverage(studio: StudioHere, place: Place) -> Coverage:
    """The poses and mouths that the crops show, and in words what is missing."""
    return find_coverage(open_faceset(faceset_folder(studio, place)).rows)


@router.get("/facesets/coverage.png", response_class=Png)
def coverage_picture(studio: StudioHere, place: Place) -> Png:
    """The maps of poses and mouths as a picture."""
    found = find_coverage(open_faceset(faceset_folder(studio, place)).rows)
    return Png(encode_image(draw_coverage(found), "PNG"))


@router.post("/facesets/set-aside")
def set_aside(wanted: CropNames, studio: StudioHere) -> MovedByName:
    """Move crops to the trash of their faceset."""
    return _told(studio, set_aside_by_name(faceset_folder(studio, wanted.place), wanted.files))


@router.post("/facesets/bring-back")
def bring_back(wanted: CropNames, studio: StudioHere) -> MovedByName:
    """Move crops from the trash of a faceset back into it."""
    return _told(studio, bring_back_by_name(faceset_folder(studio, wanted.place), wanted.files))


@router.put("/facesets/rights")
def rights(wanted: RightsOf, studio: StudioHere) -> Rights | None:
    """Give a faceset this rights record."""
    return set_rights(faceset_folder(studio, wanted.place), wanted.rights).header.rights


def faceset_folder(studio: Studio, place: str) -> Path:
    """The folder of a faceset that is there.

    Raises:
        StudioError: there is none.
        PlaceError: the place leads out of the folders that the user gave.
    """
    folder = studio.places.readable(place)
    if not is_faceset(folder):
        raise StudioError(f"{place}: is no faceset")
    return folder


def row_named(faceset: Faceset, file: str) -> Row:
    """The row of a crop.

    Raises:
        StudioError: there is none of this name any more.
    """
    row = next((row for row in faceset if row.file == file), None)
    if row is None:
        raise StudioError(f"{file!r}: no crop of this name is there any more; load the page again")
    return row


def _told(studio: Studio, moved: MovedByName) -> MovedByName:
    return moved.model_copy(update={"folder": studio.places.name(Path(moved.folder))})


def _entry(studio: Studio, folder: Path) -> FacesetEntry:
    from counterface.faceset.header import Header, read_plain_header

    with os.scandir(folder) as entries:
        crops = sum(Path(entry.name).suffix.lower() in IMAGE_SUFFIXES for entry in entries)
    about = {
        "place": studio.places.name(folder),
        "name": folder.name,
        "crops": crops,
        "changed": folder.stat().st_mtime,
    }
    try:
        header = Header.model_validate(read_plain_header(folder))
    except (CounterfaceError, ValueError) as error:
        reason = str(error) if isinstance(error, CounterfaceError) else f"{HEADER_FILE} is damaged"
        return FacesetEntry(problem=studio.places.outward(reason), **about)
    return FacesetEntry(
        template=header.template,
        size=header.size,
        shown=header.rights.shown if header.rights else None,
        sources=len(header.sources),
        **about,
    )


def _columns(faceset: Faceset) -> CropColumns:
    numbers = {name: i for i, name in enumerate(dict.fromkeys(row.source for row in faceset))}
    return CropColumns(
        file=[row.file for row in faceset],
        source=[numbers[row.source] for row in faceset],
        frame=[row.frame_index for row in faceset],
        face=[row.face_index for row in faceset],
        place=[row.place for row in faceset],
        group=[row.group for row in faceset],
        mask=[row.mask is not None for row in faceset],
        blur=[_number(row.blur) for row in faceset],
        yaw=[None if row.pose is None else _number(row.pose.yaw) for row in faceset],
    )


def _number(value: float) -> float | None:
    """The number to five figures, which is what a page shows; None where it is none."""
    return float(f"{value:.5g}") if np.isfinite(value) else None
