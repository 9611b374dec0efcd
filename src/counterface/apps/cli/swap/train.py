"""What `counterface swap train` is told, and what it says at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterface.config import parse_settings, read_config_with, require_toml
from counterface.errors import ConfigError

if TYPE_CHECKING:
    from counterface.learn.loop import TrainResult
    from counterface.swap.training.train import SwapTrainConfig


def read_settings(
    recipe: Path | None,
    given: Mapping[str, Any],
    identities: Iterable[str],
    loop: Mapping[str, Any],
    settings: Iterable[str],
) -> SwapTrainConfig:
    """A recipe with flags over it, the latter's own names over single settings.

    Args:
        recipe: TOML file, or None for the flags alone.
        given: Fields of `SwapTrainConfig`; empty ones were not given.
        identities: `NAME=FACESET`.
        loop: Settings of the loop; None were not given.
        settings: `key=value`.

    Raises:
        ConfigError: a word that cannot be understood, a key or value that is not valid.
    """
    require_toml(recipe)
    from counterface.swap.training.train import SwapTrainConfig

    values = parse_settings(settings)
    for name, value in given.items():
        if value:
            values[name] = [str(v) for v in value] if isinstance(value, tuple) else str(value)
    people: dict[str, list[str]] = {}
    for word in identities:
        name, equals, folder = word.partition("=")
        if not (name and equals and folder):
            raise ConfigError(f"--identity {word!r} names nobody; write NAME=FACESET")
        people.setdefault(name, []).append(folder)
    if people:
        values["identities"] = people
    if given_loop := {name: value for name, value in loop.items() if value is not None}:
        values["loop"] = {**values.get("loop", {}), **given_loop}
    return read_config_with(SwapTrainConfig, recipe, values)


def train_lines(config: SwapTrainConfig, result: TrainResult) -> list[str]:
    """How it ended and what to do next."""
    lines = [f"{result.stopped} at step {result.step}; weights: {result.weights}"]
    if config.preview_every:
        lines.append(f"picture: {config.out / 'preview.png'}")
    if result.stopped == "signal":
        lines.append("run the same command again to go on")
    else:
        lines.append(f"next: counterface swap convert {config.out} TARGET.mp4 OUT.mp4")
        if len(config.identities) > 2:
            lines[-1] += f" --identity {'|'.join(config.identities)}"
    return lines
