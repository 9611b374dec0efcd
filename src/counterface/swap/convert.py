"""Target footage to a signed result: look at it, choose who, put the new faces in, sign, record.

    convert(Path("runs/df"), Path("target.mp4"), Path("out.mp4"), ConvertConfig(person=(1,)))

A video is gone over twice. The first pass finds the faces of every frame, so that people can be
told apart and landmarks steadied with a view on the whole; the second makes and merges the new
faces and encodes the result in segments, which are joined without encoding them again. Both keep
what is done in a folder beside the output: the same call goes on after an interruption.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from counterface.device import find_device
from counterface.errors import ConfigError, MediaError
from counterface.media import sandbox
from counterface.media.beside.plan import Companions, plan_companions
from counterface.media.join import Piece, join_pieces, time_base_of
from counterface.media.open_file import check_file, sniff
from counterface.media.probe import MediaInfo, file_sha256
from counterface.media.video_reader import read_video
from counterface.media.video_writer import CONTAINERS, VideoWriter
from counterface.provenance.mark import Marker
from counterface.provenance.rights import Rights
from counterface.swap.conversion.footage import (
    Footage,
    LookConfig,
    frames_of,
    look_at_video,
)
from counterface.swap.conversion.job import Job, Places
from counterface.swap.conversion.notes import note_changes
from counterface.swap.conversion.people import Cast, choose_people, find_people
from counterface.swap.conversion.placement import Placement, place_faces
from counterface.swap.conversion.render import WARM, Clock, Rendered, Renderer
from counterface.swap.conversion.segments import WorkFolder, split_times
from counterface.swap.conversion.settings import ConvertConfig, Converted, ConvertSummary
from counterface.swap.conversion.stills import StillConverter, convert_folder
from counterface.swap.conversion.truth import TruthWriter
from counterface.swap.faceset_masks import FacesetMasks
from counterface.swap.swap_model import TrainedModel, read_model
from counterface.types import Frame, Image, Progress

KEYFRAMES = 240  # pictures of the output that go into the registry of known fakes, at most
_KEYFRAME_SIDE = 512  # pixels: hashing reduces pictures to this side anyway


def convert(
    model: Path | TrainedModel,
    target: Path,
    out: Path,
    config: ConvertConfig | None = None,
    *,
    redo: bool = False,
    marker: Marker | None = None,
    progress: Progress | None = None,
) -> ConvertSummary:
    """What came out; `out` is then signed, watermarked and recorded.

    An interrupted call is continued by the same call.

    Args:
        model: a run's folder, a weights file, or a model that was read.
        target: a video, a picture, or a folder of pictures.
        out: the video or picture to write, or the folder for pictures.
        config: the settings.
        redo: begin again what was begun, or is done.
        marker: what signs and marks; the local identity by default.
        progress: called as (frames or pictures, total or None, what is going on).

    Raises:
        ConfigError: settings that do not go together, an unknown identity.
        RightsError: the model's or the target's footage carries no rights record.
        SwapError: no model; nobody or several people to replace and nothing said; begun or made
            with other settings.
        MediaError: the target cannot be decoded, or the output not written.
        ProvenanceError: the output cannot be signed; it is not there then.
    """
    config = config or ConvertConfig()
    device = find_device(config.device)
    trained = read_model(model, device) if isinstance(model, Path) else model
    job = Job(trained, config, marker or Marker(), redo=redo)
    if out.exists() and target.exists() and out.samefile(target):
        raise ConfigError(f"{out} is the target itself; name another file or folder to write")
    if target.is_dir():
        return ConvertSummary(out=str(out), files=tuple(convert_folder(job, target, out, progress)))
    check_file(target)
    if out.is_dir():
        raise ConfigError(f"{out} is a folder; name the file to write")
    if sniff(target) == "image":
        done = StillConverter(job).convert(target, out)
    else:
        done = _Conversion(job, target, out, progress).run()
    return ConvertSummary(out=str(out), files=(done,))


def open_writer(
    path: Path, times: Sequence[Fraction], info: MediaInfo, config: ConvertConfig
) -> VideoWriter:
    """What encodes one segment of a video; genuine clips of a data set go through it too.

    Args:
        path: of the segment.
        times: of all frames of the video, seconds.
        info: of the target.
        config: says quality and speed.
    """
    aspect = 1 / info.pixel_aspect if info.rotation in (90, 270) else info.pixel_aspect
    return VideoWriter(
        path,
        info.width + info.width % 2,
        info.height + info.height % 2,
        crf=config.crf,
        preset=config.preset,
        fps=info.fps,
        time_base=time_base_of(times),
        pixel_aspect=aspect,
    )


def join_segments(
    work: WorkFolder,
    target: Path,
    times: Sequence[Fraction],
    info: MediaInfo,
    config: ConvertConfig,
) -> Fraction:
    """Seconds taken off the target's times; `work.unsigned` then holds all frames and the sound."""
    is_part = config.start is not None or config.end is not None
    shift = times[0] if is_part else Fraction(0)
    pieces = [
        Piece(work.segment(n), tuple(times[at] - shift for at in span))
        for n, span in enumerate(split_times(times, config.segment_s))
    ]
    companions = Companions(target, sound=config.sound)
    if is_part:
        step = times[-1] - times[-2] if len(times) > 1 else Fraction(0)
        companions = replace(companions, start=times[0], end=times[-1] + step, shift=shift)
    join_pieces(pieces, work.unsigned, companions)
    return shift


