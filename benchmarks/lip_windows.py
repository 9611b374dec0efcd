"""People who talk, with sound of theirs, the same moved, and that of others.

for talk in read_talks(path, "person"):
    for name, sound in sounds_for(talk, others).items():
        cue.measure(PersonView((), talk.window, sound))
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from counterface.detect.cues.cue import SoundView, Window
from counterface.detect.cues.view import make_window
from counterface.detect.scanning.evidence import DETECT_EVERY
from counterface.detect.sound.speech import speech_spans
from counterface.faces.face_detector import box_overlaps
from counterface.faces.follow import FollowConfig
from counterface.media import sandbox
from counterface.types import Face, Frame

LENGTH_S, LEAST_S = 6.0, 2.95  # of a window
MOST = 3  # windows of a file
MOST_FRAMES = 450
SHIFTS_MS = (100, 200, 400)  # earlier and later
SPEECH_S = 1.5  # within a window


@dataclass(frozen=True, slots=True, eq=False)
class Talk:
    """A few seconds of one person, and the sound of the file."""

    path: Path
    person: str
    number: int  # of the window in its file
    window: Window
    sound: SoundView

    @property
    def spoken_s(self) -> float:
        """How long somebody speaks in it, seconds."""
        first = float(self.window.pts[0])
        return self.sound.speech_between(first, first + self.window.length_s)


def read_talks(path: Path, person: str) -> list[Talk]:
    """The windows of the largest face of a file, one after the other; none without sound."""
    sound = sandbox.read_sound(path, duration=MOST * LENGTH_S + 2)
    if sound is None or not len(sound.samples):
        return []
    whole = make_window(_largest(path))
    if whole is None:
        return []
    view = SoundView(sound, speech_spans(sound))
    windows = islice(_cut(whole), MOST)
    return [Talk(path, person, number, window, view) for number, window in enumerate(windows)]


def sounds_for(talk: Talk, others: Sequence[Talk]) -> dict[str, SoundView]:
    """The sounds that a window is measured with, by name.

    "true" is its own; "+200" the same 200 ms later; "other: FILE" that of another person of
    `others`, one window of each file, from the begin of the speech in it on.
    """
    found = {"true": talk.sound}
    for shift in SHIFTS_MS:
        for sign in (-1, 1):
            found[f"{sign * shift:+d}"] = moved(talk.sound, Fraction(sign * shift, 1000))
    first = Fraction(float(talk.window.pts[0]))
    for other in others:
        if other.person != talk.person and other.number == 0 and other.sound.speech:
            begins = Fraction(other.sound.speech[0][0])
            found[f"other: {other.path.name}"] = moved(other.sound, first - begins)
    return found


def moved(view: SoundView, by_s: Fraction) -> SoundView:
    """The same sound, that much later."""
    speech = tuple((start + float(by_s), end + float(by_s)) for start, end in view.speech)
    return SoundView(replace(view.sound, start=view.sound.start + by_s), speech)


def _cut(whole: Window) -> Iterator[Window]:
    first = 0
    while first < len(whole.pts):
        end = int(np.searchsorted(whole.pts, whole.pts[first] + LENGTH_S - 1e-6))
        part = slice(first, end)
        window = Window(whole.crops[part], whole.landmarks[part], whole.pts[part])
        if window.length_s >= LEAST_S:
            yield window
        first = end


def _largest(path: Path) -> Iterator[tuple[Frame, Face]]:
    """Whoever is largest at first, up to the end of the shot."""
    follower = FollowConfig(detect_every=DETECT_EVERY, face_detector="auto").follower()
    known: Face | None = None
    for frame in islice(sandbox.read_video(path), MOST_FRAMES):
        faces = follower.find(frame.image)
        if not faces:
            continue
        boxes = np.stack([face.box for face in faces])
        if known is None:
            at = int(np.argmax(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)))
        else:
            overlaps = box_overlaps(known.box, boxes)[0]
            at = int(np.argmax(overlaps))
            if overlaps[at] < 0.3:
                return
        known = faces[at]
        yield frame, known
