import base64
import io

import numpy as np
import PIL.Image
import pytest
from drawn_reports import a_report, a_still, a_track
from tiny_detector import metadata

from counterface.detect.detector import DetectorInfo
from counterface.detect.findings import Contribution, SetAside
from counterface.report import figures

INFO = DetectorInfo.model_validate(metadata())
LINES = (0.8, 0.2)


def test_dots_lie_at_their_time_and_score():
    track = a_track(0, [0.0, 100.0, -100.0], INFO)  # at 0, 0.25 and 0.5 s
    timeline = figures.draw_timeline(track, (), LINES, (0.0, 1.0))
    assert [(p.x, p.y) for p in timeline.points] == [(0, 50), (25, 0), (50, 100)]
    assert timeline.worst == 1
    assert (timeline.upper, timeline.lower) == pytest.approx((20, 80))


def test_the_box_is_drawn_on_the_thumbnail_of_its_own_frame_only():
    report = a_report("clip.mp4", [1.0] * 8)
    thumbs = report.thumbs
    points = figures.draw_timeline(report.tracks[0], thumbs, LINES, (0, 2)).points
    assert [p.thumb for p in points] == list(range(8))
    assert points[0].box == pytest.approx((18.75, 16.67, 37.5, 54.17))
    sparse = figures.draw_timeline(report.tracks[0], thumbs[::2], LINES, (0, 2)).points
    assert [p.box is None for p in sparse] == [False, True] * 4


def test_many_frames_merge_and_keep_their_level():
    track = a_track(0, list(np.random.default_rng(0).normal(1, 1, 2000)), INFO)
    timeline = figures.draw_timeline(track, (), LINES, (0.0, 500.0))
    assert len(timeline.points) <= figures.MOST_POINTS
    assert timeline.merged == 9
    every = [100 * (1 - f.fake_score) for f in track.frames]
    assert np.median([p.y for p in timeline.points]) == pytest.approx(np.median(every), abs=2)


def test_a_single_score_has_no_timeline():
    assert figures.draw_timeline(a_track(0, [1.0], INFO), (), LINES, (0, 1)) is None


@pytest.mark.parametrize("span", [(0.0, 0.4), (0.0, 7.3), (0.0, 61.0), (0.0, 5400.0), (3.0, 9.0)])
def test_ticks_are_round_few_and_inside(span):
    track = a_track(0, [1.0, 2.0], INFO)
    ticks = figures.draw_timeline(track, (), LINES, span).ticks
    assert 2 <= len(ticks) <= 7
    assert all(0 <= x <= 100 for x, _ in ticks)
    assert len({label for _, label in ticks}) == len(ticks)
    assert np.ptp(np.diff([x for x, _ in ticks])) < 1e-6


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00.0"), (59.96, "0:59.9"), (61.25, "1:01.2"), (3725.9, "1:02:05"), (-1, "0:00.0")],
)
def test_moments_read_as_a_clock(seconds, text):
    assert figures.clock_time(seconds) == text


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_no_face_is_both_most_and_least_suspicious(count):
    report = a_report("clip.mp4", [float(i) for i in range(count)])
    most, least = figures.draw_faces(report.exhibits, report.tracks[0])
    assert len(most) + len(least) == count
    assert not {face.time for face in most} & {face.time for face in least}
    assert most[0].time == figures.clock_time((count - 1) / 4)


def test_a_film_strip_is_even_and_short():
    thumbs = a_report("clip.mp4", [1.0] * 48).thumbs
    chosen = figures.pick_strip(thumbs)
    assert (chosen[0], chosen[-1], len(chosen)) == (0, 47, figures.STRIP)
    assert len(set(np.diff(chosen))) <= 2


def test_an_interval_of_nothing_is_still_seen_inside_the_bar():
    score = a_report("clip.mp4", [100.0, 100.0]).score
    left, width, at = figures.scale_bar(score)
    assert width > 0.5
    assert left + width <= 100
    assert at == 100


