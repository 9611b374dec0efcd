"""One row of `faceset.parquet`: where a crop came from and what was measured on it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from operator import attrgetter
from pathlib import Path, PurePath, PureWindowsPath
from typing import Annotated

import pyarrow as pa

from counterface.errors import FacesetError
from counterface.faces.align import outside_share
from counterface.faces.pose import estimate_pose
from counterface.faceset.blur import measure_blur
from counterface.media.image import IMAGE_SUFFIXES
from counterface.project_files import reading
from counterface.provenance.rights import Rights
from counterface.table import Column, Float32, Int32, Table, array
from counterface.types import Crop, Face, Floats, Pose

_ANGLES = "yaw", "pitch", "roll"
_CLAIMS = "shown", "basis", "reference"
_POSE = Column(dict.fromkeys(_ANGLES, pa.float32()), attrgetter(*_ANGLES), Pose)
_RIGHTS = Column(
    {f"{{}}_{claim}": pa.string() for claim in _CLAIMS},
    attrgetter(*_CLAIMS),
    lambda *claims: Rights.model_validate(dict(zip(_CLAIMS, claims, strict=True))),
)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Row:
    """One crop of a faceset; all coordinates but the matrix's results are pixels of the source."""

    file: str  # crop file, relative to the faceset's folder, with forward slashes
    source: str  # file that the crop was cut from, as it was named at extraction
    source_sha256: str
    frame_index: int  # 0 for a still picture
    pts: Fraction  # seconds; 0 for a still picture
    face_index: Int32  # 0 = largest face of its frame
    frame_width: Int32
    frame_height: Int32
    box: Annotated[Floats, array(4)]  # xyxy
    score: Float32  # of the face detector
    landmarks: Annotated[Floats, array(68, 2)]
    pose: Annotated[Pose | None, _POSE] = None
    frame_to_crop: Annotated[Floats, array(2, 3)]
    blur: Float32  # [0, 1], 1 = blurred beyond use
    identity: Annotated[Floats | None, array()] = None  # embedding
    mask: str | None = None  # mask file, relative to the faceset's folder
    outside: Float32 = 0.0  # share of the crop that lies outside the frame, [0, 1]
    place: Int32 | None = None  # in the order of the last sorting, 0 first
    group: str | None = None  # of the last grouping
    original: str | None = None  # name of the file before sorting gave it a numbered one
    rights: Annotated[Rights | None, _RIGHTS] = None  # its own record; None: the faceset's

    def __post_init__(self) -> None:
        """Refuse, by a ValueError, what no crop can have."""
        if self.mask and (PurePath(self.mask).is_absolute() or ".." in PurePath(self.mask).parts):
            raise ValueError(f"the mask {self.mask!r} lies outside of the faceset")
        if self.original and not is_crop_name(self.original):
            raise ValueError(f"the former name {self.original!r} is none of a crop")
        if min(self.frame_width, self.frame_height) < 1 or self.frame_index < 0:
            size = f"{self.frame_width}x{self.frame_height}"
            raise ValueError(f"frame {self.frame_index} of {size} pixels")

    @property
    def key(self) -> tuple[str, int, int]:
        """What tells the crop from others, whatever its file is called: source, frame, face."""
        return self.source_sha256, self.frame_index, self.face_index

    @classmethod
    def of(
        cls,
        crop: Crop,
        file: str,
        source: str,
        source_sha256: str,
        face_index: int = 0,
    ) -> Row:
        """The row of a crop that was just cut.

        Args:
            crop: crop of a face with landmarks, with the shape of its frame.
            file: that the crop is written to.
            source: the file that it was cut from.
            source_sha256: SHA-256 of that file.
            face_index: 0 is the largest face of the frame.
        """
        face, (height, width) = crop.face, crop.frame_shape
        assert face.landmarks is not None  # nothing is aligned without
        return cls(
            file=file,
            source=source,
            source_sha256=source_sha256,
            frame_index=crop.frame_index,
            pts=crop.pts,
            face_index=face_index,
            frame_width=width,
            frame_height=height,
            box=face.box,
            score=face.score,
            landmarks=face.landmarks,
            pose=face.pose or estimate_pose(face.landmarks, (height, width)),
            frame_to_crop=crop.frame_to_crop,
            blur=measure_blur(crop.image),
            outside=outside_share(crop.frame_to_crop, len(crop.image), width, height),
        )

    @property
    def face(self) -> Face:
        """The face in pixels of the source frame."""
        return Face(
            box=self.box,
            score=self.score,
            landmarks=self.landmarks,
            pose=self.pose,
            embedding=self.identity,
        )


def is_crop_name(name: str) -> bool:
    """Whether a file of this name would be a crop: a picture directly in the faceset's folder."""
    path = PurePath(name)
    bare = path.name == name and PureWindowsPath(name).name == name and not name.startswith(".")
    return bare and path.suffix.lower() in IMAGE_SUFFIXES


ROWS = Table(Row, later=("place", "group", "original", "rights"))


def table_to_rows(table: pa.Table, where: str = "table") -> list[Row]:
    """The rows of an Arrow table.

    Raises:
        FacesetError: the table's columns are not those of `ROWS`, or a value in it cannot be;
            `where` names it in the text.
    """
    table = fit_rows(table, where)
    advice = "extract the faces again"
    with reading(Path(where), FacesetError, advice, what="a row holds an impossible value"):
        return ROWS.from_arrow(table)


def fit_rows(table: pa.Table, where: str) -> pa.Table:
    """The table with the columns of `ROWS` alone.

    Raises:
        FacesetError: it lacks one, or has one of another type.
    """
    advice = "was it written by another tool?"
    with reading(Path(where), FacesetError, advice, what="is no table of crops"):
        return ROWS.fit(table)
