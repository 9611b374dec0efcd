"""Drawn clips and rows for the faceset tests."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from actors import ClipFrame, draw_clip, write_clip

from counterface.errors import FacesetError
from counterface.faces.align import crop_matrix
from counterface.faceset.commits import CommitWriter
from counterface.faceset.header import SourceRecord
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset, merge
from counterface.files import locked
from counterface.types import Frame, Pose

FRAMES = 20  # of the clip; the tests' segments are shorter
SIZE = 64


def draw_long_clip(frames: int = FRAMES) -> list[ClipFrame]:
    """One actor who moves forth and back; drawing is slow, so half of the frames come twice."""
    drawn = draw_clip([1], frames // 2 + 1, 320, 240)
    order = [*range(len(drawn)), *range(len(drawn) - 2, 0, -1)][:frames]
    return [
        replace(drawn[k], frame=Frame(drawn[k].frame.image, i, Fraction(i, 24)))
        for i, k in enumerate(order)
    ]


def write_long_clip(path: Path) -> Path:
    """The clip of `draw_long_clip` as a file."""
    return write_clip(path, draw_long_clip())


def make_row(name: str = "a.jpg", **changes: object) -> Row:
    """A row that is aligned as its matrix says."""
    rng = np.random.default_rng(len(name))
    points = np.concatenate([_jaw(), _template()]) * 40 + 100 + rng.normal(0, 0.1, (68, 2))
    landmarks = points.astype(np.float32)
    row = Row(
        file=name,
        source="clip.mp4",
        source_sha256="0" * 64,
        frame_index=3,
        pts=Fraction(1001, 30000),
        face_index=0,
        frame_width=320,
        frame_height=240,
        box=np.array([60, 60, 140, 150], np.float32),
        score=0.75,
        landmarks=landmarks,
        frame_to_crop=crop_matrix(landmarks, "face", SIZE),
        blur=0.25,
        pose=Pose(10.0, -5.0, 2.0),
    )
    return replace(row, **changes)


def fill(folder: Path, names: tuple[str, ...] = ("a.jpg", "b.jpg")) -> Faceset:
    """A small faceset with one crop of noise for each name."""
    Faceset.create(folder, "face", SIZE)
    add(folder, names)
    return Faceset.open(folder)


def add(folder: Path, names: tuple[str, ...], done: bool = True) -> None:
    """More crops in a faceset, merged where `done`."""
    rng = np.random.default_rng(0)
    record = SourceRecord(name="clip.mp4", sha256="0" * 64, options={}, next_frame=9, done=done)
    with locked(folder, FacesetError):
        with CommitWriter(folder, quality=90) as writer:
            for name in names:
                writer.add(make_row(name), rng.integers(0, 255, (SIZE, SIZE, 3), np.uint8))
            writer.commit([record])
        if done:
            merge(folder)


def _template() -> np.ndarray:
    from counterface.faces.align import MEAN_SHAPE

    return MEAN_SHAPE


def _jaw() -> np.ndarray:
    angle = np.linspace(np.pi, 0, 17)
    return np.stack([1.2 * np.cos(angle), 0.3 + 1.3 * np.sin(angle)], axis=1)
