"""What the studio offers is what the command line takes, and files are places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from counterface.apps.cli.app import build_app
from counterface.apps.cli.main import NOUNS
from counterface.apps.cli.reference import list_commands
from counterface.apps.studio.commands import LEFT_OUT, LONG, list_offered, read_command, words_of
from counterface.apps.studio.places import PlaceError, Places
from counterface.errors import ConfigError

EVERY = {" ".join(words) for noun in NOUNS for words in list_commands(noun)}


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    folder = tmp_path / "lab"
    folder.mkdir()
    return folder


@pytest.fixture
def places(lab: Path) -> Places:
    return Places([lab], {})


def test_every_command_is_offered_or_left_out() -> None:
    assert EVERY >= LEFT_OUT
    assert EVERY >= LONG
    assert set(list_offered()) == EVERY - LEFT_OUT


@pytest.mark.parametrize("name", list_offered())
def test_every_command_can_be_read(name: str) -> None:
    command = read_command(name)
    assert command.help
    names = [option.name for option in (*command.arguments, *command.options)]
    assert len(names) == len(set(names))
    assert "json" not in names
    assert all(option.help for option in command.options), name
    assert all(option.choices for option in command.options if option.kind == "choice")


def test_options_have_kinds_bounds_and_defaults() -> None:
    options = {one.name: one for one in read_command("faceset extract").options}
    assert (options["size"].kind, options["size"].default) == ("integer", 256)
    assert (options["size"].least, options["size"].most) == (64, 1024)
    assert options["template"].choices == ("face", "whole_face", "head")
    assert (options["like"].kind, options["like"].many) == ("place", True)
    assert options["rights.basis"].kind == "choice"
    assert (options["max-outside"].kind, options["max-outside"].most) == ("number", 1)
    source, out = read_command("faceset extract").arguments
    assert (source.name, source.kind, source.required) == ("source", "place", True)
    assert out.name == "out"


def test_words_are_understood_by_the_command(places: Places, lab: Path) -> None:
    words = words_of(
        "faceset extract",
        ["lab/clip.mp4", "lab/-odd"],
        {
            "size": 128,
            "like": ["lab/a.jpg", "lab/b.jpg"],
            "masks": "xseg:lab/net.onnx",
            "rights.shown": "Jane / Joan",
            "rights.basis": "consent",
            "rights.reference": "https://example.org/release",
        },
        places,
    )
    _, bound, _ = build_app(["faceset"]).parse_args(words, exit_on_error=False, print_error=False)
    config = bound.arguments["config"]
    assert bound.arguments["out"] == lab / "-odd"
    assert config.like == (lab / "a.jpg", lab / "b.jpg")
    assert (config.size, config.masks) == (128, f"xseg:{lab}/net.onnx")
    assert config.rights.shown == "Jane / Joan"
    assert config.rights.reference == "https://example.org/release"


def test_flags_that_stand_are_taken_back(places: Places) -> None:
    words = words_of("scan", ["lab/a.jpg"], {"marks": False, "thorough": True}, places)
    assert {"--no-marks", "--thorough"} <= set(words)


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("scan", ["/etc/passwd"], {}),
        ("scan", ["lab/../../etc"], {}),
        ("scan", ["lab/a.jpg"], {"html": "/tmp/x.html"}),
        ("scan", ["lab/a.jpg"], {"detector": "/etc/passwd"}),
        ("scan", ["lab/a.jpg"], {"face-detector": "yunet:/etc/passwd"}),
        ("faceset extract", ["lab/a.mp4", "lab/out"], {"like": ["lab/a.jpg", "/etc/x.jpg"]}),
        ("swap train", [], {"set": {"source": ["/etc"], "out": "lab/run"}}),
        ("swap train", [], {"set": {"identities": {"jane": ["lab/../../x"]}}}),
        ("swap train", [], {"identity": ["jane=/etc"]}),
    ],
)
def test_no_option_names_a_file_elsewhere(
    places: Places, name: str, arguments: list[str], options: dict[str, Any]
) -> None:
    with pytest.raises(PlaceError):
        words_of(name, arguments, options, places)


@pytest.mark.parametrize(
    ("name", "arguments", "options", "said"),
    [
        ("scanning", [], {}, "no command"),
        ("weights fetch", ["x"], {}, "no command"),
        ("scan", [], {}, "requires an argument"),
        ("scan", ["lab/a.jpg"], {"frame": 3}, "did you mean"),
        ("scan", ["lab/a.jpg"], {"frames": "many"}, "--frames"),
        ("scan", ["lab/a.jpg"], {"frames": 0}, "frames"),
        ("scan", ["lab/a.jpg"], {"marks": "no"}, "true or false"),
        ("scan", ["lab/a.jpg"], {"frames": [1, 2]}, "takes one"),
        ("faceset info", ["lab/a", "lab/b"], {}, "takes no such argument"),
        ("swap train", [], {"set": {"out = 1\nsource": 1}}, "no name of a setting"),
        ("swap train", [], {"set": ["out=1"]}, "table of settings"),
    ],
)
def test_what_cannot_be_run_is_told_before_it_waits(
    places: Places, name: str, arguments: list[str], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        words_of(name, arguments, options, places)


def test_settings_of_a_recipe_become_words(places: Places, lab: Path) -> None:
    settings = {
        "model": "original",
        "source": ["lab/jane"],
        "loop": {"steps": 20, "device": "cpu"},
        "identities": {"jane doe": ["lab/jane"]},
        "preset": None,
    }
    words = words_of("swap train", [], {"set": settings}, places)
    assert f'--set=source=["{lab}/jane"]' in words
    assert "--set=loop.steps=20" in words
    assert f'--set=identities."jane doe"=["{lab}/jane"]' in words
    assert not [word for word in words if "preset" in word]
