"""What all commands share: `--json`, help that says something, no flag that makes no sense."""

from __future__ import annotations

from functools import reduce
from io import StringIO
from operator import getitem

import pytest
from rich.console import Console

from counterface.apps.cli.app import build_app
from counterface.apps.cli.main import CONTINUES, NOUNS
from counterface.apps.cli.reference import list_commands

APP = build_app()
EVERY = [(reduce(getitem, words, APP), words) for noun in NOUNS for words in list_commands(noun)]
pytestmark = pytest.mark.parametrize(
    ("command", "words"), EVERY, ids=[" ".join(w) for _, w in EVERY]
)


def test_it_has_json_and_a_sentence_of_help(command, words):
    names = {n for a in command.assemble_argument_collection() for n in a.names}
    assert "--json" in names
    assert len(command.help.split()) > 3


def test_its_help_shows_no_flag_that_makes_no_sense(command, words):
    out = StringIO()
    APP.help_print(words, console=Console(file=out, width=110, color_system=None))
    shown = {word.rstrip(",") for word in out.getvalue().split() if word.startswith("--")}
    assert "--json" in shown
    assert not {flag for flag in shown if "empty-" in flag}
    assert not {flag for flag in shown if flag.endswith("-s") and flag.count("-") == 3} & {
        "--from-s",
        "--to-s",
    }
    defaults = {
        n: a.field_info.default for a in command.assemble_argument_collection() for n in a.names
    }
    assert not {flag for flag in shown if flag.startswith("--no-") and defaults[flag] is not True}


def test_its_help_and_an_interruption_agree_on_whether_it_continues(command, words):
    text = " ".join(command.help.split())
    continues = "un again to continue" in text or "stopped continues" in text
    assert continues == (tuple(words) in CONTINUES)
