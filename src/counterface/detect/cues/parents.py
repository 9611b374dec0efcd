"""What cues of one kind share: which faces are good enough, and how one value comes of many."""

from __future__ import annotations

import numpy as np

from counterface.detect.cues.cue import (
    Measured,
    NotApplicable,
    PersonView,
    Reads,
    SoundView,
    Still,
    Window,
)


class StillCue:
    """A cue that measures one still after the other and takes the median."""

    name: str
    title: str
    unit: str = ""
    looks_for: str
    source: str
    reads: Reads = "stills"
    wants_s: float = 0.0
    min_eye_px: float = 24.0  # between the centres of the eyes; smaller faces are left out
    nothing: str = "no picture shows the whole face and enough of what lies around it"

    def measure_still(self, still: Still) -> float | None:
        """The measure of one still; None where it cannot be taken."""
        raise NotImplementedError

    def measure(self, person: PersonView) -> Measured | NotApplicable:
        """The median over the stills."""
        large = [still for still in person.stills if still.eye_px >= self.min_eye_px]
        if not large:
            return NotApplicable(
                f"the eyes are less than {self.min_eye_px:g} pixels apart in every picture"
            )
        found = [self.measure_still(still) for still in large]
        values = [value for value in found if value is not None and np.isfinite(value)]
        return Measured(float(np.median(values))) if values else NotApplicable(self.nothing)


class WindowCue:
    """A cue that looks at consecutive frames of one person."""

    name: str
    title: str
    unit: str = ""
    looks_for: str
    source: str
    reads: Reads = "window"
    wants_s: float = 2.0  # consecutive frames to look for, seconds
    min_s: float = 0.0  # a shorter window says nothing
    min_fps: float = 0.0  # nor does a slower one
    min_frames: int = 24
    nothing: str = "too little can be measured in the consecutive frames"

    def measure_window(self, window: Window) -> Measured | None:
        """The measure of a window that is long enough; None where it cannot be taken."""
        raise NotImplementedError

    def measure(self, person: PersonView) -> Measured | NotApplicable:
        """The measure of the person's window."""
        if person.window is None:
            return NotApplicable("there are no consecutive frames of this person")
        count = len(person.window.pts)
        if count < self.min_frames:
            return NotApplicable(f"{count} consecutive frames are fewer than {self.min_frames}")
        step_s, length_s = person.window.step_s, person.window.length_s
        if length_s < self.min_s:
            return NotApplicable(
                f"{length_s:.1f} s in consecutive frames is under {self.min_s:g} s"
            )
        if step_s * self.min_fps > 1.02:  # 19.98 frames a second will do for 20
            return NotApplicable(f"{1 / step_s:.1f} frames a second are under {self.min_fps:g}")
        return _finite(self.measure_window(person.window), self.nothing)


NO_SOUND = "the file has no sound that can be read"


class LipCue:
    """A cue that compares consecutive frames of one person with what is heard at that time."""

    name: str
    title: str
    unit: str = ""
    looks_for: str
    source: str
    reads: Reads = "lips"
    wants_s: float = 6.0  # consecutive frames to look for, seconds
    min_fps: float = 12.0
    min_speech_s: float = 1.5  # within the window
    nothing: str = "too little can be measured of the lips and the sound"

    def measure_lips(self, window: Window, sound: SoundView) -> Measured | None:
        """The measure of a window in which somebody speaks; None where it cannot be taken."""
        raise NotImplementedError

    def measure(self, person: PersonView) -> Measured | NotApplicable:
        """The measure of the person's window and the sound."""
        window, sound = person.window, person.sound
        if sound is None:
            return NotApplicable(NO_SOUND)
        if not sound.speech:
            return NotApplicable("nobody is heard to speak")
        if window is None:
            return NotApplicable("there are no consecutive frames of this person")
        if window.step_s <= 0 or window.step_s * self.min_fps > 1.02:
            rate = 1 / window.step_s if window.step_s > 0 else 0
            return NotApplicable(f"{rate:.1f} frames a second are under {self.min_fps:g}")
        spoken = sound.speech_between(window.pts[0], window.pts[0] + window.length_s)
        if spoken < self.min_speech_s:
            return NotApplicable(
                f"{spoken:.1f} s of speech in its time are under {self.min_speech_s:g} s"
            )
        return _finite(self.measure_lips(window, sound), self.nothing)


class SoundCue:
    """A cue that listens to the speech of a file, whoever is seen."""

    name: str
    title: str
    unit: str = ""
    looks_for: str
    source: str
    reads: Reads = "sound"
    wants_s: float = 0.0
    min_speech_s: float = 1.0
    nothing: str = "too little can be measured in the sound"

    def measure_sound(self, sound: SoundView) -> Measured | None:
        """The measure of a sound in which somebody speaks; None where it cannot be taken."""
        raise NotImplementedError

    def measure(self, person: PersonView) -> Measured | NotApplicable:
        """The measure of the file's sound."""
        if person.sound is None:
            return NotApplicable(NO_SOUND)
        spoken = sum(end - start for start, end in person.sound.speech)
        if spoken < self.min_speech_s:
            return NotApplicable(f"{spoken:.1f} s of speech are under {self.min_speech_s:g} s")
        return _finite(self.measure_sound(person.sound), self.nothing)


def _finite(found: Measured | None, nothing: str) -> Measured | NotApplicable:
    """What was measured, or that it could not be."""
    return NotApplicable(nothing) if found is None or not np.isfinite(found.value) else found
