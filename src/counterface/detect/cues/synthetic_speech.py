"""Speech that a program made or altered: its fine spectrum and pulses, judged by a small network.

After the baselines of ASVspoof 2019 and 2021 (Todisco et al. 2019; Lavrentyeva et al. 2017, Wu et
al. 2015). Ours is trained on far less and on old programs alone: what it has met, and the terms of
its weights, stand in docs/synthetic_speech.md.
"""

from __future__ import annotations

from pathlib import Path

from counterface.detect.cues.cue import Measured, SoundView
from counterface.detect.cues.parents import SoundCue
from counterface.detect.synthetic_speech.pieces import SpeechFile


class SyntheticSpeech(SoundCue):
    """The log-odds that the speech was made or altered by a program, not just recorded."""

    name = "synthetic_speech"
    title = "Synthetic or altered speech"
    unit = "log-odds"
    looks_for = "speech that a program made or altered in pitch, by traces in its fine spectrum"
    source = "https://arxiv.org/abs/1904.05441"

    def __init__(self, path: Path | None = None) -> None:
        """Listen with a file of one's own; None: with the one that comes with the package."""
        self._path = path

    def measure_sound(self, sound: SoundView) -> Measured | None:
        """The mean log-odds over two seconds of speech at a time, and their course."""
        found = SpeechFile(self._path).score(sound.sound, sound.speech)
        return None if found is None else Measured(found.logit, found.series)
