"""Settings: one pydantic model <-> a TOML recipe <-> command-line flags, and strict everywhere.

A settings model is frozen and forbids unknown keys; every field has a default where a recipe or a
flag may leave it out, and a `Field(description=...)`. One that holds other settings models is a
`Settings`: a table that names some keys of an inner model leaves the others at the outer field's
own default. Models without inner ones may say `model_config = STRICT` alone.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from counterface.errors import ConfigError

STRICT = ConfigDict(extra="forbid", frozen=True)

DEEPEST = 64  # values inside values, in files that are read
MOST_BYTES = 10_000_000  # of a recipe

Model = TypeVar("Model", bound=BaseModel)


class Settings(BaseModel):
    """A settings model whose inner tables are laid over the defaults of their fields.

    With `loop: LoopConfig = LoopConfig(batch_size=16)`, the table `{"loop": {"log_every": 1}}`
    keeps the batch size of 16; pydantic alone would take that of `LoopConfig`.
    """

    model_config = STRICT

    @model_validator(mode="before")
    @classmethod
    def _keep_inner_defaults(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        merged = dict(values)
        for name, field in cls.model_fields.items():
            inner = field.get_default(call_default_factory=True)
            if isinstance(inner, BaseModel) and isinstance(merged.get(name), Mapping):
                merged[name] = _overlay(inner.model_dump(exclude_unset=True), merged[name])
        return merged


def read_config(model: type[Model], path: Path) -> Model:
    """The settings that a TOML file holds.

    Args:
        model: The settings class; keys it does not know are errors.
        path: A TOML file whose top-level keys are the fields.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or holds a wrong key or value.
    """
    return _validate(model, _read_toml(path), str(path))


def merge_flags(recipe: Path | None, flags: Model) -> Model:
    """The recipe's settings, overridden by the flags that were typed.

    Args:
        recipe: A TOML file, or None for the flags alone.
        flags: Built from the command line; only fields that were set explicitly override, in
            nested models as well.

    Raises:
        ConfigError: as `read_config`, or a combination of recipe and flags that is not valid.
    """
    if recipe is None:
        return flags
    values = _overlay(_read_toml(recipe), flags.model_dump(exclude_unset=True, by_alias=True))
    return _validate(type(flags), values, f"{recipe} with the flags given")


def read_config_with(model: type[Model], recipe: Path | None, values: Mapping[str, Any]) -> Model:
    """The recipe's settings with some put over them, validated together.

    Args:
        recipe: A TOML file, or None for the values alone.
        values: Nested tables as TOML has them; tables are merged key by key.

    Raises:
        ConfigError: as `read_config`.
    """
    below = {} if recipe is None else _read_toml(recipe)
    where = f"{recipe} with the flags given" if recipe else "the flags given"
    return _validate(model, _overlay(below, dict(values)), where)


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Nested tables of words like `loss.gan_power=0.1`; a value that is not TOML is a string.

    Raises:
        ConfigError: a word without `=`, or with a key that cannot be one.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"{setting!r} is no setting; write key=value, as loss.gan_power=0.1")
        try:
            values = _overlay(values, tomllib.loads(f"{key} = {value}"))
        except tomllib.TOMLDecodeError:
            try:
                values = _overlay(values, tomllib.loads(f"{key} = {_string(value.strip())}"))
            except tomllib.TOMLDecodeError as error:
                raise ConfigError(f"{setting!r} is no setting: {error}") from error
    return values


def write_config(config: BaseModel, path: Path) -> None:
    """The settings as a TOML file that `read_config` reads back to an equal model."""
    path.write_text(to_toml(config), encoding="utf-8")


def to_toml(config: BaseModel) -> str:
    """The settings as TOML text; fields that are None are left out.

    Raises:
        ConfigError: a field is None although its default is not, which TOML cannot say.
    """
    for name, field in type(config).model_fields.items():
        if (
            getattr(config, name) is None
            and field.get_default(call_default_factory=True) is not None
        ):
            raise ConfigError(f"{name} = None cannot be written as TOML; its default is not None")
    return _table(config.model_dump(mode="json"), ()).lstrip("\n")


def describe_error(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """A pydantic error in one line: each key, what is wrong with it, the value seen."""
    parts = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            *path, name = problem["loc"]
            known = _known_keys(model, path)
            near = get_close_matches(str(name), known, n=1)
            head = ".".join(map(str, [*path, ""]))
            hint = f"; did you mean {head + near[0]!r}?" if near else f"; known: {', '.join(known)}"
            parts.append(f"unknown key {key!r}{hint if known else ''}")
        else:
            seen = "" if not key or problem["type"] == "missing" else f" (got {problem['input']!r})"
            parts.append(f"{key + ': ' if key else ''}{_reason(problem)}{seen}")
    return "; ".join(parts)


def _reason(problem: Mapping[str, Any]) -> str:
    """What is wrong, without pydantic's label of our own errors."""
    return str(problem["msg"]).removeprefix("Value error, ")


