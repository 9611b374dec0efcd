"""What the page shows of each file: rows of the overview, and everything below a verdict."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from counterface.detect.findings import (
    PART_TITLES,
    CueFinding,
    DetectorSummary,
    Report,
    Thumb,
    TrackFinding,
)
from counterface.report import figures
from counterface.types import Verdict

TRACKS_SHOWN = 8  # of a video in detail, the most suspicious first
FACES_SHOWN = 60  # of a picture
# up to so many files, the longer side of a whole picture
WHOLE_PX = ((4, 1280), (20, 960), (100, 640))
SMALL_WHOLE_PX = 400  # of a picture on a page of more files
STRIP_PX = 96  # in a film strip
MINIATURE_PX = 88  # in the overview, twice what is shown

VERDICTS: dict[str, tuple[str, str]] = {  # state -> headline, what it means; gravest first
    Verdict.LIKELY_MANIPULATED: (
        "Likely manipulated",
        "A face in this file shows traces that the detector knows from swapped and generated "
        "faces.",
    ),
    Verdict.INCONCLUSIVE: (
        "Inconclusive",
        "The evidence does not carry a verdict in either direction.",
    ),
    Verdict.NO_MANIPULATION_FOUND: (
        "No manipulation found",
        "This does not show that the file is genuine.",
    ),
    Verdict.NO_FACE: (
        "No face found",
        "There was no face to judge, so nothing is said about this file.",
    ),
    "failed": ("Could not be scanned", "The file could not be opened or decoded."),
}
_PART_STATES = {
    "in doubt": "likely_manipulated",
    "looks authentic": "no_manipulation_found",
    "undecided": "inconclusive",
    "not judged": "no_face",
}
_SAYS = {
    "for": "for",
    "against": "against",
    "neither": "neither",
    "no weight": "without weight",
    "not applicable": "not applicable",
}
_SENTENCES = re.compile(r"(?<=[.!?]) (?=[A-Z])")
MARKED = "A mark that only its maker can leave says so, whatever its faces look like."


class Lines(NamedTuple):
    """Where a score becomes a verdict, as in `Thresholds`; 1 is never reached."""

    likely_manipulated: float
    no_manipulation_found: float


def lines_of(report: Report, track: TrackFinding | None) -> Lines:
    """The lines that hold for a face, which may be those of its quality."""
    if report.detector is None:
        return Lines(0.5, 0.5)
    lines = report.detector.thresholds
    own = track.quality.line if track and track.quality else None
    upper = lines.likely_manipulated if own is None else own
    return Lines(upper, lines.no_manipulation_found)


def state_of(report: Report) -> str:
    """The verdict's name, or "failed"."""
    return "failed" if report.verdict is None else report.verdict.value


def count_states(reports: Sequence[Report]) -> list[tuple[str, int]]:
    """How many files got each verdict, gravest first; states that no file has are left out."""
    states = [state_of(report) for report in reports]
    return [(str(state), states.count(state)) for state in VERDICTS if state in states]


def detectors_of(reports: Sequence[Report]) -> list[DetectorSummary]:
    """The detectors that judged, each once."""
    return list({r.detector.sha256: r.detector for r in reports if r.detector}.values())


def limits_of(reports: Sequence[Report]) -> list[str]:
    """What the verdicts do not say, each sentence once."""
    return list(dict.fromkeys(limit for report in reports for limit in report.limits))


def row_view(report: Report) -> dict[str, Any]:
    """One row of the overview."""
    return {
        **_heading(report),
        "order": list(VERDICTS).index(state_of(report)),
        "miniature": figures.draw_miniature(report, MINIATURE_PX),
        "care": [n.text for n in report.notices if n.level == "trust" and n.track is None],
    }


def file_views(reports: Sequence[Report]) -> Iterator[dict[str, Any]]:
    """All that stands below each file's verdict, one file at a time: pictures fill memory."""
    most = next((px for files, px in WHOLE_PX if len(reports) <= files), SMALL_WHOLE_PX)
    for report in reports:
        yield _file_view(report, most)


def _heading(report: Report) -> dict[str, Any]:
    """What stands in the overview and above the file's own part alike."""
    state = state_of(report)
    title, meaning = VERDICTS[state]
    number = report.score.probability if report.score else None
    if report.headline is not None:
        title, meaning = report.headline.title, report.headline.text
        number = report.headline.number
    elif report.provenance is not None and report.provenance.mark is not None:
        meaning = MARKED
    decider = next((track for track in report.tracks if track.id == report.decided_by), None)
    return {
        "report": report,
        "state": state,
        "headline": title,
        "meaning": report.error or meaning,
        "number": number,  # None where none may be relied on
        "lines": lines_of(report, decider),
        "bar": figures.scale_bar(report.score) if report.score and number is not None else None,
    }


