"""The command as a whole: what it loads, how it fails, what it prints."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterface import __version__
from counterface.apps.cli import output
from counterface.apps.cli.app import build_app
from counterface.apps.cli.main import EXIT_INTERRUPTED, NOUNS, main
from counterface.errors import ConfigError, FacesetError

LIGHT = "torch cv2 numpy av onnxruntime pydantic rich.markdown"


@pytest.mark.parametrize(
    ("words", "shown", "absent"),
    [
        ([], list(NOUNS), f"{LIGHT} cyclopts"),
        (["--help"], list(NOUNS), f"{LIGHT} cyclopts"),
        (["--version"], [__version__], f"{LIGHT} cyclopts rich"),
        (["detect", "--help"], ["calibrate", "robustness"], LIGHT),
    ],
)
def test_an_overview_is_shown_without_importing_what_takes_long(words, shown, absent):
    program = (
        "import sys; from counterface.apps.cli.main import main; code = main(sys.argv[2:])\n"
        "print('LOADED', sorted(set(sys.argv[1].split()) & set(sys.modules)), code)"
    )
    command = [sys.executable, "-c", program, absent, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=250)
    assert all(text in done.stdout for text in shown)
    assert done.stdout.splitlines()[-1] == "LOADED [] 0"


@pytest.mark.parametrize("columns", ["60", "96"])
def test_the_overview_is_the_help_page_that_cyclopts_would_print(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    pages = []
    for print_page in (lambda: main(["--help"]), lambda: build_app().help_print([])):
        print_page()
        pages.append([line.rstrip() for line in capsys.readouterr().out.splitlines()])
    assert pages[0] == pages[1]


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


def test_a_spare_argument_is_named_in_words(capsys: pytest.CaptureFixture[str]):
    assert main(["demo", "out", "more"]) == 1
    assert capsys.readouterr().err == (
        "counterface: 'out', 'more': the command takes no such argument; see its --help\n"
    )


def test_an_interruption_says_how_to_go_on(monkeypatch, capsys: pytest.CaptureFixture[str]):
    from counterface.faceset import extract, inspect

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(inspect, "describe", interrupt)
    assert main(["faceset", "info", "x"]) == EXIT_INTERRUPTED
    assert capsys.readouterr().err == "counterface: interrupted\n"  # nothing would continue
    monkeypatch.setattr(inspect, "describe", None)
    monkeypatch.setattr(extract, "extract", interrupt)
    assert main(["faceset", "extract", "x", "y"]) == EXIT_INTERRUPTED
    assert "run the same command again" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.parametrize("module", ["counterface.apps.cli.main", "cyclopts"])
def test_an_interruption_during_the_imports_is_one_line(module: str):
    program = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored behind `nohup ... &`
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from counterface.__main__ import run\n"
        "sys.argv[1:] = ['weights', 'list']\n"
        "sys.exit(run())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=250)
    assert (done.returncode, done.stderr) == (EXIT_INTERRUPTED, b"counterface: interrupted\n")


def test_a_hostile_text_cannot_move_the_cursor(monkeypatch, capsys: pytest.CaptureFixture[str]):
    from counterface.faceset import inspect

    def fail(folder: Path) -> None:
        raise FacesetError("bad \x1b[2J name\nsecond line \udcff")

    monkeypatch.setattr(inspect, "describe", fail)
    assert main(["faceset", "info", "x"]) == 1
    err = capsys.readouterr().err
    assert err == "counterface: bad \\x1b[2J name second line \\udcff\n"


def test_a_result_is_told_in_lines_or_as_json_and_gives_the_exit_code(capsys):
    lines = ["  a  table", "two\nlines \x1b[2J \u202e"]
    assert output.tell({"n": 1}, lines, json_output=False) == 0
    assert capsys.readouterr().out == "  a  table\ntwo lines \\x1b[2J \\u202e\n"
    unread = (pytest.fail("read") for _ in range(1))
    assert output.tell([{"n": 1}, {"n": 2}], unread, json_output=True, failed=["x"]) == 2
    assert capsys.readouterr().out == '{"n": 1}\n{"n": 2}\n'


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


NAMES = st.text(st.characters(exclude_characters="\x00"), max_size=30)
FORBIDDEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


@given(name=NAMES)
def test_no_name_reaches_the_console_with_controls_or_what_turns_text(name):
    for text in (output.printable(name), output.printable(f"{name}\x9b2J\u202e{name}")):
        assert not FORBIDDEN.search(text)


@given(name=NAMES)
def test_json_escapes_them_and_reads_back_the_same(name):
    value = {"name": f"{name}\x7f\x85\x9b\u202e\u2028\udcff"}
    with contextlib.redirect_stdout(io.StringIO()) as console:
        output.print_json(value)
    line = console.getvalue()
    assert line.isascii()
    assert not FORBIDDEN.search(line.rstrip("\n"))
    assert json.loads(line) == value


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_console_that_lacks_a_character_shows_an_escape(monkeypatch, encoding):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, newline="\n"))
    output.guard_console()
    sys.stdout.write("\U0001f600 caf\u00e9 \udcff\n")
    output.print_json({"name": "\U0001f600 \u00e9"})
    sys.stdout.flush()
    words, line = raw.getvalue().decode(encoding).splitlines()
    assert ("\\U0001f600" in words) == (encoding != "utf-8")
    assert words.endswith("\\udcff")
    assert json.loads(line) == {"name": "\U0001f600 \u00e9"}


def test_a_place_for_a_file_is_checked_before_the_work(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, why in (
        ("folder", "is a folder"),
        (".", "is a folder"),
        ("pipe", "no regular file"),
        ("absent/x.html", "does not exist"),
        ("y" * 300 + ".html", "too long"),
        ("pipe/x.html", "does not exist"),
    ):
        with pytest.raises(ConfigError, match=why):
            output.require_place(tmp_path / name, "--html")
    (tmp_path / "old.html").write_text("old")
    output.require_place(tmp_path / "old.html", "--html")
    output.require_place(tmp_path / "new.html", "--html")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "old.html", "pipe"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # root may write anywhere
    with pytest.raises(ConfigError, match="cannot be written: Permission denied"):
        output.require_place(tmp_path / "x.html", "--html")


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


class Terminal(io.StringIO):
    """A standard error that a person looks at."""

    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_is_a_bar_with_counts_and_a_harmless_name(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with output.progress("scan") as report:
        report(3, 10, "clip\x9b2J, frame 40 of 900")
        report(4, 10, "[bold]x\u202e")
    shown = sys.stderr.getvalue()
    assert "4 of 10" in shown
    assert "[bold]x\\u202e" in shown
    assert not {"\x9b", "\u202e"} & set(shown)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--frames", "0"], "--frames 0: takes a whole number from 1"),
        (["--limits.cpu-s", "-3"], "--limits.cpu-s -3: takes a number above 0"),
    ],
)
def test_a_refused_flag_is_one_line_with_what_it_takes(words, said, capsys):
    assert main(["scan", *words, "a.mp4"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert "validation" not in line


def test_beside_a_bar_what_goes_to_a_file_goes_there(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with output.progress("scan") as report:
        report(1, 10, "a.mp4")
        output.print_json({"name": "x" * 500})
    assert json.loads(sys.stdout.getvalue()) == {"name": "x" * 500}
    assert "xxx" not in sys.stderr.getvalue()


def test_above_a_bar_a_line_stays_whole(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdout", Terminal())
    line = {"name": "[red]" + "word " * 100}
    with output.progress("scan") as report:
        report(1, 10, "a.mp4")
        output.print_json(line)
    assert json.dumps(line) in sys.stderr.getvalue()
    output.say("after")
    assert sys.stdout.getvalue() == "after\n"


@pytest.mark.skipif(sys.platform != "linux", reason="ulimit -v is Linux's")
def test_a_tight_ulimit_is_named_before_anything_is_imported():
    command = f"ulimit -v 500000; exec {sys.executable} -m counterface --version"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("counterface: ulimit -v 500000 is too little address space; at")


def test_a_low_ulimit_keeps_openblas_to_one_thread(monkeypatch: pytest.MonkeyPatch):
    from counterface import __main__ as entry

    monkeypatch.setattr(sys, "argv", ["counterface", "--version"])
    for room, threads in ((None, None), (entry.AMPLE_KB, None), (entry.LEAST_KB, "1")):
        monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
        monkeypatch.setattr(entry, "address_space_kb", lambda room=room: room)
        assert entry.run() == 0
        assert os.environ.get("OPENBLAS_NUM_THREADS") == threads


CONVERT = ("swap", "convert", "m", "a.mp4", "b.mp4")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("swp",), "no command is named 'swp'; did you mean 'swap'? Known: scan, dataset,"),
        (("weights", "fetch", "x"), "no model file is named 'x'; known: astronaut, centerface,"),
        (
            ("dataset", "index", "dfcd", "x", "--out", "y"),
            "no data set layout is named 'dfcd'; did",
        ),
        ((*CONVERT, "--from", "5", "--to", "2"), "--to 2 s is not after --from 5 s"),
        ((*CONVERT, "--person", "1", "--who", "all"), "--person and --who are given;"),
        ((*CONVERT, "--device", "gqu"), "--device gqu: no device is named 'gqu'; did you mean"),
        ((*CONVERT, "--rights.basis", "x"), "--rights.basis x: must be 'consent', 'licence',"),
        ((*CONVERT, "--rights.basis", "consent"), "--rights.shown: is missing"),
    ],
)
def test_what_is_typed_wrong_is_told_in_the_words_that_were_typed(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
):
    assert main(words) == 1
    told = capsys.readouterr().err
    assert said in told
    assert not [jargon for jargon in ("[", "Input", "_s ", "Field") if jargon in told]


def test_a_recipe_may_follow_the_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    recipe = tmp_path / "r.toml"
    recipe.write_text('modle = "df"\n')
    settings = ("--set", "loop.steps=1", "loop.nope=2", str(recipe), "--source", "a=b")
    for noun in ("swap", "detect"):
        words = settings if noun == "swap" else settings[:4]
        assert main([noun, "train", *words]) == 1
        told = capsys.readouterr().err
        assert "r.toml with the flags given: unknown key" in told
        assert "'modle'" in told
        assert "unknown key 'loop.nope'" in told


def test_an_error_of_the_system_is_told_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from counterface.provenance import signer

    def refuse(*_: object) -> None:
        os.replace(tmp_path / "absent", tmp_path / "there.pem")  # noqa: PTH105

    monkeypatch.setattr(signer, "open_signer", refuse)
    assert main(["provenance", "identity"]) == 1
    told = capsys.readouterr().err
    assert told == f"counterface: {tmp_path / 'there.pem'}: No such file or directory\n"
