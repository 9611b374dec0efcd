"""Scored faces, collected person by person while frames stream past.

Memory does not grow with pixels: of each person every score is kept, but only a few pictures, the
most and the least suspicious crops, and the first three in case there is no spread over frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.detect.attribute import Attribution, attribute, nearest
from counterface.detect.detector import Detector, Judgement
from counterface.detect.explain import strongest_part
from counterface.detect.findings import (
    CueFinding,
    Exhibit,
    FrameScore,
    Score,
    Thumb,
    TrackFinding,
)
from counterface.detect.pool import calibrate, judge_score, pool_logits
from counterface.detect.scanning.crop_quality import CropQuality
from counterface.detect.scanning.hearing import Hearing, explain_verdict, hear, weigh_frame
from counterface.detect.scanning.joint import join, of_picture
from counterface.detect.scanning.standing import Rules, find_fault, set_aside
from counterface.detect.scanning.thinned import Thinned
from counterface.detect.weigh import Quality, Statement, find_contradiction, take_statements
from counterface.media.image import encode_image, shrink_image
from counterface.types import Floats, Frame, Image, Verdict

KEEP = 3  # most and least suspicious crops kept of each person
EXHIBIT_PX = 160  # side of a kept crop; shown at about half of that
FEW = 3  # frames; fewer have no spread of their own, so views of them are scored
SHIFT = (
    0.03  # of the crop side, in whole pixels: re-sampling would change the texture that is judged
)
THUMB_PX = 320  # longer side of a whole-frame thumbnail
STILL_PX = 1280  # the same of a picture, which is shown whole
THUMBS = 48  # at most, of one file


@dataclass(slots=True)
class WaitingFace:
    """A face that waits for its score."""

    track: int
    frame_index: int
    pts_s: float
    box: tuple[float, float, float, float]
    face_px: float
    eye_px: float | None
    yaw: float | None
    pitch: float | None
    look: CropQuality | None  # None: not measured
    crops: Image | None  # (T, S, S, 3), T as the detector wants; None where fewer were seen


@dataclass(slots=True)
class _PersonScores:
    frames: list[FrameScore] = field(default_factory=list)
    most: list[Exhibit] = field(default_factory=list)
    least: list[Exhibit] = field(default_factory=list)
    first_items: list[Image] = field(default_factory=list)  # in range, scored
    other_items: list[Image] = field(default_factory=list)  # scored, yet not in range
    families: list[Floats] = field(default_factory=list)  # (K,) distances of those in range


class TrackBook:
    """Takes samples, scores them in batches, and closes into findings."""

    def __init__(
        self,
        detector: Detector,
        *,
        mirror: bool,
        pictures: bool,
        batch: int,
        compression: float | None = None,
    ) -> None:
        """Start empty.

        Args:
            detector: scores the crops.
            mirror: score each crop also mirrored and take the mean of both.
            pictures: keep exhibits.
            batch: samples that wait before they are scored together.
            compression: compression of the file, strength 0 to 1; None where it is not known.
        """
        self.detector = detector
        self.mirror = mirror
        self.pictures = pictures
        self.batch = batch
        self.compression = compression
        self._people: dict[int, _PersonScores] = {}
        self._waiting: list[WaitingFace] = []

    def add(self, sample: WaitingFace) -> None:
        """Take one sample; score all that wait when a batch is full."""
        self._waiting.append(sample)
        if len(self._waiting) >= self.batch:
            self.flush()

    def flush(self) -> None:
        """Score what waits."""
        if not self._waiting:
            return
        samples, self._waiting = self._waiting, []
        items = [self._item(s.crops) for s in samples if s.crops is not None]
        judged = self._judge(np.stack(items)) if items else None
        parts = iter([judged.item(n) for n in range(len(items))] if judged else [])
        for sample in samples:
            self._keep(sample, None if sample.crops is None else next(parts))

    def _item(self, crops: Image) -> Image:
        """Crops (T, S, S, 3) as the detector takes them."""
        return crops if self.detector.info.frames > 1 else crops[0]

    def _judge(self, items: Image) -> Judgement:
        judged = self.detector.judge(items)
        if not self.mirror:
            return judged
        other = self.detector.judge(np.ascontiguousarray(items[..., ::-1, :]))
        witnesses = None
        if judged.witnesses is not None and other.witnesses is not None:
            witnesses = _mean(judged.witnesses, other.witnesses)
        return Judgement(
            _mean(judged.logits, other.logits),
            _mean(judged.maps, other.maps[:, :, ::-1]),
            judged.families,
            witnesses,
        )

    def _keep(self, sample: WaitingFace, judged: Judgement | None) -> None:
        """Add a sample and, where it was judged, what was said of it."""
        person = self._people.setdefault(sample.track, _PersonScores())
        frame = self._frame(sample, judged)
        person.frames.append(frame)
        families = judged.families if judged else None
        if families is not None and find_fault(frame, self.detector.info.range) is None:
            person.families.append(families[0])
        logit, score = frame.logit, frame.fake_score
        if logit is None or score is None or sample.crops is None or judged is None:
            return
        items = person.first_items if frame.in_range else person.other_items
        if len(items) < FEW:
            items.append(self._item(sample.crops))
        if self.pictures and np.isfinite(judged.maps[0]).all():
            middle = sample.crops[len(sample.crops) // 2]
            self._exhibit(
                person, Exhibit(sample.track, sample.pts_s, logit, score, middle, judged.maps[0])
            )

    def _frame(self, sample: WaitingFace, judged: Judgement | None) -> FrameScore:
        info, look = self.detector.info, sample.look
        sharpness, texture, color = look or (None, None, None)
        logit, strangeness, witnesses = None, None, ()
        if judged is not None:
            own = float(judged.logits[0])
            witnesses = () if judged.witnesses is None else tuple(judged.witnesses[0].tolist())
            if np.isfinite([own, *witnesses]).all():
                quality = Quality(sample.eye_px, sharpness, self.compression)
                logit = weigh_frame(witnesses, quality, info, own)
            if look and info.families is not None and judged.families is not None:
                strangeness = nearest(judged.families[0], info.families)
        frame = FrameScore(
            frame_index=sample.frame_index,
            pts_s=sample.pts_s,
            box=sample.box,
            face_px=sample.face_px,
            eye_px=sample.eye_px,
            yaw=sample.yaw,
            pitch=sample.pitch,
            logit=logit,
            witnesses=witnesses if logit is not None else (),
            fake_score=None if logit is None else float(calibrate(logit, info.calibration)),
            sharpness=sharpness,
            texture=texture,
            color=color,
            strangeness=strangeness,
            in_range=False,
        )
        fits = logit is not None and find_fault(frame, info.range) is None
        return frame.model_copy(update={"in_range": fits})

    def _exhibit(self, person: _PersonScores, seen: Exhibit) -> None:
        """Keep the face if it is among the most or the least suspicious, made small."""
        full = len(person.most) == KEEP
        if full and person.most[-1].logit >= seen.logit >= person.least[-1].logit:
            return
        small = cv2.resize(seen.crop, (EXHIBIT_PX, EXHIBIT_PX), interpolation=cv2.INTER_AREA)
        exhibit = replace(seen, crop=small, activation=seen.activation.copy())
        rank = attrgetter("logit")
        person.most = sorted([*person.most, exhibit], key=rank, reverse=True)[:KEEP]
        person.least = sorted([*person.least, exhibit], key=rank)[:KEEP]

    def close(
        self, rules: Rules, cues: Mapping[int, Sequence[CueFinding]] | None = None
    ) -> tuple[TrackFinding, ...]:
        """The findings of all people, in order of appearance.

        Args:
            rules: rules of the file.
            cues: what the cues say of a person, by number; None: they were not looked at.
        """
        self.flush()
        said = cues or {}
        return tuple(
            self._finding(number, self._people[number], rules, said.get(number, ()))
            for number in sorted(self._people)
        )

    def exhibits(self) -> tuple[Exhibit, ...]:
        """The kept crops, most suspicious first, each once."""
        kept = {id(e): e for p in self._people.values() for e in (*p.most, *p.least)}
        return tuple(sorted(kept.values(), key=lambda e: e.logit, reverse=True))

    def _finding(
        self, number: int, person: _PersonScores, rules: Rules, cues: Sequence[CueFinding]
    ) -> TrackFinding:
        info = self.detector.info
        heard = self._hear(person)
        quality = heard.quality if heard else None
        frames = person.frames
        usable = [f for f in frames if f.in_range and f.logit is not None]
        pooled = usable or [f for f in frames if f.logit is not None]
        in_range = bool(usable) and rules.whole_file is None
        in_range &= quality is None or quality.bin is not None
        alone, views = self._pool(person, pooled, heard)
        score, contributions = join(alone, of_picture(cues), info.calibration)
        said: tuple[Statement, ...] = ()
        if info.weighing is not None and heard is not None:
            said = take_statements(views or [f.witnesses for f in pooled], info.weighing, heard.bin)
        aside = set_aside(frames, score, info, rules, quality)
        opposed = find_contradiction(said)
        line = quality.line if quality else None
        verdict = judge_score(
            score, info.thresholds, in_range=in_range and opposed is None, line=line
        )
        maps = [e.activation for e in person.most]
        return TrackFinding(
            id=number,
            verdict=verdict,
            score=score,
            brief=len(frames) < rules.brief_below,
            first_s=frames[0].pts_s,
            last_s=frames[-1].pts_s,
            face_px=float(np.median([f.face_px for f in frames])),
            in_range=in_range,
            aside=aside,
            reasons=explain_verdict(
                verdict,
                score,
                info,
                aside,
                in_range=in_range,
                quality=quality,
                said=said,
                contributions=contributions,
            ),
            quality=quality,
            witnesses=said,
            views=views,
            evidence_region=strongest_part(maps, info.template) if in_range else None,
            attribution=self._attribute(person, verdict) if in_range else None,
            frames=tuple(frames),
            cues=tuple(cues),
            contributions=contributions,
        )

    def _hear(self, person: _PersonScores) -> Hearing | None:
        """The witnesses on a person, whose frames and kept crops get their weighed scores."""
        heard = hear(person.frames, self.detector.info, self.compression)
        if heard is not None:
            person.frames = heard.frames
            at = {f.pts_s: (f.logit or 0.0, f.fake_score or 0.0) for f in heard.frames}
            for kept in (person.most, person.least):
                for number, one in enumerate(kept):
                    logit, score = at[one.pts_s]
                    kept[number] = replace(one, logit=logit, fake_score=score)
        return heard

    def _attribute(self, person: _PersonScores, verdict: Verdict) -> Attribution | None:
        """The family of a face that may be manipulated; of others the question does not arise."""
        families = self.detector.info.families
        usable = [d for d in person.families if np.isfinite(d).all()]
        if families is None or not usable or verdict is Verdict.NO_MANIPULATION_FOUND:
            return None
        return attribute(np.stack(usable), families)

    def _pool(
        self, person: _PersonScores, frames: Sequence[FrameScore], heard: Hearing | None
    ) -> tuple[Score | None, tuple[tuple[float, ...], ...]]:
        """The pooled score, and the raw logits of the witnesses where it is of views."""
        logits = [f.logit for f in frames if f.logit is not None]
        if not logits:
            return None, ()
        calibration, weighing = self.detector.info.calibration, self.detector.info.weighing
        items = person.first_items or person.other_items
        if len(logits) >= FEW or not items:
            return pool_logits(logits, calibration), ()
        judged = self.detector.judge(np.concatenate([make_views(item) for item in items]))
        scored: NDArray[np.floating] = judged.logits
        views: tuple[tuple[float, ...], ...] = ()
        if judged.witnesses is not None and weighing is not None and heard is not None:
            scored = weighing.weigh(judged.witnesses, heard.bin)
            views = tuple(map(tuple, judged.witnesses.tolist()))
        if not np.isfinite(scored).all():
            return pool_logits(logits, calibration), ()
        return pool_logits(scored, calibration, spread_over="views"), views


def _mean(one: Floats, other: Floats) -> Floats:
    return np.asarray((one + other) / 2, np.float32)


def make_views(item: Image) -> Image:
    """Six views of a crop or clip, uint8 (..., S, S, 3): as it is, mirrored, shifted by pixels."""
    side = item.shape[-2]
    step = max(1, round(SHIFT * side))
    views = [item, item[..., ::-1, :]]
    still = [(0, 0)] * (item.ndim - 3)
    wide = np.pad(item, (*still, (step, step), (step, step), (0, 0)), mode="reflect")
    for y, x in ((0, step), (2 * step, step), (step, 0), (step, 2 * step)):
        views.append(wide[..., y : y + side, x : x + side, :])
    return np.stack(views)


class ThumbStrip:
    """Small pictures of whole frames, evenly thinned to at most `THUMBS`."""

    def __init__(self, longest: int = THUMB_PX) -> None:
        """Start empty, keeping every frame until there are too many.

        Args:
            longest: side of a thumbnail, pixels.
        """
        self._longest = longest
        self._kept = Thinned[Thumb](THUMBS)

    def add(self, frame: Frame) -> None:
        """Keep the frame's thumbnail if it is its turn."""
        if not self._kept.wants():
            return
        height, width = frame.image.shape[:2]
        small = shrink_image(frame.image, self._longest)
        jpeg = encode_image(small, format="JPEG", quality=72)
        self._kept.keep(Thumb(float(frame.pts), width, height, jpeg))

    def thumbs(self) -> tuple[Thumb, ...]:
        """What was kept, in time order."""
        return tuple(self._kept.items)
