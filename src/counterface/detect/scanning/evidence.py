"""The cues of a scan: what they are shown of each person, and what they say, in words and numbers.

Stills of every person are kept while frames stream past. Consecutive frames are read once more, of
the main person alone: around the middle of that person's time in the file, or, for cues on the
lips, where most is said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice, takewhile
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from counterface.detect.cues.cue import (
    About,
    Cue,
    Measured,
    NotApplicable,
    PersonView,
    SoundView,
    Still,
    Window,
    about,
)
from counterface.detect.cues.view import cut_still, make_window
from counterface.detect.cues.weight import CueWeight, fitted_beside, read_weights, weigh
from counterface.detect.findings import CueFinding
from counterface.detect.scanning.listening import Listening, listen, place_window
from counterface.detect.scanning.thinned import Thinned
from counterface.errors import ConfigError, MediaError
from counterface.faces.face_detector import box_overlaps
from counterface.faces.follow import FaceFollower, FollowConfig
from counterface.media import sandbox
from counterface.media.notes import MediaNote
from counterface.media.probe import MediaInfo
from counterface.media.sample_frames import square
from counterface.media.sandbox import Limits
from counterface.registry import CUES
from counterface.types import Face, Frame
from counterface.wording import unknown_name

STILLS = 6  # of each person
PEOPLE = 8  # those who take up most of the frames; of others no cue says anything
SHORT_S = 2.0  # the window of a quick scan, seconds
MOST_FRAMES = 200  # of a window
DETECT_EVERY = 16  # frames between two passes of the face detector in the window
NEAR = 1 / 8  # of the frame's longer side: faces from here on are followed by the quick detector
FAINT = 0.2  # log-odds: below, a cue speaks neither way
CLAIMS: dict[About, str] = {  # what a cue may speak for
    "picture": "manipulation",
    "match": "a mismatch of lips and sound",
    "sound": "synthetic or altered speech",
}
_SAME = 0.3  # overlap with the box before: below, it is somebody else


def choose_cues(names: str, *, thorough: bool = False) -> tuple[Cue, ...]:
    """The cues that are asked for: "none", "default" and "all", or names with commas between.

    "default" are those that have a weight, without those that want a long window unless the scan
    is `thorough`; "all" is every registered one.

    Raises:
        ConfigError: no cue of that name.
    """
    known = CUES.names()
    if names == "none":
        return ()
    if names == "all":
        wanted = known
    elif names == "default":
        weights = read_weights()
        wanted = [name for name in known if name in weights and weights[name].counts]
    else:
        wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise ConfigError(unknown_name("cue", name, ("none", "default", "all", *known)))
    cues: list[Cue] = [CUES.load(name)() for name in wanted]
    if names == "default" and not thorough:
        cues = [cue for cue in cues if cue.wants_s <= SHORT_S]
    return tuple(cues)


@dataclass(slots=True)
class _Seen:
    """One person: how often and how large, where at each time, and the stills that were kept."""

    size: float = 0.0
    boxes: list[tuple[float, Face]] = field(default_factory=list)  # by time, seconds
    stills: Thinned[Still] = field(default_factory=lambda: Thinned(2 * STILLS - 1))


class Evidence(NamedTuple):
    """What the cues of one file say."""

    by_person: dict[int, list[CueFinding]]  # by their numbers; what is seen, and whether it matches
    of_sound: tuple[CueFinding, ...]
    notes: tuple[MediaNote, ...]  # on the sound


class EvidenceBook:
    """Collects what the cues of one file are shown."""

    def __init__(self, cues: Sequence[Cue], detector: str = "") -> None:
        """Start empty; without cues nothing is kept.

        Args:
            cues: cues to look at.
            detector: SHA-256 of the detector file; cues on the picture enter its score only where
                their shares were fitted beside it.
        """
        self.cues = cues
        self._joined = detector == fitted_beside()
        self._people: dict[int, _Seen] = defaultdict(_Seen)

    def add(self, person: int, frame: Frame, face: Face) -> None:
        """Take a sighting of a person, in time order; stills are thinned evenly."""
        if not self.cues or face.landmarks is None:
            return
        seen = self._people[person]
        width, height = face.box[2:] - face.box[:2]
        seen.size += float(width * height)
        if seen.stills.wants():
            seen.stills.keep(cut_still(frame, face))
        seen.boxes.append((float(frame.pts), face))

    def look(self, path: Path, media: MediaInfo, limits: Limits) -> Evidence:
        """What the cues say of the `PEOPLE` who take up most of the frames, and of the sound.

        The window is missing where the file cannot be read a second time.
        """
        if not self.cues:
            return Evidence({}, (), ())
        chosen = sorted(self._people, key=lambda number: -self._people[number].size)[:PEOPLE]
        sightings = self._people[chosen[0]].boxes if chosen else []
        times = [time for time, _ in sightings]
        heard = Listening(None)
        if any(cue.reads in ("sound", "lips") for cue in self.cues):
            heard = listen(path, media, limits, times[len(times) // 2] if times else 0.0)
        windows = self._read_windows(path, media, limits, sightings, heard.view)
        weights = read_weights() if media.kind != "image" else {}

        def ask(cue: Cue, stills: tuple[Still, ...], *, main: bool) -> CueFinding:
            view = PersonView(stills)
            if main:
                view = PersonView(stills, windows.get(cue.wants_s), heard.view)
            enters = self._joined or about(cue.reads) != "picture"
            return state(cue, measure(cue, view), weights.get(cue.name), enters=enters)

        of_people = [cue for cue in self.cues if cue.reads != "sound"]
        found: dict[int, list[CueFinding]] = {}
        for number in chosen:
            stills = _spread(self._people[number].stills.items)
            found[number] = [ask(cue, stills, main=number == chosen[0]) for cue in of_people]
        of_sound = [ask(cue, (), main=True) for cue in self.cues if cue.reads == "sound"]
        return Evidence(found, tuple(of_sound), heard.notes)

    def _read_windows(
        self,
        path: Path,
        media: MediaInfo,
        limits: Limits,
        sightings: Sequence[tuple[float, Face]],
        sound: SoundView | None,
    ) -> dict[float, Window]:
        """The main person's windows, by length; cues on the lips want one where somebody speaks."""
        speaks = sound is not None and bool(sound.speech)
        asking = [
            cue for cue in self.cues if cue.reads == "window" or (cue.reads == "lips" and speaks)
        ]
        lengths = {cue.wants_s for cue in asking}
        if media.kind == "image" or not lengths or not sightings:
            return {}
        longest = max(lengths)
        lips = any(cue.reads == "lips" for cue in asking)
        times = [time for time, _ in sightings]
        place = place_window(times, longest, sound if lips else None)
        whole = read_window(path, media, sightings, limits, longest, place)
        return {length: whole.middle(length) for length in lengths} if whole else {}


