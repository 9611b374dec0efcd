"""Does the sound come when the lips move?

The lag at which lips and sound go together best (`lip_match.py`) is a few hundredths of a second in
genuine files. Viewers accept sound from 90 ms before the picture to 185 ms after it (ITU-R
BT.1359), and genuine files lie around the middle of that range. The value is the distance from
there, so that early and late sound count alike. A wrong lag is an error of editing or transmission
as often as a trace of a made mouth.

Source: Recommendation ITU-R BT.1359-1, "Relative timing of sound and vision for broadcasting".
"""

from __future__ import annotations

from counterface.detect.cues.cue import Measured, SoundView, Window
from counterface.detect.cues.lip_correlation import EARLY_S, LATE_S
from counterface.detect.cues.lip_match import match_lips
from counterface.detect.cues.parents import LipCue

MIDDLE_S = (LATE_S - EARLY_S) / 2
REACH_S = 0.4  # the longest lag that is looked for, either way
LEAST = 0.25  # correlation; below, no lag stands out


class LipLag(LipCue):
    """How far the lag between lips and sound is from the usual one, in milliseconds."""

    name = "lip_lag"
    title = "Lag of the sound"
    unit = "ms from the usual lag"
    looks_for = "sound that comes before or after the lips that it goes with"
    source = "https://www.itu.int/rec/R-REC-BT.1359"
    nothing = "at no lag do lips and sound go together"

    def measure_lips(self, window: Window, sound: SoundView) -> Measured | None:
        """The distance of the best lag from 48 ms of late sound; it has no course over time."""
        match = match_lips(window, sound.sound, REACH_S)
        best = match.best(-REACH_S, REACH_S) if match else None
        if best is None or best[1] < LEAST:
            return None
        return Measured(1000 * abs(best[0] - MIDDLE_S))
