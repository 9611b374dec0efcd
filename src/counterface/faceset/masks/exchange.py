"""Masks and polygons brought into a faceset, and out of it.

They lie in the faceset's `masks/`: `NAME.png` is the mask of the crop NAME, `NAME.json` the
polygons that it was drawn from, if any. A mask's file is whole before its row names it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from counterface.config import Record
from counterface.errors import CounterfaceError, FacesetError
from counterface.faces.align import compose, invert
from counterface.faceset.curate.carry import drop_mask_files, is_mask_name
from counterface.faceset.curate.relocate import opened
from counterface.faceset.find_row import by_stem, row_at, row_named
from counterface.faceset.inspect import Problem
from counterface.faceset.masks.polygons import Polygons, draw_mask, read_polygons
from counterface.faceset.masks.xseg import XSegCrop, read_xseg
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset, save
from counterface.files import make_folder, refuse_links, write_bytes
from counterface.media.image import encode_image
from counterface.media.sandbox import read_image
from counterface.project_files import read_bytes, reading, writing
from counterface.types import Image, Progress

MASKS = "masks"
_POLYGONS, _PICTURES, _CROPS = ".json", ".png", (".jpg", ".jpeg")


class MaskExchange(Record):
    """What was brought in or out."""

    folder: str
    masks: int  # masks that were written
    polygons: int  # of them, those with polygons
    without: int  # files of crops without polygons; or crops without a mask
    problems: tuple[Problem, ...]


def import_masks(folder: Path, given: Path, progress: Progress | None = None) -> MaskExchange:
    """The result of giving a faceset's crops the masks that lie in another folder.

    A PNG file is a mask, a JSON file holds polygons, a JPEG file is a crop of DeepFaceLab with
    polygons in it. A file belongs to the crop of its name; a crop of DeepFaceLab else to the face
    at its place in the frame of its name. What a crop had is replaced.

    Args:
        folder: the faceset.
        given: the folder with the files.
        progress: told of each file.

    Raises:
        FacesetError: no faceset, another process writes to it, or no file of these kinds is there.
    """
    with reading(given, FacesetError, what="cannot be listed"):
        known = (_POLYGONS, _PICTURES, *_CROPS)
        files = sorted(path for path in given.iterdir() if path.suffix.lower() in known)
    if not files:
        raise FacesetError(f"{given} holds no .png, .json or .jpg file; name the folder of masks")
    problems: list[Problem] = []
    masks: dict[str, str] = {}
    drawn = without = 0
    with opened(folder) as faceset:
        make_folder(folder / MASKS, FacesetError)
        refuse_links(folder / MASKS, FacesetError)
        rows = by_stem(faceset)
        for done, path in enumerate(files):
            if progress is not None:
                progress(done, len(files), path.name)
            try:
                found = _read(path, rows, faceset)
            except CounterfaceError as error:
                problems.append(Problem(file=path.name, reason=str(error)))
                continue
            if found is None:
                without += 1
                continue
            row, mask, polygons = found
            masks[row.file] = write_mask(folder, row, mask, polygons)
            drawn += polygons is not None
        named = (replace(row, mask=masks.get(row.file, row.mask)) for row in faceset)
        save(replace(faceset, rows=tuple(named)))
    return MaskExchange(
        folder=str(folder),
        masks=len(masks),
        polygons=drawn,
        without=without,
        problems=tuple(problems),
    )


def export_masks(
    folder: Path, out: Path, form: Literal["png", "json"], progress: Progress | None = None
) -> MaskExchange:
    """The result of writing the masks of a faceset, or their polygons, named as its crops.

    Args:
        folder: the faceset.
        out: folder of the files; made where it is absent.
        form: "png" for the masks, "json" for the polygons.
        progress: told of each crop.

    Raises:
        FacesetError: no faceset, or `out` lies in it or cannot be written.
    """
    faceset = Faceset.open(folder, allow_strays=True)
    faceset.require_outside(out)
    make_folder(out, FacesetError)
    problems: list[Problem] = []
    written = 0
    for done, row in enumerate(faceset):
        if progress is not None:
            progress(done, len(faceset), row.file)
        kept = folder / row.mask if row.mask else None
        source = kept.with_suffix(_POLYGONS) if kept and form == "json" else kept
        if source is None or not source.exists():
            if source is not None and form == "png":
                problems.append(Problem(file=row.file, reason=f"its mask {row.mask} is missing"))
            continue
        try:
            with reading(source, FacesetError):
                data = read_bytes(source)
        except FacesetError as error:
            problems.append(Problem(file=row.file, reason=str(error)))
            continue
        write_bytes(out / f"{Path(row.file).stem}.{form}", data, FacesetError)
        written += 1
    return MaskExchange(
        folder=str(out),
        masks=written if form == "png" else 0,
        polygons=written if form == "json" else 0,
        without=len(faceset) - written - len(problems),
        problems=tuple(problems),
    )


def write_polygons(folder: Path, file: str, polygons: Polygons | None) -> Row:
    """The row of a crop once its mask is drawn from these polygons, in place of what it had.

    Args:
        folder: the faceset.
        file: name of the crop's file.
        polygons: outlines; those over a crop of another side are scaled. None leaves no mask.

    Raises:
        FacesetError: no faceset, no such crop, another shares its name but for the suffix, the
            folder cannot be written, or another process writes to it.
    """
    with opened(folder) as faceset:
        row = row_named(faceset, file)
        by_stem(faceset)  # refuses two crops that would share a mask
        name = None
        if polygons is not None:
            scaled = polygons.scaled(faceset.header.size)
            make_folder(folder / MASKS, FacesetError)
            mask = np.repeat(draw_mask(scaled)[..., None], 3, axis=2)
            name = write_mask(folder, row, mask, scaled)
        new = replace(row, mask=name)
        save(replace(faceset, rows=tuple(new if one is row else one for one in faceset)))
        others = {one.mask for one in faceset if one is not row} | {name}
        if row.mask is not None and row.mask not in others and is_mask_name(row.mask):
            drop_mask_files(folder, row.mask)
    return new


def polygons_of(folder: Path, row: Row) -> Polygons | None:
    """The polygons that the mask of a row was drawn from; None where it has none.

    Raises:
        FacesetError: they cannot be read.
    """
    if row.mask is None or not is_mask_name(row.mask):
        return None
    path = (folder / row.mask).with_suffix(_POLYGONS)
    return read_polygons(path) if path.is_file() else None


def _read(
    path: Path, rows: dict[str, Row], faceset: Faceset
) -> tuple[Row, Image, Polygons | None] | None:
    """The row, mask and polygons of a file; None for a crop without polygons."""
    kind, row, size = path.suffix.lower(), rows.get(path.stem), faceset.header.size
    if kind in _CROPS:
        picture = read_image(path)
        if picture.shape[0] != picture.shape[1]:
            raise FacesetError(f"{path} is {picture.shape[1]}x{picture.shape[0]}; crops are square")
        crop = read_xseg(path, len(picture))
        if crop.polygons is None:
            return None
        row = row or _at_place(crop, faceset)
        polygons = _onto(crop, _required(path, row), size)
    elif kind == _POLYGONS:
        polygons = read_polygons(path).scaled(size)
    else:
        mask = read_image(path)
        if mask.shape[:2] != (size, size):
            height, width = mask.shape[:2]
            raise FacesetError(f"{path} is {width}x{height}, the crops are {size}x{size}; scale it")
        return _required(path, row), mask, None
    return _required(path, row), np.repeat(draw_mask(polygons)[..., None], 3, axis=2), polygons


def _required(path: Path, row: Row | None) -> Row:
    if row is None:
        raise FacesetError(f"{path} belongs to no crop of the faceset; name it as its crop")
    return row


def _at_place(crop: XSegCrop, faceset: Faceset) -> Row | None:
    """The row of the face at the place of a crop of DeepFaceLab, in a frame of the same name."""
    if not crop.source or crop.source_box is None:
        return None
    rows = [row for row in faceset if row.frame_index == 0 and Path(row.source).name == crop.source]
    if not rows:
        return None
    return row_at(crop.source_box, rows)


def _onto(crop: XSegCrop, row: Row, size: int) -> Polygons:
    """The polygons over the crop of a row, through the frame where both know their place in it."""
    assert crop.polygons is not None  # nothing to move
    if crop.frame_to_crop is None or crop.source != Path(row.source).name:
        return crop.polygons.scaled(size)
    if abs(np.linalg.det(crop.frame_to_crop[:, :2])) < 1e-9:
        raise FacesetError(f"the matrix of the crop of {crop.source} cannot be turned round")
    matrix = compose(row.frame_to_crop.astype(np.float64), invert(crop.frame_to_crop))
    with reading(Path(row.file), FacesetError, what="polygons leave the crop"):
        return crop.polygons.moved(matrix, size)


def write_mask(folder: Path, row: Row, mask: Image, polygons: Polygons | None) -> str:
    """The name of the mask that was written for a row."""
    name = f"{MASKS}/{Path(row.file).stem}.png"
    outlines = (folder / name).with_suffix(_POLYGONS)
    if polygons is None:
        with writing(outlines, FacesetError):
            outlines.unlink(missing_ok=True)
    else:
        text = polygons.model_dump_json(indent=1)
        write_bytes(outlines, text.encode(), FacesetError)
    write_bytes(folder / name, encode_image(mask, "PNG"), FacesetError)
    return name
