"""The geometry of a report's pictures, ready to draw: timelines, scales, faces with heat maps.

Convention: positions are percentages of the drawing area, x to the right and y down, so that the
page can stretch a drawing without touching the numbers.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counterface.detect.explain import evidence_scale, heat_map, paint_heat
from counterface.detect.findings import (
    Contribution,
    Exhibit,
    FrameScore,
    Report,
    Score,
    Thumb,
    TrackFinding,
)
from counterface.detect.pool import show_percent
from counterface.media.image import encode_image
from counterface.types import Image, Verdict

MOST_POINTS = 240  # dots in a timeline; more merge into a smear
STRIP = 10  # thumbnails in a film strip
FAINTEST = 0.1  # heat whose strongest is weaker is not drawn: nobody would see it


@dataclass(frozen=True, slots=True)
class Point:
    """One dot of a timeline and what the page shows when it is pointed at."""

    x: float
    y: float
    time: str
    score: str
    size: str
    in_range: bool
    thumb: int | None  # index of the nearest thumbnail
    box: tuple[float, float, float, float] | None  # left, top, width, height, % of that thumbnail


@dataclass(frozen=True, slots=True)
class Timeline:
    """One person's scores over time."""

    points: tuple[Point, ...]
    line: str  # SVG path
    upper: float  # y of the line for likely_manipulated
    lower: float  # y of the line for no_manipulation_found
    ticks: tuple[tuple[float, str], ...]  # x, label
    worst: int  # index of the most suspicious point
    merged: int  # frames that one dot stands for


