"""Do the lips open as the sound swells?

An open mouth lets more through: the opening of a speaker's lips and the strength of the sound rise
and fall together, syllable by syllable. Sound of another time or mouth does not follow the lips.
That is true of fakes whose lips were left alone, and of dubbed, badly cut and silent genuine files.

Source: Chandrasekaran et al., "The natural statistics of audiovisual speech", 2009
(https://doi.org/10.1371/journal.pcbi.1000436). The lags that count are those that viewers accept:
sound from 90 ms before the picture to 185 ms after it (ITU-R BT.1359).
"""

from __future__ import annotations

from counterface.detect.cues.cue import Measured, SoundView, Window
from counterface.detect.cues.lip_match import match_lips
from counterface.detect.cues.mouth_series import mouth_opening
from counterface.detect.cues.parents import LipCue

EARLY_S, LATE_S = 0.09, 0.185  # of the sound against the picture, ITU-R BT.1359


class LipCorrelation(LipCue):
    """The best correlation of mouth opening and strength of the sound, over plausible lags."""

    name = "lip_correlation"
    title = "Lips and loudness"
    looks_for = "a mouth that does not open as the sound swells: sound that is not of these lips"
    source = "https://doi.org/10.1371/journal.pcbi.1000436"

    def measure_lips(self, window: Window, sound: SoundView) -> Measured | None:
        """The correlation, [-1, 1], and how open the mouth is over time, in deviations."""
        match = match_lips(window, sound.sound, LATE_S)
        best = match.best(-EARLY_S, LATE_S) if match else None
        opening = mouth_opening(window)
        if best is None or opening is None:
            return None
        return Measured(best[1], tuple(zip(window.pts.tolist(), opening.tolist(), strict=True)))
