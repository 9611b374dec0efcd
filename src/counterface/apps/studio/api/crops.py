"""Single crops of a faceset: their pictures, landmarks, masks and the polygons of masks."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from pydantic import Field

from counterface.apps.studio.api.answers import Bytes, Jpeg, Png
from counterface.apps.studio.api.facesets import Place, faceset_folder, row_named
from counterface.apps.studio.opened_facesets import open_faceset
from counterface.apps.studio.store import StudioError
from counterface.apps.studio.studio import StudioHere
from counterface.apps.studio.thumbnails import thumbnails
from counterface.config import Record
from counterface.errors import ConfigError, FacesetError
from counterface.faces.align import warp_points
from counterface.faceset.alignments.change import Undone, set_landmarks, undo
from counterface.faceset.curate.carry import is_mask_name
from counterface.faceset.masks.exchange import polygons_of, write_polygons
from counterface.faceset.masks.polygons import Polygon, Polygons
from counterface.faceset.masks.read_mask import read_mask
from counterface.faceset.row import Row, is_crop_name
from counterface.media.image import encode_image, encode_mask

router = APIRouter(tags=["facesets"])
MOST_THUMBNAILS = 48  # in one request
QUALITY = 95  # of a crop that is looked at in full

Coordinate = Annotated[float, Field(gt=-1e6, lt=1e6)]
Points = Annotated[tuple[tuple[Coordinate, Coordinate], ...], Field(min_length=68, max_length=68)]
File = Annotated[str, Query(description="name of the crop's file")]


class CropView(Record):
    """A crop, for looking at it in full."""

    file: str
    size: int = Field(description="side, pixels")
    source: str
    frame: int
    face: int
    yaw: float | None = Field(description="degrees, right above 0")
    pitch: float | None = Field(description="degrees, up above 0")
    blur: float = Field(description="1 is beyond use")
    outside: float = Field(description="share of the crop outside its frame")
    landmarks: tuple[tuple[float, float], ...] = Field(description="68 points, pixels of the crop")
    mask: str | None = Field(description="name of the mask's file")
    polygons: tuple[Polygon, ...] = Field(description="that the mask was drawn from")
    problem: str | None = Field(None, description="what cannot be read of it")


class LandmarksOf(Record):
    """Landmarks for a crop."""

    place: str
    file: str
    points: Points = Field(description="pixels of the crop")
    seen: Points = Field(description="those that were looked at, pixels of the crop")


class PolygonsOf(Record):
    """Polygons for the mask of a crop."""

    place: str
    file: str
    polygons: tuple[Polygon, ...] = Field(
        max_length=1000, description="later ones over earlier ones; none leaves no mask"
    )


class FacesetNamed(Record):
    """A faceset."""

    place: str


@router.get("/facesets/thumbnails", response_class=Bytes)
def small_pictures(
    studio: StudioHere,
    place: Place,
    file: Annotated[
        list[str],
        Query(min_length=1, max_length=MOST_THUMBNAILS, description="names of the crops' files"),
    ],
) -> Bytes:
    """Thumbnails of up to 48 crops in their order, each a length of 4 bytes (lowest first) and a
    JPEG of at most 128 x 128 pixels; the length is 0 where a crop is not there or cannot be read.
    """
    folder = faceset_folder(studio, place)
    if strange := [name for name in file if not is_crop_name(name)]:
        raise ConfigError(f"{strange[0]!r}: is no name of a crop")
    made = thumbnails(studio.folder, [_inside(folder, name) for name in file])
    parts = [struct.pack("<I", len(one or b"")) + (one or b"") for one in made]
    return Bytes(b"".join(parts))


@router.get("/facesets/crop")
def crop(studio: StudioHere, place: Place, file: File) -> CropView:
    """A crop with its landmarks and the polygons of its mask."""
    faceset = open_faceset(faceset_folder(studio, place))
    return _view(faceset.folder, row_named(faceset, file), faceset.header.size)


@router.get("/facesets/crop.jpg", response_class=Jpeg)
def crop_picture(studio: StudioHere, place: Place, file: File) -> Jpeg:
    """The picture of a crop, encoded anew."""
    faceset = open_faceset(faceset_folder(studio, place))
    image = faceset.read(row_named(faceset, file)).image
    return Jpeg(encode_image(image, "JPEG", QUALITY))


@router.get("/facesets/mask.png", response_class=Png)
def mask_picture(studio: StudioHere, place: Place, file: File) -> Png:
    """The mask of a crop: 255 is face."""
    faceset = open_faceset(faceset_folder(studio, place))
    row, side = row_named(faceset, file), faceset.header.size
    if row.mask is None or not is_mask_name(row.mask):
        raise StudioError(f"{file}: has no mask")
    found = read_mask(faceset.folder / row.mask, (side, side))
    return Png(encode_mask(found))


@router.put("/facesets/landmarks")
def landmarks(wanted: LandmarksOf, studio: StudioHere) -> CropView:
    """Give a crop these landmarks; 'undo' takes them back."""
    folder = faceset_folder(studio, wanted.place)
    points, seen = (np.array(one, np.float64) for one in (wanted.points, wanted.seen))
    row = set_landmarks(folder, wanted.file, points, seen)
    return _view(folder, row, open_faceset(folder).header.size)


@router.post("/facesets/landmarks/undo")
def take_back(wanted: FacesetNamed, studio: StudioHere) -> Undone:
    """Take back the last change of landmarks, by hand or by a command."""
    done = undo(faceset_folder(studio, wanted.place))
    return done.model_copy(update={"folder": wanted.place})


@router.put("/facesets/polygons")
def polygons(wanted: PolygonsOf, studio: StudioHere) -> CropView:
    """Draw the mask of a crop from these polygons, in place of the one that it has."""
    folder = faceset_folder(studio, wanted.place)
    size = open_faceset(folder).header.size
    drawn = Polygons(size=size, polygons=wanted.polygons) if wanted.polygons else None
    return _view(folder, write_polygons(folder, wanted.file, drawn), size)


def _inside(folder: Path, name: str) -> Path:
    """The path of a crop; one that is a link is taken for absent, for it may lead anywhere."""
    path = folder / name
    return folder / ".absent" if path.is_symlink() else path


def _view(folder: Path, row: Row, size: int) -> CropView:
    points = warp_points(row.landmarks, row.frame_to_crop)
    problem, drawn = None, None
    try:
        drawn = polygons_of(folder, row)
    except FacesetError:
        problem = f"the polygons of its mask {row.mask} cannot be read; draw them anew"
    return CropView(
        file=row.file,
        size=size,
        source=row.source,
        frame=row.frame_index,
        face=row.face_index,
        yaw=None if row.pose is None else row.pose.yaw,
        pitch=None if row.pose is None else row.pose.pitch,
        blur=row.blur,
        outside=row.outside,
        landmarks=tuple((float(x), float(y)) for x, y in points),
        mask=row.mask,
        polygons=() if drawn is None else drawn.scaled(size).polygons,
        problem=problem,
    )
