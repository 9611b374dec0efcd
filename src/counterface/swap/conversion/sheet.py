"""The people in a file: a list, and a contact sheet with a few pictures of each."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from counterface.config import Record
from counterface.faces.align import align
from counterface.media.image import write_image
from counterface.swap.conversion.footage import FramesAt, LookConfig, look_at
from counterface.swap.conversion.people import (
    Cast,
    TargetPerson,
    best_moments,
    find_people,
)
from counterface.types import Image, Progress
from counterface.wording import counted

PICTURES = 5  # of each person
SIDE = 160  # of a picture, pixels
MOST_PEOPLE = 40  # rows; a crowd scene has more faces than a sheet can show
_HEAD, _GAP = 26, 6  # height of a row's title, space between pictures
_PAPER, _INK = 245, 20  # grey levels


class PeopleSeen(Record):
    """The people in a file."""

    file: str
    frames: int
    people: tuple[TargetPerson, ...]


def list_people(
    path: Path,
    config: LookConfig | None = None,
    sheet: Path | None = None,
    progress: Progress | None = None,
) -> PeopleSeen:
    """The people in a file, with the numbers that a conversion with equal settings gives them.

    Args:
        path: a video or a picture; decoded in a child process.
        sheet: a picture of everybody is written here (.png, .jpg).
        progress: called as (frames, total or None, "faces").

    Raises:
        MediaError: the file cannot be decoded, or the sheet not written.
    """
    footage, frames_at = look_at(path, config or LookConfig(), progress)
    cast = find_people(footage)
    if sheet is not None:
        write_image(sheet, draw_sheet(cast, frames_at))
    return PeopleSeen(file=str(path), frames=len(footage.looks), people=cast.people)


def draw_sheet(cast: Cast, frames_at: FramesAt) -> Image:
    """The sheet, RGB uint8: a row for each person; without anybody a line that says so."""
    rows = [_draw_row(cast, person, frames_at) for person in cast.people[:MOST_PEOPLE]]
    if not rows:
        rows = [_title("no face was found")]
    elif len(cast.people) > MOST_PEOPLE:
        rows.append(_title(f"and {len(cast.people) - MOST_PEOPLE} more"))
    return np.concatenate(rows)


def _draw_row(cast: Cast, person: TargetPerson, frames_at: FramesAt) -> Image:
    moments = best_moments(cast.sightings(person.number), PICTURES)
    pictures = np.full((SIDE + _GAP, _width(), 3), _PAPER, np.uint8)
    frames = frames_at([moment.pts for moment in moments])
    for place, (frame, moment) in enumerate(zip(frames, moments, strict=True)):
        left = _GAP + place * (SIDE + _GAP)
        crop = align(frame.image, moment.face, "head", SIDE, outside="grey").image
        pictures[:SIDE, left : left + SIDE] = crop
    text = (
        f"person {person.number}   {person.first_s:.2f} to {person.last_s:.2f} s   "
        f"{counted(person.frames, 'frame')}   {person.face_px:.0f} "
        f"px{'   brief' if person.brief else ''}"
    )
    return np.concatenate([_title(text), pictures])


def _title(text: str) -> Image:
    strip = np.full((_HEAD, _width(), 3), _PAPER, np.uint8)
    place = (_GAP, _HEAD - 9)
    cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (_INK,) * 3, 1, cv2.LINE_AA)
    return strip


def _width() -> int:
    return _GAP + PICTURES * (SIDE + _GAP)
