"""Masks of a segmentation net for the crops of a faceset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.errors import FacesetError, MediaError, ShapeError
from counterface.faces.align import warp_points
from counterface.faces.segment import load_segmenter, segment_face
from counterface.faceset.curate.relocate import opened
from counterface.faceset.find_row import by_stem
from counterface.faceset.inspect import Problem
from counterface.faceset.masks.exchange import MASKS, write_mask
from counterface.faceset.store import save
from counterface.files import make_folder, refuse_links
from counterface.types import Progress

SAVE_EVERY = 500  # crops


class ApplyConfig(Record):
    """Which masks are made."""

    segmenter: str = Field("generic", description="name of the segmenter, as NAME or NAME:PATH")
    replace: bool = Field(
        False, description="also replace masks that crops have, and their polygons"
    )


class MasksApplied(Record):
    """What was made."""

    folder: str
    masks: int  # that were made
    kept: int  # crops that had one, and keep it
    problems: tuple[Problem, ...]


def apply_masks(
    folder: Path, config: ApplyConfig | None = None, progress: Progress | None = None
) -> MasksApplied:
    """The result of giving the crops of a faceset the masks of a segmenter.

    A call that was stopped is continued by the same call.

    Args:
        folder: the faceset.
        config: the settings.
        progress: called as (crops done, crops, name).

    Raises:
        FacesetError: no faceset, another process writes to it, or two crops differ in the suffix
            alone.
        RegistryError: no segmenter of that name.
        WeightsError: its file is not there or cannot be used.
    """
    config = config or ApplyConfig()
    segmenter = load_segmenter(config.segmenter)
    problems: list[Problem] = []
    made = kept = 0
    with opened(folder) as faceset:
        by_stem(faceset)
        make_folder(folder / MASKS, FacesetError)
        refuse_links(folder / MASKS, FacesetError)
        rows = list(faceset)
        for number, row in enumerate(rows):
            if progress is not None:
                progress(number, len(rows), row.file)
            if row.mask is not None and not config.replace:
                kept += 1
                continue
            try:
                crop = faceset.read(row).image
                mask = segment_face(crop, warp_points(row.landmarks, row.frame_to_crop), segmenter)
            except (FacesetError, MediaError, ShapeError) as error:
                problems.append(Problem(file=row.file, reason=str(error)))
                continue
            levels = np.round(255 * mask).astype(np.uint8)
            name = write_mask(folder, row, np.repeat(levels[..., None], 3, axis=2), None)
            rows[number] = replace(row, mask=name)
            made += 1
            if made % SAVE_EVERY == 0:
                save(replace(faceset, rows=tuple(rows)))
        save(replace(faceset, rows=tuple(rows)))
    return MasksApplied(folder=str(folder), masks=made, kept=kept, problems=tuple(problems))
