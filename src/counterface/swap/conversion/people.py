"""The people in a target: tracks joined over cuts to numbered people, and who is chosen.

A track is one face followed without a break. Which tracks show one person is told from the small
crops that the first pass kept, by the rules of `faces.link`. Two people taken for one would put a
face on the wrong head, so in doubt tracks stay apart: then one person has two numbers, and both can
be named. The same footage looked at with the same settings gives the same numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from counterface.config import Record
from counterface.errors import SwapError
from counterface.faces.face_detector import find_faces, shorter_side
from counterface.faces.identity import (
    SAME_PERSON,
    IdentityEmbedder,
    identity_distance,
    mean_embedding,
)
from counterface.faces.link import ALIKE, SIDE, SPOT, appearance_of, is_same_place
from counterface.faces.track import track_faces
from counterface.media import sandbox
from counterface.swap.conversion.footage import Footage, FramesAt
from counterface.types import Floats, Sighting, Track
from counterface.wording import counted

BRIEF = 3  # sightings; with fewer a face may be a false alarm, and alone decides nothing
SAMPLES = 5  # moments of each person that an identity sample is compared with


class TargetPerson(Record):
    """One person of a target."""

    number: int = Field(description="number of the person; 1 is seen first")
    frames: int = Field(description="number of frames in which the face is seen")
    first_s: float
    last_s: float
    face_px: float = Field(description="median of the shorter side of the box, pixels")
    brief: bool = Field(
        description="whether it is seen in so few frames that it may be a false alarm"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Cast:
    """Everybody in a target."""

    tracks: tuple[Track, ...]
    numbers: tuple[int, ...]  # of the person of each track
    people: tuple[TargetPerson, ...]

    @property
    def lasting(self) -> tuple[TargetPerson, ...]:
        """The people who are no false alarm."""
        return tuple(person for person in self.people if not person.brief)

    def sightings(self, number: int) -> list[Sighting]:
        """All sightings of one person, in order of time."""
        of = [t for t, n in zip(self.tracks, self.numbers, strict=True) if n == number]
        return sorted((s for track in of for s in track.sightings), key=lambda s: s.pts)


def find_people(footage: Footage) -> Cast:
    """The people of a target, those who last before those who are seen briefly."""
    looks = footage.looks
    cuts = [look.index for look in looks if look.is_cut]
    tracks = track_faces([(x.index, x.pts, list(x.faces)) for x in looks if x.faces], cuts=cuts)
    groups = _join(footage, tracks)
    brief = min(BRIEF, len(looks))

    def order(group: list[int]) -> tuple[bool, Fraction, float]:
        count = sum(len(tracks[t].sightings) for t in group)
        first = min((tracks[t].sightings[0] for t in group), key=lambda s: s.pts)
        return count < brief, first.pts, float(first.face.box[0])

    groups.sort(key=order)
    numbers = {track: n for n, group in enumerate(groups, start=1) for track in group}
    people = [
        _describe(n, [s for t in group for s in tracks[t].sightings], brief)
        for n, group in enumerate(groups, start=1)
    ]
    return Cast(tuple(tracks), tuple(numbers[t.id] for t in tracks), tuple(people))


def _describe(number: int, sightings: Sequence[Sighting], brief: int) -> TargetPerson:
    times = [float(s.pts) for s in sightings]
    sides = [shorter_side(s.face) for s in sightings]
    return TargetPerson(
        number=number,
        frames=len(sightings),
        first_s=round(min(times), 3),
        last_s=round(max(times), 3),
        face_px=round(float(np.median(sides)), 1),
        brief=len(sightings) < brief,
    )


@dataclass(slots=True)
class _Group:
    """Tracks that are taken for one person."""

    tracks: list[Track]
    appearance: Floats  # sum of the appearances of all crops


def _appearances(footage: Footage, tracks: Sequence[Track]) -> Floats:
    """The sum of the appearances of each track's crops, (tracks, 768); 0 where none was kept."""
    track_of = {id(s.face): track.id for track in tracks for s in track.sightings}
    sums = np.zeros((len(tracks), 3 * SIDE**2), np.float32)
    for look in footage.looks:
        for face, crop in zip(look.faces, look.crops, strict=False):  # most frames keep no crops
            sums[track_of[id(face)]] += appearance_of(crop)
    return sums


def _join(footage: Footage, tracks: Sequence[Track]) -> list[list[int]]:
    """Track ids by person: the likest first, nobody in two places at once.

    Over a cut only appearance counts: another person may sit where the first one sat. Within a shot
    a face that comes back to its place may look less alike, for it may have turned away.
    """
    sums = _appearances(footage, tracks)
    cuts = [look.index for look in footage.looks if look.is_cut]
    shots = [bisect_right(cuts, track.sightings[0].frame_index) for track in tracks]
    groups = [_Group([track], total) for track, total in zip(tracks, sums, strict=True)]
    for _, one, other in sorted(_pairs(tracks, sums, shots), reverse=True):
        a, b = groups[one], groups[other]
        if a is b or any(_meet(x, y) for x in a.tracks for y in b.tracks):
            continue
        if shots[one] != shots[other] and _alike(a.appearance, b.appearance) < ALIKE:
            continue  # these two tracks are alike, but not the people they have become
        a.tracks += b.tracks
        a.appearance = a.appearance + b.appearance
        for track in b.tracks:
            groups[track.id] = a
    unique = {id(group): group for group in groups}
    return [sorted(track.id for track in group.tracks) for group in unique.values()]


