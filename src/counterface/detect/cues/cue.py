"""What a cue is: one independent measure of a face, a sound or their match, with its limits.

A cue is a pure function. It gets what was seen of a person and what was heard in the file, and
gives a number with its unit, or the reason why it does not apply. What the number is worth, a
log-likelihood ratio, is fitted on labelled files and stands in `data/cues.json`
(`detect/cues/weight.py`): no cue knows its weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from counterface.detect.sound.speech import Spans
from counterface.faces.landmarks import eye_centres
from counterface.media.sound import Sound
from counterface.types import Floats, Image

Reads = Literal["stills", "window", "lips", "sound"]  # lips: consecutive frames and the sound
About = Literal["picture", "match", "sound"]
WINDOW_TEMPLATE, WINDOW_SIDE = "whole_face", 224  # of the crops of a window


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """A face in the pixels of its frame, not resampled, with about its own width around it."""

    image: Image  # (H, W, 3)
    landmarks: Floats  # (68, 2), pixels of `image`
    corner: tuple[int, int]  # x, y of the image's top-left pixel in the frame

    @property
    def eye_px(self) -> float:
        """The distance between the centres of the eyes, pixels."""
        left, right = eye_centres(self.landmarks)
        return float(np.linalg.norm(right - left))


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One person in consecutive frames, in time order."""

    crops: Image  # (T, S, S, 3), S = WINDOW_SIDE, aligned to WINDOW_TEMPLATE
    landmarks: Floats  # (T, 68, 2), pixels of the frame
    pts: NDArray[np.float64]  # (T,) seconds

    @property
    def step_s(self) -> float:
        """The middle time from one frame to the next, seconds; 0 for a single frame."""
        return float(np.median(np.diff(self.pts))) if len(self.pts) > 1 else 0.0

    def middle(self, length_s: float) -> Window:
        """The frames within half this many seconds of the middle, or the window itself."""
        from_middle = np.abs(self.pts - (self.pts[0] + self.pts[-1]) / 2)
        near = from_middle <= length_s / 2
        return (
            self if near.all() else Window(self.crops[near], self.landmarks[near], self.pts[near])
        )

    @property
    def length_s(self) -> float:
        """The time that the frames cover, the last one's included, seconds."""
        return float(self.pts[-1] - self.pts[0]) + self.step_s if len(self.pts) else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class SoundView:
    """What is heard in a file, on the clock of its pictures."""

    sound: Sound  # mono, 16,000 samples a second; at most a minute
    speech: Spans  # in which somebody speaks: start and end, seconds

    def speech_between(self, first_s: float, last_s: float) -> float:
        """How much of this time somebody speaks, seconds."""
        parts = (min(end, last_s) - max(start, first_s) for start, end in self.speech)
        return float(sum(part for part in parts if part > 0))


@dataclass(frozen=True, slots=True, eq=False)
class PersonView:
    """What cues are shown of one person in a file."""

    stills: tuple[Still, ...]  # in time order, spread over the file
    window: Window | None = None  # None: a picture, or it was not looked for
    sound: SoundView | None = None  # None: the file has none, or it was not listened to


class Measured(NamedTuple):
    """What a cue found."""

    value: float  # in the cue's unit
    series: tuple[tuple[float, float], ...] = ()  # (time, seconds; value), where it has a course


class NotApplicable(NamedTuple):
    """Why a cue says nothing: words that complete 'not applicable because ...'."""

    reason: str


class Cue(Protocol):
    """The contract of a cue; `counterface.testing.cues` tests it."""

    name: str  # as in `registry.CUES`
    title: str  # in a few words, for a report
    unit: str  # of the value; "" for a plain ratio
    looks_for: str  # words that complete 'looks for ...'
    source: str  # the paper, or where the idea comes from
    reads: Reads
    wants_s: float  # consecutive frames to look for, seconds; 0 for a cue on stills or sound

    def measure(self, person: PersonView) -> Measured | NotApplicable:
        """The measure of a person; equal inputs give equal values, and nothing is changed."""
        ...


def about(reads: Reads) -> About:
    """What a cue that reads this speaks of."""
    return {"lips": "match", "sound": "sound"}.get(reads, "picture")  # type: ignore[return-value]
