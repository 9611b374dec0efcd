"""The first pass over a target: which faces are where in every frame, kept in small files.

    folder/look-000000000.parquet    frames 0 to 239: times, cuts, boxes, landmarks, small crops
    folder/look-000000240.parquet    ...

Faces are followed within such a piece only, so what is found does not depend on where an
interrupted pass was taken up again. A minute of one face at 30 frames/s takes about 2 MB on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import ConfigDict, Field, model_validator

from counterface.errors import MediaError, SwapError
from counterface.faces.align import align
from counterface.faces.face_detector import box_overlaps
from counterface.faces.follow import FollowConfig
from counterface.faces.pose import estimate_pose
from counterface.faces.track import CutFinder
from counterface.media import sandbox
from counterface.media.open_file import check_file, sniff
from counterface.media.probe import MediaInfo
from counterface.media.sandbox import Limits
from counterface.table import Column, Table, write_table
from counterface.types import Face, Frame, Image, Pose, Progress

PIECE = 240  # frames in a file: what a kill may cost
LOOK_EVERY = 12  # frames from one small crop of a face to the next
LOOK_SIDE = 32  # pixels; `faces.link` compares 16x16 from the middle
_SAME = 0.4  # overlap with a box of the frame before: below, it may be somebody new


class LookConfig(FollowConfig):
    """How faces are found in a target. The numbers of people depend on these settings."""

    model_config = ConfigDict(populate_by_name=True)  # `from` is a word of Python

    from_s: float | None = Field(
        None, alias="from", ge=0, description="start at this time, seconds on the file's clock"
    )
    to_s: float | None = Field(None, alias="to", gt=0, description="end before this time, seconds")
    limits: Limits = Field(Limits(), description="limits of the child process that decodes")

    @model_validator(mode="after")
    def _check_range(self) -> LookConfig:
        if self.to_s is not None and self.to_s <= (self.from_s or 0):
            raise ValueError(f"`to` {self.to_s:g} s is not after `from` {self.from_s or 0:g} s")
        return self

    @property
    def is_part(self) -> bool:
        """Whether a part of the file is meant."""
        return self.from_s is not None or self.to_s is not None

    @property
    def start(self) -> Fraction | None:
        """`from_s`, exact to a microsecond."""
        return None if self.from_s is None else Fraction(round(self.from_s * 1_000_000), 1_000_000)

    @property
    def end(self) -> Fraction | None:
        """`to_s`, exact to a microsecond."""
        return None if self.to_s is None else Fraction(round(self.to_s * 1_000_000), 1_000_000)


def _split_faces(faces: Sequence[Face]) -> tuple[list[Any], ...]:
    poses = [face.pose for face in faces if face.pose]
    return (
        [face.score for face in faces],
        [value for face in faces for value in face.box.ravel()],
        [v for f in faces if f.landmarks is not None for v in f.landmarks.ravel()],
        [angle for pose in poses for angle in (pose.yaw, pose.pitch, pose.roll)],
    )


def _join_faces(
    scores: list[float], boxes: list[float], landmarks: list[float], poses: list[float]
) -> tuple[Face, ...]:
    parts = (
        np.array(values, np.float32).reshape(len(scores), *shape)
        for values, shape in ((boxes, (4,)), (landmarks, (68, 2)), (poses, (3,)))
    )
    return tuple(
        Face(box=box, score=score, landmarks=points, pose=Pose(*(float(a) for a in pose)))
        for score, box, points, pose in zip(scores, *parts, strict=True)
    )


def _join_crops(crops: list[bytes]) -> tuple[Image, ...]:
    side = (LOOK_SIDE, LOOK_SIDE, 3)
    return tuple(np.frombuffer(data, np.uint8).reshape(side) for data in crops)


# of all faces, end to end: a score, four numbers, 136 (x0, y0, ...), yaw and pitch and roll
_FACES = Column(
    dict.fromkeys(("scores", "boxes", "landmarks", "poses"), pa.list_(pa.float32())),
    _split_faces,
    _join_faces,
)
_CROPS = Column(
    {"{}": pa.list_(pa.binary())}, lambda crops: ([crop.tobytes() for crop in crops],), _join_crops
)


@dataclass(frozen=True, slots=True, eq=False)
class FrameFaces:
    """What was seen in one frame."""

    index: int  # of the frame in the file
    pts: Fraction
    is_cut: bool  # the frame starts a new shot
    faces: Annotated[tuple[Face, ...], _FACES]  # largest first, all with landmarks
    crops: Annotated[tuple[Image, ...], _CROPS] = ()  # small, aligned, of all, in some frames


LOOKS = Table(FrameFaces)


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """Everything the first pass found, in order of time."""

    looks: tuple[FrameFaces, ...]
    media: MediaInfo | None = None  # None: one picture

    @property
    def times(self) -> tuple[Fraction, ...]:
        """The times of all frames, seconds."""
        return tuple(look.pts for look in self.looks)


FramesAt = Callable[[Sequence[Fraction]], Iterable[Frame]]  # the frames shown at ascending times


def look_at(
    path: Path, config: LookConfig, progress: Progress | None = None
) -> tuple[Footage, FramesAt]:
    """The faces of a picture or of a video, and what gives its frames once more.

    Args:
        path: the file; it is decoded in a child process.
        config: how to look.
        progress: called as (frames, total or None, "faces") for a video.

    Raises:
        MediaError: the file cannot be decoded, or has no frame in the range.
    """
    if sniff(check_file(path)) == "image":
        frame = Frame(sandbox.read_image(path, config.limits), 0, Fraction(0))
        faces = config.follower().find(frame.image, still=True, frame=frame.index)
        look = _kept_of(frame, faces, (), is_cut=False)
        return Footage((look,)), lambda times: [frame] * len(times)
    footage = look_at_video(path, config, None, progress)
    return footage, lambda times: sandbox.frames_at(path, times, config.limits)


def look_at_video(
    path: Path,
    config: LookConfig,
    folder: Path | None = None,
    progress: Progress | None = None,
    info: MediaInfo | None = None,
) -> Footage:
    """The faces of a video between `from_s` and `to_s`.

    Args:
        path: the file; it is decoded in a child process.
        config: how to look.
        folder: what is found is kept here, and what was kept is not looked for again; the caller
            sees to it that the file and the settings are the same. None keeps nothing.
        progress: called as (frames, total or None, "faces").
        info: facts of the file, where it is known already.

    Raises:
        MediaError: the file cannot be decoded, or has no frame in the range.
        SwapError: the folder cannot be written, or holds something else.
    """
    info = info or sandbox.probe(path, config.limits)
    looks = read_pieces(folder) if folder else []
    if len(looks) % PIECE == 0:  # else the last piece is short: the end was reached
        total = info.frame_count if config.start is None and config.end is None else None
        for piece in _look_on(path, config, looks[-1:], total, progress):
            if folder:
                kept = folder / f"look-{len(looks):09d}.parquet"
                write_table(kept, LOOKS.to_arrow(piece), compression="zstd")
            looks += piece
    if not looks:
        end = "the end" if config.to_s is None else f"{config.to_s:g} s"
        raise MediaError(f"{path}: no frame between {config.from_s or 0:g} s and {end}")
    return Footage(tuple(looks), info)


def _look_on(
    path: Path,
    config: LookConfig,
    last: Sequence[FrameFaces],
    total: int | None,
    progress: Progress | None,
) -> Iterator[list[FrameFaces]]:
    """Piece after piece, from the frame after the `last` one that is known."""
    follower, cuts = config.follower(), CutFinder()
    frames = frames_of(path, config, last[0].pts if last else None)
    for known in islice(frames, len(last)):  # seen again so that a cut right after it is noticed
        cuts.is_cut(known.image)
    for piece in follower.walk(_numbered(frames, last[0].index if last else None), PIECE):
        looks: list[FrameFaces] = []
        for frame, faces in piece:
            before = looks[-1].faces if looks else ()
            looks.append(_kept_of(frame, faces, before, is_cut=cuts.is_cut(frame.image)))
            if progress:
                progress(frame.index + 1, total, "faces")
        yield looks


def _numbered(frames: Iterable[Frame], index: int | None) -> Iterator[Frame]:
    """The frames with indices that count on from `index`, or from that of the first."""
    for frame in frames:
        index = frame.index if index is None else index + 1
        yield replace(frame, index=index)


def _kept_of(
    frame: Frame, found: Sequence[Face], before: Sequence[Face], *, is_cut: bool
) -> FrameFaces:
    """What is kept of a frame's faces, given those kept of the frame before."""
    faces = tuple(_lean(face, frame.image.shape) for face in found)
    crops: tuple[Image, ...] = ()
    if faces and (frame.index % LOOK_EVERY == 0 or _has_newcomer(faces, before)):
        crops = tuple(align(frame.image, face, "face", LOOK_SIDE).image for face in faces)
    return FrameFaces(frame.index, frame.pts, is_cut, faces, crops)


