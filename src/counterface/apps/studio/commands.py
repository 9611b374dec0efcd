"""The commands as the studio offers them: forms are made from them, and a job is one of them.

What a command takes is read from its own function, so that a page, the interface for programs and
the command line cannot differ. A text with a slash in it names a place (`places.py`), unless it is
free text; commands run in an empty folder, where a name without a slash leads nowhere.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from cyclopts import App, CycloptsError
from cyclopts.argument import Argument
from pydantic import BaseModel, Field

from counterface.apps.cli.app import build_app, describe_misuse
from counterface.apps.cli.main import CONTINUES, NOUNS
from counterface.apps.cli.reference import list_commands
from counterface.apps.studio.places import Places
from counterface.config import Record, toml_key, toml_value
from counterface.errors import ConfigError
from counterface.wording import unknown_name

LEFT_OUT = {  # they ask a package index, start other machines' work, or handle the signing key
    *("cluster scan", "cluster extract"),
    *("weights list", "weights fetch", "weights path"),
    *("provenance identity", "provenance export"),
    *("studio", "demo"),
}
LONG = {  # hours: they wait in a queue of their own, so that a scan does not stand behind them
    *("swap train", "swap convert", "faceset mask train"),
    *("dataset build", "dataset faces", "dataset decoders"),
    *("detect train", "detect fit", "detect lips", "detect speech"),
    *("detect evaluate", "detect robustness"),
}
FREE_TEXT = {"reference", "shown"}  # last parts of options that name no file, whatever is in them
SETTINGS = "set"  # the option of trainings that takes any setting of their recipe

_one_at_a_time = threading.RLock()  # Python 3.11 must not parse code in two threads (gh-106905)

Value = bool | int | float | str
Kind = Literal["flag", "integer", "number", "text", "choice", "place"]


class Option(Record):
    """An argument or option of a command."""

    name: str = Field(description="name, without the dashes in front")
    kind: Kind = Field(description="what it takes")
    many: bool = Field(False, description="whether it takes several")
    required: bool = Field(False, description="whether the command needs it")
    default: Any = Field(None, description="value where it is not given")
    choices: tuple[str, ...] = Field((), description="values of a choice")
    least: float | None = Field(None, description="smallest number")
    most: float | None = Field(None, description="largest number")
    help: str = Field("", description="what it means, with its unit")


class Command(Record):
    """A command of the command line."""

    name: str = Field(description="its words, as 'faceset extract'")
    help: str = Field(description="what it does")
    queue: Literal["quick", "long"] = Field(description="queue in which its jobs wait")
    continues: bool = Field(description="whether the same command goes on where it was stopped")
    arguments: tuple[Option, ...] = Field(description="arguments, in their order")
    options: tuple[Option, ...] = Field(description="options")


@cache
def list_offered() -> tuple[str, ...]:
    """The names of the commands that the studio offers."""
    every = (" ".join(words) for noun in NOUNS for words in list_commands(noun))
    return tuple(name for name in every if name not in LEFT_OUT)


def read_command(name: str) -> Command:
    """What a command takes.

    Raises:
        ConfigError: no command of this name is offered.
    """
    if name not in list_offered():
        raise ConfigError(unknown_name("command", name, list_offered()))
    with _one_at_a_time:
        return _read_command(name)


@cache
def _read_command(name: str) -> Command:
    app = _app_of(name)
    found = app.assemble_argument_collection(parse_docstring=True)
    listed = [one for one in found if one.parse and not one.names[0].startswith("*")]
    options = [_option(one) for one in listed if not _holds_others(one)]
    places = {one.name: one.positional for one in map(_Named, listed)}
    return Command(
        name=name,
        help=str(app.help or "").partition("\n")[0],
        queue="long" if name in LONG else "quick",
        continues=tuple(name.split()) in CONTINUES,
        arguments=tuple(option for option in options if places[option.name]),
        options=tuple(o for o in options if not places[o.name] and o.name != "json"),
    )


def words_of(
    name: str,
    arguments: Sequence[str],
    options: Mapping[str, Any],
    places: Places,
) -> list[str]:
    """The words of a command line that was asked for in the browser, checked as far as can be.

    Args:
        name: of the command.
        arguments: in their order; files are places.
        options: by name; of `set` a table of settings as in a recipe.
        places: what files may be named.

    Raises:
        ConfigError: no such command or option, or a value that it does not take.
        PlaceError: a name leads out of the folders that the user gave.
    """
    command = read_command(name)
    known = {option.name: option for option in command.options}
    words = name.split()
    for key, value in options.items():
        if key not in known:
            raise ConfigError(unknown_name(f"option of '{name}'", key, known))
        words += _words_of_option(known[key], value, places)
    if arguments:
        words.append("--")
    last = command.arguments[-1] if command.arguments else None
    for number, argument in enumerate(arguments):
        option = command.arguments[number] if number < len(command.arguments) else last
        if option is None:
            raise ConfigError(f"{argument!r}: '{name}' takes no argument")
        words.append(_inward(option, str(argument), places))
    require_understood(name, words)
    return words


def require_understood(name: str, words: Sequence[str]) -> dict[str, Any]:
    """What the command's function would be called with by name; refused words wait for no turn.

    Raises:
        ConfigError: an argument is missing, or a value is of no use.
    """
    try:
        with _one_at_a_time:
            app = _app_of_noun(name.split()[0])
            _, bound, _ = app.parse_args(list(words), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise ConfigError(describe_misuse(error)) from error
    return dict(bound.kwargs)


def _words_of_option(option: Option, value: Any, places: Places) -> list[str]:
    flag = f"--{option.name}"
    if option.name == SETTINGS:
        return [f"{flag}={key}={text}" for key, text in _settings(value, "", places)]
    if value is None:
        return []
    if option.kind == "flag":
        if not isinstance(value, bool):
            raise ConfigError(f"{flag} {value!r}: takes true or false")
        return [flag if value else f"--no-{option.name}"] if value != option.default else []
    values = value if option.many and isinstance(value, list) else [value]
    if any(isinstance(one, list | dict | bool) for one in values):
        raise ConfigError(f"{flag} {value!r}: takes {'several texts' if option.many else 'one'}")
    return [f"{flag}={_inward(option, str(one), places)}" for one in values]


def _inward(option: Option, text: str, places: Places) -> str:
    """The text of a value with the place in it, if it names one, as a path."""
    if option.kind == "place":
        return str(places.path(text))
    if option.kind != "text" or option.name.rpartition(".")[2] in FREE_TEXT:
        return text
    return _place_in(text, places)


def _place_in(text: str, places: Places) -> str:
    """A text that may be `PLACE`, `NAME:PLACE` or `NAME=PLACE`, with a path for the place."""
    if "/" not in text and "\\" not in text:
        return text
    head = text[: text.index("/")] if "/" in text else text
    cut = max(head.rfind(":"), head.rfind("=")) + 1
    return text[:cut] + str(places.path(text[cut:]))


def _settings(value: Any, prefix: str, places: Places) -> list[tuple[str, str]]:
    """Settings as (dotted key, TOML value)."""
    if not isinstance(value, dict):
        raise ConfigError(f"--set {value!r}: takes a table of settings")
    found: list[tuple[str, str]] = []
    for key, one in value.items():
        if "=" in str(key) or not str(key).isprintable():
            raise ConfigError(f"--set {key!r}: is no name of a setting")
        name = f"{prefix}{toml_key(str(key))}"
        if isinstance(one, dict):
            found += _settings(one, f"{name}.", places)
        elif one is not None:
            free = str(key) in FREE_TEXT
            found.append((name, toml_value(one if free else _with_places(one, places))))
    return found


def _with_places(value: Any, places: Places) -> Any:
    if isinstance(value, str):
        return _place_in(value, places)
    return [_with_places(one, places) for one in value] if isinstance(value, list) else value


@cache
def _app_of_noun(noun: str) -> App:
    return build_app([noun])


def _app_of(name: str) -> App:
    app = _app_of_noun(name.split()[0])
    for word in name.split():
        app = app[word]
    return app


class _Named:
    """An argument's name as a browser sees it, and whether it has a place of its own."""

    def __init__(self, argument: Argument) -> None:
        self.positional = argument.index is not None
        names = [one for one in argument.names if not one.startswith(("--no-", "--empty-"))]
        self.name = names[-1].removeprefix("--").lower()


