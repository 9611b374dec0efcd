"""Facesets as sources of training pairs: crops with their landmarks in crop pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePath

from counterface.datasets.pairs.self_blended import FaceSample
from counterface.errors import TrainingError
from counterface.faces.align import matrix_scale, warp_points
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.types import Floats

TEMPLATE = "head"  # room around the face: training crops are jittered, blended, then cut


def open_for_training(folder: Path) -> Faceset:
    """The faceset, which must have crops with room around the face.

    Raises:
        FacesetError: no faceset there.
        TrainingError: it has another template, or no crops.
    """
    faceset = Faceset.open(folder)
    if faceset.header.template != TEMPLATE or not len(faceset):
        raise TrainingError(
            f"{folder}: {len(faceset)} crops of template {faceset.header.template!r}; training "
            f"needs {TEMPLATE!r} crops: counterface faceset extract FOOTAGE {folder} "
            f"--template {TEMPLATE} --size 384"
        )
    return faceset


class FacesetBank:
    """The faces of one faceset, or of some of its rows; one crop is read for each request."""

    def __init__(self, faceset: Faceset, rows: Sequence[Row] | None = None) -> None:
        """All rows where none are named."""
        self.faceset = faceset
        self.rows = list(faceset if rows is None else rows)

    def __len__(self) -> int:
        """How many faces there are."""
        return len(self.rows)

    def __getitem__(self, index: int) -> FaceSample:
        """One face, with landmarks in the crop's pixels."""
        row = self.rows[index]
        return _sample(self.faceset, row, row.landmarks)


class FootagePairs:
    """Real frames of one clip and the manipulated frames of the same moments."""

    def __init__(self, real: Faceset, fake: Faceset, moments: Sequence[tuple[Row, Row]]) -> None:
        """Use `match_pairs`, which finds the moments."""
        self.real, self.fake, self.moments = real, fake, list(moments)

    def __len__(self) -> int:
        """How many moments there are."""
        return len(self.moments)

    def __getitem__(self, index: int) -> tuple[FaceSample, FaceSample]:
        """Real and fake, both with the real face's landmarks, each in its own crop's pixels."""
        real, fake = self.moments[index]
        return (
            _sample(self.real, real, real.landmarks),
            _sample(self.fake, fake, real.landmarks),
        )


def clip_name(row: Row) -> str:
    """The name of the footage that a row came from, without folder and suffix."""
    return PurePath(row.source).stem


def banks_by_clip(faceset: Faceset) -> dict[str, FacesetBank]:
    """One bank for each clip of a faceset, by the clip's name."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in faceset:
        rows[clip_name(row)].append(row)
    return {name: FacesetBank(faceset, found) for name, found in rows.items()}


def match_pairs(real: Faceset, fake: Faceset) -> dict[str, FootagePairs]:
    """The moments that two facesets share, by clip.

    The two are extracted with the same options from a folder of genuine clips and a folder of their
    manipulated versions, same names, same frames, same picture size.

    Raises:
        TrainingError: no moment is in both.
    """
    made = {(clip_name(row), row.frame_index): row for row in fake if row.face_index == 0}
    moments: dict[str, list[tuple[Row, Row]]] = defaultdict(list)
    for row in real:
        other = made.get((clip_name(row), row.frame_index))
        if row.face_index == 0 and other is not None:
            moments[clip_name(row)].append((row, other))
    if not moments:
        raise TrainingError(
            f"{real.folder} and {fake.folder} share no clip name and frame; extract both with the "
            "same options from clips of the same names"
        )
    return {name: FootagePairs(real, fake, found) for name, found in moments.items()}


def _sample(faceset: Faceset, row: Row, landmarks: Floats) -> FaceSample:
    crop = faceset.read(row)
    points = warp_points(landmarks, row.frame_to_crop)
    return FaceSample(crop.image, points, matrix_scale(row.frame_to_crop))
