"""A face store of drawn crops, for the tests of training: no file is decoded, no face is sought."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from counterface.datasets.manifest import Entry, write_manifest
from counterface.errors import FacesetError
from counterface.faceset.commits import CommitWriter
from counterface.faceset.header import SourceRecord
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset, merge
from counterface.files import locked
from counterface.types import Image

FRAMES = 4  # of each moment


def write_store(
    folder: Path,
    *,
    real: int,
    fake: int,
    moments: int = 2,
    size: int = 32,
    template: str = "face",
    people: int = 0,
    splits: tuple[str, ...] = ("",),
) -> tuple[Path, list[Entry]]:
    """The store's folder and its entries, real files first; a fake crop has a fine grid on it.

    Args:
        folder: to make.
        real: how many real files.
        fake: how many fake files.
        moments: clips of each file.
        size: crop side, pixels.
        template: that the crops claim to be of.
        people: how many people share the files; 0 = one each. A person has a colour.
        splits: that the files of each class take in turn.
    """
    Faceset.create(folder, template, size)
    entries = []
    with locked(folder, FacesetError):
        with CommitWriter(folder, quality=95) as writer:
            for number in range(real + fake):
                label = int(number >= real)
                turn = number - real if label else number
                person = turn % people if people else number
                sha = f"{number:064x}"
                entries.append(
                    Entry(
                        path=folder.parent / f"file_{number}.mp4",
                        label=label,
                        method="grid" if label else "",
                        identities=(f"person {person}",),
                        split=splits[turn % len(splits)],
                        licence="drawn",
                        sha256=sha,
                    )
                )
                for moment in range(moments):
                    for place in range(FRAMES):
                        crop = draw_crop(person, label, size, seed=number * 100 + moment)
                        writer.add(_row(sha, moment, place, size), crop)
                options = {"moments": moments, "frames": FRAMES, "step": 1}
                record = SourceRecord(name=f"file_{number}.mp4", sha256=sha, options=options)
                writer.commit([record.model_copy(update={"done": True})])
        merge(folder)
    write_manifest(entries, folder / "manifest.parquet")
    return folder, entries


def draw_crop(person: int, label: int, size: int, seed: int) -> Image:
    """A smooth crop in the person's colour; a fake one has a grid of single pixels on it."""
    rng = np.random.default_rng(seed)
    color = np.random.default_rng(1000 + person).uniform(60, 190, 3)
    image = np.full((size, size, 3), color) + rng.normal(0, 4, (size, size, 3))
    if label:
        image[::2, ::2] += 30
    return np.clip(image, 0, 255).astype(np.uint8)


def _row(sha: str, moment: int, place: int, size: int) -> Row:
    index = moment * 100 + place
    return Row(
        file=f"file_{int(sha, 16)}_{sha[-8:]}_{moment:04d}_{place:02d}.png",
        source=f"file_{int(sha, 16)}.mp4",
        source_sha256=sha,
        frame_index=index,
        pts=Fraction(index, 25),
        face_index=0,
        frame_width=size,
        frame_height=size,
        box=np.array([0, 0, size, size], np.float32),
        score=1.0,
        landmarks=np.zeros((68, 2), np.float32),
        frame_to_crop=np.eye(2, 3, dtype=np.float32),
        blur=0.1,
    )
