"""Face samples, banks and facesets of drawn actors, for the tests of training."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from actors import Expression, draw_actor

from counterface.datasets.pairs.self_blended import FaceSample
from counterface.errors import FacesetError
from counterface.faces.align import crop_matrix, warp_image
from counterface.faceset.commits import CommitWriter
from counterface.faceset.header import SourceRecord
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset, merge
from counterface.files import locked
from counterface.types import Image, Pose

SIDE = 192  # of the drawn head crops, pixels


def head_sample(identity: int = 1, side: int = SIDE, yaw: float = 0.0) -> FaceSample:
    """An actor with room around the face; noise on it, so that every pixel tells."""
    actor = draw_actor(identity, Pose(yaw, 0, 3), Expression(smile=0.3), size=side)
    return FaceSample(add_grain(actor.image, identity), actor.landmarks, scale=1.0)


def add_grain(image: Image, seed: int, sigma: float = 6.0) -> Image:
    """The image with noise, as footage has it; drawn actors alone are too smooth to compress."""
    grain = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


class DrawnBank:
    """A few actors as a bank of faces; counts what was asked for."""

    def __init__(self, identities: tuple[int, ...], side: int = SIDE) -> None:
        self.samples = [head_sample(identity, side) for identity in identities]
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> FaceSample:
        self.asked.append(index)
        return self.samples[index]


def write_heads(
    folder: Path,
    clips: dict[str, tuple[int, ...]],
    *,
    template: str = "head",
    side: int = 128,
    tint: int = 0,
) -> Faceset:
    """A faceset of head crops with exact landmarks.

    Args:
        folder: to make.
        clips: source file -> the identity that each frame shows.
        template: of the crops.
        side: of the crops, pixels.
        tint: added to every pixel, so that two facesets of the same clips differ.
    """
    Faceset.create(folder, template, side)
    with locked(folder, FacesetError):
        with CommitWriter(folder, quality=95) as writer:
            for number, (source, identities) in enumerate(clips.items()):
                sha = f"{number:064d}"
                for frame, identity in enumerate(identities):
                    writer.add(*_crop(source, sha, frame, identity, template, side, tint))
                writer.commit([SourceRecord(name=source, sha256=sha, options={}, done=True)])
        merge(folder)
    return Faceset.open(folder)


def _crop(
    source: str, sha: str, frame: int, identity: int, template: str, side: int, tint: int
) -> tuple[Row, Image]:
    actor = draw_actor(identity, size=200)
    matrix = crop_matrix(actor.landmarks, template, side)
    image = np.clip(add_grain(actor.image, frame).astype(np.int16) + tint, 0, 255).astype(np.uint8)
    row = Row(
        file=f"{Path(source).stem}_{frame}.jpg",
        source=source,
        source_sha256=sha,
        frame_index=frame,
        pts=Fraction(frame, 25),
        face_index=0,
        frame_width=200,
        frame_height=200,
        box=actor.box,
        score=1.0,
        landmarks=actor.landmarks,
        frame_to_crop=matrix,
        blur=0.1,
    )
    return row, warp_image(image, matrix, side)
