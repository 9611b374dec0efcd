"""The fields of settings models, as forms show them: names, bounds, defaults and help."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from counterface.apps.studio.commands import Kind, Option, bounds_of, inner_type, kind_of
from counterface.apps.studio.places import Places
from counterface.config import Record


class FieldGroup(Record):
    """Settings that belong together: those of one inner model."""

    name: str = Field(description="dotted name of the inner model; empty for the outer one's own")
    fields: tuple[Option, ...] = Field(description="its settings, by their own names")


def list_groups(settings: BaseModel, prefix: str = "") -> list[FieldGroup]:
    """The settings of a model by inner model, with the values of `settings` as defaults.

    Tables and lists of tables are left out: no form of single values can hold them.
    """
    own, inner = list[Option](), list[FieldGroup]()
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            inner += list_groups(value, f"{prefix}.{name}" if prefix else name)
        elif (option := _option(name, field, value)) is not None:
            own.append(option)
    return [FieldGroup(name=prefix, fields=tuple(own)), *inner] if own else inner


def values_outward(settings: BaseModel, places: Places) -> dict[str, Any]:
    """The settings as nested tables, places for paths; relative paths lead nowhere and are unset.

    A relative path of a recipe is meant from the folder in which its command was to be run.
    """

    def outward(value: Any) -> Any:
        if isinstance(value, Path):
            return places.name(value) if value.is_absolute() else None
        if isinstance(value, BaseModel):
            return {name: outward(getattr(value, name)) for name in type(value).model_fields}
        if isinstance(value, Mapping):
            return {str(key): outward(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [one for one in map(outward, value) if one is not None]
        return value

    found: dict[str, Any] = outward(settings)
    return found


def _option(name: str, field: FieldInfo, value: Any) -> Option | None:
    hint = field.annotation
    if isinstance(value, Mapping) or _holds_tables(hint):
        return None
    one, many = inner_type(hint)
    kind: Kind = kind_of(one)
    least, most = bounds_of(field.metadata)
    if isinstance(value, tuple):
        value = [str(each) if isinstance(each, Path) else each for each in value] or None
    if isinstance(value, Path):
        value = str(value) if value.is_absolute() else None
    return Option(
        name=name,
        kind=kind,
        many=many,
        default=value,
        choices=tuple(map(str, get_args(one))) if kind == "choice" else (),
        least=least,
        most=most,
        help=field.description or "",
    )


def _holds_tables(hint: Any) -> bool:
    """Whether values of a type are tables, or lists of them."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return True
    if get_origin(hint) in (tuple, list, Union, UnionType):
        return any(_holds_tables(part) for part in get_args(hint))
    return get_origin(hint) is dict