@dataclass(frozen=True, slots=True)
class FacePicture:
    """A crop, and the same crop with its heat map."""

    crop: str  # data URI
    heat: str | None  # data URI; None where there is too little to be seen
    time: str
    score: str


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A numbered box, percent of the picture."""

    number: int
    state: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class WholePicture:
    """A still and the faces in it."""

    src: str  # data URI
    width: int  # of the original, pixels
    height: int
    boxes: tuple[FaceBox, ...]


def data_uri(jpeg: bytes) -> str:
    """A JPEG as a `data:` address, so that the page needs no other file."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def clock_time(seconds: float, *, tenths: bool = True) -> str:
    """A moment as m:ss.t or h:mm:ss, rounded down."""
    total = max(0.0, seconds)
    minutes, rest = divmod(int(total), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    tail = f".{int(total * 10) % 10}" if tenths else ""
    return f"{minutes}:{rest:02d}{tail}"


def draw_timeline(
    track: TrackFinding,
    thumbs: Sequence[Thumb],
    lines: tuple[float, float],
    span_s: tuple[float, float],
) -> Timeline | None:
    """A person's timeline; None where fewer than two frames carry a score.

    Args:
        track: track of the report.
        thumbs: thumbnails of the file, in time order.
        lines: thresholds, (likely_manipulated, no_manipulation_found), in [0, 1].
        span_s: first and last second of the axis.
    """
    scored = [f for f in track.frames if f.fake_score is not None]
    if len(scored) < 2:
        return None
    merged = -(-len(scored) // MOST_POINTS)
    chosen = [_middle(scored[i : i + merged]) for i in range(0, len(scored), merged)]
    points = tuple(_point(frame, thumbs, span_s) for frame in chosen)
    path = "M" + "L".join(f"{p.x:.2f},{p.y:.2f}" for p in points)
    worst = min(range(len(points)), key=lambda i: (not points[i].in_range, points[i].y))
    return Timeline(
        points=points,
        line=path,
        upper=100 * (1 - lines[0]),
        lower=100 * (1 - lines[1]),
        ticks=_ticks(span_s),
        worst=worst,
        merged=merged,
    )


def _middle(frames: Sequence[FrameScore]) -> FrameScore:
    """The frame with the median score: the peak of each bin would make a clip look worse."""
    return sorted(frames, key=lambda f: f.fake_score or 0.0)[len(frames) // 2]


def _point(frame: FrameScore, thumbs: Sequence[Thumb], span_s: tuple[float, float]) -> Point:
    length = max(span_s[1] - span_s[0], 1e-6)
    nearest = min(
        range(len(thumbs)), key=lambda i: abs(thumbs[i].pts_s - frame.pts_s), default=None
    )
    box = None
    if nearest is not None and abs(thumbs[nearest].pts_s - frame.pts_s) < 1e-3:
        box = _percent_box(frame, thumbs[nearest])
    score = frame.fake_score or 0.0
    return Point(
        x=round(100 * (frame.pts_s - span_s[0]) / length, 2),
        y=round(100 * (1 - score), 2),
        time=clock_time(frame.pts_s),
        score=show_percent(score),
        size=f"{frame.face_px:.0f} px",
        in_range=frame.in_range,
        thumb=nearest,
        box=box,
    )


def _percent_box(frame: FrameScore, thumb: Thumb) -> tuple[float, float, float, float]:
    left, top, right, bottom = frame.box
    x0, x1 = (100 * min(max(x, 0), thumb.width) / thumb.width for x in (left, right))
    y0, y1 = (100 * min(max(y, 0), thumb.height) / thumb.height for y in (top, bottom))
    return round(x0, 2), round(y0, 2), round(x1 - x0, 2), round(y1 - y0, 2)


_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)


def _ticks(span_s: tuple[float, float]) -> tuple[tuple[float, str], ...]:
    """Round moments on the axis, (x, label): at most seven, multiples of one step."""
    start, end = span_s
    length = max(end - start, 1e-6)
    step = next((s for s in _STEPS_S if length / s <= 6), length / 6)
    first = int(np.ceil(start / step - 1e-9))
    moments = [i * step for i in range(first, int(end / step + 1e-9) + 1)]
    return tuple(
        (100 * (m - start) / length, clock_time(m + 1e-6, tenths=step < 1)) for m in moments
    )


def pick_strip(thumbs: Sequence[Thumb]) -> list[int]:
    """Indices of at most `STRIP` thumbnails, spread evenly over the clip."""
    if len(thumbs) <= STRIP:
        return list(range(len(thumbs)))
    return [int(i) for i in np.linspace(0, len(thumbs) - 1, STRIP).round()]


def state_of_face(track: TrackFinding) -> str:
    """The verdict's name, or "aside" for a face that does not count."""
    return "aside" if track.aside is not None or track.brief else track.verdict.value


def draw_whole(report: Report, most_px: int) -> WholePicture | None:
    """A still with all its faces in numbered boxes; None where no picture was kept.

    Args:
        report: on a picture.
        most_px: its longer side is made no longer than this.
    """
    if not report.thumbs:
        return None
    thumb = report.thumbs[0]
    boxes = tuple(
        FaceBox(track.id + 1, state_of_face(track), *_percent_box(track.frames[0], thumb))
        for track in report.tracks
    )
    return WholePicture(shrink(thumb.jpeg, most_px), thumb.width, thumb.height, boxes)


def draw_miniature(report: Report, most_px: int) -> str | None:
    """The face that stands with the title, else the middle of what was looked at, if any."""
    lead = report.headline.face if report.headline else report.decided_by
    crop = next((e.crop for e in report.exhibits if e.track == lead), None)
    if crop is not None:
        return shrink(encode_image(crop, format="JPEG", quality=90), most_px)
    thumbs = report.thumbs
    return shrink(thumbs[len(thumbs) // 2].jpeg, most_px) if thumbs else None


def shrink(jpeg: bytes, most_px: int) -> str:
    """A JPEG as a `data:` address, its longer side no longer than `most_px`."""
    import PIL.Image

    with PIL.Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as picture:
        if max(picture.size) <= most_px:
            return data_uri(jpeg)
        picture.thumbnail((most_px, most_px))
        small = np.asarray(picture.convert("RGB"))
    return data_uri(encode_image(small, format="JPEG", quality=78))


def draw_faces(
    exhibits: Sequence[Exhibit], track: TrackFinding
) -> tuple[tuple[FacePicture, ...], tuple[FacePicture, ...]]:
    """The most and the least suspicious faces of a person, each with its heat map.

    No face is in both; the scale of the heat is one for the whole file. Heat is worth what the
    score says: a face at 5 % shows no dark evidence, whatever the network looked at, and one
    whose score may not be used shows none.
    """
    scale = evidence_scale([e.activation for e in exhibits])
    own = sorted((e for e in exhibits if e.track == track.id), key=lambda e: -e.logit)
    half = min(3, (len(own) + 1) // 2)
    least = own[half:][-3:][::-1]
    most = 1.0
    if track.aside is not None and track.aside.code != "brief":
        most = 0.0  # its score is not used, so what moved it is no evidence
    elif track.score is not None and track.verdict is Verdict.NO_MANIPULATION_FOUND:
        most = track.score.probability  # a face that is cleared is nowhere darker than its score
    return (
        tuple(_picture(e, scale, most) for e in own[:half]),
        tuple(_picture(e, scale, most) for e in least),
    )


def _picture(exhibit: Exhibit, scale: float, most: float) -> FacePicture:
    def encode(image: Image) -> str:
        return data_uri(encode_image(image, format="JPEG", quality=84))

    worth = min(exhibit.fake_score, most)
    heat = np.float32(worth) * heat_map(exhibit.activation, len(exhibit.crop), scale)
    return FacePicture(
        crop=encode(exhibit.crop),
        heat=encode(paint_heat(exhibit.crop, heat)) if heat.max() >= FAINTEST else None,
        time=clock_time(exhibit.pts_s),
        score=show_percent(exhibit.fake_score),
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """What one piece of evidence adds, drawn from the middle: right for, left against."""

    title: str
    left: float
    width: float
    says: str  # "for" or "against"
    number: str


LEAST_SCALE = 2.0  # log-odds that half of the drawing stands for, at least


def draw_bars(contributions: Sequence[Contribution]) -> tuple[Bar, ...]:
    """The pieces of evidence, the strongest first; all on one scale."""
    scale = max(LEAST_SCALE, *(abs(c.log_odds) for c in contributions), LEAST_SCALE)
    ordered = sorted(contributions, key=lambda c: -abs(c.log_odds))
    return tuple(_bar(piece, 50 / scale) for piece in ordered)


def _bar(piece: Contribution, percent: float) -> Bar:
    width = max(round(percent * abs(piece.log_odds), 2), 0.4)
    against = piece.log_odds < 0
    title = piece.title.removeprefix("the ").strip("'\"").capitalize()
    left = round(50 - width, 2) if against else 50.0
    number = f"{piece.log_odds:+.1f}".replace("-", "−")
    return Bar(title, left, width, "against" if against else "for", number)


@dataclass(frozen=True, slots=True)
class Course:
    """What a cue measured over time, as a line."""

    line: str  # SVG path
    start: str  # time
    end: str
    low: str  # value
    high: str


MOST_STEPS = 200  # points of a course; more are not seen at its size


def draw_course(series: Sequence[tuple[float, float]]) -> Course | None:
    """A cue's course; None where there are fewer than three points."""
    if len(series) < 3:
        return None
    chosen = series[:: -(-len(series) // MOST_STEPS)]
    times, values = np.array(chosen, np.float64).T
    low, high = float(values.min()), float(values.max())
    x = 100 * (times - times[0]) / max(times[-1] - times[0], 1e-6)
    y = 100 * (1 - (values - low) / max(high - low, 1e-9))
    path = "M" + "L".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    start, end = clock_time(series[0][0]), clock_time(series[-1][0])
    return Course(path, start, end, f"{low:.2g}", f"{high:.2g}")


def scale_bar(score: Score) -> tuple[float, float, float]:
    """Left edge and width of the interval and the position of the score, percent of the bar."""
    width = max(100 * (score.high - score.low), 0.6)  # an interval of nothing is still seen
    left = min(100 * score.low, 100 - width)
    return round(left, 2), round(width, 2), round(100 * score.probability, 2)
