"""What a converted video is written to: a video file with its matte, or a folder of pictures.

Both are made segment by segment; a segment that is there was finished by an earlier run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from counterface.errors import SwapError
from counterface.files import make_folder, name_differences, write_bytes
from counterface.media.beside.join import Piece, join_pieces, time_base_of
from counterface.media.beside.plan import Companions
from counterface.media.probe import MediaInfo, probe
from counterface.media.video_reader import frames_at, sample_times
from counterface.media.video_writer import VideoWriter
from counterface.project_files import read_json, reading
from counterface.provenance.mark import Marker
from counterface.provenance.record import MadeRecord, record_path
from counterface.swap.conversion.job import ConvertJob, Places
from counterface.swap.conversion.render import Rendered
from counterface.swap.conversion.segments import WorkFolder, split_times
from counterface.swap.conversion.settings import ConvertConfig
from counterface.swap.conversion.truth import whole_mask
from counterface.swap.same_moments import SEQUENCE_FILE
from counterface.types import Frame, Image

LATE_S = 10  # a clock that starts later is that of a broadcast or a tape: players show nothing
KEYFRAMES = 240  # pictures of the output that go into the registry of known fakes, at most
_KEYFRAME_SIDE = 512  # pixels: hashing reduces pictures to this side anyway
_MATTE_CRF = 4  # x264; levels stay within 2 of 255 on average

Write = Callable[[int, Rendered], None]  # takes the position of a frame, and the frame
RecordOf = Callable[[Path, Places], MadeRecord]  # takes the output, and the faces in it


@dataclass(slots=True)
class VideoOutput:
    """A video file, and its matte where one was asked for."""

    job: ConvertJob
    work: WorkFolder
    out: Path
    times: Sequence[Fraction]
    record_of: RecordOf
    places: Places
    info: MediaInfo
    target: Path | None  # the file that the pictures came from, None where there are many

    def is_there(self, number: int, span: range) -> bool:
        """Whether an earlier run has finished the segment; its matte was finished before it."""
        return self.work.segment(number).exists()

    @contextmanager
    def segment(self, number: int, span: range) -> Iterator[Write]:
        """A block in which one segment is encoded, by the function that it gives."""
        config, times, info = self.job.config, self.times, self.info
        with ExitStack() as opened:  # closes the matte first: it is there when the segment is
            writer = opened.enter_context(
                open_writer(self.work.segment(number), times, info, config)
            )
            matte = None
            if config.matte:
                path = self.work.segment(number, "matte")
                matte = opened.enter_context(open_writer(path, times, info, _matte_of(config)))

            def write(position: int, rendered: Rendered) -> None:
                pts = times[position] - times[span.start]
                writer.write(Frame(rendered.frame.image, position, pts))
                if matte is not None:
                    levels = np.rint(whole_mask(rendered) * 255).astype(np.uint8)
                    matte.write(Frame(np.repeat(levels[:, :, None], 3, axis=2), position, pts))

            yield write

    def finish(self) -> None:
        """Put the output in place, joined, signed and recorded; the matte comes first."""
        config, marker = self.job.config, self.job.marker
        if config.matte:
            out, unsigned = matte_path(self.out), self.work.folder / f"matte{self.out.suffix}"
            join_segments(self.work, None, self.times, config, unsigned, "matte")
            plain = Marker(watermark=False, signer=marker.signer, home=marker.home)
            plain.finish(unsigned, out, self.record_of(out, self.places), self.target, ())
        join_segments(self.work, self.target, self.times, config)
        keyframes = _even_frames(self.work.unsigned)
        record = self.record_of(self.out, self.places)
        marker.finish(self.work.unsigned, self.out, record, self.target, keyframes)


@dataclass(slots=True)
class PictureOutput:
    """A folder of numbered pictures, each signed and recorded by itself, and a list of them.

    OUT/
      000000.png, 000000.png.record.json ...
      sequence.json    times of the pictures, and what they were made from; written last
    """

    job: ConvertJob
    out: Path
    names: Sequence[str]  # without suffix, one a frame
    record_of: RecordOf
    places: Places
    facts: dict[str, Any]

    def path(self, position: int) -> Path:
        """Where the picture of a frame lies."""
        return self.out / f"{self.names[position]}.{self.job.config.pictures}"

    def is_there(self, number: int, span: range) -> bool:
        """Whether all pictures of the segment are there, made from the same in the same way.

        Raises:
            SwapError: one was made otherwise.
        """
        made = [self.job.is_made(self.facts["target"], self.path(place)) for place in span]
        return all(made)

    @contextmanager
    def segment(self, number: int, span: range) -> Iterator[Write]:
        """A block in which the function that it gives encodes, signs and records each picture."""
        make_folder(self.out)

        def write(position: int, rendered: Rendered) -> None:
            out = self.path(position)
            record = self.record_of(out, self.places[position : position + 1])
            self.job.marker.finish_image(
                rendered.frame.image, out, record, quality=self.job.config.quality
            )

        yield write

    def finish(self) -> None:
        """Write the list."""
        listed = [{"name": self.path(at).name, "pts": str(pts)} for at, pts, _ in self.places]
        values = {"kind": "picture_sequence", "format": 1, **self.facts, "pictures": listed}
        write_bytes(self.out / SEQUENCE_FILE, json.dumps(values, indent=1).encode())


def is_sequence_made(job: ConvertJob, target_sha256: str, out: Path) -> bool:
    """Whether a folder holds the finished pictures, made from the same target in the same way.

    Raises:
        SwapError: it holds others.
    """
    path = out / SEQUENCE_FILE
    if job.redo or not path.exists():
        return False
    was, now = read_json(path, SwapError, "add --redo to begin again"), job.facts(target_sha256)
    with reading(path, SwapError, "add --redo to begin again"):
        names = [str(picture["name"]) for picture in was.pop("pictures")]
        differ = name_differences({key: was[key] for key in now}, now)
    if differ:
        raise SwapError(
            f"{out} was made otherwise: {differ}; choose another folder, or add --redo to replace "
            "its pictures"
        )
    return all((out / name).exists() and record_path(out / name).exists() for name in names)


def matte_path(out: Path) -> Path:
    """Where the matte of a video lies: out.matte.mp4 beside out.mp4."""
    return out.with_name(f"{out.stem}.matte{out.suffix}")


def open_writer(
    path: Path, times: Sequence[Fraction], info: MediaInfo, config: ConvertConfig
) -> VideoWriter:
    """What encodes one segment of a video; genuine clips of a data set go through it too.

    `times` are those of all frames of the video, seconds, not of the segment alone.
    """
    aspect = 1 / info.pixel_aspect if info.rotation in (90, 270) else info.pixel_aspect
    return VideoWriter(
        path,
        info.width + info.width % 2,
        info.height + info.height % 2,
        codec=config.codec,
        bits=config.bits,
        crf=config.crf,
        preset=config.preset,
        fps=info.fps,
        time_base=time_base_of(times),
        pixel_aspect=aspect,
    )


def time_shift(config: ConvertConfig, times: Sequence[Fraction]) -> Fraction:
    """Seconds taken off the target's times: a part begins at 0, and what would begin late."""
    return times[0] if config.is_part or times[0] > LATE_S else Fraction(0)


