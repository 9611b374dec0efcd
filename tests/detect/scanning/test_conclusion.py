"""What a file comes to: no sentence, number or face that the findings do not bear out."""

import re

import pytest
from drawn_tracks import CODES, LINES, a_track, people, statements
from hypothesis import given
from hypothesis import strategies as st

from counterface.detect.pool import show_percent
from counterface.detect.scanning.conclusion import conclude, explain, lead, write_headline
from counterface.detect.weigh import find_contradiction
from counterface.types import Verdict

LINE = LINES.no_manipulation_found
COMMON = ("small", "turned", "tilted", "brief", "compressed")


def outcome(tracks, unaligned=0):
    facts = conclude(tracks, LINES, unaligned)
    return facts.verdict, facts.decided_by


def said_of(tracks, unaligned=0):
    """(facts, headline, everything said in words)."""
    facts = conclude(tracks, LINES, unaligned)
    headline = write_headline(facts, facts.verdict)
    return facts, headline, " ".join((headline.title, headline.text, *explain(facts)))


def test_the_worst_face_that_counts_decides():
    clear, unsure, fake = a_track(0, 0.05), a_track(1, 0.7), a_track(2, 0.85)
    assert outcome([]) == (Verdict.NO_FACE, None)
    assert outcome([], unaligned=1) == (Verdict.INCONCLUSIVE, None)
    assert outcome([clear]) == (Verdict.NO_MANIPULATION_FOUND, 0)
    assert outcome([clear, unsure]) == (Verdict.INCONCLUSIVE, 1)
    assert outcome([clear, unsure, fake]) == (Verdict.LIKELY_MANIPULATED, 2)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("probability", [0.01, 0.5, 0.99])
def test_a_file_of_faces_that_do_not_count_is_inconclusive(code, probability):
    track = a_track(0, None if code == "not_scored" else probability, code)
    assert outcome([track]) == (Verdict.INCONCLUSIVE, None)
    assert write_headline(conclude([track], LINES), Verdict.INCONCLUSIVE).number is None


@pytest.mark.parametrize("code", CODES)
def test_the_main_face_without_a_number_keeps_a_bystander_from_clearing_the_file(code):
    clear = a_track(0, 0.05, face_px=70)
    main = a_track(1, None if code == "not_scored" else 0.05, code, face_px=300)
    kept = code in ("not_scored", "drawing", "soft", "toned", "poor")
    verdict = Verdict.INCONCLUSIVE if kept else Verdict.NO_MANIPULATION_FOUND
    assert outcome([clear, main])[0] is verdict
    fake = a_track(2, 0.95, face_px=70)
    assert outcome([clear, main, fake]) == (Verdict.LIKELY_MANIPULATED, 2)
    bystander = a_track(1, None if code == "not_scored" else 0.95, code, face_px=24)
    assert outcome([clear, bystander]) == (Verdict.NO_MANIPULATION_FOUND, 0)


def test_a_brief_face_past_the_line_is_named_in_headline_and_reasons():
    facts, headline, words = said_of([a_track(0, 0.006, count=30), a_track(1, 0.88, "brief")])
    assert facts.verdict is Verdict.NO_MANIPULATION_FOUND
    assert headline.title == "No manipulation found; 1 of 2 faces judged"
    assert "Face 2 scored 88%" in headline.text
    assert (headline.face, headline.number) == (0, 0.006)
    assert "verdict is that of face 1." in words


def test_many_bystanders_are_counted_and_not_listed():
    crowd = [a_track(number, 0.05, "small", face_px=24) for number in range(1, 28)]
    _, headline, _ = said_of([a_track(0, 0.02), *crowd, a_track(28, 0.05, "brief")])
    assert "28 faces do not count: 27 too small, 1 seen too briefly." in headline.text
    assert len(headline.text) < 300


@pytest.mark.parametrize("probability", [0.01, 0.5, 0.99])
def test_a_face_whose_witnesses_contradict_each_other_decides_nothing(probability):
    torn = a_track(1, probability, said=statements(2.5, -2.5))
    clear, fake = a_track(0, 0.05), a_track(2, 0.95)
    assert outcome([clear, torn]) == (Verdict.INCONCLUSIVE, 1)
    assert outcome([clear, torn, fake]) == (Verdict.LIKELY_MANIPULATED, 2)
    _, headline, _ = said_of([clear, torn])
    assert headline.number is None
    assert "contradict each other strongly about face 2" in headline.text
    agreed = a_track(1, probability, said=statements(2.5, -1.5))
    assert outcome([agreed]) == outcome([a_track(1, probability)])


@given(people(), st.integers(0, 2))
def test_the_verdict_is_the_worst_of_those_that_count(tracks, unaligned):
    facts = conclude(tracks, LINES, unaligned)
    counted = [track for track in tracks if track.aside is None]
    if not counted:
        nobody = not tracks and not unaligned
        assert facts.verdict is (Verdict.NO_FACE if nobody else Verdict.INCONCLUSIVE)
        assert facts.decided_by is None
        return
    kinds = {track.verdict for track in counted}
    if Verdict.LIKELY_MANIPULATED in kinds:
        assert facts.verdict is Verdict.LIKELY_MANIPULATED
    elif facts.verdict is Verdict.NO_MANIPULATION_FOUND:
        assert kinds == {Verdict.NO_MANIPULATION_FOUND}
    if facts.decided_by is not None:
        decider = tracks[facts.decided_by]
        assert decider.aside is None
        assert decider.verdict is facts.verdict
        alike = [track for track in counted if track.verdict is decider.verdict]
        assert decider.score.probability == max(track.score.probability for track in alike)


