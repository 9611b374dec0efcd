"""The contract of a cue, as a plain function for plug-in authors and for our own tests."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from counterface.detect.cues.cue import (
    Cue,
    Measured,
    NotApplicable,
    PersonView,
    Reads,
    SoundView,
    Still,
    Window,
)
from counterface.registry import CUES


def check_cue(name: str, cue: Cue, person: PersonView) -> None:
    """Pass if a cue keeps the promises of `detect.cues.cue.Cue`.

    Args:
        name: the name under which it is registered.
        cue: made by calling its registered class without arguments.
        person: a large face in at least six stills and six seconds of consecutive frames, and
            speech at that time.
    """
    assert cue.name == name, f"its name is {cue.name!r}, it is registered as {name!r}"
    for field in ("title", "looks_for", "source"):
        assert getattr(cue, field).strip(), f"{field} is empty"
    assert cue.reads in get_args(Reads), f"it reads {cue.reads!r}"
    moving = cue.reads in ("window", "lips")
    assert (cue.wants_s > 0) == moving, f"it wants {cue.wants_s} s"
    kept = deepcopy(person)
    found = cue.measure(person)
    assert isinstance(found, Measured | NotApplicable), f"measure gave {type(found).__name__}"
    assert found == cue.measure(person), "a second call gave something else"
    for before, now in zip(_arrays(kept), _arrays(person), strict=True):
        assert np.array_equal(before, now), "it changed what it was shown"
    _check_result(found, person)
    for poor in (PersonView(()), *_poor(person)):
        _check_result(cue.measure(poor), poor)
    assert isinstance(cue.measure(PersonView(())), NotApplicable), "of nothing it says something"


def load_cue(name: str) -> Cue:
    """The registered cue of this name.

    Raises:
        RegistryError: there is none, or it cannot be loaded.
    """
    cue: Cue = CUES.load(name)()
    return cue


def _check_result(found: Measured | NotApplicable, person: PersonView) -> None:
    if isinstance(found, NotApplicable):
        assert found.reason.strip(), "it does not apply, and says not why"
        assert not found.reason.endswith("."), "the reason stands within a sentence"
        return
    assert np.isfinite(found.value), f"the value is {found.value}"
    times = [time for time, _ in found.series]
    assert times == sorted(times), "the series is not in time order"
    assert all(np.isfinite(value) for _, value in found.series), "the series holds no number"
    if times:
        first, last = _span(person)
        assert first <= times[0] <= times[-1] <= last, "the series leaves what it was shown"


def _span(person: PersonView) -> tuple[float, float]:
    """The time that the window and the sound cover, seconds."""
    times = [] if person.window is None else [*person.window.pts[[0, -1]]]
    if person.sound is not None:
        start = float(person.sound.sound.start)
        times += [start, start + person.sound.sound.duration]
    return min(times, default=-np.inf), max(times, default=np.inf)


def _poor(person: PersonView) -> list[PersonView]:
    """What a cue must bear: small, black, flat and cut-off faces, few frames and still ones."""
    stills = person.stills
    views = [
        PersonView(tuple(_shrunk(still) for still in stills)),
        PersonView(tuple(replace(still, image=np.zeros_like(still.image)) for still in stills)),
        PersonView(tuple(replace(still, image=np.full_like(still.image, 200)) for still in stills)),
        PersonView(tuple(_moved(still) for still in stills)),
    ]
    window = person.window
    if window is not None:
        still = Window(
            np.repeat(window.crops[:1], len(window.pts), axis=0),
            np.repeat(window.landmarks[:1], len(window.pts), axis=0),
            window.pts,
        )
        first = Window(window.crops[:1], window.landmarks[:1], window.pts[:1])
        views += [PersonView((), still), PersonView((), first)]
        views.append(PersonView((), replace(window, crops=np.zeros_like(window.crops))))
        views += [PersonView((), window, poor) for poor in _poor_sounds(person.sound)]
    return views + [PersonView((), None, poor) for poor in _poor_sounds(person.sound)]


def _poor_sounds(view: SoundView | None) -> list[SoundView]:
    """Silence, a tone throughout and no sample, each said to be speech; and speech unmarked."""
    if view is None:
        return []
    sound, speech = view.sound, view.speech
    tone = np.sin(np.arange(len(sound.samples)) * 0.1).astype(np.float32)
    return [
        SoundView(replace(sound, samples=np.zeros_like(tone)), speech),
        SoundView(replace(sound, samples=tone), speech),
        SoundView(replace(sound, samples=tone[:0]), speech),
        SoundView(sound, ()),
    ]


def _arrays(person: PersonView) -> list[NDArray[Any]]:
    found: list[NDArray[Any]] = [still.image for still in person.stills]
    found += [still.landmarks for still in person.stills]
    if person.window is not None:
        found += [person.window.crops, person.window.landmarks, person.window.pts]
    if person.sound is not None:
        found.append(person.sound.sound.samples)
    return found


def _shrunk(still: Still) -> Still:
    small = np.ascontiguousarray(still.image[::8, ::8])
    return Still(small, (still.landmarks / 8).astype(np.float32), still.corner)


def _moved(still: Still) -> Still:
    """The face half outside its picture."""
    return replace(still, landmarks=still.landmarks - np.float32(still.image.shape[1] / 2))