def read_window(
    path: Path,
    media: MediaInfo,
    seen: Sequence[tuple[float, Face]],
    limits: Limits,
    length_s: float = SHORT_S,
    middle_s: float | None = None,
) -> Window | None:
    """Consecutive frames of one person around a time.

    None where the person is not found, or the file cannot be read again.

    Args:
        path: the file.
        media: facts of the file.
        seen: times, seconds, and the faces of the person, in time order.
        limits: limits of the process that decodes.
        length_s: length of the window, seconds; a shorter shot gives less.
        middle_s: middle of the window, seconds; None: of the times at which the person was seen.
    """
    middle = seen[len(seen) // 2][0] if middle_s is None else middle_s
    face = min(seen, key=lambda sighting: abs(sighting[0] - middle))[1]
    start = Fraction(max(0.0, middle - length_s / 2)).limit_denominator(1000)
    large = float((face.box[2:] - face.box[:2]).max()) >= NEAR * max(media.width, media.height)
    detector = "mediapipe" if large else "auto"
    follower = FollowConfig(detect_every=DETECT_EVERY, face_detector=detector).follower()
    frames = islice(sandbox.read_video(path, limits, start=start), MOST_FRAMES)
    near = takewhile(lambda frame: frame.pts - start <= length_s, frames)
    return make_window(follow_person(face, (square(frame, media) for frame in near), follower))


def follow_person(
    known: Face, frames: Iterable[Frame], follower: FaceFollower
) -> Iterator[tuple[Frame, Face]]:
    """One person's sightings, until the person is gone, the shot is over or the file is torn.

    Args:
        known: the person's face, to tell the person from others in the first frame.
        frames: consecutive frames.
        follower: finds the faces.
    """
    seen = False
    try:
        for frame in frames:
            faces = follower.find(frame.image)
            overlap = [0.0]
            if faces:
                overlap = box_overlaps(known.box, np.stack([f.box for f in faces]))[0].tolist()
            if seen and max(overlap) < _SAME:
                return
            if faces:
                known, seen = faces[int(np.argmax(overlap))], True
                yield frame, known
    except MediaError:
        return


def measure(cue: Cue, person: PersonView) -> Measured | NotApplicable:
    """What a cue finds; a cue that fails on a strange face does not end the scan of the file."""
    try:
        return cue.measure(person)
    except (ArithmeticError, LookupError, TypeError, ValueError, cv2.error) as error:
        reason = " ".join(str(error).split())[:200]
        return NotApplicable(f"it failed ({type(error).__name__}: {reason})")


def state(
    cue: Cue, found: Measured | NotApplicable, weight: CueWeight | None, *, enters: bool = False
) -> CueFinding:
    """What a cue says, as a report has it.

    Args:
        cue: the cue.
        found: what it found.
        weight: its weight; None: it has none.
        enters: whether its share of the log-odds enters the score.
    """
    told = {name: getattr(cue, name) for name in ("name", "title", "looks_for", "unit", "reads")}
    lead = f"{cue.title!r}, which looks for {cue.looks_for}"
    if isinstance(found, NotApplicable):
        text = f"{lead}, is not applicable because {found.reason}."
        return CueFinding(**told, says="not applicable", text=text)
    value = {"value": found.value, "series": found.series}
    if weight is None or not weight.counts:
        text = f"{lead}, was looked at ({found.value:.2g}) and has no weight."
        return CueFinding(**told, **value, says="no weight", text=text)
    ratio, claim = weigh(found.value, weight), CLAIMS[about(cue.reads)]
    says, verb = "neither", f"speaks neither for nor against {claim}"
    if abs(ratio.value) >= FAINT:
        says = "for" if ratio.value > 0 else "against"
        verb = f"speaks {says} {claim}"
        if (says, about(cue.reads)) == ("for", "match"):
            verb += ", which dubbing and editing cause too"
    span = f"{ratio.low:+.1f} to {ratio.high:+.1f}"
    return CueFinding(
        **told,
        **value,
        log_odds=ratio.value,
        low=ratio.low,
        high=ratio.high,
        share=weight.share if enters else 0.0,
        says=says,
        text=f"{lead}, {verb} ({ratio.value:+.1f}, {span}).",
    )


def _spread(stills: Sequence[Still]) -> tuple[Still, ...]:
    """At most `STILLS`, evenly spread."""
    if len(stills) <= STILLS:
        return tuple(stills)
    return tuple(stills[n] for n in np.linspace(0, len(stills) - 1, STILLS).round().astype(int))
