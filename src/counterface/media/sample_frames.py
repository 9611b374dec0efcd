"""Which frames of a file are looked at: moments spread evenly over its time, a few frames at each.

A scan, the crops that a detector is trained on and those it is calibrated on come from here, so
that all see the same frames. One frame a moment judges pictures; several judge what moves. Frames
are as they are stored, where marks are looked for; faces are looked at in square pixels (`square`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from counterface.media import sandbox
from counterface.media.notes import MediaNote
from counterface.media.probe import MediaInfo
from counterface.media.sandbox import Limits
from counterface.media.video_reader import sample_times
from counterface.types import Frame

STRETCHED = (
    "Its pixels are {:.2f} times as wide as high; frames were stretched before anything looked at "
    "them, as players do."
)
_ALMOST_SQUARE = Fraction(2, 100)
_WIDEST = 4  # what claims more is damaged; it is taken for square
MOMENT_S = 1e-3  # of a video whose only frame has no duration
USUAL_FPS = Fraction(25)  # of a file that does not say; only sets how far apart a clip's frames lie

Moment = tuple[Frame, ...]  # one frame, or those of a short clip in time order


@dataclass(frozen=True, slots=True)
class FrameSample:
    """Moments of a file, decoded as they are asked for."""

    moments: Iterator[Moment]
    mode: Literal["image", "even", "all"]
    requested: int | None  # frames; None where all there are were asked for
    notes: list[MediaNote] = field(default_factory=list)  # complete once the moments are read


def sample_frames(
    path: Path,
    media: MediaInfo,
    moments: int,
    frames: int = 1,
    step: int = 1,
    *,
    every: bool = False,
    limits: Limits | None = None,
) -> FrameSample:
    """Moments spread evenly over a file's time; all of a short file, one frame of a picture.

    A moment whose frames repeat (a time asked for twice, a video that ended) is left out; the last
    one of a file read whole may be shorter.

    Args:
        path: a video or a picture.
        media: facts of the file, from `sandbox.probe`.
        moments: number of moments.
        frames: number of frames of each moment.
        step: frames of the video from one of them to the next.
        every: the whole file, in consecutive moments.
        limits: limits of the process that decodes.

    Raises:
        MediaError: while iterating; the file cannot be decoded within the limits.
    """
    bounds = limits or Limits()
    notes: list[MediaNote] = []
    if (aspect := upright_aspect(media)) != 1:
        notes.append(MediaNote("anamorphic", STRETCHED.format(float(aspect))))
    if media.kind == "image":
        still = Frame(sandbox.read_image(path, bounds, notes.append), 0, Fraction(0))
        return FrameSample(iter([(still,)]), "image", None, notes)
    wanted = moments * frames
    if every or (media.frame_count is not None and media.frame_count <= wanted * step):
        read = sandbox.read_video(path, bounds, tell=notes.append)
        return FrameSample(_chunks(read, frames, step), "all", None, notes)
    times = moment_times(
        media.duration_s or MOMENT_S, moments, frames, step, media.fps, media.start_s
    )
    found = _chunks(sandbox.frames_at(path, times, bounds, tell=notes.append), frames, 1)
    return FrameSample(_without_repeats(found), "even", wanted, notes)


def upright_aspect(media: MediaInfo) -> Fraction:
    """The width of a pixel of the upright picture over its height; 1 where nobody sees it."""
    stored = media.pixel_aspect or Fraction(1)
    aspect = 1 / stored if media.rotation in (90, 270) else stored
    is_sane = Fraction(1, _WIDEST) <= aspect <= _WIDEST
    return aspect if is_sane and abs(aspect - 1) >= _ALMOST_SQUARE else Fraction(1)


def square(frame: Frame, media: MediaInfo) -> Frame:
    """The frame with square pixels; made wider or taller, so that no detail is lost."""
    aspect = upright_aspect(media)
    if aspect == 1:
        return frame
    height, width = frame.image.shape[:2]
    size = (round(width * max(aspect, 1)), round(height / min(aspect, 1)))
    image = np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    return replace(frame, image=image)


def moment_times(
    duration: Fraction | float,
    moments: int,
    frames: int = 1,
    step: int = 1,
    fps: Fraction | None = None,
    start: Fraction = Fraction(0),
) -> list[Fraction]:
    """The times of `moments` times `frames` frames, seconds: clips centred in equal intervals.

    A clip's times lie in the middle of frames, where a rounded time stamp cannot lead to the
    neighbour.
    """
    centres = sample_times(duration, moments, start)
    if frames == 1:
        return centres
    gap = 1 / (fps or USUAL_FPS)
    reach = gap * step * (frames - 1)
    times: list[Fraction] = []
    for centre in centres:
        first = max(Fraction(0), min(centre - reach / 2 - start, Fraction(duration) - reach - gap))
        first = start + (first // gap) * gap + gap / 2
        times += [first + k * step * gap for k in range(frames)]
    return times


def _chunks(frames: Iterable[Frame], size: int, step: int) -> Iterator[Moment]:
    """The frames in runs of `size`: the first of every `step` frames."""
    source = iter(frames)
    while run := tuple(islice(source, size * step)):
        yield run[::step]


def _without_repeats(moments: Iterable[Moment]) -> Iterator[Moment]:
    """The moments but those that hold a frame twice or begin with the first of the one before."""
    last: Fraction | None = None
    for moment in moments:
        times = [frame.pts for frame in moment]
        if len(set(times)) == len(times) and times[0] != last:
            yield moment
        last = times[0]
