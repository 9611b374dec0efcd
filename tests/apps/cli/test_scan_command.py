"""`counterface scan`: what it prints, what it writes, how it ends."""

from __future__ import annotations

import csv
import io
import json
import os
import sys

import actors
import pytest
from drawn_reports import a_cue, a_report, a_weighed
from tiny_detector import metadata, write_detector

from counterface.apps.cli.main import main
from counterface.apps.cli.scan import describe
from counterface.detect.findings import Notice, Part, Report
from counterface.errors import MediaError
from counterface.media.image import write_image
from counterface.media.tags.metadata import Metadata, Place


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A detector, and a folder with a clip, a picture below it, and a file of another kind."""
    folder = tmp_path_factory.mktemp("desk")
    write_detector(folder / "tiny.onnx", metadata())
    media = folder / "media"
    (media / "below").mkdir(parents=True)
    actors.write_clip(media / "clip.mp4", actors.draw_clip([1], 6, 320, 240))
    write_image(media / "below" / "face.png", actors.draw_actor(2, size=256).image)
    (media / "notes.txt").write_text("not media")
    return folder


def scan(desk, *words):
    return main(["scan", *map(str, words), "--detector", str(desk / "tiny.onnx")])


def test_a_folder_gives_one_json_line_a_file(desk, capsys):
    assert scan(desk, desk / "media", "--json") == 0
    said = capsys.readouterr()
    reports = [Report.model_validate_json(x) for x in said.out.splitlines()]
    assert [report.file.name for report in reports] == ["clip.mp4", "face.png"]
    assert "1 other file in the folders was left out" in said.err
    assert ": 1 .txt" in said.err
    assert {report.status for report in reports} == {"scanned"}


def test_globs_are_followed_to_any_depth(desk, capsys):
    assert scan(desk, f"{desk}/media/**/*.png", "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["file"]["name"] == "face.png"


def test_one_bad_file_is_a_row_and_the_code_is_two(desk, tmp_path, capsys):
    bad = tmp_path / "bad.mp4"
    bad.write_text("not a video")
    assert scan(desk, bad, desk / "media" / "below", "--json") == 2
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["status"], first["verdict"]) == ("failed", None)
    assert "bad.mp4" in first["error"]
    assert second["status"] == "scanned"
    assert scan(desk, bad) == 2
    assert "judged" not in capsys.readouterr().out


def test_words_say_the_verdict_why_and_what_was_not_checked(desk, capsys):
    assert scan(desk, desk / "media") == 0
    printed = capsys.readouterr().out
    assert "interval" in printed
    assert "The score is" in printed
    assert "2 files:" in printed
    assert "only faces and speech were judged" in printed
    marks = [line for line in printed.splitlines() if "Marks of origin" in line]
    assert len(marks) == 2
    assert marks[0].endswith("No content credentials.")  # no key, no registry: nothing to look for


def test_the_page_is_written_with_and_without_pictures(desk, tmp_path, capsys):
    face = desk / "media" / "below" / "face.png"
    assert scan(desk, face, "--html", tmp_path / "with.html") == 0
    assert scan(desk, face, "--html", tmp_path / "bare.html", "--no-pictures") == 0
    assert "data:image/jpeg" in (tmp_path / "with.html").read_text(encoding="utf-8")
    assert "data:image/jpeg" not in (tmp_path / "bare.html").read_text(encoding="utf-8")
    assert str(tmp_path / "with.html") in capsys.readouterr().out


@pytest.mark.parametrize("name", ["two\nlines.png", "-dash.png", "quote'\".png"])
def test_names_of_every_kind_are_scanned_and_printed_safely(
    desk, tmp_path, capsys, monkeypatch, name
):
    write_image(tmp_path / "plain.png", actors.draw_actor(2, size=256).image)
    (tmp_path / "plain.png").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    detector = str(desk / "tiny.onnx")
    assert main(["scan", "--json", "--detector", detector, "--", name]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["file"]["name"] == name
    assert main(["scan", "--detector", detector, "--", name]) == 0
    assert not any(line == "lines.png" for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "PATHS"),
        (["x.mp4", "--frames", "0"], "frames"),
        (["x.mp4", "--detector", "/nowhere.onnx"], "nowhere"),
        (["x.mp4", "--html", "/nowhere/at/all.html"], "does not exist"),
        (["x.mp4", "--html", "/"], "is a folder"),
        (["x.mp4", "--html", "/dev/null"], "no regular file"),
        (["x.mp4", "--html", "clip.mp4"], "picture or video"),
        (["x.mp4", "--csv", "/nowhere/at/all.csv"], "does not exist"),
        (["x.mp4", "y.mp4", "--html", "out.csv"], "page one in .html"),
        (["x.mp4", "--jobs", "0"], "jobs"),
    ],
)
def test_wrong_use_is_one_line_and_code_one(words, reason, capsys):
    assert main(["scan", *words]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert reason in printed.err
    assert len(printed.err.splitlines()) == 1


class Stopped(list):
    """Outcomes of which the next one never comes."""

    def __init__(self, outcomes, error):
        super().__init__(outcomes)
        self.error = error

    def scan_files(self, files, config, **_):
        yield from self
        raise self.error


def drawn(*names):
    return [a_report(name, [2.0, 3.0, 2.5]) for name in names]


def rows(path):
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_what_was_scanned_is_written_when_somebody_stops_the_work(tmp_path, capsys, monkeypatch):
    stopped = Stopped(drawn("a.mp4", "b.mp4"), KeyboardInterrupt())
    monkeypatch.setattr("counterface.detect.scanning.scan_files.scan_files", stopped.scan_files)
    page = tmp_path / "page.html"
    assert main(["scan", "a.mp4", "b.mp4", "c.mp4", "--html", str(page)]) == 130
    assert "2 files" in page.read_text(encoding="utf-8")
    assert [row["file"] for row in rows(tmp_path / "page.csv")] == ["a.mp4", "b.mp4"]
    told = capsys.readouterr().err
    assert "2 of 3 files scanned" in told
    assert str(page) in told
    assert "again" not in told  # it would begin anew


def test_nothing_scanned_leaves_an_older_page_alone(tmp_path, monkeypatch):
    stopped = Stopped([], KeyboardInterrupt())
    monkeypatch.setattr("counterface.detect.scanning.scan_files.scan_files", stopped.scan_files)
    (tmp_path / "page.html").write_text("older")
    assert main(["scan", "a.mp4", "--html", str(tmp_path / "page.html")]) == 130
    assert (tmp_path / "page.html").read_text() == "older"


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_the_page_is_written_when_the_console_goes_away(tmp_path, monkeypatch, as_json):
    outcomes = drawn("a.mp4", "b.mp4")
    monkeypatch.setattr(
        "counterface.detect.scanning.scan_files.scan_files", lambda *_, **__: (x for x in outcomes)
    )
    reader, writer = os.pipe()
    os.close(reader)
    page = tmp_path / "page.html"
    with open(writer, "w", encoding="utf-8") as console:  # noqa: PTH123  (a descriptor)
        monkeypatch.setattr(sys, "stdout", console)
        assert main(["scan", "a.mp4", "b.mp4", "--html", str(page), *as_json]) == 0
    assert "2 files" in page.read_text(encoding="utf-8")


def test_a_console_that_is_not_utf8_loses_nothing(tmp_path, monkeypatch):
    outcomes = drawn("\U0001f600.png", "b.png")
    monkeypatch.setattr(
        "counterface.detect.scanning.scan_files.scan_files", lambda *_, **__: (x for x in outcomes)
    )
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252"))
    assert main(["scan", "a", "b", "--html", str(tmp_path / "page.html")]) == 0
    assert "\U0001f600.png" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert b"\\U0001f600.png" in raw.getvalue()


def test_the_table_lies_beside_the_page_of_several_files_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "counterface.detect.scanning.scan_files.scan_files",
        lambda files, *_, **__: (x for x in drawn(*(file.name for file in files))),
    )
    assert main(["scan", "a.mp4", "--html", str(tmp_path / "one.html")]) == 0
    assert main(["scan", "a.mp4", "=b.mp4", "--html", str(tmp_path / "two.html")]) == 0
    assert main(["scan", "a.mp4", "--csv", str(tmp_path / "alone.csv")]) == 0
    assert not (tmp_path / "one.csv").exists()
    assert [row["file"] for row in rows(tmp_path / "two.csv")] == ["a.mp4", "'=b.mp4"]
    assert [row["kind"] for row in rows(tmp_path / "alone.csv")] == ["video"]
    (tmp_path / "own.csv").write_text("a,b\n1,2\n")
    assert main(["scan", "a.mp4", "b.mp4", "--html", str(tmp_path / "own.html")]) == 1
    assert (tmp_path / "own.csv").read_text() == "a,b\n1,2\n"


def test_a_name_as_long_as_the_file_system_takes_is_scanned(desk, tmp_path, capsys):
    name = "y" * 251 + ".png"
    write_image(tmp_path / "plain.png", actors.draw_actor(2, size=256).image)
    (tmp_path / "plain.png").rename(tmp_path / name)
    assert scan(desk, tmp_path / name, tmp_path / ("z" * 300 + ".png"), "--json") == 2
    good, bad = map(json.loads, capsys.readouterr().out.splitlines())
    assert good["status"] == "scanned"
    assert good["provenance"]["record"]["state"] == "none"
    assert "too long" in bad["error"]


def test_words_name_the_number_and_say_first_what_changes_its_worth(monkeypatch, capsys):
    notices = (
        Notice(code="brief", text="Seen briefly.", track=1),
        Notice(code="hdr", text="Made for HDR\x1b[2J.", level="trust"),
    )
    found = Metadata(camera="Canon \u202e", place=Place(latitude=1.5, longitude=-2.25))
    report = a_report("a.mp4", [9.0, 9.1, 9.2], notices=notices, metadata=found)
    monkeypatch.setattr(
        "counterface.detect.scanning.scan_files.scan_files", lambda *_, **__: (x for x in [report])
    )
    assert main(["scan", "a.mp4"]) == 0
    _, head, first, *rest = capsys.readouterr().out.splitlines()
    assert head.startswith("  LIKELY MANIPULATED   probability of manipulation: ")
    assert first == "  ! Made for HDR\\x1b[2J."
    assert "  ! Face 2: Seen briefly." in rest
    assert "  The file says of itself: camera Canon \\u202e; place 1.500000, -2.250000." in rest


def test_words_tell_what_each_witness_says_and_what_the_line_promises():
    lines = describe(a_weighed("fake.mp4", [3.0, 3.1, 3.0], [2.5, 0.1]))
    assert "score for manipulation: 95%" in lines[1]
    assert lines[3].endswith("from the worst of 3 sources, at most 5% score above the line at 80%.")
    assert lines[4].startswith("    'witness 0', which looks for bright faces, speaks for manip")
    assert lines[5].endswith("speaks neither for nor against manipulation (+0.1).")
    torn = describe(a_weighed("torn.mp4", [3.0, 3.1, 3.0], [2.5, -2.5]))
    assert torn[1] == "  Inconclusive"
    assert "two witnesses contradict each other" in torn[2]
    never = describe(a_weighed("dull.mp4", [3.0, 3.1, 3.0], [2.5, 2.5], line=1.0))
    assert "Inconclusive   score" in never[1]
    assert "No face of this quality is called likely manipulated" in never[3]


def test_words_give_no_number_that_may_not_be_relied_on():
    report = a_report("a.mp4", [9.0, 9.1, 9.2])
    unsure = report.model_copy(
        update={"headline": report.headline.model_copy(update={"number": None})}
    )
    assert "%" in describe(report)[1]
    assert "%" not in describe(unsure)[1]


def test_a_page_that_cannot_be_written_in_the_end_does_not_cost_the_table(
    tmp_path, capsys, monkeypatch
):
    outcomes = drawn("a.mp4", "b.mp4")

    def full(*_: object) -> None:
        raise MediaError("page.html: the report cannot be written (No space left on device)")

    monkeypatch.setattr(
        "counterface.detect.scanning.scan_files.scan_files", lambda *_, **__: (x for x in outcomes)
    )
    monkeypatch.setattr("counterface.report.html.write_html", full)
    assert main(["scan", "a.mp4", "b.mp4", "--html", str(tmp_path / "page.html")]) == 1
    assert len(rows(tmp_path / "page.csv")) == 2
    assert "No space left" in capsys.readouterr().err


def test_words_tell_picture_sound_and_match_apart_and_the_cues():
    report = a_report("clip.mp4", [1.0] * 8)
    track = report.tracks[0].model_copy(
        update={"cues": (a_cue(1.0), a_cue(None, says="no weight"))}
    )
    parts = (
        Part(name="picture", says="undecided", text="Left open."),
        Part(name="match", says="in doubt", text="It may be dubbed."),
    )
    told = {"tracks": (track,), "parts": parts, "sound_cues": (a_cue(1.0, text="A voice."),)}
    lines = describe(report.model_copy(update=told))
    assert "  Picture: undecided. Left open." in lines
    assert "  Lips and sound: in doubt. It may be dubbed." in lines
    assert lines[lines.index("  Cues:") + 1 :][:2] == ["    It says so.", "    A voice."]
