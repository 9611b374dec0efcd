"""Lips and sound: what follows the lips is told from what comes late, early or from elsewhere."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from drawn_voices import buzz, speak

from counterface.detect.cues.closed_lips import ClosedLips
from counterface.detect.cues.cue import Measured, NotApplicable, PersonView, SoundView, Window
from counterface.detect.cues.lip_bursts import find_bursts
from counterface.detect.cues.lip_correlation import LipCorrelation
from counterface.detect.cues.lip_lag import MIDDLE_S, LipLag
from counterface.detect.cues.lip_match import cut_sound, match_lips
from counterface.detect.cues.mouth_series import dark_share, lip_gap, mouth_opening
from counterface.detect.cues.parents import LipCue
from counterface.detect.cues.still_mouth import StillMouth
from counterface.detect.phonemes.recogniser import Phoneme
from counterface.media.sound import RATE, Sound


def seen(person: PersonView) -> Window:
    assert person.window is not None
    return person.window


def value(cue: LipCue, window: Window, sound: SoundView) -> float:
    found = cue.measure(PersonView((), window, sound))
    assert isinstance(found, Measured), found
    return found.value


def silence(speech: tuple[tuple[float, float], ...] = ((0.0, 6.0),)) -> SoundView:
    return SoundView(
        Sound(np.zeros(6 * RATE, np.float32), RATE, Fraction(0), "", RATE, 1, 1), speech
    )


def held(window: Window) -> Window:
    """A person who keeps still."""
    count = len(window.pts)
    return Window(
        np.repeat(window.crops[:1], count, axis=0),
        np.repeat(window.landmarks[:1], count, axis=0),
        window.pts,
    )


def test_the_opening_follows_the_lips_in_their_pixels(person: PersonView) -> None:
    window = seen(person)
    gap = lip_gap(window.landmarks)
    opening = mouth_opening(window)
    assert opening is not None
    assert np.corrcoef(opening, gap)[0, 1] > 0.9
    assert np.corrcoef(dark_share(window), gap)[0, 1] > 0.7
    assert abs(opening.mean()) < 1e-9
    assert mouth_opening(held(window)) is None


@pytest.mark.parametrize("late_s", [-0.3, -0.1, 0.0, 0.06, 0.3])
def test_the_lag_of_the_sound_is_found(person: PersonView, late_s: float) -> None:
    match = match_lips(seen(person), speak(seen(person), late_s).sound, 0.4)
    assert match is not None
    best = match.best(-0.4, 0.4)
    assert best is not None
    assert best[0] == pytest.approx(late_s, abs=0.03)
    assert best[1] > 0.5


def test_a_lag_is_told_as_its_distance_from_the_usual_one(person: PersonView) -> None:
    for late_s in (-0.2, 0.05, 0.2):
        found = value(LipLag(), seen(person), speak(seen(person), late_s))
        assert found == pytest.approx(1000 * abs(late_s - MIDDLE_S), abs=30)


def test_sound_that_comes_late_correlates_less(person: PersonView) -> None:
    window = seen(person)
    true = value(LipCorrelation(), window, speak(window))
    assert true > 0.5
    assert value(LipCorrelation(), window, speak(window, 0.4)) < true - 0.3
    assert value(LipCorrelation(), window, buzz()) < true - 0.3


def test_the_course_of_the_opening_is_told(person: PersonView) -> None:
    found = LipCorrelation().measure(person)
    assert isinstance(found, Measured)
    assert [time for time, _ in found.series] == seen(person).pts.tolist()


def test_loudness_changes_nothing(person: PersonView) -> None:
    window, said = seen(person), speak(seen(person))
    quiet = replace(said, sound=replace(said.sound, samples=said.sound.samples / 30))
    for cue in (LipCorrelation(), LipLag()):
        assert value(cue, window, quiet) == pytest.approx(value(cue, window, said), abs=0.02)


def test_sound_may_begin_late_and_end_early(person: PersonView) -> None:
    window, said = seen(person), speak(seen(person))
    part = replace(said, sound=cut_sound(said.sound, 1.5, 4.5))
    assert float(part.sound.start) == 1.5
    assert value(LipCorrelation(), window, part) > 0.5
    short = replace(said, sound=cut_sound(said.sound, 1.5, 2.5))
    assert isinstance(LipCorrelation().measure(PersonView((), window, short)), NotApplicable)


def test_a_still_mouth_is_told_from_a_speaking_one(person: PersonView) -> None:
    window = seen(person)
    assert value(StillMouth(), window, speak(window)) < 0.1
    assert value(StillMouth(), held(window), speak(window)) == 1


def test_only_the_time_of_speech_counts_for_a_still_mouth(person: PersonView) -> None:
    window = seen(person)
    points = window.landmarks.copy()
    points[window.pts > 3] = points[0]
    half = replace(window, landmarks=points)
    assert value(StillMouth(), half, silence(((0.0, 2.5),))) < 0.1
    assert value(StillMouth(), half, silence(((3.5, 6.0),))) == 1
    assert value(StillMouth(), half, silence(((0.5, 5.5),))) == pytest.approx(0.5, abs=0.15)


def test_lips_that_are_shut_when_the_voice_breaks_off_count_as_shut(person: PersonView) -> None:
    window = seen(person)
    shut = value(ClosedLips(lambda: None), window, speak(window))
    assert shut < 0.25
    assert value(ClosedLips(lambda: None), window, speak(window, 0.35)) > shut + 0.3


def test_bursts_are_found_where_the_voice_comes_back_at_once() -> None:
    times = np.arange(6 * RATE) / RATE
    closed = (times % 1 > 0.5) & (times % 1 < 0.6)
    found = find_bursts(buzz(np.where(closed, 0.0, 1.0)).sound)
    assert len(found) == 6
    assert all(0.5 <= time % 1 <= 0.6 for time in found)
    assert find_bursts(buzz(0.6 + 0.4 * np.sin(9 * times)).sound) == []
    assert find_bursts(silence().sound) == []


class Heard:
    """A recogniser that knows what is said."""

    name = "heard"

    def __init__(self, *said: Phoneme) -> None:
        self.said = said

    def is_installed(self) -> bool:
        return True

    def recognise(self, sound: Sound) -> tuple[Phoneme, ...]:
        return self.said


def test_phonemes_of_a_recogniser_are_used_where_there_is_one(person: PersonView) -> None:
    window = seen(person)
    gap = lip_gap(window.landmarks)
    order = window.pts[np.argsort(gap)]
    shut, wide = order[:3], order[-3:]

    def cue(times: np.ndarray, name: str) -> ClosedLips:
        said = [Phoneme(name, time - 0.03, time + 0.03) for time in sorted(times)]
        return ClosedLips(lambda: Heard(*said))

    assert value(cue(shut, "M"), window, silence()) < 0.1
    assert value(cue(wide, "P"), window, silence()) > 0.8
    assert "by heard" in cue(shut, "M").source
    assert "rule" in ClosedLips(lambda: None).source
    said = PersonView((), window, silence())
    assert isinstance(cue(wide, "T").measure(said), NotApplicable)
    assert isinstance(cue(wide[:1], "P").measure(said), NotApplicable)
