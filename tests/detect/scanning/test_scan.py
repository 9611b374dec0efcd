from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import pytest
from actors import draw_clip, write_clip
from scan_media import drawn_clip, drawn_picture, empty_picture, tiny_config
from tiny_detector import GAIN

from counterface.detect.scanning.scan import ScanConfig, Scanner, scan
from counterface.detect.scanning.scan_files import scan_files
from counterface.errors import DetectorError, MediaError
from counterface.faces.align import align
from counterface.faces.face_detector import find_faces
from counterface.files import file_sha256
from counterface.media import sandbox
from counterface.media.image import read_image, write_image
from counterface.media.notes import MediaNote
from counterface.media.probe import probe
from counterface.media.video_reader import frames_at, sample_times
from counterface.types import Verdict

GREY = MediaNote("grey", "Its colours (Dolby Vision) cannot be read.")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return drawn_clip(tmp_path_factory.mktemp("clip") / "one.mp4")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return drawn_clip(tmp_path_factory.mktemp("clip") / "two.mp4", (1, 2), 24)


@pytest.fixture(scope="module")
def whole(clip, tmp_path_factory):
    """The report on every frame of the clip, and what was told on the way."""
    config, told = tiny_config(tmp_path_factory.mktemp("whole"), all_frames=True), []
    (report,) = scan_files([clip], config, progress=lambda *entry: told.append(entry))
    return report, told


@pytest.fixture
def picture(tmp_path):
    return drawn_picture(tmp_path / "picture.png")


def test_the_score_is_the_mean_logit_of_evenly_spread_frames(clip, tmp_path):
    result = scan(clip, tiny_config(tmp_path, frames=10))
    times = sample_times(Fraction(2), 10)
    expected = []
    for frame in frames_at(clip, times):
        face = find_faces(frame.image)[0]
        crop = align(frame.image, face, "whole_face", 64).image
        expected.append(GAIN * (float(crop.mean()) / 255 - 0.5))
    (track,) = result.tracks
    assert [f.logit for f in track.frames] == pytest.approx(expected, abs=1e-3)
    assert track.score.mean_logit == pytest.approx(np.mean(expected), abs=1e-3)
    assert result.sampling.read == result.sampling.with_face == 10
    spread = np.diff([f.pts_s for f in track.frames])
    assert spread == pytest.approx(np.full(9, 0.2), abs=1 / 24)


def test_the_report_is_of_the_face_that_decided_and_says_who_judged_it(pair, tmp_path):
    config = tiny_config(tmp_path, frames=4)
    before = datetime.now(UTC)
    report = scan(pair, config)
    assert report.decided_by is not None
    assert report.score == report.tracks[report.decided_by].score
    assert report.headline.number == report.score.probability
    assert before <= report.created <= datetime.now(UTC)
    assert report.file.sha256 == file_sha256(pair)
    assert report.detector.sha256 == file_sha256(config.detector)
    assert any("not proof" in limit for limit in report.limits)


@pytest.mark.slow
def test_scanning_twice_gives_the_same(clip, tmp_path):
    config = tiny_config(tmp_path, frames=3)
    first, second = (scan(clip, config) for _ in range(2))
    assert first.tracks == second.tracks
    assert first.file.sha256 == second.file.sha256


def test_two_people_are_two_tracks_and_the_worse_decides(pair, tmp_path):
    result = scan(pair, tiny_config(tmp_path, frames=12))
    assert [len(track.frames) for track in result.tracks] == [12, 12]
    left, right = (np.mean([f.box[0] for f in t.frames]) for t in result.tracks)
    assert abs(left - right) > 100  # each stays on one side
    worst = max(result.tracks, key=lambda track: track.score.probability)
    assert result.decided_by == worst.id
    assert "2 faces were followed, 2 count" in result.reasons[0]


@pytest.mark.slow
def test_a_cut_never_puts_two_people_into_one_track(tmp_path):
    path = drawn_clip(tmp_path / "cut.mp4", (3, 4), 24, cut_at=12)  # they change places at 0.5 s
    result = scan(path, tiny_config(tmp_path, frames=12))
    assert sum(len(track.frames) for track in result.tracks) == 24
    for track in result.tracks:
        assert len({(f.box[0] < 200) == (f.pts_s < 0.5) for f in track.frames}) == 1
    assert max(len(track.frames) for track in result.tracks) == 12  # one is known on both sides


