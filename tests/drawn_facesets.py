"""Facesets of one drawn actor each, turning the head, with a rights record: for making tests."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from actors import Actor, Expression, draw_actor

from counterface.errors import FacesetError
from counterface.faces.align import crop_matrix, warp_image
from counterface.faceset.commits import CommitWriter
from counterface.faceset.header import SourceRecord
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset, merge
from counterface.files import locked
from counterface.provenance.rights import Rights
from counterface.types import Image, Pose

RIGHTS = Rights(shown="a drawn actor", basis="synthetic", reference="tests/actors.py")


def write_person(
    folder: Path,
    identity: int,
    count: int = 4,
    *,
    template: str = "whole_face",
    side: int = 128,
    rights: Rights | None = RIGHTS,
) -> Faceset:
    """A faceset of `count` crops of one actor, yaw from -20 to 20 degrees, exact landmarks.

    Crop number i has the time i / 25 s and blur (i + 1) / 100.
    """
    Faceset.create(folder, template, side, rights)
    sha = f"{identity:064d}"
    with locked(folder, FacesetError):
        with CommitWriter(folder, quality=95) as writer:
            for number, yaw in enumerate(np.linspace(-20, 20, count)):
                pose = Pose(float(yaw), float(4 * np.sin(number)), 0.0)
                smile = Expression(mouth_open=0.2 * (number % 3), smile=0.3 * (number % 2))
                actor = draw_actor(identity, pose, smile, size=256)
                writer.add(*_crop(actor, f"person{identity}.mp4", sha, number, template, side))
            record = SourceRecord(name=f"person{identity}.mp4", sha256=sha, options={}, done=True)
            writer.commit([record])
        merge(folder)
    return Faceset.open(folder)


def _crop(
    actor: Actor, source: str, sha: str, number: int, template: str, side: int
) -> tuple[Row, Image]:
    matrix = crop_matrix(actor.landmarks, template, side)
    row = Row(
        file=f"{Path(source).stem}_{number:04d}.jpg",
        source=source,
        source_sha256=sha,
        frame_index=number,
        pts=Fraction(number, 25),
        face_index=0,
        frame_width=256,
        frame_height=256,
        box=actor.box,
        score=1.0,
        landmarks=actor.landmarks,
        frame_to_crop=matrix,
        blur=(number + 1) / 100,
        pose=actor.pose,
    )
    return row, warp_image(actor.image, matrix, side)
