"""Talking clips to learn from: the lips and the sound of one person, cut and varied by index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from counterface.detect.lip_sync.lips import CHIN, FPS, POINTS, lips_of
from counterface.detect.lip_sync.match import (
    DEEPEST,
    MOST_LAG_S,
    PITCHES,
    ROWS,
    count_rows,
    pitch_rows,
    relative,
    rows_at,
)
from counterface.detect.scanning.evidence import DETECT_EVERY, follow_person
from counterface.detect.sound.speech import speech_spans
from counterface.errors import TrainingError
from counterface.faces.follow import FollowConfig
from counterface.faces.landmarks import MIRRORED, MOUTH
from counterface.media import sandbox
from counterface.media.sample_frames import square
from counterface.media.sandbox import DEFAULT_LIMITS, Limits
from counterface.types import Face, Floats, Frame

SHORTEST_S, LEAST_SPEECH_S = 1.8, 1.0  # of a clip; less is not learnt from
LONGEST_S = 60.0  # of a clip; the rest is not read
_TYPICAL_S = 6.0  # longer clips are drawn no more often
_MIRRORED = np.concatenate([MIRRORED[MOUTH] - MOUTH.start, 20 + MIRRORED[CHIN] - CHIN.start])
# How examples are varied. Spreads are of normal distributions unless said otherwise.
_FASTER = 0.2  # ln of the speed of lips and sound together, evenly up to this, in 6 of 10
_GROWS, _LEANS = 0.15, 0.08  # of the points: ln of width and height, and shear
_SWAYS, _TREMBLES = 0.012, 0.003  # of all points together, up to, and of each; eye distances
_HIGHER = 0.12  # ln of all pitches, evenly up to this: shorter and longer throats
_TONES = 1.5  # ln of power: of four regions of pitch, other microphones
_NOISE = (-9.0, -2.0)  # ln of power against the loudest: floors of noise, in half of all


@dataclass(frozen=True, slots=True, eq=False)
class Talk:
    """A person who talks, seen and heard."""

    name: str
    points: Floats  # (T, POINTS, 2), as `Lips.points`
    rows: Floats  # (R, PITCHES), as `pitch_rows`
    lead_s: float  # time of the first points after the first row, seconds
    speech_s: float  # how long somebody speaks while the person is seen

    @property
    def length_s(self) -> float:
        """How long the person is seen, seconds."""
        return len(self.points) / FPS


def read_talk(path: Path, limits: Limits = DEFAULT_LIMITS) -> Talk | str:
    """What is seen and heard of the largest face at the start of a clip, or why it is not used.

    Raises:
        MediaError: the file cannot be read.
        WeightsError: a model file is absent and cannot be fetched.
    """
    sound = sandbox.read_sound(path, duration=LONGEST_S, limits=limits)
    if sound is None or not len(sound.samples):
        return "it has no sound"
    speech = speech_spans(sound)
    if sum(end - start for start, end in speech) < LEAST_SPEECH_S:
        return f"somebody speaks for less than {LEAST_SPEECH_S:g} s"
    seen = [(f.pts, face.landmarks) for f, face in _sightings(path, limits)]
    landmarks = [points for _, points in seen if points is not None]
    if len(landmarks) < 2:
        return "no face is followed through its frames"
    times = np.array([float(pts) for pts, points in seen if points is not None])
    lips = lips_of(np.stack(landmarks), times)
    talk = Talk(path.name, lips.points, pitch_rows(sound), lips.start_s - float(sound.start), 0.0)
    last_s = lips.start_s + talk.length_s
    parts = (min(end, last_s) - max(start, lips.start_s) for start, end in speech)
    spoken = float(sum(part for part in parts if part > 0))
    if talk.length_s < SHORTEST_S or spoken < LEAST_SPEECH_S:
        return f"one person is followed for {talk.length_s:.1f} s, with {spoken:.1f} s of speech"
    return Talk(talk.name, talk.points, talk.rows, talk.lead_s, spoken)


def _sightings(path: Path, limits: Limits) -> Iterator[tuple[Frame, Face]]:
    """The largest face of the first frame that has one, as long as it is followed."""
    media = sandbox.probe(path, limits)
    follower = FollowConfig(detect_every=DETECT_EVERY).follower()
    frames = (square(frame, media) for frame in sandbox.read_video(path, limits))
    found = ((frame, faces[0]) for frame in frames if (faces := follower.find(frame.image)))
    first = next(found, None)
    if first is not None:
        yield first
        near = takewhile(lambda frame: frame.pts - first[0].pts <= LONGEST_S, frames)
        yield from follow_person(first[1], near, follower)


class TalkExamples:
    """Stretches of talks, varied; example i follows from the seed and i alone."""

    def __init__(self, talks: Sequence[Talk], frames: int, seed: int) -> None:
        """Draw from these talks, longer ones more often, up to six seconds.

        Args:
            talks: talks of `SHORTEST_S` or more.
            frames: number of frames of an example.
            seed: of all choices.

        Raises:
            TrainingError: fewer than two talks: there is no sound of others to tell apart.
        """
        if len(talks) < 2:
            raise TrainingError(
                f"{len(talks)} usable talking clips; two or more are needed, from several people"
            )
        self.talks, self.frames, self.seed = tuple(talks), frames, seed
        lengths = np.array([min(talk.length_s, _TYPICAL_S) for talk in talks])
        self._shares = lengths / lengths.sum()

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Points `lips` (frames, POINTS, 2) and rows `sound` (S, PITCHES) of one stretch."""
        rng = np.random.default_rng([self.seed, index])
        talk = self.talks[int(rng.choice(len(self.talks), p=self._shares))]
        points, rows = stretch(talk, self.frames, rng)
        lips = torch.from_numpy(vary_points(points, rng))
        return {"lips": lips, "sound": torch.from_numpy(vary_rows(rows, rng))}


