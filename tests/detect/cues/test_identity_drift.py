"""One person's pictures lie near each other; those of two people do not."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from actors import draw_clip

from counterface.detect.cues import identity_drift
from counterface.detect.cues.cue import Measured, NotApplicable, PersonView, Still
from counterface.detect.cues.identity_drift import IdentityDrift
from counterface.detect.cues.view import cut_still
from counterface.errors import WeightsError


class BySize:
    """An embedder that tells people apart by the mean of their picture."""

    def embed_landmarks(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        return np.full(128, image.mean() / 255, np.float32)


@pytest.fixture
def stills() -> tuple[Still, ...]:
    clip = draw_clip([3], 5, 320, 320, Fraction(4))
    return tuple(cut_still(item.frame, item.actors[0].face) for item in clip)


def test_a_person_who_stays_the_same_drifts_less(
    stills: tuple[Still, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity_drift, "_embedder", BySize)
    same = IdentityDrift().measure(PersonView(stills))
    dark = [Still(s.image // (1 + n), s.landmarks, s.corner) for n, s in enumerate(stills)]
    other = IdentityDrift().measure(PersonView(tuple(dark)))
    assert isinstance(same, Measured)
    assert isinstance(other, Measured)
    assert same.value < 0.1 < 1 < other.value


def test_without_the_model_it_says_what_to_install(
    stills: tuple[Still, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> None:
        raise WeightsError("comparing identities needs dlib; install counterface[train].")

    monkeypatch.setattr(identity_drift, "_embedder", absent)
    found = IdentityDrift().measure(PersonView(stills))
    assert isinstance(found, NotApplicable)
    assert found.reason.endswith("install counterface[train]")


def test_a_picture_has_nothing_to_compare(stills: tuple[Still, ...]) -> None:
    found = IdentityDrift().measure(PersonView(stills[:1]))
    assert isinstance(found, NotApplicable)
    assert "fewer than 4" in found.reason
