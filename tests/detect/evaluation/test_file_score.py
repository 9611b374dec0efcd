"""A labelled file's logit is the detector's, or that of detector and cues together."""

from __future__ import annotations

import pytest
from drawn_reports import a_cue, a_report

from counterface.detect.evaluation.file_score import measured_fields
from counterface.detect.pool import calibrate
from counterface.detect.scanning.joint import join


def test_the_logit_holds_what_the_cues_add():
    report = a_report("clip.mp4", [0.5, 1.5, 1.0, 1.0])
    assert measured_fields(report)["logit"] == pytest.approx(1.0)
    track, calibration = report.tracks[0], report.detector.calibration
    score, said = join(track.score, [a_cue(-0.8)], calibration)
    joint = track.model_copy(update={"score": score, "contributions": said})
    fields = measured_fields(report.model_copy(update={"tracks": (joint,)}))
    assert fields["logit"] < 1.0
    assert float(calibrate(fields["logit"], calibration)) == pytest.approx(fields["probability"])
