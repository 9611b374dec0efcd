"""Cues in a scan: which are asked, what they are shown, and what a report says of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from actors import draw_clip, write_clip

from counterface.detect.cues.cue import Measured, NotApplicable, PersonView
from counterface.detect.cues.weight import CueWeight, fitted_beside, read_weights
from counterface.detect.scanning.evidence import EvidenceBook, choose_cues, read_window, state
from counterface.errors import ConfigError
from counterface.media import sandbox
from counterface.media.sandbox import Limits
from counterface.registry import CUES
from counterface.types import Face, Frame

CLIP = draw_clip([3, 5], 40, 640, 360, Fraction(24))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("evidence") / "two.mp4", CLIP)


class Counting:
    """A cue that says how much it was shown."""

    name = title = looks_for = source = "counting"
    unit = "frames"
    reads = "window"
    wants_s = 2.0

    def measure(self, person: PersonView) -> Measured | NotApplicable:
        if person.window is None:
            return NotApplicable("there is no window")
        return Measured(float(len(person.window.pts)))


class Listening(Counting):
    """A cue that compares lips and sound."""

    reads = "lips"


def sightings(number: int) -> list[tuple[Frame, Face]]:
    return [(item.frame, item.actors[number].face) for item in CLIP]


def test_cues_are_named_and_a_wrong_name_says_which_there_are() -> None:
    assert choose_cues("none") == ()
    assert [cue.name for cue in choose_cues("all")] == CUES.names()
    assert [cue.name for cue in choose_cues("mask_boundary, face_noise")] == [
        "mask_boundary",
        "face_noise",
    ]
    with pytest.raises(ConfigError, match="face_noise"):
        choose_cues("face_nois")


def test_stills_are_few_and_spread_over_the_file() -> None:
    seen: list[PersonView] = []

    class Keeping(Counting):
        reads = "stills"

        def measure(self, person: PersonView) -> NotApplicable:
            seen.append(person)
            return NotApplicable("it only looks")

    book = EvidenceBook([Keeping()])
    for frame, face in sightings(0):
        book.add(0, frame, face)
    book.look(Path("unread.mp4"), sandbox_info(), Limits())
    (person,) = seen
    assert 3 <= len(person.stills) <= 6
    assert all(still.image.shape[0] > still.eye_px for still in person.stills)


def sandbox_info() -> object:
    class Info:
        kind = "image"

    return Info()


def test_the_main_person_is_followed_through_consecutive_frames(clip: Path) -> None:
    book = EvidenceBook([Counting()])
    for number in (0, 1):
        for frame, face in sightings(number)[:: 4 if number else 1]:
            book.add(number, frame, face)
    found = book.look(clip, sandbox.probe(clip), Limits()).by_person
    assert found[0][0].value is not None
    assert found[0][0].value >= 30
    assert found[0][0].says == "no weight"
    assert found[1][0].says == "not applicable"
    assert found[1][0].text.endswith("there is no window.")


def test_a_cue_that_fails_says_so_and_the_others_go_on() -> None:
    class Broken(Counting):
        def measure(self, person: PersonView) -> Measured:
            raise IndexError("index 5 is out of bounds")

    book = EvidenceBook([Broken(), Counting()])
    book.add(0, *sightings(0)[0])
    broken, other = book.look(Path("unread.mp4"), sandbox_info(), Limits()).by_person[0]
    assert "it failed (IndexError: index 5 is out of bounds)" in broken.text
    assert other.says == "not applicable"


def test_of_a_crowd_the_largest_are_looked_at() -> None:
    book = EvidenceBook([Counting()])
    (frame, face), *_ = sightings(0)
    for number in range(12):
        book.add(number, frame, replace(face, box=face.box / np.float32(1 + number)))
    found = book.look(Path("unread.mp4"), sandbox_info(), Limits())
    assert sorted(found.by_person) == list(range(8))


def test_a_window_is_of_one_person_and_in_time_order(clip: Path) -> None:
    seen = [(float(frame.pts), face) for frame, face in sightings(1)]
    window = read_window(clip, sandbox.probe(clip), seen, Limits())
    assert window is not None
    assert (window.pts[1:] > window.pts[:-1]).all()
    true = {float(frame.pts): face for frame, face in sightings(1)}
    for at, points in zip(window.pts, window.landmarks, strict=True):
        face = true[min(true, key=lambda t: abs(t - at))]
        assert face.box[0] - 20 < points[:, 0].mean() < face.box[2] + 20


def test_a_file_that_is_gone_gives_no_window(tmp_path: Path, clip: Path) -> None:
    seen = [(float(frame.pts), face) for frame, face in sightings(0)]
    assert read_window(tmp_path / "gone.mp4", sandbox.probe(clip), seen, Limits()) is None


def test_what_a_cue_says_is_told_in_words() -> None:
    weight = CueWeight(
        name="counting",
        middle=10,
        spread=5,
        low=0,
        high=40,
        slope=1,
        offset=0,
        covariance=(0.01, 0.01, 0),
        counts=True,
        auc=(0.7, 0.6, 0.8),
        real=9,
        fake=9,
    )
    found = state(Counting(), Measured(15.0), weight)
    assert (found.says, found.log_odds) == ("for", pytest.approx(1.0))
    assert "speaks for manipulation (+1.0" in found.text
    assert state(Counting(), Measured(5.0), weight).says == "against"
    assert state(Listening(), Measured(15.0), weight).text.endswith(
        "speaks for a mismatch of lips and sound, which dubbing and editing cause too "
        "(+1.0, +0.7 to +1.3)."
    )
    assert "against a mismatch of lips and sound (" in (
        state(Listening(), Measured(5.0), weight).text
    )
    assert state(Counting(), Measured(10.0), weight).says == "neither"
    assert state(Counting(), Measured(5.0), None).log_odds is None
    said = state(Counting(), NotApplicable("nothing is there"), weight)
    assert said.text.endswith("is not applicable because nothing is there.")


def test_a_cue_enters_only_beside_the_detector_that_its_share_was_fitted_beside(clip: Path) -> None:
    def shares(detector: str) -> list[float]:
        book = EvidenceBook(choose_cues("landmark_jitter"), detector)
        for frame, face in sightings(0):
            book.add(0, frame, face)
        return [cue.share for cue in book.look(clip, sandbox.probe(clip), Limits()).by_person[0]]

    assert shares(fitted_beside()) == [read_weights()["landmark_jitter"].share]
    assert shares("another") == [0.0]


def test_words_say_what_a_cue_speaks_for() -> None:
    class Lips(Counting):
        reads = "lips"

    weight = read_weights()["landmark_jitter"]
    found = Measured(weight.high if weight.slope > 0 else weight.low)
    said = state(Lips(), found, weight, enters=True)
    assert "speaks for a mismatch of lips and sound" in said.text
    assert said.share == weight.share
    assert "speaks for manipulation" in state(Counting(), found, weight).text
