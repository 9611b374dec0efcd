"""Frames with what was found in them drawn in: boxes, the 68 points, and why a face is no crop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from counterface.errors import FacesetError
from counterface.faceset.header import HEADER_FILE
from counterface.faceset.wanted import SeenFace
from counterface.files import make_folder, write_bytes
from counterface.media.image import encode_image
from counterface.types import Floats, Image

LONGER_SIDE = 1280  # of a drawn picture, pixels
_TAKEN, _LEFT_OUT = (40, 220, 60), (255, 140, 0)  # RGB
_FONT, _LETTERS = cv2.FONT_HERSHEY_SIMPLEX, 0.42
_QUALITY = 85


def require_apart(path: Path, flag: str, faceset: Path, sources: Sequence[Path]) -> None:
    """Refuse a place at which a picture would be taken for a crop or for footage.

    Args:
        path: a folder or file that is to be written.
        flag: what named it, for the message.
        faceset: the folder of the faceset.
        sources: files and folders of footage.

    Raises:
        FacesetError: it lies in the faceset, in another, or in a folder of footage.
    """
    place = path.resolve()
    for folder in (faceset, *(source for source in sources if source.is_dir())):
        if place.is_relative_to(folder.resolve()):
            what = "a crop" if folder == faceset else "footage"
            raise FacesetError(
                f"{flag} {path} lies in {folder}, where its pictures would be taken for {what}; "
                "name a place beside it"
            )
    if any((folder / HEADER_FILE).exists() for folder in (place, place.parent)):
        raise FacesetError(f"{flag} {path} is in a faceset; name a place beside it")


class DebugFolder:
    """Writes frames with their faces into a folder."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is absent.

        Raises:
            FacesetError: it cannot be made.
        """
        make_folder(folder, FacesetError)
        self.folder = folder

    def write(self, name: str, image: Image, seen: Sequence[SeenFace]) -> None:
        """Write `NAME.jpg`: a frame and its faces; nothing where there is no face.

        Raises:
            FacesetError: it cannot be written.
        """
        if seen:
            data = encode_image(draw_seen(image, seen), "JPEG", _QUALITY)
            write_bytes(self.folder / f"{name}.jpg", data, FacesetError)


def draw_seen(image: Image, seen: Sequence[SeenFace]) -> Image:
    """The frame with boxes and points, green where a crop was cut, orange where none was.

    Args:
        image: RGB uint8 (H, W, 3); not changed.
        seen: its faces.

    Returns:
        RGB uint8, its longer side at most `LONGER_SIDE`.
    """
    scale = min(1.0, LONGER_SIDE / max(image.shape[:2]))
    size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
    drawn = np.array(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    for one in seen:
        colour = _TAKEN if one.left_out is None else _LEFT_OUT
        low, high = _pixels(one.face.box.reshape(2, 2), scale)
        cv2.rectangle(drawn, low, high, colour, 1, cv2.LINE_AA)
        points = [] if one.face.landmarks is None else _pixels(one.face.landmarks, scale)
        radius = 1 if high[0] - low[0] < 200 else 2
        for point in points:
            cv2.circle(drawn, point, radius, colour, -1, cv2.LINE_AA)
        side = float((one.face.box[2:] - one.face.box[:2]).min())
        text = f"{one.index}: {side:.0f} px, score {one.face.score:.2f}"
        _write_line(drawn, text if one.left_out is None else f"{text}, {one.left_out}", low, colour)
    return drawn


def _write_line(
    drawn: Image, text: str, corner: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    """Write a line above a corner of a box, on black, and within the picture."""
    (width, height), below = cv2.getTextSize(text, _FONT, _LETTERS, 1)
    left = max(0, min(corner[0], drawn.shape[1] - width))
    foot = max(height + 2, corner[1] - below - 2)
    cv2.rectangle(drawn, (left, foot - height - 2), (left + width, foot + below), (0, 0, 0), -1)
    cv2.putText(drawn, text, (left, foot), _FONT, _LETTERS, colour, 1, cv2.LINE_AA)


def _pixels(points: Floats, scale: float) -> list[tuple[int, int]]:
    """Points of the frame as whole pixels of the drawn picture; far ones stay within its reach."""
    moved = np.clip((points + 0.5) * scale - 0.5, -9999, 9999).round().astype(int)
    return [(int(x), int(y)) for x, y in moved]