def _holds_others(argument: Argument) -> bool:
    hint = argument.hint
    return isinstance(hint, type) and issubclass(hint, BaseModel)


def _option(argument: Argument) -> Option:
    field = argument.field_info
    hint, many = inner_type(argument.hint)
    annotated = get_origin(field.annotation) is Annotated
    least, most = bounds_of(get_args(field.annotation)[1:] if annotated else ())
    default = None if field.default in (inspect.Parameter.empty, None) else field.default
    if isinstance(default, tuple):
        default = [str(one) for one in default] or None
    kind = kind_of(hint)
    return Option(
        name=_Named(argument).name,
        kind=kind,
        many=many,
        required=bool(argument.required),
        default=default if isinstance(default, bool | int | float | str | list) else None,
        choices=tuple(str(one) for one in get_args(hint)) if kind == "choice" else (),
        least=least,
        most=most,
        help=str(argument.parameter.help or field.help or ""),
    )


def inner_type(hint: Any) -> tuple[Any, bool]:
    """The type of one value, without None, and whether several are taken."""
    if get_origin(hint) is Annotated:
        return inner_type(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return inner_type(next(part for part in get_args(hint) if part is not type(None)))
    if get_origin(hint) in (tuple, list):
        return inner_type(get_args(hint)[0])[0], True
    return hint, False


def kind_of(hint: Any) -> Kind:
    """What a field of a type takes."""
    if get_origin(hint) is Literal:
        return "choice"
    if isinstance(hint, type):
        for kind, name in ((bool, "flag"), (int, "integer"), (float, "number"), (Path, "place")):
            if issubclass(hint, kind):
                return name  # type: ignore[return-value]
    return "text"


def bounds_of(rules: Iterable[Any]) -> tuple[float | None, float | None]:
    """The least and the most value that the rules beside a type allow; None: any."""
    least = most = None
    for rule in rules:
        low = getattr(rule, "ge", getattr(rule, "gt", None))
        high = getattr(rule, "le", getattr(rule, "lt", None))
        least, most = low if low is not None else least, high if high is not None else most
    return least, most
