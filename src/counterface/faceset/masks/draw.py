"""Pictures of crops with what their masks leave out tinted."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.errors import FacesetError, MediaError
from counterface.faceset.curate.sheet import spread_out
from counterface.faceset.inspect import Problem
from counterface.faceset.masks.read_mask import read_mask
from counterface.faceset.store import Faceset
from counterface.files import make_folder
from counterface.media.image import write_image
from counterface.types import Image, Mask, Progress

_TINT, _LINE = (0, 60, 140), (255, 230, 60)
_DIMMED = 0.4  # share of the picture that is left outside the mask


class DrawConfig(Record):
    """What is drawn."""

    most: int | None = Field(None, ge=1, description="draw only so many crops, evenly spread")


class Drawn(Record):
    """The pictures that were written."""

    folder: str
    pictures: int
    without: int  # crops that have no mask
    problems: tuple[Problem, ...]


def draw_masks(
    folder: Path, out: Path, config: DrawConfig | None = None, progress: Progress | None = None
) -> Drawn:
    """The result of drawing the crops of a faceset with their masks.

    Args:
        folder: the faceset; nothing in it is changed.
        out: folder of the pictures, outside of the faceset; made where it is absent.
        config: the settings.
        progress: called as (crops done, crops, name).

    Raises:
        FacesetError: no faceset, or `out` lies in it or cannot be written.
    """
    config = config or DrawConfig()
    faceset = Faceset.open(folder, allow_strays=True)
    faceset.require_outside(out)
    make_folder(out, FacesetError)
    rows = [row for row in faceset if row.mask is not None]
    without = len(faceset) - len(rows)
    if config.most is not None and rows:
        rows = [rows[i] for i in spread_out(len(rows), config.most)]
    problems: list[Problem] = []
    for done, row in enumerate(rows):
        if progress is not None:
            progress(done, len(rows), row.file)
        try:
            crop = faceset.read(row).image
            mask = read_mask(folder / str(row.mask), crop.shape[:2])
        except (FacesetError, MediaError) as error:
            problems.append(Problem(file=row.file, reason=str(error)))
            continue
        write_image(out / f"{Path(row.file).stem}.jpg", draw_mask_on(crop, mask))
    return Drawn(
        folder=str(out),
        pictures=len(rows) - len(problems),
        without=without,
        problems=tuple(problems),
    )


def draw_mask_on(crop: Image, mask: Mask) -> Image:
    """The crop, RGB uint8 (S, S, 3), dimmed and tinted where the mask (S, S) is 0, and its edge."""
    outside = (1 - mask)[..., None]
    drawn = crop * (1 - outside) + (crop * _DIMMED + np.array(_TINT)) * outside
    image = np.ascontiguousarray(np.clip(drawn, 0, 255).astype(np.uint8))
    edges, _ = cv2.findContours(
        (mask > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    cv2.drawContours(image, edges, -1, _LINE, 1)
    return image
