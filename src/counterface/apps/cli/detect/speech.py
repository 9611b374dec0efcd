"""`counterface detect speech`: from real and synthetic speech to the file that the cue reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.apps.cli.detect.overrides import overrides
from counterface.config import read_config_with, require_toml
from counterface.wording import counted


def speech(
    recipe: Path,
    /,
    *,
    manifest: Path | None = None,
    out: Path | None = None,
    device: str | None = None,
    settings: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    json_output: Json = False,
) -> int:
    """Train the network of the cue `synthetic_speech`; run again to continue a stopped run.

    The manifest names files with sound, of speech that is real or synthetic, and by what program.
    Files without a second of speech are left out, and so are those of the splits val and test.

    Args:
        recipe: TOML file, as recipes/synthetic_speech.toml.
        manifest: Manifest of speech, instead of the recipe's.
        out: Folder of the run, instead of the recipe's.
        device: Device, as loop.device: auto (a GPU if there is one), cpu, gpu, cuda, cuda:1 or mps.
        settings: Single settings that override the recipe's, such as `--set loop.steps=200`.
    """
    require_toml(recipe)
    from counterface.detect.synthetic_speech.training import SpeechConfig, train_speech

    values = overrides(settings, out, device, manifest=manifest and str(manifest))
    config = read_config_with(SpeechConfig, recipe, values)

    with output.progress("speech") as report:

        def told(step: int, numbers: dict[str, float]) -> None:
            report(step, config.loop.steps, output.numbers_text(numbers))

        result = train_speech(config, told, report)
    lines = [f"left out: {name}: {why}" for name, why in result.left_out.items()]
    lines.append(
        f"{result.run.stopped} at step {result.run.step}, from {counted(result.files, 'file')}"
    )
    again = "run the same command again to go on"
    lines.append(again if result.file is None else f"wrote {result.file}")
    output.tell(result, lines, json_output)
    return output.exit_code(result.run.signal)