def stretch(talk: Talk, frames: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A stretch of a talk at another speed: points (frames, POINTS, 2) and raw rows (S, PITCHES).

    A talk that is too short is slowed down.
    """
    speed = float(np.exp(rng.uniform(-_FASTER, _FASTER))) if rng.random() < 0.6 else 1.0
    speed = min(speed, (len(talk.points) - 1) / frames)
    first = rng.uniform(0, len(talk.points) - 1 - speed * (frames - 1))
    at = first + speed * np.arange(frames)
    low = np.minimum(at.astype(np.intp), len(talk.points) - 2)
    share = (at - low).astype(np.float32)[:, None, None]
    points = talk.points[low] * (1 - share) + talk.points[low + 1] * share
    start = (talk.lead_s + first / FPS - MOST_LAG_S * speed) * ROWS
    rows = rows_at(talk.rows, start + speed * np.arange(count_rows(frames)))
    return points, rows


def vary_points(points: Floats, rng: np.random.Generator) -> Floats:
    """Points of another mouth that says the same: mirrored, wider or taller, sheared, trembling."""
    if rng.random() < 0.5:
        points = points[:, _MIRRORED] * np.array([-1, 1], np.float32)
    (across, down), (lean, tilt) = np.exp(rng.normal(0, _GROWS, 2)), rng.normal(0, _LEANS, 2)
    points = points @ np.array([[across, lean], [tilt, down]], np.float32)
    sway = rng.normal(0, _SWAYS * rng.random(), (len(points), 1, 2))
    tremble = rng.normal(0, _TREMBLES, (len(points), POINTS, 2))
    return (points + sway + tremble).astype(np.float32)


def vary_rows(rows: Floats, rng: np.random.Generator) -> Floats:
    """Rows of another voice in another room, as `match.relative` gives them."""
    places = np.clip(np.arange(PITCHES) * np.exp(rng.uniform(-_HIGHER, _HIGHER)), 0, PITCHES - 1)
    low = places.astype(np.intp)
    share = (places - low).astype(np.float32)
    rows = relative(rows)
    rows = rows[:, low] * (1 - share) + rows[:, np.minimum(low + 1, PITCHES - 1)] * share
    tones = np.interp(np.arange(PITCHES), np.linspace(0, PITCHES - 1, 4), rng.normal(0, _TONES, 4))
    rows = rows + tones.astype(np.float32)
    if rng.random() < 0.5:
        color = np.interp(np.arange(PITCHES), [0, PITCHES // 2, PITCHES - 1], rng.normal(0, 1, 3))
        floor = rows.max() + rng.uniform(*_NOISE) + color + rng.normal(0, 0.5, rows.shape)
        rows = np.logaddexp(rows, floor)
    if rng.random() < 0.3:  # a narrow band is missing, as after some codecs
        gap = int(rng.integers(0, PITCHES - 6))
        rows[:, gap : gap + 6] = -DEEPEST
    return relative(rows.astype(np.float32))
