"""Reports as one HTML file: styles, script and pictures inside, nothing loaded from elsewhere.

A content security policy in the page forbids every request and every script but ours, so that a
hostile file name could not reach out even if it slipped through the escaping.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from counterface.detect.findings import Thumb, TrackFinding
from counterface.detect.pool import show_percent
from counterface.errors import MediaError
from counterface.report import figures
from counterface.report.schema import Report
from counterface.types import Verdict

TRACKS_SHOWN = 8  # in detail, the most suspicious first

VERDICTS: dict[str, tuple[str, str]] = {  # state -> headline, what it means
    Verdict.LIKELY_MANIPULATED: (
        "Likely manipulated",
        "A face in this file shows traces that the detector knows from swapped and generated "
        "faces.",
    ),
    Verdict.NO_MANIPULATION_FOUND: (
        "No manipulation found",
        "No face that was looked at came near the line for suspicion. This does not show that the "
        "file is genuine.",
    ),
    Verdict.INCONCLUSIVE: (
        "Inconclusive",
        "The evidence does not carry a verdict in either direction.",
    ),
    Verdict.NO_FACE: (
        "No face found",
        "There was no face to judge, so nothing is said about this file.",
    ),
    "failed": ("Could not be scanned", "The file could not be opened or decoded."),
}
MARKED = "A mark that only its maker can leave says so, whatever its faces look like."


def write_html(reports: Sequence[Report], path: str | Path) -> None:
    """Writes one self-contained page for one or many reports, in place at once.

    Args:
        reports: in the order shown.
        path: of the page; its folder must exist.

    Raises:
        MediaError: the page cannot be written there.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".report-", suffix=".html")
    except OSError as error:
        raise MediaError(
            f"{path}: the report cannot be written ({error.strerror}); name a folder that exists"
        ) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            for part in _template().generate(**_page(reports)):
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def render_html(reports: Sequence[Report]) -> str:
    """The page of `write_html` as text."""
    return str(_template().render(**_page(reports)))


def show_name(text: str) -> str:
    r"""A file name with control and direction-changing characters as visible escapes.

    A right-to-left override would otherwise let `gpj.exe` read as `exe.jpg`.
    """
    return "".join(
        c.encode("unicode_escape").decode()
        if unicodedata.category(c)[0] in "CZ" and c != " "
        else c
        for c in text
    )


def show_bytes(count: int | None) -> str:
    """A size in B, kB, MB or GB, decimal."""
    if count is None:
        return "unknown"
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def show_container(names: str, file_name: str) -> str:
    """One name of FFmpeg's list for a container family: that of the file's suffix where listed."""
    family = names.split(",")
    suffix = Path(file_name).suffix.lower().lstrip(".")
    return suffix if suffix in family else family[0]


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("counterface.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        visible=show_name,
        size=show_bytes,
        percent=show_percent,
        clock=figures.clock_time,
        card_rows=card_rows,
        container=show_container,
    )
    return environment.get_template("page.html.j2")


def _page(reports: Sequence[Report]) -> dict[str, Any]:
    style, script = _asset("page.css"), _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {
        "files": [_file_view(report) for report in reports],
        "counts": _count(reports),
        "style": Markup(style),  # our own asset
        "script": Markup(script),
        "script_hash": f"sha256-{digest}",
        "verdicts": VERDICTS,
    }


def _asset(name: str) -> str:
    return (files("counterface.report") / "templates" / name).read_text(encoding="utf-8")


def _state(report: Report) -> str:
    return "failed" if report.verdict is None else report.verdict.value


def _count(reports: Sequence[Report]) -> list[tuple[str, int]]:
    """How many files got each verdict, gravest first; states that no file has are left out."""
    states = [_state(report) for report in reports]
    return [(str(state), states.count(state)) for state in VERDICTS if state in states]


def _file_view(report: Report) -> dict[str, Any]:
    """What the template needs of one file."""
    marked = report.provenance is not None and report.provenance.mark is not None
    order = sorted(report.tracks, key=lambda track: _rank(track, report.decided_by))
    tracks = [_track_view(report, track) for track in order[:TRACKS_SHOWN]]
    thumbs = [_thumb_view(thumb) for thumb in report.pictures.thumbs]
    for view in [v for v in tracks if v["timeline"]][:1]:  # one film strip a file, above all others
        view["strip"] = [thumbs[i]["src"] for i in figures.pick_strip(report.pictures.thumbs)]
    return {
        "report": report,
        "state": _state(report),
        "headline": VERDICTS[_state(report)][0],
        "meaning": MARKED if marked else report.error or VERDICTS[_state(report)][1],
        "marked": marked,
        "bar": figures.scale_bar(report.score) if report.score else None,
        "thumbs": thumbs,
        "tracks": tracks,
        "more": order[TRACKS_SHOWN:],
    }


def _thumb_view(thumb: Thumb) -> dict[str, Any]:
    return {
        "src": figures.data_uri(thumb.jpeg),
        "time": figures.clock_time(thumb.pts_s),
        "width": thumb.width,
        "height": thumb.height,
    }


def _rank(track: TrackFinding, decided_by: int | None) -> tuple[bool, bool, float]:
    return (
        track.id != decided_by,
        track.brief,
        -(track.score.probability if track.score else -1.0),
    )


def _track_view(report: Report, track: TrackFinding) -> dict[str, Any]:
    lines = (0.5, 0.5)
    if report.detector:
        thresholds = report.detector.thresholds
        lines = (thresholds.likely_manipulated, thresholds.no_manipulation_found)
    times = [f.pts_s for t in report.tracks for f in t.frames]
    end = report.media.duration_s if report.media and report.media.duration_s else 0.0
    span = (min([0.0, *times]), max([end, *times]))
    most, least = figures.draw_faces(report.pictures.exhibits, track.id)
    timeline = figures.draw_timeline(track, report.pictures.thumbs, lines, span)
    return {
        "track": track,
        "timeline": timeline,
        "points": [asdict(point) for point in timeline.points] if timeline else [],
        "strip": [],
        "most": most,
        "least": least,
        "notices": [n for n in report.notices if n.track == track.id],
        "bar": figures.scale_bar(track.score) if track.score else None,
    }


def card_rows(card: dict[str, Any]) -> list[tuple[str, str]]:
    """A model card's summary as (label, text) rows; nested values on one line."""

    def text(value: Any) -> str:
        if isinstance(value, dict):
            return "; ".join(f"{_label(k)}: {text(v)}" for k, v in value.items())
        if isinstance(value, list | tuple):
            return ", ".join(text(v) for v in value)
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    rows = [(_label(key), text(value)) for key, value in card.items() if value not in (None, "")]
    return [(label[:1].upper() + label[1:], value) for label, value in rows]


def _label(key: str) -> str:
    words = str(key).replace("_", " ").split()
    return " ".join(
        w.upper() if w in ("auc", "eer", "ece", "tpr", "fpr", "url") else w for w in words
    )