def _pairs(
    tracks: Sequence[Track], sums: Floats, shots: Sequence[int]
) -> Iterator[tuple[float, int, int]]:
    """(likeness, track, track) of those that may be one person."""
    for one, other in combinations(range(len(tracks)), 2):
        alike = _alike(sums[one], sums[other])
        if alike >= ALIKE:
            yield alike, one, other
        elif shots[one] == shots[other] and alike >= SPOT[2]:
            first, second = sorted(
                (tracks[one].sightings, tracks[other].sightings), key=lambda s: s[0].pts
            )
            if is_same_place(first[-1].face, second[0].face, alike):
                yield alike, one, other


def _alike(one: Floats, other: Floats) -> float:
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(one @ other) / max(lengths, 1e-9)


def _meet(one: Track, other: Track) -> bool:
    """Whether two tracks share a moment."""
    a, b = one.sightings, other.sightings
    return a[0].pts <= b[-1].pts and b[0].pts <= a[-1].pts


class Choice(Record):
    """Who is to be replaced; one of the three, or none where there is only one person."""

    person: tuple[int, ...] = Field(
        (), description="people to replace, by the numbers that 'counterface faces list' prints"
    )
    like: tuple[Path, ...] = Field((), description="pictures of the person to replace")
    who: Literal["all", "largest"] | None = Field(
        None, description="people to replace: everyone, or the one with the largest face"
    )

    @model_validator(mode="after")
    def _check_one(self) -> Choice:
        given = [f"`{name}`" for name in ("person", "like", "who") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given; one of them says who")
        return self


def choose_people(cast: Cast, choice: Choice, frames_at: FramesAt, where: str) -> frozenset[int]:
    """The numbers of those who are to be replaced.

    Args:
        cast: everybody.
        choice: what the user said.
        frames_at: gives frames of the target, for a comparison with `choice.like`.
        where: the file, as commands in a message name it.

    Raises:
        SwapError: nobody is there, no such number, nobody looks like the sample, or there are
            several people and nothing was said.
    """
    if not cast.people:
        raise SwapError(
            f"{where}: no face was found; try --face-detector centerface for small or turned ones"
        )
    lasting = cast.lasting or cast.people
    if choice.like:
        return frozenset({find_like(cast, choice.like, frames_at, where)})
    if choice.person:
        unknown = set(choice.person) - {p.number for p in cast.people}
        if unknown:
            raise SwapError(f"{where} has no person {min(unknown)}; it has", describe_cast(cast))
        return frozenset(choice.person)
    if choice.who == "all":
        return frozenset(p.number for p in cast.people)
    if choice.who == "largest":
        return frozenset({max(lasting, key=lambda p: p.face_px).number})
    if len(lasting) > 1:
        raise SwapError(
            f"{where} shows {counted(len(lasting), 'person', 'people')}; say who is to be "
            "replaced: --person N, "
            f"--like IMAGE, --who largest or --who all ('counterface faces list {where} --sheet "
            "people.png' draws them)",
            describe_cast(cast),
        )
    return frozenset({lasting[0].number})


def find_like(cast: Cast, samples: Sequence[Path], frames_at: FramesAt, where: str) -> int:
    """The number of the person who looks like the largest face of each sample picture.

    Raises:
        SwapError: a sample shows no face, or nobody is near enough; the text gives the distances.
        MediaError: a sample cannot be read.
        WeightsError: the identity network is not there.
    """
    embedder = IdentityEmbedder()
    wanted = []
    for sample in samples:
        image = sandbox.read_image(sample)
        faces = [face for face in find_faces(image) if face.landmarks is not None]
        if not faces or faces[0].landmarks is None:
            raise SwapError(f"{sample}: no face with landmarks; give a clear picture of the person")
        wanted.append(embedder.embed_landmarks(image, faces[0].landmarks))
    centre = mean_embedding(wanted)
    distances: dict[int, float] = {}
    for person in cast.lasting or cast.people:
        moments = best_moments(cast.sightings(person.number), SAMPLES)
        frames = frames_at([moment.pts for moment in moments])
        seen = [
            embedder.embed_landmarks(frame.image, moment.face.landmarks)
            for frame, moment in zip(frames, moments, strict=True)
            if moment.face.landmarks is not None
        ]
        distances[person.number] = identity_distance(centre, mean_embedding(seen))
    nearest = min(distances, key=lambda number: distances[number])
    if distances[nearest] >= SAME_PERSON:
        told = ", ".join(f"person {n}: {d:.2f}" for n, d in distances.items())
        raise SwapError(
            f"{where}: nobody looks like the sample (distances {told}; one person lies below "
            f"{SAME_PERSON}); choose by --person N",
            describe_cast(cast),
        )
    return nearest


def describe_cast(cast: Cast) -> list[str]:
    """One line for each person."""
    return [
        f"--person {p.number}   {p.first_s:.2f} to {p.last_s:.2f} s, {counted(p.frames, 'frame')}, "
        f"{p.face_px:.0f} px{', brief: perhaps no face' if p.brief else ''}"
        for p in cast.people
    ]


def best_moments(sightings: Sequence[Sighting], count: int) -> list[Sighting]:
    """Large, frontal sightings from different parts of the time, in order of time."""
    parts = np.array_split(np.arange(len(sightings)), min(count, len(sightings)))
    return [max((sightings[i] for i in part), key=_clarity) for part in parts]


def _clarity(sighting: Sighting) -> float:
    face = sighting.face
    turned = max(abs(face.pose.yaw), abs(face.pose.pitch)) if face.pose else 0.0
    return shorter_side(face) * float(np.cos(np.radians(min(turned, 90.0))))
