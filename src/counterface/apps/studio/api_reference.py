"""The interface for programs as one Markdown page, from its own description (OpenAPI).

    python -m counterface.apps.studio.api_reference docs/studio_api.md

rewrites what lies below the marker line of the page; what lies above is written by hand.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from counterface.apps.studio.server import create_app
from counterface.apps.studio.settings import StudioConfig
from counterface.apps.studio.studio import Studio

MARKER = "<!-- below: `python -m counterface.apps.studio.api_reference docs/studio_api.md` -->"
BASE = "/api/v1"
MODELS = """## Models

What bodies and answers are made of. A `required` field must be in a body and is
in every answer.
"""
Schema = Mapping[str, Any]


def describe_interface() -> dict[str, Any]:
    """The OpenAPI description of a studio; that of all studios of a version is the same."""
    with TemporaryDirectory() as folder:
        lab = Path(folder)
        studio = Studio(StudioConfig(root=(lab,), state=lab / "state", start_jobs=False))
        try:
            return create_app(studio).openapi()
        finally:
            studio.close()


def render(api: Schema) -> str:
    """All that lies below the marker line of the page."""
    operations = [
        (method.upper(), path.removeprefix(BASE), operation)
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
    ]
    refused = [_refusals(operation) for *_, operation in operations]
    common = {
        status: why for status, why in refused[0].items() if all(status in r for r in refused)
    }
    parts = [_refusal_section(common)]
    for tag in dict.fromkeys(tag for *_, operation in operations for tag in operation["tags"]):
        parts.append(f"## {tag.capitalize()}\n")
        parts += [
            _operation_section(method, path, operation, common)
            for method, path, operation in operations
            if tag in operation["tags"]
        ]
    parts.append(MODELS)
    models = api["components"]["schemas"]
    parts += [_model_section(name, models[name]) for name in sorted(models, key=str.lower)]
    return "\n".join(parts)


def main() -> None:
    """Rewrite the page named on the command line."""
    page = Path(sys.argv[1])
    by_hand = page.read_text(encoding="utf-8").split(MARKER)[0]
    text = f"{by_hand}{MARKER}\n\n{render(describe_interface())}"
    page.write_text(text, encoding="utf-8")


def _refusals(operation: Schema) -> dict[str, str]:
    answers = operation["responses"].items()
    return {status: one["description"] for status, one in answers if status >= "400"}


def _refusal_section(common: Mapping[str, str]) -> str:
    rows = [(status, why) for status, why in sorted(common.items())]
    return (
        "## Refusals\n\nEvery operation may answer one of these, with `error` in its JSON: what is "
        f"wrong, the value seen, and the next step.\n\n{_table(('status', 'meaning'), rows)}"
    )


def _operation_section(method: str, path: str, operation: Schema, common: Mapping[str, str]) -> str:
    """A heading, what the operation does, its parameters, what goes in and what comes out."""
    lines = [f"### `{method} {path}`\n\n{operation['description']}\n"]
    rows = [
        (
            f"`{one['name']}`",
            one["in"],
            _type(one["schema"]),
            _default(one["schema"], one["required"]),
            _values(one["schema"]),
            one.get("description", ""),
        )
        for one in operation.get("parameters", ())
    ]
    if rows:
        lines.append(_table(("parameter", "in", "type", "default", "values", "meaning"), rows))
    body = operation.get("requestBody", {}).get("content")
    done = {status: one for status, one in operation["responses"].items() if status < "300"}
    told = [f"Body: {_content(body)}."] if body else []
    told += [f"Answer: {status}, {_content(one['content'])}." for status, one in done.items()]
    own = {status: why for status, why in _refusals(operation).items() if status not in common}
    told += [f"Refused: {status}, {why}." for status, why in sorted(own.items())]
    return "\n".join([*lines, "  \n".join(told) + "\n"])


def _model_section(name: str, schema: Schema) -> str:
    needed = schema.get("required", ())
    rows = [
        (
            f"`{key}`",
            _type(one),
            _default(one, key in needed),
            _values(one),
            one.get("description", ""),
        )
        for key, one in schema["properties"].items()
    ]
    table = _table(("field", "type", "default", "values", "meaning"), rows)
    return f"### {name} (model)\n\n{schema.get('description', '')}\n\n{table}"


def _content(content: Schema) -> str:
    """What a body or an answer holds."""
    kinds = [
        _type(one["schema"]) if kind == "application/json" else f"`{kind}`"
        for kind, one in content.items()
    ]
    return " or ".join(kinds)


def _type(schema: Schema) -> str:
    """The type of a value in words; models are links."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()}-model)"
    if "anyOf" in schema:
        *first, last = dict.fromkeys(_type(one) for one in schema["anyOf"])
        return f"{', '.join(first)} or {last}" if first else last
    if "prefixItems" in schema:
        return f"[{', '.join(_type(one) for one in schema['prefixItems'])}]"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    inner = schema.get("additionalProperties")
    if isinstance(inner, Mapping):
        return f"object of {_type(inner)}"
    return str(schema.get("type", "any JSON"))


def _default(schema: Schema, required: bool) -> str:
    if required:
        return "required"
    return f"`{json.dumps(schema['default'])}`" if schema.get("default") is not None else "unset"


def _values(schema: Schema) -> str:
    """The choices or bounds of a value, and of what is in it."""
    return "; ".join(dict.fromkeys(_limits(schema)))


def _limits(schema: Schema) -> Iterator[str]:
    if "enum" in schema:
        yield ", ".join(f"`{one}`" for one in schema["enum"])
    for least, most, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        *([] if "prefixItems" in schema else [("minItems", "maxItems", " items")]),
    ):
        low, high = schema.get(least), schema.get(most)
        if low is not None and high is not None:
            yield f"{_number(low)} to {_number(high)}{unit}"
        elif low is not None:
            yield f"from {_number(low)}{unit}"
        elif high is not None:
            yield f"up to {_number(high)}{unit}"
    for key, word in (("exclusiveMinimum", "over"), ("exclusiveMaximum", "under")):
        if key in schema:
            yield f"{word} {_number(schema[key])}"
    inner = [schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ())]
    for one in inner:
        if isinstance(one, Mapping):
            yield from _limits(one)


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """The rows under their heads; a column in which nothing stands is left out."""
    kept = [n for n in range(len(head)) if any(row[n] for row in rows)]
    lines = [[line[n] for n in kept] for line in (head, ("---",) * len(head), *rows)]
    cells = [[" ".join(cell.replace("|", r"\|").split()) for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


if __name__ == "__main__":
    main()
