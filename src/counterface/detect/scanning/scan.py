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
from counterface.detect.scanning.evidence import EvidenceBook, choose_cues
from counterface.detect.scanning.marks import (
    MarkJob,
    look_for_marks,
    mark_notices,
    metadata_notices,
    weigh_marks,
)
from counterface.detect.scanning.notices import find_notices, in_order, list_checks
from counterface.detect.scanning.parts import judge_parts
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
from counterface.faces.face_detector import find_faces
from counterface.faces.look import FaceLook
from counterface.files import file_sha256
from counterface.media import sandbox
from counterface.media.notes import merge_notes
from counterface.media.probe import MediaInfo
from counterface.media.sample_frames import FrameSample, sample_frames, square
from counterface.media.sandbox import Limits
from counterface.media.tags.metadata import Metadata
from counterface.phase_clock import PhaseClock
from counterface.provenance.verify import Provenance
from counterface.types import Crop, Face, Frame, Image, Progress

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
    face_detector: str = Field(
        "auto",
        description="registered name of the face detector, or NAME:PATH with its weights file",
    )
    landmarker: str = Field(
        "mediapipe_mesh",
        description="registered name of the landmarker, or NAME:PATH with its weights file",
    )
    marks: bool = Field(
        True, description="read content credentials; look for a watermark and for known fakes"
    )
    quality_gate: bool = Field(
        True, description="give no verdict on faces that are too soft or look drawn"
    )
    cues: str = Field(
        "default",
        description="cues to look at beside the detector: none, default (those with a weight), "
        "all, or names with commas between",
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
            ConfigError: no cue of that name.
            RegistryError: no face detector or landmarker of that name.
            WeightsError: a third-party model file cannot be found or fetched.
        """
        self.config = (config or ScanConfig()).settled()
        self.change = change or list
        sandbox.warm_up()
        self.detector = Detector.load(self.config.detector)
        self.cues = choose_cues(self.config.cues, thorough=self.config.thorough)
        nothing = np.zeros((64, 64, 3), np.uint8)  # loads the models now, not in the first file
        find_faces(nothing, self.config.face_detector, self.config.landmarker)

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
        self.config, self.change, self.detector = scanner.config, scanner.change, scanner.detector
        self.path, self.media, self.clock, self.marks = path, media, clock, marks
        config, self.info = self.config, self.detector.info
        self.book = TrackBook(
            self.detector,
            mirror=config.thorough,
            pictures=config.pictures,
            batch=BATCH,
            compression=media.compression.strength,
        )
        self.look = FaceLook(
            media, self.info.template, self.info.size, config.face_detector, config.landmarker
        )
        self.evidence = EvidenceBook(scanner.cues, self.detector.sha256)
        self.sure_px = 0.0
        self.strip = ThumbStrip(STILL_PX if media.kind == "image" else THUMB_PX)
        self.seen: dict[int, list[tuple[Frame, Crop]]] = defaultdict(list)  # this moment
        self.read = self.with_face = 0

    def run(self, progress: Progress | None = None) -> None:
        sample = choose_frames(self.path, self.media, self.config, self.info)
        self.mode, self.requested = sample.mode, sample.requested
        expected = self.requested or frames_expected(self.media)
        for moment in self.clock.waiting(sample.moments, "decode_wait"):
            for frame in self.change(moment):
                if self.marks is not None:
                    self.marks.add(frame.image, expected)
                self._add(square(frame, self.media))
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

    def _add(self, frame: Frame) -> None:
        """Find the faces of a frame and say whose they are."""
        self.read += 1
        with self.clock.phase("find_faces"):
            faces = self.look.find(frame)
        self.sure_px = max(self.sure_px, self.look.search.smallest(frame.image.shape[:2]))
        self.with_face += bool(faces)
        if self.config.pictures:
            with self.clock.phase("pictures"):
                self.strip.add(frame)
        if faces:
            with self.clock.phase("align_and_link"):
                for person, crop in self.look.cut_people(frame, faces):
                    self.seen[person].append((frame, crop))
                    self.evidence.add(person, frame, crop.face)

    def _judge_moment(self) -> None:
        """Score each person of a moment: on one crop, or on all crops of a clip together."""
        with self.clock.phase("score"):
            for person, sightings in self.seen.items():
                whole = len(sightings) == self.info.frames
                crops = np.stack([crop.image for _, crop in sightings]) if whole else None
                frame, crop = sightings[len(sightings) // 2]
                quality = self._quality_of(frame, crop.face) if whole else None
                self.book.add(_sample(crop, crops, person, quality))
        self.seen.clear()

    def _quality_of(self, frame: Frame, face: Face) -> CropQuality | None:
        """How much like a sharp photograph the face looks; None where it is not asked."""
        if not self.config.quality_gate:
            return None
        with self.clock.phase("look"):
            return measure_quality(align(frame.image, face, TEMPLATE, SIDE).image)

    def result(self, sha256: str, marks: Provenance | None, metadata: Metadata) -> Report:
        info = self.info
        sampling = Sampling(
            mode=self.mode,
            requested=self.requested,
            read=self.read,
            with_face=self.with_face,
            unaligned=self.look.unaligned,
            sure_px=round(self.sure_px, 1),
        )
        with self.clock.phase("cues"):
            evidence = self.evidence.look(self.path, self.media, self.config.limits)
        with self.clock.phase("score"):
            tracks = self.book.close(self._rules(), evidence.by_person)
        notes = merge_notes(self.media.notes, evidence.notes)
        self.media = self.media.model_copy(update={"notes": notes})
        facts = conclude(tracks, info.thresholds, self.look.unaligned)
        parts = judge_parts(facts, self.media, tracks, evidence.of_sound, asked=self.evidence.cues)
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
            sound_cues=evidence.of_sound,
            parts=parts,
            notices=in_order(mark_notices(reasons, marks), metadata_notices(metadata), notices),
            checks=list_checks(
                self.media,
                sampling,
                tracks,
                marks,
                families=info.families is not None,
                together=info.frames,
                sound_cues=evidence.of_sound,
            ),
            provenance=marks,
            metadata=metadata,
            sampling=sampling,
            detector=DetectorSummary.of(info, self.detector.sha256),
            config=self.config.model_dump(mode="json"),
            timings_s=self.clock.table(4),
            limits=LIMITS if info.weighing is None else WEIGHED_LIMITS,
            exhibits=self.book.exhibits(),
            thumbs=self.strip.thumbs(),
        )

    def _rules(self) -> Rules:
        """What a face needs in order to count."""
        strength, most = self.media.compression.strength, self.info.range.max_compression
        whole_file = None
        if strength > most:
            text = f"the file is compressed more strongly ({strength:.2f}) than what the detector "
            whole_file = SetAside(code="compressed", text=f"{text}was measured on ({most:.2f})")
        if any(note.code == "grey" for note in self.media.notes):
            text = "the colours of the file cannot be read, and grey ones say too little"
            whole_file = SetAside(code="grey", text=text)
        moments = -(-self.read // self.info.frames)
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
    crop: Crop, crops: Image | None, person: int, quality: CropQuality | None
) -> WaitingFace:
    face = crop.face
    left, top, right, bottom = (float(side) for side in face.box)
    yaw, pitch = (face.pose.yaw, face.pose.pitch) if face.pose else (None, None)
    return WaitingFace(
        track=person,
        frame_index=crop.frame_index,
        pts_s=float(crop.pts),
        box=(left, top, right, bottom),
        face_px=face_pixels(face),
        eye_px=eye_pixels(face),
        yaw=yaw,
        pitch=pitch,
        look=quality,
        crops=crops,
    )


def _brief_below(mode: str, moments: int) -> int:
    """Moments that a person must be seen in to decide the file."""
    if mode == "image" or moments < 8:
        return 0
    return max(FEW, min(10, moments // BRIEF_SHARE))
