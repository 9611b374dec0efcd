"""Lips that move as the sound says: a small network of two towers, trained on talking clips.

After Chung and Zisserman, "Out of time: automated lip sync in the wild", 2016. Ours sees the
contour of the lips and the chin, not pixels, and compares courses over the whole window in place of
single moments: it has minutes of talking to learn from, not hundreds of hours. Weights and their
terms: docs/lip_sync.md.
"""

from __future__ import annotations

from pathlib import Path

from counterface.detect.cues.cue import Measured, SoundView, Window
from counterface.detect.cues.parents import LipCue
from counterface.detect.lip_sync.lips import lips_of
from counterface.detect.lip_sync.match import LipSyncFile


class LipSync(LipCue):
    """The log-odds that lips and sound match as the file has them, not shifted or swapped."""

    name = "lip_sync"
    title = "Lips and sound"
    unit = "log-odds"
    looks_for = "lips that do not move as the sound says"
    source = "https://doi.org/10.1007/978-3-319-54427-4_19"

    def __init__(self, path: Path | None = None) -> None:
        """Look with a file of one's own; None: with the one that comes with the package."""
        self._path = path

    def measure_lips(self, window: Window, sound: SoundView) -> Measured | None:
        """The log-odds of the window, and their course, a second at a time."""
        found = LipSyncFile(self._path).match(lips_of(window.landmarks, window.pts), sound.sound)
        if found is None:
            return None
        return Measured(found.log_odds, found.course)
