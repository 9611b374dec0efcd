"""The report card of a made swap as one HTML page: numbers with their spread, and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from counterface.files import write_bytes
from counterface.report.html import load_template
from counterface.swap.quality import ReportCard, Statistic
from counterface.wording import counted


class Line(NamedTuple):
    """A row of the page's table."""

    label: str
    value: str
    spread: str
    better: str  # what a good swap shows


_ROWS = (  # field, label, digits, what a good swap shows
    ("identity_to_source", "identity, to the source", 2, "below the next line"),
    ("identity_to_target", "identity, to the target", 2, "above the line before"),
    ("ssim_inside", "SSIM in the face", 3, "below 1: the face was changed"),
    ("ssim_outside", "SSIM elsewhere", 3, "near 1: nothing else was"),
    ("perceptual", "perceptual distance in the face", 3, "small"),
    ("landmark_error", "landmark error, outer eye distances", 3, "near 0: same expression"),
    ("landmark_error_px", "landmark error, pixels", 2, "near 0"),
    ("pose_error", "pose error, degrees", 2, "near 0: same turn of the head"),
    ("seam_out", "colour seam of the result, delta E", 2, "as the target's"),
    ("seam_target", "colour seam of the target, delta E", 2, "a face has an outline too"),
)


def card_lines(card: ReportCard) -> list[Line]:
    """The card's table; what could not be measured is said to be so."""
    lines = []
    for name, label, digits, better in _ROWS:
        number: Statistic | None = getattr(card, name)
        if number is None:
            lines.append(Line(label, "not measured", "", better))
        else:
            spread = (
                f"{number.p5:.{digits}f} to {number.p95:.{digits}f}, "
                f"{counted(number.frames, 'frame')}"
            )
            lines.append(Line(label, f"{number.mean:.{digits}f}", spread, better))
    for name, label in (("jitter_out", "result"), ("jitter_target", "target")):
        value: float | None = getattr(card, name)
        shown = "not measured" if value is None else f"{value:.4f}"
        lines.append(Line(f"jitter of the {label}, face sizes", shown, "", "alike"))
    if card.source_to_target is not None:
        shown = f"{card.source_to_target:.2f}"
        lines.append(Line("identity, source to target", shown, "", "for comparison"))
    lines.append(Line("sound", card.sound, "", "identical"))
    return lines


def render_card(card: ReportCard) -> str:
    """The page as text; it loads nothing from elsewhere and has no script."""
    return load_template("card.html.j2").render(card=card, lines=card_lines(card))


def write_card(card: ReportCard, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        MediaError: it cannot be written there.
    """
    write_bytes(path, render_card(card).encode())
