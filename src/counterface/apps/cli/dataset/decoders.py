"""`counterface dataset decoders`: the bank of decoders that twins are minted with."""

from __future__ import annotations

from pathlib import Path

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.config import read_config_with


def decoders(recipe: Path, /, *, out: Path | None = None, json_output: Json = False) -> int:
    """Train small face decoders of different kinds, one after the other; run again to continue.

    Args:
        recipe: TOML file, see `recipes/decoders.toml`.
        out: Folder of the bank, instead of the recipe's.
    """
    from counterface.datasets.decoders.train_bank import DecodersConfig, train_decoders

    config = read_config_with(DecodersConfig, recipe, {"out": str(out)} if out else {})
    with output.progress("decoders") as report:

        def told(name: str, step: int, values: dict[str, float]) -> None:
            report(step, config.steps, f"{name}: pixel error {values.get('pixel_error', 0):.3f}")

        summary = train_decoders(config, progress=told)
    new = ", ".join(summary.trained) or "none"
    line = f"{summary.folder}: decoders {', '.join(summary.decoders)}; made now: {new}"
    return output.tell(summary, [line], json_output)