def _beyond(reasons: Sequence[str], said: str) -> list[str]:
    """The sentences of the reasons that were not said."""
    sentences = [part for reason in reasons for part in _SENTENCES.split(reason)]
    return [sentence for sentence in sentences if sentence not in _SENTENCES.split(said)]


def _file_view(report: Report, most_px: int) -> dict[str, Any]:
    still = report.media is not None and report.media.kind == "image"
    lead = report.headline.face if report.headline else report.decided_by
    line = report.detector.thresholds.no_manipulation_found if report.detector else 1.0
    order = sorted(report.tracks, key=lambda track: _rank(track, lead, line))
    shown = order[: FACES_SHOWN if still else TRACKS_SHOWN]
    tracks = [_track_view(report, track) for track in shown]
    kept = () if still else report.thumbs
    film = any(view["timeline"] for view in tracks)
    few = [kept[i] for i in figures.pick_strip(kept)]
    for view in [v for v in tracks if v["timeline"]][:1]:  # one film strip a file, above all others
        view["strip"] = [_thumb_view(thumb, STRIP_PX) for thumb in few]
    heading = _heading(report)
    return {
        **heading,
        "reasons": _beyond(report.reasons, heading["meaning"]),
        "parts": [
            {"part": part, "title": PART_TITLES[part.name], "state": _PART_STATES[part.says]}
            for part in report.parts
            if len(report.parts) > 1
        ],
        "sound_cues": _cue_views(report.sound_cues),
        "sound_tally": _tally_cues(report.sound_cues),
        "still": still,
        "whole": figures.draw_whole(report, most_px) if still else None,
        "thumbs": [_thumb_view(thumb, most_px // 2) for thumb in kept] if film else [],
        "strip": [] if tracks else [_thumb_view(thumb, most_px // 2) for thumb in few],
        "tracks": tracks,
        "heat": any(face.heat for v in tracks for face in (*v["most"], *v["least"])),
        "more": order[len(shown) :],
    }


def _thumb_view(thumb: Thumb, most_px: int) -> dict[str, Any]:
    return {
        "src": figures.shrink(thumb.jpeg, most_px),
        "time": figures.clock_time(thumb.pts_s),
        "width": thumb.width,
        "height": thumb.height,
    }


def _rank(track: TrackFinding, lead: int | None, line: float) -> tuple[bool, bool, bool, float]:
    """The face that stands with the title, then those past the line, then those that count.

    A face that the headline admits, though it does not count, is never cut off by many that do.
    """
    probability = track.score.probability if track.score else -1.0
    return (
        track.id != lead,
        probability < line,
        track.aside is not None or track.brief,
        -probability,
    )


def _track_view(report: Report, track: TrackFinding) -> dict[str, Any]:
    lines = lines_of(report, track)
    times = [f.pts_s for t in report.tracks for f in t.frames]
    end = report.media.duration_s if report.media and report.media.duration_s else 0.0
    span = (min([0.0, *times]), max([end, *times]))
    most, least = figures.draw_faces(report.exhibits, track)
    timeline = figures.draw_timeline(track, report.thumbs, lines, span)
    return {
        "track": track,
        "state": figures.state_of_face(track),
        "timeline": timeline,
        "points": [asdict(point) for point in timeline.points] if timeline else [],
        "strip": [],
        "most": most,
        "least": least,
        "notices": [n for n in report.notices if n.track == track.id],
        "bars": figures.draw_bars(track.contributions),
        "cues": _cue_views(track.cues),
        "cue_tally": _tally_cues(track.cues),
    }


def _cue_views(cues: Sequence[CueFinding]) -> list[dict[str, Any]]:
    """The cues with their courses; those that enter first, those that do not apply last."""
    order = sorted(cues, key=lambda cue: (cue.value is None, not cue.share, cue.log_odds is None))
    return [{"said": cue, "course": figures.draw_course(cue.series)} for cue in order]


def _tally_cues(cues: Sequence[CueFinding]) -> str:
    """How many cues say what, in the order of `_SAYS`."""
    counts = Counter[str](cue.says for cue in cues)
    return ", ".join(f"{counts[says]} {words}" for says, words in _SAYS.items() if counts[says])
