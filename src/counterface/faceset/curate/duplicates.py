"""Near copies: of crops that look the same, the sharpest stays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.faceset.curate.choose import Moved, report, set_aside
from counterface.faceset.curate.measuring import PERSON, read_all
from counterface.faceset.curate.relocate import opened
from counterface.faceset.measures.measure import Measure
from counterface.faceset.store import Faceset
from counterface.provenance.fingerprint import hash_image
from counterface.types import Floats, Image, Progress

Found = Sequence[Floats | None]

SAME_BITS = 12  # of 256; at 20 mouths that are open by a third of the nose more count as copies


class DedupeConfig(Record):
    """What counts as a copy."""

    bits: int = Field(
        SAME_BITS, ge=0, le=128, description="bits of 256 by which the hashes of copies may differ"
    )
    embedding: float | None = Field(
        None,
        gt=0,
        description="distance of embeddings that copies must keep below as well (needs dlib)",
    )


class Copy(Record):
    """A crop that was set aside, and the one that stays in its place."""

    file: str
    kept: str
    bits: int = Field(description="bits by which their hashes differ")


class Deduped(Moved):
    """What was set aside, and for what."""

    copies: tuple[Copy, ...]


def look_of(image: Image) -> Floats:
    """The PDQ hash of a crop, (32,) bytes."""
    return np.frombuffer(hash_image(image).bits, np.uint8).astype(np.float32)


LOOK = Measure(name="look", says="PDQ hash", unit="", reads="crop", of=look_of)


def dedupe(
    folder: Path,
    config: DedupeConfig | None = None,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Deduped:
    """Move crops that look like a sharper one to the trash of the faceset.

    From the sharpest (`blur`) to the softest, each crop stays unless one that stays looks the same.

    Args:
        folder: the faceset.
        config: what counts as a copy.
        dry_run: only tell what would move.
        progress: called as (crops done, crops, name).

    Raises:
        FacesetError: no faceset, no crops, it cannot be written, or another process writes to it.
        WeightsError: embeddings are compared and dlib or its model is not there.
    """
    config = config or DedupeConfig()
    with opened(folder) as faceset:
        looks = read_all(faceset, LOOK, progress)
        compare = config.embedding is not None
        people = read_all(faceset, PERSON, progress).found if compare else ()
        copies = _find_copies(faceset, looks.found, people, config)
        if not dry_run:
            set_aside(faceset, [copy.file for copy in copies])
        moved = report(folder, [copy.file for copy in copies], looks.problems)
    return Deduped(**dict(moved), copies=tuple(copies))


def _find_copies(faceset: Faceset, looks: Found, people: Found, config: DedupeConfig) -> list[Copy]:
    by_sharpness = np.argsort([row.blur for row in faceset], kind="stable")
    order = [int(i) for i in by_sharpness if looks[i] is not None]
    words = np.array([looks[i] for i in order], np.uint8).reshape(len(order), -1).view(np.uint64)
    kept = np.empty((len(order), 4), np.uint64)
    stays: list[int] = []
    copies: list[Copy] = []
    for i, look in zip(order, words, strict=True):
        bits = np.bitwise_count(kept[: len(stays)] ^ look).sum(axis=1)
        near = np.flatnonzero(bits <= config.bits)
        near = near[np.argsort(bits[near], kind="stable")]
        twin = next((n for n in near if _same_person(people, i, stays[n], config)), None)
        if twin is None:
            kept[len(stays)] = look
            stays.append(i)
        else:
            file, other = faceset.rows[i].file, faceset.rows[stays[twin]].file
            copies.append(Copy(file=file, kept=other, bits=int(bits[twin])))
    return copies


def _same_person(people: Found, one: int, other: int, config: DedupeConfig) -> bool:
    if config.embedding is None:
        return True
    a, b = people[one], people[other]
    return a is not None and b is not None and float(np.linalg.norm(a - b)) <= config.embedding