@pytest.mark.slow
def test_every_frame_can_be_looked_at_and_is_told(whole):
    result, told = whole
    assert result.sampling.mode == "all"
    assert result.sampling.read == 48
    assert told[:-1] == [(number, 48, "one.mp4") for number in range(1, 49)]


def test_a_clip_shorter_than_the_number_of_frames_is_read_once(tmp_path):
    path = drawn_clip(tmp_path / "short.mp4", frames=5)
    result = scan(path, tiny_config(tmp_path, frames=32))
    assert result.sampling.read == 5
    assert len({f.pts_s for f in result.tracks[0].frames}) == 5
    assert "few_frames" in {notice.code for notice in result.notices}


def test_a_picture_takes_its_interval_from_views_of_the_one_face(picture, tmp_path):
    result = scan(picture, tiny_config(tmp_path))
    score = result.tracks[0].score
    assert (score.spread_over, score.samples) == ("views", 6)
    assert score.low < score.probability < score.high
    assert result.sampling.mode == "image"


def test_no_face_is_a_verdict_without_a_score(tmp_path):
    result = scan(empty_picture(tmp_path / "empty.png"), tiny_config(tmp_path))
    assert result.verdict is Verdict.NO_FACE
    assert result.tracks == ()
    ran = {check.name: check.ran for check in result.checks}
    assert ran["faces"] is True
    assert ran["face_detector"] is False


def test_a_detector_without_numbers_did_not_run_and_is_never_a_half(picture, tmp_path):
    result = scan(picture, tiny_config(tmp_path, gain=float("nan")))
    (track,) = result.tracks
    assert result.verdict is Verdict.INCONCLUSIVE
    assert track.score is None
    assert track.frames[0].logit is None
    assert track.frames[0].fake_score is None
    check = next(c for c in result.checks if c.name == "face_detector")
    assert not check.ran
    assert "no usable number" in check.note


@pytest.mark.parametrize(("gain", "verdict"), [(400.0, None), (1e-3, Verdict.INCONCLUSIVE)])
def test_the_verdict_follows_the_lines_of_the_detector_file(picture, tmp_path, gain, verdict):
    result = scan(picture, tiny_config(tmp_path, gain=gain))
    score = result.tracks[0].score
    if verdict is None:
        high = score.low >= 0.8
        verdict = Verdict.LIKELY_MANIPULATED if high else Verdict.NO_MANIPULATION_FOUND
    assert result.verdict is verdict


def test_a_face_out_of_range_is_inconclusive_whatever_its_score(picture, tmp_path):
    sure = tiny_config(tmp_path, gain=4000.0)
    assert scan(picture, sure).verdict is not Verdict.INCONCLUSIVE
    narrow = tiny_config(tmp_path, gain=4000.0, info={"range": {"min_face_px": 600}})
    result = scan(picture, narrow)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert not result.tracks[0].in_range
    assert "at least 600 pixels" in result.reasons[0]
    assert "out_of_range" in {notice.code for notice in result.notices}


def test_a_file_compressed_beyond_the_range_is_inconclusive(tmp_path):
    clip = write_clip(tmp_path / "moving.mp4", draw_clip((1,), 8, 480, 270))
    info = {"range": {"min_face_px": 16, "max_compression": 0.0}}
    result = scan(clip, tiny_config(tmp_path, gain=4000.0, info=info, frames=4))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "compressed more strongly" in result.reasons[0]
    assert "compression_out_of_range" in {notice.code for notice in result.notices}


def test_colours_that_cannot_be_read_give_no_verdict(picture, tmp_path, monkeypatch):
    facts = probe(picture).model_copy(update={"notes": (GREY,)})
    monkeypatch.setattr(sandbox, "probe", lambda *a: facts)
    result = scan(picture, tiny_config(tmp_path, gain=4000.0))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "colours" in result.reasons[0]
    assert [n.code for n in result.notices if n.level == "trust"] == ["grey"]


def test_a_small_face_is_warned_about(tmp_path):
    small = drawn_picture(tmp_path / "small.png", size=96)
    canvas = np.full((240, 320, 3), 128, np.uint8)
    canvas[60:156, 100:196] = read_image(small)
    write_image(small, canvas)
    result = scan(small, tiny_config(tmp_path, info={"range": {"min_face_px": 0}}))
    assert result.tracks[0].face_px < 64
    assert "small_face" in {notice.code for notice in result.notices}


