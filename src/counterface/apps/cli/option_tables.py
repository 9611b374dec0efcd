"""The tables of options on the documentation's pages, written from the models.

    python -m counterface.apps.cli.option_tables docs/*.md

rewrites each table below a line `<!-- options: module:Model [part] [prefix.] [-left_out] -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

TABLE = re.compile(r"(<!-- options: (\S+)((?: \S+)*) -->\n\n)((?:\|.*\n)*)")
HEAD = "| option | default | values | meaning |\n|---|---|---|---|\n"


def refresh(page: str) -> str:
    """The page with every marked table as the models have it."""
    return TABLE.sub(lambda found: found[1] + option_table(found[2], found[3].split()), page)


def option_table(model: str, words: list[str]) -> str:
    """The Markdown of one table.

    Args:
        model: `module:Model`.
        words: a field that is itself a model, to list the fields of that model; without one, the
            fields that are not models are listed. `people.NAME.` (with the full stop) is put in
            front of each name; `-name` leaves a field out.
    """
    module, _, name = model.partition(":")
    kind = getattr(import_module(module), name)
    left_out = {word[1:] for word in words if word.startswith("-")}
    prefix = next((word for word in words if word.endswith(".")), "")
    part = next((word for word in words if word[0] != "-" and word[-1] != "."), None)
    values = None
    if part is not None:
        values = kind.model_fields[part].get_default(call_default_factory=True)
        kind, prefix = type(values), f"{prefix}{part}."
    found = _rows(kind, values, prefix, inner=part is not None)
    kept = [cells for option, cells in found if option.removeprefix(prefix) not in left_out]
    return HEAD + "".join(f"| {' | '.join(cells)} |\n" for cells in kept)


def main() -> None:
    """Rewrite the pages named on the command line."""
    for name in sys.argv[1:]:
        page = Path(name)
        page.write_text(refresh(page.read_text(encoding="utf-8")), encoding="utf-8")


def _rows(
    kind: type[BaseModel], values: BaseModel | None, prefix: str, *, inner: bool = False
) -> Iterator[tuple[str, list[str]]]:
    """The fields of a model; `inner` also lists those of the models inside it."""
    for name, field in kind.model_fields.items():
        default = field.get_default(call_default_factory=True)
        value = default if values is None else getattr(values, name)
        option = f"{prefix}{field.alias or name}"
        if not isinstance(value, BaseModel):
            shown = "required" if field.is_required() else _default(value)
            cells = [f"`{option}`", shown, _values(field), str(field.description)]
            yield option, [cell.replace("|", r"\|") for cell in cells]
        elif inner:
            yield from _rows(type(value), value, f"{option}.", inner=True)


def _default(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}" if abs(value) < 1e6 else str(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} = {_default(one)}" for key, one in value.items()) or "none"
    if isinstance(value, tuple | list) and value:
        return "see below" if isinstance(value[0], BaseModel) else ", ".join(map(_default, value))
    return str(value) or "''" if not isinstance(value, tuple | list) else "none"


def _values(field: FieldInfo) -> str:
    """The choices of a field, or its range."""
    choices = list(_choices(field.annotation))
    if choices:
        return ", ".join(choices)
    bounds = {
        key: f"{getattr(rule, key):g}"
        for rule in field.metadata
        for key in ("ge", "gt", "le", "lt", "multiple_of")
        if getattr(rule, key, None) is not None
    }
    low = bounds.get("ge") or ("gt" in bounds and f"over {bounds['gt']}")
    high = bounds.get("le") or ("lt" in bounds and f"under {bounds['lt']}")
    steps = f", steps of {bounds['multiple_of']}" if "multiple_of" in bounds else ""
    if low and high:
        return f"{low} to {high}{steps}"
    if low:
        return (low if low.startswith("over") else f"from {low}") + steps
    return (f"up to {high}" if high else "") + steps


def _choices(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from (str(choice) for choice in get_args(annotation))
    else:
        for inner in get_args(annotation):
            yield from _choices(inner)


if __name__ == "__main__":
    main()
