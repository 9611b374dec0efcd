"""A mask, and the polygons that it was drawn from, moved with a crop that is cut otherwise."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from counterface.errors import FacesetError, ShapeError
from counterface.faceset.curate.carry import MaskFiles, is_mask_name, write_mask_files
from counterface.faceset.masks.polygons import draw_mask, read_polygons
from counterface.faceset.row import Row
from counterface.media.image import encode_image
from counterface.media.sandbox import read_image
from counterface.project_files import reading
from counterface.types import Floats


def move_mask(folder: Path, row: Row, onto: Row, mark: str) -> str | None:
    """The name of a row's mask after it was written anew for another crop of the same frame.

    The old files stay. What the old crop did not show is not face. A mask that is missing keeps its
    name.

    Args:
        folder: the faceset.
        row: its mask fits its matrix.
        onto: its matrix is the one that the new mask fits.
        mark: what the new name ends with, before the suffix.

    Raises:
        FacesetError: the polygons cannot be read or moved, or the folder cannot be written.
        MediaError: the mask cannot be read.
    """
    if row.mask is None or not is_mask_name(row.mask) or not (folder / row.mask).is_file():
        return row.mask
    path = folder / row.mask
    mask = read_image(path)
    matrix = _crop_to_crop(row.frame_to_crop, onto.frame_to_crop)
    outlines, size = path.with_suffix(".json"), len(mask)
    polygons = None
    if outlines.is_file():
        found = read_polygons(outlines).scaled(size)
        with reading(outlines, FacesetError, what="polygons leave the crop"):
            polygons = found.moved(matrix, size)
        mask = np.repeat(draw_mask(polygons)[..., None], 3, axis=2)
    else:
        mask = np.asarray(cv2.warpAffine(mask, matrix, (size, size), flags=cv2.INTER_LINEAR))
    text = None if polygons is None else polygons.model_dump_json(indent=1).encode()
    name = path.with_name(f"{path.stem}{mark}.png").relative_to(folder).as_posix()
    return write_mask_files(folder, name, MaskFiles(encode_image(mask, "PNG"), text))


def _crop_to_crop(before: Floats, after: Floats) -> Floats:
    """The matrix (2, 3) from pixels of one crop to those of another of the same frame."""
    one, other = (np.vstack([m.astype(np.float64), [0, 0, 1]]) for m in (before, after))
    if abs(np.linalg.det(one)) < 1e-9:
        raise ShapeError("its matrix is flat; delete it and extract its source again")
    return np.asarray((other @ np.linalg.inv(one))[:2], np.float32)
