"""`counterface swap preview|convert`: a model's face put into footage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.config import merge_flags
from counterface.swap.conversion.preview import PreviewConfig
from counterface.swap.conversion.settings import ConvertConfig, Converted, ConvertSummary
from counterface.wording import counted


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
    line = f"{out}: {config.rows} downwards, {config.columns} to the right; signed, recorded"
    return output.tell(record, [line], json_output)


def convert(
    model: Path,
    target: Path,
    out: Path,
    /,
    *,
    config: Annotated[ConvertConfig, Parameter(name="*", consume_multiple=True)] = ConvertConfig(),  # noqa: B008
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
    from counterface.swap.conversion.convert import convert as run

    with output.progress("convert") as report:
        summary = run(model, target, out, merge_flags(recipe, config), redo=redo, progress=report)
    return output.tell(summary, convert_lines(summary), json_output, failed=summary.failed)


def convert_lines(summary: ConvertSummary) -> Iterator[str]:
    """What was made of each file, for people."""
    for file in summary.files:
        name = file.target
        if file.status == "failed":
            first, *rest = (file.error or "").splitlines() or [""]
            yield f"failed   {name}: {first}"
            yield from (f"         {line}" for line in rest)
        elif file.status == "already":
            yield f"already  {name}: {file.out} was made with these settings"
        else:
            yield f"done     {name}: {_counts(file)}"
            yield from (f"         {line}" for line in _details(file))
    if summary.left_out:
        yield summary.left_out
    failed = f"; {len(summary.failed)} of {len(summary.files)} failed" if summary.failed else ""
    yield f"{summary.out}: signed, watermarked, recorded{failed}"


def _counts(file: Converted) -> str:
    people = ", ".join(str(number) for number in file.people)
    return f"person {people} replaced in {file.frames_swapped} of {counted(file.frames, 'frame')}"


def _details(file: Converted) -> Iterator[str]:
    if file.jitter_before is not None and file.jitter_after is not None:
        yield (
            f"jitter of the landmarks {100 * file.jitter_before:.2f} % of the face size before "
            f"smoothing, {100 * file.jitter_after:.2f} % after"
        )
    if file.flicker_before is not None and file.flicker_after is not None:
        yield (
            f"flicker of the faces {file.flicker_before:.2f} grey levels before steadying, "
            f"{file.flicker_after:.2f} after"
        )
    if file.filled:
        yield f"{counted(file.filled, 'face')} put in for moments in which none was found"
    if file.segments_kept:
        yield f"{file.segments_kept} of {file.segments} segments kept from an earlier run"
    yield from (f"note: {note}" for note in file.notes)
    if total := file.seconds.get("total"):
        parts = ", ".join(f"{k} {v:.1f}" for k, v in file.seconds.items() if k != "total")
        yield f"{total:.1f} s, {file.frames / total:.1f} frames/s; by phase, overlapping: {parts}"
