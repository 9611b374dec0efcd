"""Landmarks in iBUG's .pts files: the points of one face, counted from (1, 1) as MATLAB does.

    version: 1
    n_points: 68
    {
    101.250000 88.500000
    ...
    }

Sagonas, Tzimiropoulos, Zafeiriou, Pantic, "300 Faces in-the-Wild Challenge", 2013. There the centre
of the first pixel is (1, 1); here it is (0, 0).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counterface.errors import FacesetError
from counterface.files import write_bytes
from counterface.project_files import read_bytes, reading

FIRST = 1.0  # coordinate of the first pixel's centre
MOST_BYTES = 100_000
Points = NDArray[np.float64]
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_POINT = re.compile(rf"\s*({_NUMBER})[\s,]+({_NUMBER})\s*")
_ADVICE = "write it as iBUG's .pts files are written, or leave it out"


def write_pts(path: Path, points: Points) -> None:
    """Write the points (68, 2) of a face; what is read back differs by at most 0.000001 px.

    Raises:
        FacesetError: the file cannot be written.
    """
    lines = [f"{x + FIRST:.6f} {y + FIRST:.6f}" for x, y in points]
    text = "\n".join(["version: 1", f"n_points: {len(points)}", "{", *lines, "}", ""])
    write_bytes(path, text.encode(), FacesetError)


def read_pts(path: Path) -> Points:
    """The points (68, 2) of a face.

    Raises:
        FacesetError: it cannot be read, or holds anything but 68 points.
    """
    with reading(path, FacesetError, _ADVICE, what="holds no landmarks"):
        lines = read_bytes(path, MOST_BYTES).decode("utf-8-sig").splitlines()
        lines = [line.strip() for line in lines if line.strip()]
        if not lines or not lines[0].lower().startswith("version:"):
            raise ValueError("it does not begin with 'version:'")
        count = re.fullmatch(r"n_points:\s*(\d{1,9})", lines[1].lower()) if lines[1:] else None
        if count is None or lines[2:3] != ["{"] or lines[-1] != "}":
            raise ValueError("it has no 'n_points:' or no points in braces")
        found = [_POINT.fullmatch(line) for line in lines[3:-1]]
        if (said := int(count[1])) != len(found) or said != 68:
            raise ValueError(f"it says {said} points and has {len(found)}; 68 are needed")
        if None in found:
            raise ValueError(f"{lines[3 + found.index(None)]!r} is no point")
        points = [(float(m[1]), float(m[2])) for m in found if m is not None]
        return np.array(points, np.float64) - FIRST
