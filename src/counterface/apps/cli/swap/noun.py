"""`counterface swap ...`: train swap models, convert footage, look at what came out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from counterface.apps.cli import output
from counterface.apps.cli.output import Json
from counterface.config import merge_flags
from counterface.swap.conversion.preview import PreviewConfig
from counterface.swap.conversion.settings import ConvertConfig
from counterface.swap.quality import QualityConfig

app = App(
    name="swap",
    help="Train swap models and convert footage; every output is signed and recorded.",
)


@app.command
def quality(
    out: Path,
    target: Path,
    source: Path,
    /,
    *,
    config: Annotated[QualityConfig, Parameter(name="*")] = QualityConfig(),  # noqa: B008
    html: Annotated[Path | None, Parameter(help="write the card as a page here")] = None,
    json_output: Json = False,
) -> int:
    """Measure a result: likeness to the source, truth to the target, steadiness, seams, sound.

    Args:
        out: What `swap convert` wrote.
        target: What it was made from.
        source: A faceset of the person whose face was put in.
    """
    from counterface.report.report_card import card_lines, write_card
    from counterface.swap.quality import measure_quality

    if html is not None:
        output.require_place(html, "--html")
    with output.progress("quality") as report:
        card = measure_quality(out, target, source, config, report)
    if html is not None:
        write_card(card, html)
    if json_output:
        output.print_json(card)
        return 0
    for line in card_lines(card):
        print(f"{line.label:36} {line.value:>12}   {line.spread}")
    return 0


@app.command
def info(model: Path, /, *, json_output: Json = False) -> int:
    """Say what a trained model is: architecture, options, who it knows by what right, its sizes.

    Args:
        model: A training run's folder, a weights file or a checkpoint.
    """
    from counterface.apps.cli.swap.info import describe_model, model_lines
    from counterface.swap.swap_model import read_model

    facts = describe_model(read_model(model))
    if json_output:
        output.print_json(facts)
        return 0
    for line in model_lines(facts):
        print(line)
    return 0


@app.command
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
    from counterface.apps.cli.swap.train import read_settings, train_lines

    given = {"model": model, "preset": preset, "source": source, "target": target, "out": out}
    loop = {"steps": until, "device": device}
    config = read_settings(recipe, given, identity, loop, settings)
    from counterface.swap.training.train import train_swap

    with output.progress("train") as report:

        def told(step: int, numbers: dict[str, float]) -> None:
            shown = ", ".join(f"{name} {numbers[name]:.4g}" for name in numbers if "loss" in name)
            report(step, config.loop.steps, shown)

        result = train_swap(config, told)
    if os.environ.get("RANK", "0") != "0":  # of several processes, one speaks
        return output.exit_code(result.signal)
    if json_output:
        output.print_json(result)
    else:
        for line in train_lines(config, result):
            print(line)
    return output.exit_code(result.signal)


@app.command
def preview(
    model: Path,
    target: Path,
    out: Path,
    /,
    *,
    config: Annotated[PreviewConfig, Parameter(name="*")] = PreviewConfig(),  # noqa: B008
    json_output: Json = False,
) -> int:
    """Swap one frame with a grid of merge settings, as a signed picture to choose them by.

    Args:
        model: A run's folder, weights or a checkpoint.
        target: A video or picture.
        out: The PNG or JPEG to write.
    """
    from counterface.swap.conversion.preview import preview as run

    record = run(model, target, out, config)
    if json_output:
        output.print_json(record)
    else:
        name = output.printable(str(out))
        print(f"{name}: {config.rows} downwards, {config.columns} to the right; signed, recorded")
    return 0


@app.command(default_parameter=Parameter(consume_multiple=True))  # --keep masks crops
def convert(
    model: Path,
    target: Path,
    out: Path,
    /,
    *,
    config: Annotated[ConvertConfig, Parameter(name="*")] = ConvertConfig(),  # noqa: B008
    recipe: Annotated[Path | None, Parameter(name="--config")] = None,
    redo: Annotated[bool, Parameter(negative="")] = False,
    json_output: Json = False,
) -> int:
    """Put the model's face into a video, a picture or a folder of them; run again to continue.

    Args:
        model: A run's folder, weights or a checkpoint.
        target: A video, a picture, a folder of both, or with --fps a folder of numbered pictures.
        out: What to write: .mp4, .mov or .mkv, .png or .jpg, or a folder.
        recipe: TOML file with these settings; flags override it.
        redo: Begin again what was begun with other settings, or replace what is done.
    """
    from counterface.apps.cli.swap.convert import convert_lines
    from counterface.swap.conversion.convert import convert as run

    with output.progress("convert") as report:
        summary = run(model, target, out, merge_flags(recipe, config), redo=redo, progress=report)
    if json_output:
        output.print_json(summary)
    else:
        for line in convert_lines(summary):
            print(line)
    return 2 if summary.failed else 0
