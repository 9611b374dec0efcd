"""What is heard in a file, and where to look at the lips meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from counterface.detect.cues.cue import SoundView
from counterface.detect.sound.speech import speech_spans
from counterface.errors import MediaError, WeightsError
from counterface.media import sandbox
from counterface.media.notes import MediaNote
from counterface.media.probe import MediaInfo
from counterface.media.sandbox import Limits

LONGEST_S = 60.0  # of the sound that is listened to
_STEP_S = 0.25  # between two places for the window


class Listening(NamedTuple):
    """What was heard, and what must be said of it."""

    view: SoundView | None
    notes: tuple[MediaNote, ...] = ()


def listen(path: Path, media: MediaInfo, limits: Limits, middle_s: float) -> Listening:
    """A minute of the sound around a time, and where somebody speaks in it.

    What keeps the sound from being heard (damage, no model for speech) is a note, not an error.

    Args:
        path: the file.
        media: facts of the file.
        limits: limits of the process that decodes.
        middle_s: middle of the time to listen to, seconds.
    """
    if not media.audio:
        return Listening(None)
    notes: list[MediaNote] = []
    start = max(0.0, middle_s - LONGEST_S / 2)
    try:
        first = start if start > 0 else None
        sound = sandbox.read_sound(
            path, start=first, duration=LONGEST_S, limits=limits, tell=notes.append
        )
        view = SoundView(sound, speech_spans(sound)) if sound and len(sound.samples) else None
    except (MediaError, WeightsError) as error:
        reason = " ".join(str(error).split())[:300]
        notes.append(MediaNote("sound_unheard", f"The sound was not judged: {reason}."))
        return Listening(None, tuple(notes))
    return Listening(view, tuple(notes))


def place_window(times: Sequence[float], length_s: float, sound: SoundView | None) -> float:
    """The middle of the window in which most is said while the person is seen, seconds.

    The middle of the person's time where nothing is said; of equals, the nearest to it.

    Args:
        times: times at which the person was seen, seconds, in order, at least one.
        length_s: length of the window, seconds.
        sound: what is heard; None: nothing.
    """
    middle = times[len(times) // 2]
    if sound is None or not sound.speech:
        return middle
    first, last = times[0], times[-1]
    low, high = min(first + length_s / 2, middle), max(last - length_s / 2, middle)
    places = [middle, *np.arange(low, high + _STEP_S / 2, _STEP_S).tolist()]

    def spoken(place: float) -> float:
        begin, end = max(place - length_s / 2, first), min(place + length_s / 2, last)
        return round(sound.speech_between(begin, end), 1)

    return float(max(places, key=lambda place: (spoken(place), -abs(place - middle))))
