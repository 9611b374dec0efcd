"""One file, from bytes to findings: sample, find faces, follow people, score, pool, decide.

The marks that a file carries are looked for beside that and may overrule the decision.

Frames are decoded in the sandbox's child process while this process finds and scores faces, so the
two overlap on two cores. Nothing here prints, and nothing is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydantic import Field

from counterface import __version__
from counterface.config import Record
from counterface.detect.detector import BATCH, DEFAULT, Detector, DetectorInfo
from counterface.detect.findings import (
    DetectorSummary,
    FileFacts,
    Report,
    Sampling,
    SetAside,
    Tool,
)
from counterface.detect.scanning.conclusion import (
    LIMITS,
    WEIGHED_LIMITS,
    conclude,
    explain,
    write_headline,
)
from counterface.detect.scanning.crop_quality import SIDE, TEMPLATE, CropQuality, measure_quality
from counterface.detect.scanning.marks import (
    MarkJob,
    look_for_marks,
    mark_notices,
    metadata_notices,
    weigh_marks,
)
from counterface.detect.scanning.notices import find_notices, in_order, list_checks
from counterface.detect.scanning.standing import Rules, eye_pixels, face_pixels
from counterface.detect.scanning.track_book import (
    FEW,
    STILL_PX,
    THUMB_PX,
    ThumbStrip,
    TrackBook,
    WaitingFace,
)
from counterface.errors import MediaError
from counterface.faces.align import align
from counterface.faces.face_detector import load_models
from counterface.faces.face_search import FaceSearch
from counterface.faces.link import FaceLinker
from counterface.files import file_sha256
from counterface.media import sandbox
from counterface.media.notes import merge_notes
from counterface.media.probe import MediaInfo
from counterface.media.sample_frames import FrameSample, sample_frames, square
from counterface.media.sandbox import Limits
from counterface.media.tags.metadata import Metadata
from counterface.phase_clock import PhaseClock
from counterface.provenance.verify import Provenance
from counterface.types import Face, Frame, Image, Progress

THOROUGH_FRAMES = 96  # at least
THOROUGH_FACE_DETECTOR = "full"
MIN_CLIPS = 8  # of a detector that judges several frames together: fewer have no useful spread
BRIEF_SHARE = 30  # a person seen in under 1/30 of the frames (3 to 10 frames) does not decide


class ScanConfig(Record):
    """How to scan; the same for every file of a run."""

    frames: int = Field(
        32, ge=1, le=100_000, description="frames of each video, spread evenly over its duration"
    )
    all_frames: bool = Field(False, description="look at every frame")
    thorough: bool = Field(
        False,
        description="find small and turned faces too: 96 frames or more, scored mirrored as well",
    )
    detector: str = Field(DEFAULT, description="'default', or the path of an ONNX detector file")
    face_detector: str = Field("auto", description="registered name of the face detector")
    landmarker: str = Field("mediapipe_mesh", description="registered name of the landmarker")
    marks: bool = Field(
        True, description="read content credentials; look for a watermark and for known fakes"
    )
    quality_gate: bool = Field(
        True, description="give no verdict on faces that are too soft or look drawn"
    )
    pictures: bool = Field(True, description="keep thumbnails and crops for a report")
    limits: Limits = Field(
        default=Limits(), description="limits of the process that opens the file"
    )

    def settled(self) -> ScanConfig:
        """The same with what `thorough` implies filled in."""
        if not self.thorough:
            return self
        chosen = (
            {}
            if "face_detector" in self.model_fields_set
            else {"face_detector": THOROUGH_FACE_DETECTOR}
        )
        frames = max(self.frames, THOROUGH_FRAMES)
        return self.model_copy(update={"frames": frames, **chosen})


ChangeFrames = Callable[[Sequence[Frame]], Sequence[Frame]]  # frames of one moment, as many back


class Scanner:
    """Loaded models, ready to scan file after file."""

    def __init__(
        self, config: ScanConfig | None = None, change: ChangeFrames | None = None
    ) -> None:
        """Load the detector, the face detector and the landmarker.

        Args:
            config: the same for every file.
            change: what is done to decoded frames before faces are looked for, to measure how
                robust a detector is.

        Raises:
            DetectorError: the detector file cannot be used.
            RegistryError: no face detector or landmarker of that name.
            WeightsError: a third-party model file cannot be found or fetched.
        """
        self.config = (config or ScanConfig()).settled()
        self.change = change or list
        sandbox.warm_up()
        self.detector = Detector.load(self.config.detector)
        self.search(video=False).find(
            np.zeros((64, 64, 3), np.uint8)
        )  # loads the models now, not in the first file

    def scan(self, path: str | Path, progress: Progress | None = None) -> Report:
        """The report on one image or video.

        Args:
            path: the file.
            progress: called as (frames looked at, frames expected, name) while a video is read.

        Raises:
            MediaError: the file cannot be opened or decoded within its limits.
        """
        path = Path(path)
        clock = PhaseClock()
        with clock.phase("probe"):
            media = sandbox.probe(path, self.config.limits)
        with clock.phase("metadata"):
            metadata = sandbox.read_metadata(path, self.config.limits)
        wanted = self.config.marks
        with (
            ThreadPoolExecutor(1) as pool,  # hashing releases the GIL
            look_for_marks(path, wanted=wanted) as marks,
        ):
            sha256 = pool.submit(file_sha256, path)
            job = _ScanJob(self, path, media, clock, marks)
            job.run(progress)
            with clock.phase("hash_wait"):
                digest = sha256.result()
            with clock.phase("marks_wait"):
                found = None if marks is None else marks.finish(digest)
        return job.result(digest, found, metadata)

    def search(self, *, video: bool) -> FaceSearch:
        """A search for faces, of one file."""
        models = load_models(self.config.face_detector, self.config.landmarker)
        return FaceSearch(*models, video=video)


def scan(path: str | Path, config: ScanConfig | None = None) -> Report:
    """The report on one image or video; loads the models for this one file.

    Args:
        path: the file.
        config: how to scan; 32 frames with the shipped detector by default.

    Raises:
        CounterfaceError: the file, the detector or a model file cannot be used.

    Example:
        >>> import counterface
        >>> report = counterface.scan("clip.mp4")  # doctest: +SKIP
        >>> report.verdict, report.score.probability  # doctest: +SKIP
    """
    return Scanner(config).scan(path)


class _ScanJob:
    """The state of one file's scan."""

    def __init__(
        self,
        scanner: Scanner,
        path: Path,
        media: MediaInfo,
        clock: PhaseClock,
        marks: MarkJob | None,
    ) -> None:
        config = scanner.config
        self.scanner, self.path, self.media, self.clock = scanner, path, media, clock
        self.marks = marks
        self.book = TrackBook(
            scanner.detector,
            mirror=config.thorough,
            pictures=config.pictures,
            batch=BATCH,
            compression=media.compression.strength,
        )
        self.search = scanner.search(video=media.kind != "image")
        self.sure_px = 0.0
        self.linker = FaceLinker()
        self.strip = ThumbStrip(STILL_PX if media.kind == "image" else THUMB_PX)
        self.seen: dict[int, list[tuple[Frame, Face, Image]]] = defaultdict(list)  # this moment
        self.read = self.with_face = self.unaligned = 0

    def run(self, progress: Progress | None = None) -> None:
        sample = choose_frames(
            self.path, self.media, self.scanner.config, self.scanner.detector.info
        )
        self.mode, self.requested = sample.mode, sample.requested
        expected = self.requested or frames_expected(self.media)
        for moment in self.clock.waiting(sample.moments, "decode_wait"):
            for frame in self.scanner.change(moment):
                if self.marks is not None:
                    self.marks.add(frame.image, expected)
                self._look_at(square(frame, self.media))
            self._judge_moment()
            if progress and self.mode != "image":
                # A header may promise fewer frames than there are.
                total = max(expected, self.read) if expected else None
                progress(self.read, total, self.path.name)
        if not self.read:
            raise MediaError(f"{self.path}: no frame could be decoded; the file holds no picture")
        notes = merge_notes(self.media.notes, sample.notes)
        self.media = self.media.model_copy(update={"notes": notes})
        with self.clock.phase("score"):
            self.book.flush()

    def _look_at(self, frame: Frame) -> None:
        """Find the faces of a frame and say whose they are."""
        info = self.scanner.detector.info
        self.read += 1
        with self.clock.phase("find_faces"):
            found = self.search.find(frame.image)
        faces = [face for face in found if face.landmarks is not None]
        self.unaligned += len(found) - len(faces)
        self.sure_px = max(self.sure_px, self.search.smallest(frame.image.shape[:2]))
        self.with_face += bool(faces)
        if self.scanner.config.pictures:
            with self.clock.phase("pictures"):
                self.strip.add(frame)
        if not faces:
            return
        with self.clock.phase("align_and_link"):
            crops = [align(frame.image, face, info.template, info.size).image for face in faces]
            people = self.linker.link(faces, crops)
        for face, crop, person in zip(faces, crops, people, strict=True):
            self.seen[person].append((frame, face, crop))

    def _judge_moment(self) -> None:
        """Score each person of a moment: on one crop, or on all crops of a clip together."""
        info = self.scanner.detector.info
        with self.clock.phase("score"):
            for person, sightings in self.seen.items():
                crops = [crop for _, _, crop in sightings] if len(sightings) == info.frames else []
                frame, face, _ = sightings[len(sightings) // 2]
                look = self._look_of(frame, face) if crops else None
                self.book.add(_sample(frame, face, crops, person, look))
        self.seen.clear()

    def _look_of(self, frame: Frame, face: Face) -> CropQuality | None:
        """How much like a sharp photograph the face looks; None where it is not asked."""
        if not self.scanner.config.quality_gate:
            return None
        with self.clock.phase("look"):
            return measure_quality(align(frame.image, face, TEMPLATE, SIDE).image)

    def result(self, sha256: str, marks: Provenance | None, metadata: Metadata) -> Report:
        info = self.scanner.detector.info
        sampling = Sampling(
            mode=self.mode,
            requested=self.requested,
            read=self.read,
            with_face=self.with_face,
            unaligned=self.unaligned,
            sure_px=round(self.sure_px, 1),
        )
        with self.clock.phase("score"):
            tracks = self.book.close(self._rules())
        facts = conclude(tracks, info.thresholds, self.unaligned)
        verdict, reasons = weigh_marks(facts.verdict, explain(facts), marks)
        notices = find_notices(self.media, sampling, tracks, info.range)
        return Report(
            tool=Tool(version=__version__),
            created=datetime.now(UTC),
            file=FileFacts(
                path=str(self.path), name=self.path.name, bytes=self.media.bytes, sha256=sha256
            ),
            status="scanned",
            media=self.media,
            verdict=verdict,
            headline=write_headline(facts, verdict, marks),
            score=next((t.score for t in tracks if t.id == facts.decided_by), None),
            decided_by=facts.decided_by,
            reasons=reasons,
            tracks=tracks,
            notices=in_order(mark_notices(reasons, marks), metadata_notices(metadata), notices),
            checks=list_checks(
                self.media,
                sampling,
                tracks,
                marks,
                families=info.families is not None,
                together=info.frames,
            ),
            provenance=marks,
            metadata=metadata,
            sampling=sampling,
            detector=DetectorSummary.of(info, self.scanner.detector.sha256),
            config=self.scanner.config.model_dump(mode="json"),
            timings_s=self.clock.table(4),
            limits=LIMITS if info.weighing is None else WEIGHED_LIMITS,
            exhibits=self.book.exhibits(),
            thumbs=self.strip.thumbs(),
        )

    def _rules(self) -> Rules:
        """What a face needs in order to count."""
        info = self.scanner.detector.info
        strength, most = self.media.compression.strength, info.range.max_compression
        whole_file = None
        if strength > most:
            text = f"the file is compressed more strongly ({strength:.2f}) than what the detector "
            whole_file = SetAside(code="compressed", text=f"{text}was measured on ({most:.2f})")
        if any(note.code == "grey" for note in self.media.notes):
            text = "the colours of the file cannot be read, and grey ones say too little"
            whole_file = SetAside(code="grey", text=text)
        moments = -(-self.read // info.frames)
        return Rules(moments, _brief_below(self.mode, moments), whole_file)


def choose_frames(
    path: Path, media: MediaInfo, config: ScanConfig, info: DetectorInfo
) -> FrameSample:
    """The frames that a detector looks at: about `config.frames` of a video, in its clips."""
    moments = config.frames
    if info.frames > 1:
        moments = max(MIN_CLIPS, -(-config.frames // info.frames))
    return sample_frames(
        path,
        media,
        moments,
        info.frames,
        info.step,
        every=config.all_frames,
        limits=config.limits,
    )


def frames_expected(media: MediaInfo) -> int:
    """About how many frames a file has, as far as it says so; 0 where it does not."""
    if media.frame_count is not None or not media.duration_s:
        return media.frame_count or 0
    return round(media.duration_s * float(media.fps or 0))


def _sample(
    frame: Frame, face: Face, crops: Sequence[Image], person: int, look: CropQuality | None
) -> WaitingFace:
    left, top, right, bottom = (float(side) for side in face.box)
    yaw, pitch = (face.pose.yaw, face.pose.pitch) if face.pose else (None, None)
    return WaitingFace(
        track=person,
        frame_index=frame.index,
        pts_s=float(frame.pts),
        box=(left, top, right, bottom),
        face_px=face_pixels(face),
        eye_px=eye_pixels(face),
        yaw=yaw,
        pitch=pitch,
        look=look,
        crops=np.stack(crops) if crops else None,
    )


def _brief_below(mode: str, moments: int) -> int:
    """Moments that a person must be seen in to decide the file."""
    if mode == "image" or moments < 8:
        return 0
    return max(FEW, min(10, moments // BRIEF_SHARE))
