"""`counterface swap train`: from a recipe or flags to a swap model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.config import parse_settings, read_config_with, require_toml
from counterface.errors import ConfigError

if TYPE_CHECKING:
    from counterface.learn.loop import TrainResult
    from counterface.swap.training.train import SwapTrainConfig


def train(
    recipe: Path | None = None,
    /,
    *,
    model: str | None = None,
    preset: str | None = None,
    source: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)] = (),
    target: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)] = (),
    identity: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    out: Path | None = None,
    until: int | None = None,
    device: str | None = None,
    settings: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    json_output: Json = False,
) -> int:
    """Train a swap model from a recipe or flags; run again to continue. Ctrl-C saves and stops.

    Args:
        recipe: TOML file, see `recipes/swap_*.toml`; flags override it.
        model: The architecture, instead of the recipe's.
        preset: Named set of the model's options: quick96 or saehd.
        source: Facesets of the person who gives the face: one or several.
        target: Facesets of the person whose face is replaced: one or several.
        identity: For 'many': NAME=FACESET, for each faceset of each person.
        out: Folder of the run, instead of the recipe's.
        until: Steps after which the run ends.
        device: Device, as loop.device: auto (a GPU if there is one), cpu, gpu, cuda, cuda:1 or mps.
        settings: Any other setting of the recipe, as loss.gan_power=0.1: one or several.
    """
    given = {"model": model, "preset": preset, "source": source, "target": target, "out": out}
    loop = {"steps": until, "device": device}
    config = read_settings(recipe, given, identity, loop, settings)
    from counterface.swap.training.train import train_swap

    with output.progress("train") as report:

        def told(step: int, numbers: dict[str, float]) -> None:
            shown = ", ".join(f"{name} {numbers[name]:.4g}" for name in numbers if "loss" in name)
            report(step, config.loop.steps, shown)

        result = train_swap(config, told)
    if os.environ.get("RANK", "0") == "0":  # of several processes, one speaks
        output.tell(result, train_lines(config, result), json_output)
    return output.exit_code(result.signal)


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
