"""`counterface detect lips`: from clips of people who talk to a lip-sync file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.apps.cli.detect.overrides import overrides
from counterface.config import read_config_with, require_toml
from counterface.wording import counted


def lips(
    recipe: Path,
    /,
    *,
    clips: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)] = (),
    out: Path | None = None,
    device: str | None = None,
    settings: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    json_output: Json = False,
) -> int:
    """Train the network of the cue `lip_sync`; run again to continue a run that was stopped.

    The sound of each clip must be that of the lips. Clips in which no face is followed or hardly
    anybody speaks are left out.

    Args:
        recipe: TOML file, as recipes/lip_sync.toml.
        clips: Videos of people who talk, folders or globs, instead of the recipe's.
        out: Folder of the run, instead of the recipe's.
        device: Device, as loop.device: auto (a GPU if there is one), cpu, gpu, cuda, cuda:1 or mps.
        settings: Single settings that override the recipe's, such as `--set loop.steps=200`.
    """
    require_toml(recipe)
    from counterface.detect.lip_sync.training import LipSyncConfig, train_lip_sync

    values = overrides(settings, out, device, clips=[str(path) for path in clips])
    config = read_config_with(LipSyncConfig, recipe, values)

    with output.progress("lips") as report:

        def told(step: int, numbers: dict[str, float]) -> None:
            report(step, config.loop.steps, output.numbers_text(numbers))

        result = train_lip_sync(config, told, report)
    lines = [f"left out: {name}: {why}" for name, why in result.left_out.items()]
    lines.append(
        f"{result.run.stopped} at step {result.run.step}, from {counted(result.clips, 'clip')}, "
        f"{result.seconds:.0f} s"
    )
    again = "run the same command again to go on"
    lines.append(again if result.file is None else f"wrote {result.file}")
    output.tell(result, lines, json_output)
    return output.exit_code(result.run.signal)
