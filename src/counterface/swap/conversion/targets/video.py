"""One video: look at it, choose people, make its segments, finish it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from counterface.errors import ConfigError, MediaError
from counterface.media import sandbox
from counterface.media.beside.plan import Companions, plan_companions
from counterface.media.probe import MediaInfo
from counterface.phase_clock import PhaseClock
from counterface.provenance.record import MadeRecord
from counterface.swap.conversion.faceset_masks import FacesetMasks
from counterface.swap.conversion.footage import (
    Footage,
    LookConfig,
    frames_of,
    look_at_video,
)
from counterface.swap.conversion.job import ConvertJob, Places
from counterface.swap.conversion.notes import note_changes, note_picture
from counterface.swap.conversion.people import Cast, choose_people, find_people
from counterface.swap.conversion.placement import Placement, place_faces
from counterface.swap.conversion.render import WARM, Renderer
from counterface.swap.conversion.segments import WorkFolder, split_times
from counterface.swap.conversion.settings import Converted
from counterface.swap.conversion.targets.outputs import (
    PictureOutput,
    RecordOf,
    VideoOutput,
    is_sequence_made,
    matte_path,
    time_shift,
)
from counterface.swap.conversion.targets.source import Source, open_source
from counterface.swap.conversion.truth import TruthWriter
from counterface.types import Frame, Progress
from counterface.wording import counted


class VideoConversion:
    """One video, or one folder of numbered pictures, to a video or to pictures."""

    def __init__(
        self,
        job: ConvertJob,
        target: Path,
        out: Path,
        progress: Progress | None,
        top: Path | None = None,
    ) -> None:
        """Read nothing yet.

        Args:
            target: a video, or a folder of pictures where the settings give a rate.
            out: the file, or the folder for pictures.
            progress: called as (frames, total or None, what is going on).
            top: a folder above the target whose `rights.toml` counts too.
        """
        self.job, self.config, self.target, self.out = job, job.config, target, out
        self.progress = progress or (lambda done, total, text: None)
        self.top = top
        self.clock = PhaseClock()
        self.work = WorkFolder(out)
        self.notes: list[str] = []
        self.masks: FacesetMasks | None = None
        self.decoded = target  # the file that frames are read from

    def run(self) -> Converted:
        """Convert it, and give the outcome."""
        source = open_source(self.target, self.config.rate())
        if self._is_made(source.sha256):
            self.work.remove()  # a kill came after the last step
            return Converted(target=str(self.target), out=str(self.out), status="already")
        first = source.pictures[0] if source.pictures else self.target
        rights = self.job.target_rights(first, source.sha256, self.top)

        def record_of(out: Path, places: Places) -> MadeRecord:
            return self.job.record(self.target, source.sha256, rights, out, places, self.notes)

        info = None if source.pictures else self._probe(self.target)
        self.masks = self.job.masks(self.target, source.sha256)
        with self.work.opened(redo=self.job.redo):
            self.decoded = source.decoded(self.work, self.config.limits, self.progress)
            if source.pictures:
                first_info = sandbox.probe(source.pictures[0], self.config.limits)
                self.notes += note_picture(first_info)
            info = info or self._probe(self.decoded)
            footage, cast = self._look(source.sha256, info)
            frames_at = partial(sandbox.frames_at, self.decoded, limits=self.config.limits)
            chosen = choose_people(cast, self.config, frames_at, str(self.target))
            with self.clock.phase("people"):
                placement = place_faces(footage, cast, chosen, self.config.smooth)
            self.work.start(self.job.facts(source.sha256))
            shift = time_shift(self.config, footage.times)
            if shift and not self.config.is_part:
                late = f"the target's clock starts at {float(shift):.3f} s"
                self.notes.append(f"{late}, the output's at 0")
            places = [
                (position, look.pts - shift, placement.faces.get(look.index, ()))
                for position, look in enumerate(footage.looks)
            ]
            output = self._output(source, footage, info, places, record_of)
            model = self.job.trained.model
            self.truth = TruthWriter(self.out, self.config.keep, model.template, model.out_size)
            result = self._make_segments(footage, placement, output)
            self.progress(len(places), len(places), "joining, signing")
            with self.clock.phase("finish"):
                self.truth.write_matrices(places)
                output.finish()
            self.work.remove()
        return result.model_copy(
            update={
                "people": tuple(sorted(chosen)),
                "notes": tuple(self.notes),
                "seconds": self.clock.table(3),
            }
        )

    def _is_made(self, sha256: str) -> bool:
        """Whether the output is there already.

        Raises:
            ConfigError: its name does not fit what is to be written.
            SwapError: what is there was made otherwise.
        """
        config, encoder = self.config, self.config.encoder()
        if config.pictures:
            if config.matte:
                raise ConfigError("matte is for videos; of pictures --keep masks writes the masks")
            if self.out.is_file():
                raise ConfigError(f"{self.out} is a file; name the folder for the pictures")
            return is_sequence_made(self.job, sha256, self.out)
        if self.out.is_dir():
            raise ConfigError(f"{self.out} is a folder; name the file to write")
        if self.out.suffix.lower() not in encoder.suffixes:
            known = ", ".join(encoder.suffixes)
            raise ConfigError(f"{self.out}: a video is written as {known} with {encoder.label}")
        if config.matte:
            self.job.is_made(sha256, matte_path(self.out))
        return self.job.is_made(sha256, self.out)

    def _probe(self, path: Path) -> MediaInfo:
        """The facts of the file that is decoded, once the notes say what changes."""
        info = sandbox.probe(path, self.config.limits)
        lost: tuple[str, ...] = ()
        if path == self.target and not self.config.pictures:
            config = self.config
            wanted = Companions(path, config.start, config.end, sound=config.sound)
            lost = plan_companions(wanted, self.out.suffix).lost
        self.notes += [note.text for note in info.notes]
        self.notes += note_changes(info, self.config, self.out, lost)
        return info

    def _output(
        self,
        source: Source,
        footage: Footage,
        info: MediaInfo,
        places: Places,
        record_of: RecordOf,
    ) -> VideoOutput | PictureOutput:
        if not self.config.pictures:
            return VideoOutput(
                self.job, self.work, self.out, footage.times, record_of, places, info, source.file
            )
        names = [f"{position:06d}" for position in range(len(places))]
        if source.pictures:
            named = [source.pictures[look.index] for look in footage.looks]
            stems = [path.stem for path in named]
            names = stems if len(set(stems)) == len(stems) else [path.name for path in named]
        facts = self.job.facts(source.sha256)
        return PictureOutput(self.job, self.out, names, record_of, places, facts)

    def _look(self, sha256: str, info: MediaInfo) -> tuple[Footage, Cast]:
        """The faces and people of the first pass."""
        names = set(LookConfig.model_fields) - {"limits"}
        look = self.config.model_dump(mode="json", include=names)
        folder = self.work.open_look({"target": sha256, **look})
        with self.clock.phase("look"):
            footage = look_at_video(self.decoded, self.config, folder, self.progress, info)
        with self.clock.phase("people"):
            return footage, find_people(footage)

    def _make_segments(
        self, footage: Footage, placement: Placement, output: VideoOutput | PictureOutput
    ) -> Converted:
        """Make every segment, the second pass, and count what was done."""
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
            even=not config.pictures,
            keep_masks=config.matte or "masks" in config.keep,
            masks=self.masks,
            segmenter=self.job.segmenter(),
            steady_masks=config.steady_masks,
            clock=self.clock,
        )
        spans = split_times(footage.times, config.segment_s)
        kept = self._write_segments(footage, spans, renderer, output)
        if renderer.maskless:
            self.notes.append(
                f"{counted(renderer.maskless, 'face')} had no faceset mask: the hull was used"
            )
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

    def _write_segments(
        self,
        footage: Footage,
        spans: Sequence[range],
        renderer: Renderer,
        output: VideoOutput | PictureOutput,
    ) -> int:
        """Make the segments that are missing, and count those that an earlier run had finished.

        Raises:
            MediaError: there are fewer frames than in the first pass.
        """
        config, total = self.config, len(footage.looks)
        frames: Iterator[Frame] | None = None
        last: deque[Frame] = deque(maxlen=WARM if config.steady else 0)
        kept = 0
        for number, span in enumerate(spans):
            if output.is_there(number, span):
                kept, frames = kept + 1, None
                continue
            if frames is None:
                begin = max(0, span.start - (last.maxlen or 0))
                frames = self._frames_from(footage, begin)
                last.clear()
                last.extend(islice(frames, span.start - begin))
            before = list(last)
            own = _remember(islice(frames, len(span)), last)
            done = span.start
            with output.segment(number, span) as write:
                for done, rendered in enumerate(renderer.render(own, before), span.start + 1):
                    if config.keep:  # first: a picture that is there has all that belongs to it
                        with self.clock.phase("keep"):
                            self.truth.write_frame(done - 1, rendered)
                    with self.clock.phase("encode"):
                        write(done - 1, rendered)
                    self.progress(done, total, "frames")
                if done < span.stop:
                    raise MediaError(
                        f"{self.target} ends after {done} frames, the first pass saw {total}; was "
                        "the file changed? Add --redo to begin again"
                    )
        return kept

    def _frames_from(self, footage: Footage, begin: int) -> Iterator[Frame]:
        """The frames from a position on, with the indices of the first pass.

        Raises:
            MediaError: they are not those of the first pass.
        """
        looks = footage.looks[begin:]
        frames = frames_of(self.decoded, self.config, looks[0].pts, exact=True)
        for look, frame in zip(looks, frames, strict=False):
            if frame.pts != look.pts:
                raise MediaError(
                    f"{self.target}: a frame at {float(look.pts):.6f} s was there in the first "
                    f"pass, now comes {float(frame.pts):.6f} s; add --redo to begin again"
                )
            yield Frame(frame.image, look.index, frame.pts)


def _remember(frames: Iterable[Frame], last: deque[Frame]) -> Iterator[Frame]:
    """The same frames; those that passed last are kept in `last`."""
    for frame in frames:
        last.append(frame)
        yield frame