def _known_keys(model: type[BaseModel] | None, path: Sequence[str | int]) -> list[str]:
    """The keys of the settings model at a path of keys and positions; none where there is none."""
    for part in path:
        field = model.model_fields.get(str(part)) if model else None
        if field is not None:
            model = _inner_model(field.annotation)
        elif not isinstance(part, int):  # a position in a list stays with the list's model
            return []
    return sorted(model.model_fields) if model else []


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    """The settings model within a type such as `Loop`, `Loop | None` or `tuple[Loop, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_inner_model(part) for part in get_args(annotation))
    return next((model for model in found if model is not None), None)


_BOUNDS = (("ge", "from"), ("gt", "above"), ("le", "up to"), ("lt", "below"))


def describe_flags(error: ValidationError, model: type[BaseModel]) -> str:
    """A pydantic error about flags in one line: each flag, its value, and what it takes."""
    parts = []
    for problem in error.errors(include_url=False):
        keys = [str(part) for part in problem["loc"]]
        flag = "--" + ".".join(keys).replace("_", "-")
        allowed = allowed_values(model, keys)
        what = f"takes {allowed}" if allowed else _reason(problem)
        parts.append(f"{flag} {problem['input']}: {what}" if keys else what)
    return "; ".join(parts)


def allowed_values(model: type[BaseModel], keys: Sequence[str]) -> str:
    """Which values a numeric or closed field takes, in words; empty for any other.

    Args:
        model: that the first key is a field of.
        keys: names of fields from there inwards.
    """
    field = model.model_fields.get(keys[0]) if keys else None
    if field is None:
        return ""
    inner = field.annotation
    if len(keys) > 1:
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return ""
        return allowed_values(inner, keys[1:])
    if get_origin(inner) is Literal:
        return "one of " + ", ".join(map(str, get_args(inner)))
    kinds = {int: "a whole number", float: "a number"}
    kind = next((kinds[part] for part in (inner, *get_args(inner)) if part in kinds), "")
    if not kind:
        return ""
    bounds = [
        f"{word} {getattr(rule, name):g}"
        for name, word in _BOUNDS
        for rule in field.metadata
        if getattr(rule, name, None) is not None
    ]
    return " ".join([kind, *bounds])


def _validate(model: type[Model], values: dict[str, Any], where: str) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {describe_error(error, model)}") from error


def require_shallow(text: str) -> None:
    """Nothing, if JSON or TOML nests its values no deeper than `DEEPEST`.

    Brackets in strings count as well: none of the project's files has so many in a row.

    Raises:
        ValueError: it does; a parser, or what walks the values later, would run out of stack.
    """
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth += 1 if bracket in "[{" else -1
        if depth > DEEPEST:
            raise ValueError(f"values nested deeper than {DEEPEST}")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"{path}: is larger than any recipe ({MOST_BYTES} bytes)")
        text = path.read_text(encoding="utf-8")
        require_shallow(text)
        return tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (RecursionError, ValueError) as error:  # of which tomllib's and Unicode's are children
        raise ConfigError(f"{path}: is not TOML: {error}") from error


def _overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with the values of `above` put over it, table by table."""
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            value = _overlay(merged[key], value)
        merged[key] = value
    return merged


_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _string(name)


def _table(values: dict[str, Any], path: tuple[str, ...]) -> str:
    """One TOML table: plain values first, then its sub-tables."""
    lines = [f"\n[{'.'.join(map(_key, path))}]\n"] if path else []
    tables = {k: v for k, v in values.items() if isinstance(v, dict)}
    lines += [
        f"{_key(k)} = {_value(v)}\n" for k, v in values.items() if v is not None and k not in tables
    ]
    lines += [_table(v, (*path, k)) for k, v in tables.items()]
    return "".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return _value(value.value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    raise ConfigError(f"{type(value).__name__} {value!r} cannot be written as TOML")


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _string(text: str) -> str:
    out = (_ESCAPES.get(c) or (c if c.isprintable() else f"\\U{ord(c):08X}") for c in text)
    return '"' + "".join(out) + '"'