def join_segments(
    work: WorkFolder,
    target: Path | None,
    times: Sequence[Fraction],
    config: ConvertConfig,
    out: Path | None = None,
    kind: str = "segment",
) -> None:
    """Join all segments into `work.unsigned` (or `out`), with the sound and so on of `target`.

    Without a target nothing travels along. `times` are those of all frames, seconds.
    """
    shift = time_shift(config, times)
    pieces = [
        Piece(work.segment(n, kind), tuple(times[at] - shift for at in span))
        for n, span in enumerate(split_times(times, config.segment_s))
    ]
    companions = None if target is None else Companions(target, sound=config.sound)
    if companions is not None and config.is_part:
        step = times[-1] - times[-2] if len(times) > 1 else Fraction(0)
        companions = replace(companions, start=times[0], end=times[-1] + step)
    companions = companions and replace(companions, shift=shift)
    join_pieces(pieces, out or work.unsigned, companions)


def _matte_of(config: ConvertConfig) -> ConvertConfig:
    made = {"codec": "h264", "bits": 8, "crf": _MATTE_CRF, "preset": "veryfast"}
    return config.model_copy(update=made)


def _even_frames(path: Path) -> list[Image]:
    """Frames spread evenly over the output, at most 512 pixels long: one a second, 12 or more.

    Not its key frames: a clip of two seconds has but one.
    """
    info = probe(path)
    length = info.duration_s or Fraction(0)
    times = sample_times(length, min(KEYFRAMES, max(12, int(length))), info.start_s)
    frames = frames_at(path, times or [Fraction(info.start_s)], tolerance=Fraction(1, 4))
    return [_small(frame.image) for frame in frames]


def _small(image: Image) -> Image:
    """The picture at most 512 pixels long."""
    height, width = image.shape[:2]
    scale = min(1.0, _KEYFRAME_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
