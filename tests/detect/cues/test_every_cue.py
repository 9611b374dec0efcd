"""Every registered cue passes the contract, and the contract catches those that do not."""

from __future__ import annotations

import numpy as np
import pytest

from counterface.detect.cues.cue import Measured, PersonView
from counterface.registry import CUES
from counterface.testing.cues import check_cue, load_cue

# dlib embeds every still, 60 ms each; a network follows motion through a dozen clips
SLOW = ("identity_drift", "frame_difference")
NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name
    for name in sorted(CUES.built_in)
]


@pytest.mark.parametrize("name", NAMES)
def test_a_cue_keeps_the_contract(name: str, person: PersonView) -> None:
    check_cue(name, load_cue(name), person)


@pytest.mark.parametrize("name", NAMES)
def test_a_cue_applies_to_a_large_face(name: str, person: PersonView) -> None:
    found = load_cue(name).measure(person)
    assert isinstance(found, Measured), found


class Chatty:
    """A cue that speaks of nothing."""

    name = title = looks_for = source = "chatty"
    unit = ""
    reads = "stills"
    wants_s = 0.0

    def measure(self, person: PersonView) -> Measured:
        return Measured(0.0)


class Endless(Chatty):
    """A cue whose value is no number."""

    def measure(self, person: PersonView) -> Measured:
        return Measured(np.inf)


@pytest.mark.parametrize(("kind", "says"), [(Chatty, "of nothing"), (Endless, "the value is inf")])
def test_the_contract_catches(kind: type[Chatty], says: str, person: PersonView) -> None:
    with pytest.raises(AssertionError, match=says):
        check_cue("chatty", kind(), person)
    with pytest.raises(AssertionError, match="registered as 'other'"):
        check_cue("other", kind(), person)