def _has_newcomer(faces: Sequence[Face], before: Sequence[Face]) -> bool:
    if not before:
        return True
    boxes = np.stack([face.box for face in before])
    return any(box_overlaps(face.box, boxes)[0].max() < _SAME for face in faces)


def frames_of(
    path: Path, config: LookConfig, start: Fraction | None = None, *, exact: bool = False
) -> Iterator[Frame]:
    """The frames of the range, or of its part from `start` on, each later than the one before.

    Frames whose time does not increase, as damaged files have them, are left out.

    Args:
        path: the file.
        config: says the range.
        start: begin here, seconds.
        exact: colours for encoding again; slower.
    """
    begin = config.start if start is None else start
    before: Fraction | None = None
    for frame in sandbox.read_video(path, config.limits, start=begin, exact=exact):
        if config.end is not None and frame.pts >= config.end:
            return
        if before is None or frame.pts > before:
            before = frame.pts
            yield frame


def read_pieces(folder: Path) -> list[FrameFaces]:
    """What earlier calls have kept, up to the first piece that is missing.

    Raises:
        SwapError: a piece cannot be read.
    """
    looks: list[FrameFaces] = []
    while (path := folder / f"look-{len(looks):09d}.parquet").exists():
        advice = "delete it and run the same command again"
        piece = LOOKS.read(path, SwapError, advice)
        if not piece:
            raise SwapError(f"{path}: it holds no frames; {advice}")
        looks += piece
    return looks


def _lean(face: Face, shape: tuple[int, ...]) -> Face:
    """The face with a pose and without the points that a conversion does not need.

    In the precision that is kept on disk, so that a resumed pass goes on with equal values.
    """
    assert face.landmarks is not None  # the follower drops faces without
    pose = face.pose or estimate_pose(face.landmarks, shape)
    return Face(
        box=face.box.astype(np.float32),
        score=float(np.float32(face.score)),
        landmarks=face.landmarks.astype(np.float32),
        pose=Pose(*(float(np.float32(angle)) for angle in (pose.yaw, pose.pitch, pose.roll))),
    )
