"""What the flags of a training command override in its recipe."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from counterface.config import parse_settings


def overrides(
    settings: Iterable[str], out: Path | None, device: str | None, **data: object
) -> dict[str, Any]:
    """Nested tables from the flags; those that are None or empty override nothing.

    Args:
        settings: words like `loop.steps=200`.
        out: folder of the run.
        device: as `loop.device`.
        data: what is put in the table `data`.

    Raises:
        ConfigError: a word that is no setting.
    """
    values = parse_settings(settings)
    if out is not None:
        values["out"] = str(out)
    if device is not None:
        values["loop"] = {**values.get("loop", {}), "device": device}
    if given := {name: value for name, value in data.items() if value}:
        values["data"] = {**values.get("data", {}), **given}
    return values