def test_thorough_takes_the_mean_of_a_crop_and_its_mirror_image(picture, tmp_path):
    plain = scan(picture, tiny_config(tmp_path))
    config = tiny_config(tmp_path, thorough=True, face_detector="mediapipe")
    thorough = scan(picture, config)
    logits = [r.tracks[0].frames[0].logit for r in (plain, thorough)]
    assert logits[0] == pytest.approx(logits[1], abs=1e-4)  # brightness has no left and right
    maps = [r.exhibits[0].activation for r in (plain, thorough)]
    assert maps[1] == pytest.approx((maps[0] + maps[0]) / 2, abs=1e-4)


def test_what_thorough_implies_gives_way_to_what_was_asked_for():
    assert ScanConfig(thorough=True).settled().face_detector == "full"
    assert ScanConfig(thorough=True).settled().frames == 96
    asked = ScanConfig(thorough=True, face_detector="mediapipe", frames=200).settled()
    assert (asked.face_detector, asked.frames) == ("mediapipe", 200)
    assert ScanConfig().settled().face_detector == "auto"


def test_a_video_is_never_held_in_memory(whole, clip, tmp_path):
    result, _ = whole
    assert len(result.thumbs) <= 48
    assert len(result.exhibits) <= 6 * len(result.tracks)
    bare = scan(clip, tiny_config(tmp_path, frames=4, pictures=False))
    assert (bare.thumbs, bare.exhibits) == ((), ())


def test_files_come_back_in_order_and_a_bad_one_is_a_row(clip, picture, tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("this is no video")
    absent = tmp_path / "absent.mp4"
    files = [clip, text, absent, tmp_path, picture]
    seen = []
    found = list(
        scan_files(
            files,
            tiny_config(tmp_path, frames=4),
            progress=lambda done, total, name: seen.append((done, total, name)),
        )
    )
    assert [report.file.path for report in found] == [str(file) for file in files]
    states = ["scanned", "failed", "failed", "failed", "scanned"]
    assert [report.status for report in found] == states
    assert "text.mp4" in found[1].error
    assert "absent.mp4" in found[2].error
    names = [file.name for file in files]
    assert [entry for entry in seen if entry[2] in names] == [
        (number + 1, 5, name) for number, name in enumerate(names)
    ]
    inside = [(done, text) for done, _, text in seen if text not in names]
    assert inside == [(0, f"one.mp4, frame {number} of 4") for number in (1, 2, 3, 4)]


def test_an_error_that_names_no_file_gets_the_name(clip, tmp_path, monkeypatch):
    def fail(*_):
        raise MediaError("no frame")

    monkeypatch.setattr(Scanner, "scan", fail)
    (failure,) = scan_files([clip], tiny_config(tmp_path))
    assert failure.error == f"{clip}: no frame"


@pytest.mark.slow
def test_many_processes_find_what_one_finds(clip, picture, tmp_path):
    config = tiny_config(tmp_path, frames=4)
    bad = tmp_path / "empty.mp4"
    bad.touch()
    files = [clip, bad, picture]
    alone = list(scan_files(files, config))
    together = list(scan_files(files, config, jobs=2))
    assert [r.status for r in together] == [r.status for r in alone]
    assert together[0].tracks == alone[0].tracks
    assert together[2].tracks == alone[2].tracks


def test_a_detector_that_cannot_be_used_ends_the_run_at_once(clip, tmp_path):
    config = ScanConfig(detector=str(tmp_path / "absent.onnx"))
    with pytest.raises(DetectorError, match="absent"):
        list(scan_files([clip, clip], config, jobs=2))


def test_a_bad_file_raises_when_it_is_the_only_one(tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(MediaError, match=r"bad\.png"):
        Scanner(tiny_config(tmp_path)).scan(bad)


@pytest.mark.slow
def test_the_phases_add_up_to_no_more_than_the_total(clip, tmp_path):
    timings = dict(scan(clip, tiny_config(tmp_path, frames=4)).timings_s)
    total = timings.pop("total")
    assert {"probe", "decode_wait", "find_faces", "align_and_link", "score"} <= set(timings)
    assert sum(timings.values()) <= total + 0.01
