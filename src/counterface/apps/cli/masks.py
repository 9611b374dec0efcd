"""`counterface faceset import-masks|export-masks`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterface.faceset.masks.exchange import MaskExchange


def import_masks(folder: Path, masks: Path, /, *, json_output: Json = False) -> int:
    """Give the crops of a faceset masks: pictures, polygons, or DeepFaceLab's XSeg polygons.

    Each file belongs to the crop of its name. A mask that a crop had is replaced.

    Args:
        folder: A faceset.
        masks: A folder of .png masks, .json polygons, or .jpg crops of DeepFaceLab.
    """
    from counterface.faceset.masks.exchange import import_masks as run

    with output.progress("masks") as report:
        found = run(folder, masks, report)
    return output.tell(found, _lines(found, "file"), json_output, failed=found.problems)


def export_masks(
    folder: Path,
    out: Path,
    /,
    *,
    form: Annotated[Literal["png", "json"], Parameter(name="--format")] = "png",
    json_output: Json = False,
) -> int:
    """Write the masks of a faceset into a folder, named as its crops.

    Args:
        folder: A faceset.
        out: The folder; files of these names in it are replaced.
        form: The masks as pictures (png), or the polygons that some were drawn from (json).
    """
    from counterface.faceset.masks.exchange import export_masks as run

    with output.progress("masks") as report:
        found = run(folder, out, form, report)
    return output.tell(found, _lines(found, "crop"), json_output, failed=found.problems)


def _lines(found: MaskExchange, what: str) -> Iterator[str]:
    yield from (f"problem  {problem.file}: {problem.reason}" for problem in found.problems)
    yield (
        f"{found.folder}: {counted(found.masks, 'mask')}, {found.polygons} with polygons; "
        f"{counted(found.without, what)} without"
    )
