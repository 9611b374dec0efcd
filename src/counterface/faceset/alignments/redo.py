"""Landmarks of every crop found again, by another landmarker, on the crops or on their frames.

On a crop the landmarker sees the pixels that training sees, however long its source is gone. On the
frame it sees what it would have at extraction. Either way landmarks are stored in pixels of the
frame, and crops stay as they are cut; `recut` cuts them anew.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.errors import FacesetError, ShapeError
from counterface.faces.align import warp_box
from counterface.faces.face_detector import Landmarker
from counterface.faces.landmarks import eye_centres, interocular
from counterface.faces.named_model import make_model
from counterface.faceset.alignments.change import Change, Work, points_in_frame, with_landmarks
from counterface.faceset.alignments.footage import find_footage, on_frames
from counterface.faceset.curate.relocate import opened
from counterface.faceset.inspect import Problem, misalignment
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.registry import LANDMARKERS
from counterface.types import Face, Image, Progress


class RedoConfig(Record):
    """How landmarks are found again."""

    landmarker: str = Field(description="landmarker by name, or NAME:PATH with its weights")
    source: tuple[Path, ...] = Field(
        (), description="files that the crops were cut from; unset: look at the crops"
    )


class Changed(Record):
    """What became of the crops of a faceset."""

    folder: str
    crops: int = Field(description="crops in the faceset")
    changed: int = Field(description="crops that this call changed")
    before: int = Field(description="crops that a call which was stopped had changed")
    median_shift: float | None = Field(
        description="distance that landmarks moved, in distances of the outer eye corners: the "
        "mean of a crop, median of the crops; null where none changed"
    )
    largest_shift: float | None = Field(description="the same, of the crop that moved most")
    off_template: int = Field(description="crops that no longer lie as the template asks")
    problems: tuple[Problem, ...] = Field(description="crops and files that stayed as they were")


def redo(folder: Path, config: RedoConfig, progress: Progress | None = None) -> Changed:
    """The result of finding the landmarks of a faceset again; run again to continue.

    Landmarks and pose of the rows change, and identities that were read where the old landmarks lay
    are forgotten. A crop on which no face is found, or that cannot be read, stays as it was.

    Args:
        folder: the faceset.
        config: the settings.
        progress: called as (crops done, crops, name).

    Raises:
        FacesetError: no faceset, no crops, none of the files is a source, the folder cannot be
            written, or another process writes to it.
        RegistryError: no landmarker of that name.
        WeightsError: its model file cannot be found, fetched or used.
    """
    marker = make_model(LANDMARKERS, config.landmarker)
    assert isinstance(marker, Landmarker)
    with opened(folder) as faceset:
        require_crops(faceset)
        footage = find_footage(faceset, config.source) if config.source else None
        hashes = tuple(sorted(footage.files)) if footage else ()
        change = Change(faceset, Work(does="redo", by=config.landmarker, sources=hashes))
        rows = [row for row in faceset if change.waits(row)]
        seen = on_frames(rows, footage) if footage else faceset.read_each(rows)
        problems = [*footage.problems] if footage else []
        shifts: list[float] = []
        before = len(faceset) - len(rows)
        for done, (row, image) in enumerate(seen, before):
            if progress:
                progress(done, len(faceset), row.file)
            found = (
                image
                if isinstance(image, str)
                else _found(marker, row, image, faceset.header.size, config)
            )
            if isinstance(found, str):
                problems.append(Problem(file=row.file, reason=found))
            else:
                shifts += shift_of(row, found)
                change.put(row, found)
        change.finish()
    return changed(folder, change.count, before, shifts, problems)


def require_crops(faceset: Faceset) -> None:
    """Refuse a faceset without crops.

    Raises:
        FacesetError: it has none.
    """
    if not len(faceset):
        raise FacesetError(
            f"{faceset.folder} holds no crops, so there are no landmarks to change; "
            f"fill it with 'counterface faceset extract FOOTAGE {faceset.folder}'"
        )


def shift_of(before: Row, after: Row) -> list[float]:
    """How far the landmarks of a row moved, mean of all, in distances of the outer eye corners.

    Empty where the row had none that can be compared.
    """
    off = np.linalg.norm(after.landmarks - before.landmarks, axis=1)
    moved = float(off.mean() / max(interocular(after.landmarks), 1e-6))
    return [moved] if np.isfinite(moved) else []


def changed(
    folder: Path, count: int, before: int, shifts: list[float], problems: list[Problem]
) -> Changed:
    """What became of a faceset, read from it."""
    faceset = Faceset.open(folder)
    return Changed(
        folder=str(folder),
        crops=len(faceset),
        changed=count,
        before=before,
        median_shift=float(np.median(shifts)) if shifts else None,
        largest_shift=max(shifts) if shifts else None,
        off_template=sum(_is_off(row, faceset) for row in faceset),
        problems=tuple(problems),
    )


def face_on_crop(row: Row) -> Face:
    """The face of a row as a face detector would have found it on the crop: upright, with a box."""
    return Face(box=warp_box(row.box, row.frame_to_crop), score=row.score)


def face_on_frame(row: Row) -> Face:
    """The face of a row as a face detector found it: its box, and eyes that tell its direction."""
    eyes = np.stack(eye_centres(row.landmarks))
    return Face(box=row.box, score=row.score, keypoints=eyes if np.isfinite(eyes).all() else None)


def _is_off(row: Row, faceset: Faceset) -> bool:
    if not np.isfinite(row.landmarks).all():  # 'verify' tells of it
        return False
    return misalignment(row.landmarks, row.frame_to_crop, faceset.header) is not None


def _found(marker: Landmarker, row: Row, image: Image, size: int, config: RedoConfig) -> Row | str:
    """The row with the landmarks that are found; or why there are none."""
    try:
        if not np.isfinite([*row.box, *row.frame_to_crop.ravel()]).all():
            raise ShapeError("its row holds a box or a matrix that is none")
        face = face_on_frame(row) if config.source else face_on_crop(row)
        if not (face.box[2:] > face.box[:2]).all():
            raise ShapeError("its row holds a box or a matrix that is none")
        landmarks = marker.locate(image, [face])[0].landmarks
        if landmarks is None:
            return f"{config.landmarker} sees no face in it"
        if not config.source:
            landmarks = points_in_frame(landmarks, row)
        return with_landmarks(row, landmarks, size)
    except ShapeError as error:
        return f"{config.landmarker}: {error}"
