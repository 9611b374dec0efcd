"""Polygons over a crop, and the mask that they draw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.errors import FacesetError
from counterface.faces.align import warp_points
from counterface.project_files import read_json, reading
from counterface.types import Floats

FORMAT: Literal[1] = 1
_SHIFT = 4  # bits of a pixel's fraction that are drawn
_FAR = 32_768  # pixels; with the fraction it fits OpenCV's 32-bit integers
_ADVICE = "write it as 'Masks' in docs/curate.md says"

Coordinate = Annotated[float, Field(ge=-_FAR, le=_FAR)]


class Polygon(Record):
    """One outline, closed from its last point to its first."""

    kind: Literal["include", "exclude"] = Field(
        description="whether what lies inside belongs to the face"
    )
    points: tuple[tuple[Coordinate, Coordinate], ...] = Field(
        min_length=3, max_length=10_000, description="x, y in pixels; (0, 0): first pixel's centre"
    )


class Polygons(Record):
    """The polygons of one crop, drawn in their order."""

    format: Literal[1] = Field(FORMAT, description="number of this format")
    size: int = Field(ge=1, le=_FAR, description="side of the crop that the points are pixels of")
    polygons: tuple[Polygon, ...] = Field(
        min_length=1, max_length=1000, description="later ones over earlier ones"
    )

    def moved(self, matrix: Floats, size: int) -> Polygons:
        """The polygons over another crop.

        Args:
            matrix: (2, 3), from pixels of this crop to pixels of the other.
            size: side of the other crop, pixels.

        Raises:
            ValueError: a point comes to lie too far outside.
        """
        return Polygons(
            size=size,
            polygons=tuple(
                Polygon(
                    kind=polygon.kind,
                    points=tuple(
                        (float(x), float(y))
                        for x, y in warp_points(np.asarray(polygon.points, np.float64), matrix)
                    ),
                )
                for polygon in self.polygons
            ),
        )

    def scaled(self, size: int) -> Polygons:
        """The polygons over the same crop of another side, pixels."""
        if size == self.size:
            return self
        scale = size / self.size
        shift = (scale - 1) / 2  # centres of pixels
        return self.moved(np.array([[scale, 0, shift], [0, scale, shift]]), size)


def draw_mask(polygons: Polygons) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """The mask of polygons, uint8 (size, size): 255 is face, 0 is not.

    Each fills its inside, border included, in their order. It begins empty; where no polygon
    includes anything, it begins full.
    """
    full = all(polygon.kind == "exclude" for polygon in polygons.polygons)
    mask = np.full((polygons.size, polygons.size), 255 if full else 0, np.uint8)
    for polygon in polygons.polygons:
        points = np.round(np.asarray(polygon.points) * 2**_SHIFT).astype(np.int32)
        cv2.fillPoly(mask, [points], 255 if polygon.kind == "include" else 0, shift=_SHIFT)
    return mask


def read_polygons(path: Path) -> Polygons:
    """The polygons in a JSON file.

    Raises:
        FacesetError: it cannot be read, or is none of this format.
    """
    values = read_json(path, FacesetError, _ADVICE)
    with reading(path, FacesetError, _ADVICE, what="holds no polygons", model=Polygons):
        return Polygons.model_validate(values)
