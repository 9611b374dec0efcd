"""The command as a whole: what it loads, how it fails, what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from counterface.apps.cli import output
from counterface.apps.cli.main import EXIT_INTERRUPTED, NOUNS, build_app, main
from counterface.errors import FacesetError


def test_help_lists_every_noun_without_importing_one():
    program = (
        "import sys; from counterface.apps.cli.main import main; code = main(['--help'])\n"
        "loaded = [m for m in sys.modules if m.startswith('counterface.')]\n"
        "heavy = {'torch', 'cv2', 'numpy', 'av', 'onnxruntime'} & set(sys.modules)\n"
        "print('LOADED', sorted(loaded), sorted(heavy), code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=250
    )
    assert all(noun in done.stdout for noun in NOUNS)
    loaded = done.stdout.split("LOADED")[1]
    assert loaded.strip().endswith("[] 0")
    assert not any(f"cli.{noun}'" in loaded for noun in NOUNS)


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["faceset", "extract"],
        ["faceset", "extract", "a", "b", "--evry", "2"],
        ["faceset", "extract", "a", "b", "--every", "0"],
        ["faceset", "extract", "a", "b", "--rights.basis", "hearsay"],
        ["faceset", "info", "/nowhere"],
        ["weights", "path", "nme"],
    ],
)
def test_wrong_usage_is_one_line_on_stderr_and_code_one(words, capsys: pytest.CaptureFixture[str]):
    assert main(words) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert printed.err.startswith("counterface: ")
    assert "pydantic.dev" not in printed.err


def test_a_mistyped_flag_is_answered_with_the_right_one(capsys: pytest.CaptureFixture[str]):
    main(["faceset", "extract", "a", "b", "--evry", "2"])
    assert "--every" in capsys.readouterr().err


def test_an_interruption_says_how_to_go_on(monkeypatch, capsys: pytest.CaptureFixture[str]):
    from counterface.faceset import inspect

    def interrupt(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(inspect, "describe", interrupt)
    assert main(["faceset", "info", "x"]) == EXIT_INTERRUPTED
    assert "again" in capsys.readouterr().err


def test_a_hostile_text_cannot_move_the_cursor(monkeypatch, capsys: pytest.CaptureFixture[str]):
    from counterface.faceset import inspect

    def fail(folder: Path) -> None:
        raise FacesetError("bad \x1b[2J name\nsecond line \udcff")

    monkeypatch.setattr(inspect, "describe", fail)
    assert main(["faceset", "info", "x"]) == 1
    err = capsys.readouterr().err
    assert err == "counterface: bad \\x1b[2J name second line \\udcff\n"


def test_every_command_has_json_and_a_sentence_of_help():
    app = build_app()

    def commands(node, words):
        verbs = [name for name in node if not name.startswith("-")]
        if not verbs:
            yield node, words
        for verb in verbs:
            yield from commands(node[verb], [*words, verb])

    for noun in ("faceset", "weights"):
        for command, words in commands(app[noun], [noun]):
            names = {n for a in command.assemble_argument_collection() for n in a.names}
            assert "--json" in names, words
            assert command.help, words


@dataclass
class Facts:
    path: Path
    pts: Fraction
    numbers: np.ndarray


def test_json_lines_hold_the_librarys_values(capsys: pytest.CaptureFixture[str]):
    output.print_json({"facts": Facts(Path("a"), Fraction(1, 4), np.array([1.5], np.float32))})
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert json.loads(line) == {"facts": {"path": "a", "pts": 0.25, "numbers": [1.5]}}


def test_json_holds_a_name_that_is_no_utf8(capsys: pytest.CaptureFixture[str]):
    output.print_json({"name": "ä\udcff"})
    line = capsys.readouterr().out
    line.encode()
    assert json.loads(line)["name"] == "ä\udcff"


def test_json_has_no_nan():
    with pytest.raises(ValueError):
        output.print_json({"score": float("nan")})


def test_progress_elsewhere_than_on_a_terminal_is_plain_lines_on_stderr(
    monkeypatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(output, "LINE_EVERY_S", 0.0)
    with output.progress("extract") as report:
        report(3, 10, "clip\x1b.mp4")
        report(4, None, "clip.mp4")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == ["extract: 3/10 clip\\x1b.mp4", "extract: 4 clip.mp4"]