def opened(address):
    data = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
    return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"), np.float32)


def strongest_colour(face):
    """How far the heat map is from grey, 0 where there is none."""
    return 0.0 if face.heat is None else float(np.ptp(opened(face.heat), axis=-1).max())


def test_heat_is_worth_what_the_score_says():
    levels = [-6.0, -2.0, 0.0, 2.0, 6.0]
    drawn = []
    for level in levels:
        report = a_report("clip.mp4", [level] * 4)
        most, _ = figures.draw_faces(report.exhibits, report.tracks[0])
        drawn.append(strongest_colour(most[0]))
    assert drawn[0] == 0
    assert drawn[:4] == sorted(drawn[:4])
    assert drawn[-1] > 4 * drawn[1]


def test_a_cleared_face_shows_no_dark_evidence_even_in_its_worst_frame():
    report = a_report("clip.mp4", [-4.0] * 30 + [6.0])
    (track,) = report.tracks
    assert track.verdict.value == "no_manipulation_found"
    most, _ = figures.draw_faces(report.exhibits, track)
    dark = a_report("clip.mp4", [6.0] * 8)
    darkest, _ = figures.draw_faces(dark.exhibits, dark.tracks[0])
    assert strongest_colour(most[0]) < 0.4 * strongest_colour(darkest[0])


def test_the_whole_picture_has_a_numbered_box_for_every_face():
    report = a_still("group.jpg", [9.0, 9.1, 9.2], [-3.0], [-3.0])
    whole = figures.draw_whole(report, 1280)
    assert (whole.width, whole.height) == (320, 240)
    assert [box.number for box in whole.boxes] == [1, 2, 3]
    assert whole.boxes[0].state == "likely_manipulated"
    assert (whole.boxes[1].left, whole.boxes[1].top) == pytest.approx((18.75, 16.67))
    assert (
        figures.draw_whole(report.model_copy(update={"thumbs": (), "exhibits": ()}), 1280) is None
    )


def test_pictures_are_no_larger_than_asked_for():
    report = a_still("group.jpg", [3.0])
    assert max(opened(figures.draw_whole(report, 50).src).shape) == 50
    assert max(opened(figures.draw_miniature(report, 40)).shape) == 40
    assert max(opened(figures.draw_miniature(a_still("none.jpg"), 40)).shape) == 40


def test_a_score_that_may_not_be_used_is_no_evidence():
    report = a_report("clip.mp4", [6.0] * 8)
    for code, shown in (("soft", False), ("drawing", False), ("brief", True)):
        aside = SetAside(code=code, text="why")
        track = report.tracks[0].model_copy(update={"aside": aside})
        most, _ = figures.draw_faces(report.exhibits, track)
        assert (most[0].heat is not None) == shown


def test_bars_start_in_the_middle_and_the_strongest_comes_first():
    pieces = [
        Contribution(name="detector", title="the detector", log_odds=0.5),
        Contribution(name="blink", title="'Blinking'", log_odds=-4.0),
    ]
    first, second = figures.draw_bars(pieces)
    assert (first.title, first.left, first.width, first.number) == ("Blinking", 0, 50, "−4.0")
    assert (second.title, second.left, second.width) == ("Detector", 50, 6.25)
    assert (first.says, second.says) == ("against", "for")
    assert figures.draw_bars([]) == ()


def test_a_course_fills_its_drawing():
    course = figures.draw_course([(10.0, 1.0), (11.0, 3.0), (12.0, 2.0)])
    assert course.line == "M0.0,100.0L50.0,0.0L100.0,50.0"
    assert (course.start, course.end, course.low, course.high) == ("0:10.0", "0:12.0", "1", "3")
    assert figures.draw_course([(0.0, 1.0), (1.0, 2.0)]) is None
    assert figures.draw_course([(0.0, 1.0)] * 3) is not None
    assert figures.draw_course([(t / 10, 0.0) for t in range(5000)]).line.count("L") < 300
