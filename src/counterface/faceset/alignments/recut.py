"""Crops cut anew from their source, by the landmarks that their rows have now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from counterface.errors import FacesetError, MediaError, ShapeError
from counterface.faces.align import crop_matrix, outside_share, warp_image
from counterface.faceset.alignments.change import Change, Work
from counterface.faceset.alignments.footage import find_footage, on_frames
from counterface.faceset.alignments.move_mask import move_mask
from counterface.faceset.alignments.redo import Changed, changed, require_crops
from counterface.faceset.blur import measure_blur
from counterface.faceset.curate.relocate import opened
from counterface.faceset.inspect import Problem
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.types import Floats, Image, Progress

STAYS_PX = 0.1  # of a crop: one whose corners would move by less lies where it should


def recut(folder: Path, source: tuple[Path, ...], progress: Progress | None = None) -> Changed:
    """The result of cutting crops anew by the landmarks that they have; run again to continue.

    Matrix, blur and the share outside of the frame are those of the new crop, and its mask moves
    along. Crops that lie where their landmarks ask stay.

    Args:
        folder: the faceset.
        source: files that the crops were cut from.
        progress: called as (crops done, crops, name).

    Raises:
        FacesetError: no faceset, no crops, none of the files is a source, the folder cannot be
            written, or another process writes to it.
    """
    with opened(folder) as faceset:
        require_crops(faceset)
        footage = find_footage(faceset, source)
        hashes = tuple(sorted(footage.files))
        change = Change(faceset, Work(does="recut", by="landmarks", sources=hashes, cuts=True))
        waiting = [row for row in faceset if change.waits(row)]
        rows = [row for row in waiting if not _lies_right(row, faceset)]
        problems = [*footage.problems]
        for done, (row, image) in enumerate(on_frames(rows, footage)):
            if progress:
                progress(done, len(rows), row.file)
            found = image if isinstance(image, str) else _cut(row, image, faceset, change.mark)
            if isinstance(found, str):
                problems.append(Problem(file=row.file, reason=found))
            else:
                change.put(row, *found)
        change.finish()
    return changed(folder, change.count, len(faceset) - len(waiting), [], problems)


def _lies_right(row: Row, faceset: Faceset) -> bool:
    """Whether a crop is cut as its landmarks ask."""
    size = faceset.header.size
    square = np.vstack([row.frame_to_crop, [0, 0, 1]]).astype(np.float64)
    if not np.isfinite(square).all() or abs(np.linalg.det(square)) < 1e-9:
        return False
    try:
        asked = crop_matrix(_finite(row), faceset.header.template, size).astype(np.float64)
    except ShapeError:  # told where it would be cut
        return False
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]], np.float64)
    frame = corners @ np.linalg.inv(square).T
    moved = np.linalg.norm(frame @ asked.T - corners[:, :2], axis=1)
    return bool(moved.max() < STAYS_PX)


def _finite(row: Row) -> Floats:
    if not np.isfinite(row.landmarks).all():
        raise ShapeError("its row holds landmarks that are no numbers")
    return row.landmarks


def _cut(row: Row, image: Image, faceset: Faceset, mark: str) -> tuple[Row, Image] | str:
    """The row and the crop after it was cut anew; or why it cannot be."""
    size = faceset.header.size
    try:
        matrix = crop_matrix(_finite(row), faceset.header.template, size)
        outside = outside_share(matrix, size, row.frame_width, row.frame_height)
        if outside >= 1:
            return "nothing of the new crop would lie in its frame"
        crop = warp_image(image, matrix, size, "grey")
        cut = replace(row, frame_to_crop=matrix, blur=measure_blur(crop), outside=outside)
        return replace(cut, mask=move_mask(faceset.folder, row, cut, mark)), crop
    except (ShapeError, FacesetError, MediaError) as error:
        return str(error)