class _Conversion:
    """One video on its way."""

    def __init__(self, job: Job, target: Path, out: Path, progress: Progress | None) -> None:
        self.job, self.config, self.target, self.out = job, job.config, target, out
        self.progress = progress or (lambda done, total, text: None)
        self.clock = Clock()
        self.work = WorkFolder(out)
        self.notes: list[str] = []
        self.masks: FacesetMasks | None = None

    def run(self) -> Converted:
        start = time.perf_counter()
        if self.out.suffix.lower() not in CONTAINERS:
            raise ConfigError(f"{self.out}: a video is written as {', '.join(CONTAINERS)}")
        sha256 = file_sha256(self.target)
        if self.job.is_made(sha256, self.out):
            return Converted(target=str(self.target), out=str(self.out), status="already")
        rights = self.job.target_rights(self.target, sha256)
        info = sandbox.probe(self.target, self.config.limits)
        beside = plan_companions(Companions(self.target, sound=self.config.sound), self.out.suffix)
        self.notes += [note.text for note in info.notes]
        self.notes += note_changes(info, self.config, self.out, beside.lost)
        self.masks = self.job.masks(self.target, sha256)
        with self.work.opened(redo=self.job.redo):
            footage, cast = self._look(sha256, info)
            chosen = choose_people(cast, self.config.choice(), self._frames_at, str(self.target))
            with self.clock.phase("people"):
                placement = place_faces(footage, cast, chosen, self.config.smooth)
            self.work.start(self.job.facts(sha256))
            result = self._make_segments(footage, placement, info)
            self._finish(footage, placement, info, sha256, rights)
            self.work.remove()
        seconds = {**self.clock.seconds, "total": time.perf_counter() - start}
        return result.model_copy(
            update={
                "people": tuple(sorted(chosen)),
                "notes": tuple(self.notes),
                "seconds": {name: round(value, 3) for name, value in seconds.items()},
            }
        )

    def _look(self, sha256: str, info: MediaInfo) -> tuple[Footage, Cast]:
        """The first pass."""
        names = set(LookConfig.model_fields) - {"limits"}
        look = self.config.model_dump(mode="json", include=names)
        folder = self.work.open_look({"target": sha256, **look})
        with self.clock.phase("look"):
            footage = look_at_video(self.target, self.config, folder, self.progress, info)
        with self.clock.phase("people"):
            return footage, find_people(footage)

    def _frames_at(self, times: Sequence[Fraction]) -> Iterator[Frame]:
        return sandbox.frames_at(self.target, times, self.config.limits)

    def _make_segments(self, footage: Footage, placement: Placement, info: MediaInfo) -> Converted:
        """The second pass: every segment is on disk; what was done, in numbers."""
        config, looks = self.config, footage.looks
        count = sum(len(faces) for faces in placement.faces.values())
        generator = self.job.generator()
        renderer = Renderer(
            generator,
            self.job.identity,
            self.job.plan,
            placement.faces,
            self.job.marker.mark_frame,
            steady=config.steady,
            keep_masks="masks" in config.keep,
            masks=self.masks,
            clock=self.clock,
        )
        truth = TruthWriter(self.out, config.keep, generator.template, generator.out_size)
        frames: Iterator[Frame] | None = None
        last: deque[Frame] = deque(maxlen=WARM if config.steady else 0)
        spans = split_times(footage.times, config.segment_s)
        kept = 0
        for number, span in enumerate(spans):
            path = self.work.segment(number)
            if path.exists():
                kept, frames = kept + 1, None
                continue
            if frames is None:
                begin = max(0, span.start - (last.maxlen or 0))
                frames = self._frames_from(footage, begin)
                last.clear()
                last.extend(islice(frames, span.start - begin))
            before = list(last)
            own = _remember(islice(frames, len(span)), last)
            with open_writer(path, footage.times, info, config) as writer:
                for rendered in self._counted(renderer.render(own, before), span, len(looks)):
                    image, position = rendered.frame.image, rendered.frame.index - looks[0].index
                    with self.clock.phase("encode"):
                        pts = rendered.frame.pts - looks[span.start].pts
                        writer.write(Frame(image, position, pts))
                    if config.keep:
                        with self.clock.phase("keep"):
                            truth.write_frame(position, rendered)
        if renderer.maskless:
            self.notes.append(f"{renderer.maskless} faces had no faceset mask: the hull was used")
        flicker = np.mean(renderer.flicker, axis=0) if renderer.flicker else (None, None)
        return Converted(
            target=str(self.target),
            out=str(self.out),
            status="done",
            frames=len(looks),
            frames_swapped=len(placement.faces),
            faces=count,
            filled=placement.filled,
            jitter_before=placement.jitter_before,
            jitter_after=placement.jitter_after,
            flicker_before=flicker[0],
            flicker_after=flicker[1],
            backend=generator.backend,
            segments=len(spans),
            segments_kept=kept,
        )

    def _frames_from(self, footage: Footage, begin: int) -> Iterator[Frame]:
        """The frames from a position on, with the indices of the first pass.

        Raises:
            MediaError: they are not those of the first pass.
        """
        looks = footage.looks[begin:]
        frames = frames_of(self.target, self.config, looks[0].pts, exact=True)
        for look, frame in zip(looks, frames, strict=False):
            if frame.pts != look.pts:
                raise MediaError(
                    f"{self.target}: a frame at {float(look.pts):.6f} s was there in the first "
                    f"pass, now comes {float(frame.pts):.6f} s; add --redo to begin again"
                )
            yield Frame(frame.image, look.index, frame.pts)

    def _counted(self, frames: Iterable[Rendered], span: range, total: int) -> Iterator[Rendered]:
        """The frames of a segment, told to `progress`.

        Raises:
            MediaError: there are fewer than in the first pass.
        """
        done = span.start
        for done, frame in enumerate(frames, start=span.start + 1):
            yield frame
            self.progress(done, total, "frames")
        if done < span.stop:
            raise MediaError(
                f"{self.target} ends after {done} frames, the first pass saw {total}; was the file "
                "changed? Add --redo to begin again"
            )

    def _finish(
        self,
        footage: Footage,
        placement: Placement,
        info: MediaInfo,
        sha256: str,
        rights: Rights,
    ) -> None:
        """Nothing; the output is in place, with sound, signature and record."""
        config, times = self.config, footage.times
        self.progress(len(times), len(times), "joining, signing")
        with self.clock.phase("join"):
            shift = join_segments(self.work, self.target, times, info, config)
        places: Places = [
            (position, look.pts - shift, placement.faces.get(look.index, ()))
            for position, look in enumerate(footage.looks)
        ]
        with self.clock.phase("sign"):
            record = self.job.record(self.target, sha256, rights, self.out, places, self.notes)
            keyframes = _keyframes(self.work.unsigned)
            self.job.marker.finish(self.work.unsigned, self.out, record, self.target, keyframes)
        model = self.job.trained.model
        truth = TruthWriter(self.out, config.keep, model.template, model.out_size)
        truth.write_matrices(places)


def _remember(frames: Iterable[Frame], last: deque[Frame]) -> Iterator[Frame]:
    """The same frames; those that passed last are in `last`."""
    for frame in frames:
        last.append(frame)
        yield frame


def _keyframes(path: Path) -> list[Image]:
    """Frames of the output, even over its time, at most 512 pixels long."""
    small: list[Image] = []
    every = 1
    for number, frame in enumerate(read_video(path, keyframes_only=True)):
        if number % every:
            continue
        height, width = frame.image.shape[:2]
        scale = min(1.0, _KEYFRAME_SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
        small.append(np.asarray(image, dtype=np.uint8))
        if len(small) >= KEYFRAMES:
            small, every = small[::2], 2 * every
    return small
