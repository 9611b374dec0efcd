"""Readers of landmarks, for `project_readers.py`: each a small valid file and what reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from drawn_facesets import write_person

from counterface.errors import FacesetError
from counterface.faceset.alignments.exchange import export_landmarks
from counterface.faceset.alignments.faceswap import faceswap_faces
from counterface.faceset.alignments.ibug import read_pts, write_pts
from counterface.faceset.alignments.plain import plain_faces
from counterface.project_files import read_json

Reader = tuple[Path, Callable[[], object]]


def plain_landmarks(folder: Path) -> Reader:
    """Landmarks of two crops as JSON."""
    write_person(folder / "f", 1, 2, side=64)
    path = folder / "a.json"
    export_landmarks(folder / "f", path, "json")
    return path, lambda: plain_faces(path, read_json(path, FacesetError))


def faceswap_landmarks(folder: Path) -> Reader:
    """The same as faceswap has them."""
    write_person(folder / "f", 1, 2, side=64)
    path = folder / "a.json"
    export_landmarks(folder / "f", path, "faceswap")
    return path, lambda: faceswap_faces(path, read_json(path, FacesetError))


def pts_landmarks(folder: Path) -> Reader:
    """The landmarks of one face as iBUG has them."""
    path = folder / "a.pts"
    write_pts(path, np.ones((68, 2)))
    return path, lambda: read_pts(path)
