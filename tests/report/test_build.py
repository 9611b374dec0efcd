from drawn_reports import NOW, a_report, a_result

from counterface.report.build import build_report
from counterface.types import Verdict


def test_the_score_of_the_file_is_that_of_the_track_that_decided():
    report = a_report("clip.mp4", [-4.0, -4.2, -4.1, -4.0], [4.0, 4.2, 4.1, 4.0])
    assert report.verdict is Verdict.LIKELY_MANIPULATED
    assert report.decided_by == 1
    assert report.score == report.tracks[1].score


def test_no_face_has_no_score():
    report = a_report("clip.mp4")
    assert report.verdict is Verdict.NO_FACE
    assert report.score is None
    assert report.decided_by is None


def test_every_report_states_its_limits_and_its_detector():
    report = a_report("clip.mp4", [1.0, 2.0])
    assert any("not proof" in limit for limit in report.limits)
    assert report.detector.sha256 == "cd" * 32
    assert report.detector.card == {"purpose": "a test"}


def test_the_time_is_given_or_the_clock_s():
    assert build_report(a_result("a.mp4", [1.0, 2.0]), now=NOW).created == NOW
    assert build_report(a_result("a.mp4", [1.0, 2.0])).created > NOW
