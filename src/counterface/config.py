"""Settings: one pydantic model <-> a TOML recipe <-> command-line flags, and strict everywhere.

A settings model is a `Record`; every field has a default where a recipe or a flag may leave it out,
and a `Field(description=...)`. One that holds other settings models is a `Settings`: a table that
names some keys of an inner model leaves the others at the outer field's own default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from counterface.errors import ConfigError
from counterface.files import write_bytes
from counterface.project_files import describe_error, marked_problem, parse_toml, read_toml

Model = TypeVar("Model", bound=BaseModel)


class Record(BaseModel):
    """A frozen model that forbids unknown keys: the parent of all settings and records."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings(Record):
    """A settings model whose inner tables are laid over the defaults of their fields.

    With `loop: LoopConfig = LoopConfig(batch_size=16)`, the table `{"loop": {"log_every": 1}}`
    keeps the batch size of 16; pydantic alone would take that of `LoopConfig`.
    """

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
    """The settings in a TOML file.

    Args:
        model: The settings class; unknown keys are errors.
        path: A TOML file whose top-level keys are the fields.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or holds a wrong key or value.
    """
    return validate(model, read_toml(path, ConfigError), str(path))


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
    typed = flags.model_dump(exclude_unset=True, by_alias=True)
    return read_config_with(type(flags), recipe, typed)


def read_config_with(model: type[Model], recipe: Path | None, values: Mapping[str, Any]) -> Model:
    """The recipe's settings overridden by some values, validated together.

    Args:
        recipe: A TOML file, or None for the values alone.
        values: Nested tables as in TOML; they are merged key by key.

    Raises:
        ConfigError: as `read_config`.
    """
    below = {} if recipe is None else read_toml(recipe, ConfigError)
    where = f"{recipe} with the flags given" if recipe else "the flags given"
    return validate(model, _overlay(below, dict(values)), where)


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Nested tables from words like `loss.gan_power=0.1`; a value that is not TOML is a string.

    Raises:
        ConfigError: a word without `=`, or with a key that TOML does not allow.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"{setting!r} is no setting; write key=value, as loss.gan_power=0.1")
        try:
            values = _overlay(values, parse_toml(f"{key} = {value}"))
        except ValueError:
            try:
                values = _overlay(values, parse_toml(f"{key} = {_string(value.strip())}"))
            except ValueError as error:
                raise ConfigError(f"{setting!r} is no setting: {error}") from error
    return values


def require_toml(recipe: Path | None) -> None:
    """Refuse a recipe that cannot be parsed; call it before imports that take seconds.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    if recipe is not None:
        read_toml(recipe, ConfigError)


def write_config(config: BaseModel, path: Path) -> None:
    """Write the settings as a TOML file that `read_config` reads back to an equal model.

    Raises:
        ConfigError: a setting has no form in TOML, or the file cannot be written.
    """
    write_bytes(path, to_toml(config).encode(), ConfigError)


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


_BOUNDS = (("ge", "from"), ("gt", "above"), ("le", "up to"), ("lt", "below"))


def describe_flags(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """A pydantic error about flags in one line: each flag, its value, and what it takes."""
    parts = []
    for problem in error.errors(include_url=False):
        keys = [str(part) for part in problem["loc"]]
        allowed = allowed_values(model, keys) if model and problem["type"] != "missing" else ""
        what = re.sub("`(.+?)`", lambda m: _flag(m[1]), marked_problem(problem))
        seen = "" if problem["type"] == "missing" else f" {problem['input']}"
        said = f"takes {allowed}" if allowed else what
        parts.append(f"{_flag('.'.join(keys))}{seen}: {said}" if keys else said)
    return "; ".join(parts)


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


def allowed_values(model: type[BaseModel], keys: Sequence[str]) -> str:
    """The values that a numeric field or a choice takes, in words; empty for any other field.

    Args:
        model: Model that has the first key as a field.
        keys: Names of fields, from the outermost to the innermost.
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


def validate(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """The settings of plain values; a wrong one is a ConfigError that begins with `where`."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {describe_error(error, model)}") from error


def _overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with the values of `above` put over it, table by table."""
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            value = _overlay(merged[key], value)
        merged[key] = value
    return merged


_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def toml_key(name: str) -> str:
    """The key as TOML has it, in quotes where it needs them."""
    return name if _BARE_KEY.fullmatch(name) else _string(name)


def _table(values: dict[str, Any], path: tuple[str, ...]) -> str:
    """One TOML table: plain values first, then its sub-tables."""
    lines = [f"\n[{'.'.join(map(toml_key, path))}]\n"] if path else []
    tables = {k: v for k, v in values.items() if isinstance(v, dict)}
    lines += [
        f"{toml_key(k)} = {toml_value(v)}\n"
        for k, v in values.items()
        if v is not None and k not in tables
    ]
    lines += [_table(v, (*path, k)) for k, v in tables.items()]
    return "".join(lines)


def toml_value(value: Any) -> str:
    """The value as TOML has it on the right of `=`.

    Raises:
        ConfigError: TOML has no form for it.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return toml_value(value.value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_key(k)} = {toml_value(v)}" for k, v in value.items()) + "}"
    raise ConfigError(f"{type(value).__name__} {value!r} cannot be written as TOML")


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _string(text: str) -> str:
    out = (_ESCAPES.get(c) or (c if c.isprintable() else f"\\U{ord(c):08X}") for c in text)
    return '"' + "".join(out) + '"'
