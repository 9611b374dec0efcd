"""`counterface scan`: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json

import actors
import pytest
from tiny_detector import metadata, write_detector

from counterface.apps.cli.main import main
from counterface.media.image import write_image
from counterface.report.schema import Report


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
    reports = [Report.model_validate_json(x) for x in capsys.readouterr().out.splitlines()]
    assert [report.file.name for report in reports] == ["clip.mp4", "face.png"]
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


def test_words_say_the_verdict_why_and_what_was_not_checked(desk, capsys):
    assert scan(desk, desk / "media") == 0
    printed = capsys.readouterr().out
    assert "interval" in printed
    assert "The score is" in printed
    assert "2 files:" in printed
    assert "sound and motion were not" in printed
    marks = [line for line in printed.splitlines() if "Marks of origin" in line]
    assert len(marks) == 2
    assert "No content credentials, no watermark looked for" in marks[0]


def test_the_page_is_written_with_and_without_pictures(desk, tmp_path, capsys):
    assert scan(desk, desk / "media", "--html", tmp_path / "with.html") == 0
    assert scan(desk, desk / "media", "--html", tmp_path / "bare.html", "--no-pictures") == 0
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
        (["x.mp4", "--jobs", "0"], "jobs"),
    ],
)
def test_wrong_use_is_one_line_and_code_one(words, reason, capsys):
    assert main(["scan", *words]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert reason in printed.err
    assert len(printed.err.splitlines()) == 1