@given(people())
def test_bystanders_never_change_a_verdict(tracks):
    counted = [track for track in tracks if track.aside is None]
    if counted:
        others = [t for t in tracks if t.aside is None or t.aside.code not in COMMON]
        bare = conclude(others, LINES)
        if bare.main is None:  # else a bystander may take the main face's place
            assert conclude(tracks, LINES).verdict in (bare.verdict, Verdict.INCONCLUSIVE)
        assert outcome([t for t in tracks if t.aside is None or t.aside.code in COMMON]) == outcome(
            counted
        )


@given(people(), st.integers(0, 2))
def test_no_face_past_the_line_goes_unsaid(tracks, unaligned):
    facts, headline, _ = said_of(tracks, unaligned)
    reasons = " ".join(explain(facts))
    past = [t for t in tracks if t.score and t.score.probability >= LINE and t.aside]
    if len(tracks) > 1:
        for track in past:
            assert f"Face {track.id + 1} scored {show_percent(track.score.probability)}" in reasons
        named = re.findall(r"Face (\d+) scored", headline.text)
        more = re.search(r"(\d+) more such faces", headline.text)
        assert len(named) + (int(more[1]) if more else 0) == len(past)
        if past:  # the most suspicious by name
            assert named[0] == str(max(past, key=lambda t: t.score.probability).id + 1)
    if headline.title == "No manipulation found":
        assert not past


@given(people(), st.integers(0, 2))
def test_every_sentence_is_true(tracks, unaligned):
    facts, _, words = said_of(tracks, unaligned)
    counted = [track for track in tracks if track.aside is None]
    for number, percent in re.findall(r"Face (\d+) scored ((?:under |over )?\d+%)", words):
        track = tracks[int(number) - 1]
        assert track.aside is not None
        assert show_percent(track.score.probability) == percent
        assert track.score.probability >= LINE
    for number, why in re.findall(r"Face (\d+) does not count: ([^.]*)\.", words):
        assert tracks[int(number) - 1].aside.text == why
    for some, every in re.findall(r"found; (\d+) of (\d+) faces judged", words):
        assert (int(some), int(every)) == (len(counted), len(tracks))
    for every, some in re.findall(r"(\d+) faces were followed, (\d+) count", words):
        assert (int(some), int(every)) == (len(counted), len(tracks))
    for some in re.findall(r"None of the (\d+) faces that count passes", words):
        assert int(some) == len(counted)
        assert all(track.score.probability <= LINE for track in counted)
    for every in re.findall(r"None of the (\d+) faces that were found can be judged", words):
        assert int(every) == len(tracks)
        assert not counted
    for number in re.findall(r"verdict is that of face (\d+)", words):
        assert int(number) - 1 == facts.decided_by
    for number in re.findall(r"Face (\d+) shows traces", words):
        assert tracks[int(number) - 1].verdict is Verdict.LIKELY_MANIPULATED
    if "the only one that counts" in words:
        assert len(counted) == 1
    if "most suspicious of those that count" in words:
        top = tracks[facts.decided_by].score.probability
        worst = [t for t in counted if t.verdict is facts.verdict]
        assert top == max(t.score.probability for t in worst)
    for about in re.findall(r"contradict each other strongly about (the face|face \d+)", words):
        number = facts.decided_by if about == "the face" else int(about[5:]) - 1
        assert number == facts.decided_by
        assert find_contradiction(tracks[number].witnesses)
        assert facts.verdict is Verdict.INCONCLUSIVE
    if "neither clearly suspicious" in words:
        assert not find_contradiction(tracks[facts.decided_by].witnesses)
    assert words.count("The face does not pass") == (
        len(tracks) == 1 and facts.verdict is Verdict.NO_MANIPULATION_FOUND
    )


@given(people(), st.integers(0, 2))
def test_number_and_picture_are_those_of_the_face_that_decided(tracks, unaligned):
    facts, headline, _ = said_of(tracks, unaligned)
    assert (headline.counted, headline.found) == (
        sum(track.aside is None for track in tracks),
        len(tracks),
    )
    if facts.decided_by is None:
        assert headline.number is None
        assert (headline.face is None) == (not tracks)
        if headline.face is not None and facts.main is None:
            assert tracks[headline.face].aside is not None
    else:
        assert headline.face == facts.decided_by
        decider = tracks[facts.decided_by]
        apart = find_contradiction(decider.witnesses) is not None
        assert headline.number == (None if apart else decider.score.probability)


def test_a_number_is_asked_of_a_face_that_counts_first():
    clear, flash, small = a_track(0, 0.1), a_track(1, 0.99, "brief"), a_track(2, 0.9, "small")
    assert lead([flash, small, clear]) is clear
    assert lead([flash, small]) is small
    assert lead([a_track(0, None, "not_scored"), flash]) is flash
    assert lead([]) is None
