import json
from pathlib import Path
from typing import Any

from drawn_reports import a_failure, a_report, a_still, a_weighed

from counterface.detect.findings import SCHEMA_VERSION, Report
from counterface.report.schema import json_schema

TESTS = Path(__file__).resolve().parents[1]
COMMITTED = TESTS.parent / "docs" / "report.schema.json"
BEFORE = (TESTS / "cases" / "reports.jsonl").read_text(encoding="utf-8").splitlines()


def test_the_committed_schema_is_the_one_of_the_code():
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == json_schema(), (
        "the schema changed: run 'python -m counterface.report.schema docs/report.schema.json'"
    )


def test_a_report_survives_its_json():
    report = a_report("clip.mp4", [2.0, 3.0, 2.5, 2.0], [-3.0, -2.0, -3.0, -2.0])
    again = Report.model_validate_json(report.to_json())
    assert again == report
    assert again.to_json() == report.to_json()


def test_reports_of_before_are_read_and_written_as_they_were():
    for line in BEFORE:
        written = json.loads(Report.model_validate_json(line).to_json())
        assert without_newer(written, json.loads(line)) == json.loads(line)


def without_newer(written: Any, before: Any) -> Any:
    """The value without fields that came later, which are empty in what was written before."""
    if isinstance(written, list) and isinstance(before, list):
        return [without_newer(a, b) for a, b in zip(written, before, strict=True)]
    if not isinstance(written, dict) or not isinstance(before, dict):
        return written
    newer = written.keys() - before.keys()
    assert all(written[name] in (None, []) for name in newer)
    return {name: without_newer(written[name], before[name]) for name in written.keys() - newer}


def test_reports_are_made_as_before():
    made = (
        a_report("clip.mp4", [1.0, 2.0, -1.0], [-3.0, -2.5, -2.0]),
        a_weighed("weighed.mp4", [2.0, 2.5], [1.5, 0.5]),
        a_still("still.jpg", [0.5]),
        a_still("empty.jpg"),
        a_failure("gone\udcff.mp4", "gone\udcff.mp4: no such file"),
    )
    for report, line in zip(made, BEFORE, strict=False):
        assert report == Report.model_validate_json(line).model_copy(
            update={"tool": report.tool, "schema_version": SCHEMA_VERSION}
        )


def test_json_is_one_line_and_carries_no_picture():
    text = a_report("clip.mp4", [2.0] * 8).to_json()
    assert "\n" not in text
    assert "jpeg" not in text
    assert len(text) < 10_000


def test_json_fits_the_published_schema():
    schema = json_schema()
    for report in (a_report("clip.mp4", [2.0, 1.0]), a_failure("x.mp4", "broken")):
        document = json.loads(report.to_json())
        assert set(document) == set(schema["properties"])
        assert set(schema["required"]) <= set(document)
        assert document["schema_version"] == SCHEMA_VERSION


def test_pictures_travel_beside_the_report():
    report = a_report("clip.mp4", [2.0] * 8)
    assert len(report.thumbs) == 8
    assert Report.model_validate_json(report.to_json()).thumbs == ()


def test_a_failed_scan_has_no_verdict_and_no_score():
    report = a_failure("clip.mp4", "clip.mp4 is cut short")
    assert (report.status, report.verdict, report.score) == ("failed", None, None)
    assert report.error == "clip.mp4 is cut short"


def test_a_name_that_is_no_utf8_can_be_written():
    report = a_failure("bad\udcff.mp4", "bad\udcff.mp4 is cut short")
    assert json.loads(report.to_json())["file"]["name"] == "bad\\xff.mp4"
