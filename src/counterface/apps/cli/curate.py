"""`counterface faceset sort|group|people|filter|dedupe|restore|pack|unpack|merge`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.faceset.curate.choose import Choice
from counterface.faceset.curate.duplicates import DedupeConfig
from counterface.faceset.curate.order import GroupConfig, SortConfig
from counterface.faceset.curate.people import PeopleConfig
from counterface.wording import counted

if TYPE_CHECKING:
    from counterface.faceset.curate.choose import Moved
    from counterface.faceset.curate.duplicates import Deduped
    from counterface.faceset.curate.order import Ordering
    from counterface.faceset.curate.people import PeopleInFaceset
    from counterface.faceset.curate.pour import Poured

_SHOWN = 5  # crops named at either end of an order
DryRun = Annotated[bool, Parameter(negative="")]


def sort(
    folder: Path,
    /,
    *,
    config: Annotated[SortConfig, Parameter(name="*")],
    sheet: Path | None = None,
    json_output: Json = False,
) -> int:
    """Sort a faceset by a measure: write the order into its rows, and list both ends of it.

    No file is renamed without `--rename`. docs/curate.md lists the measures.

    Args:
        folder: A faceset.
        sheet: Draw up to 60 crops of the order here (.png or .jpg), each with its value.
    """
    from counterface.faceset.curate.order import sort as run

    _require_sheet(sheet)
    with output.progress("sort") as report:
        found = run(folder, config, sheet, report)
    return output.tell(found, _order_lines(found), json_output, failed=found.problems)


def _require_sheet(sheet: Path | None) -> None:
    if sheet is not None:
        output.require_place(sheet, "--sheet")


def _order_lines(found: Ordering) -> Iterator[str]:
    yield from output.problem_lines(found.problems)
    for place, crop in enumerate(found.crops):
        if place < _SHOWN or place >= len(found.crops) - _SHOWN:
            value = "none" if crop.value is None else f"{crop.value:.4g}"
            yield f"{place:7d}  {value:>10}  {crop.file}"
        elif place == _SHOWN:
            yield f"{'...':>7}"
    crops = counted(len(found.crops), "crop")
    yield f"{found.folder}: {crops} by {found.by}: {found.says} ({found.unit})"


def group(
    folder: Path,
    /,
    *,
    config: Annotated[GroupConfig, Parameter(name="*")],
    sheet: Path | None = None,
    json_output: Json = False,
) -> int:
    """Group a faceset by a measure: write the bin of each crop into its row, and list the bins.

    Args:
        folder: A faceset.
        sheet: Draw up to 60 crops from the least value to the largest here (.png or .jpg).
    """
    from counterface.faceset.curate.order import group as run

    _require_sheet(sheet)
    with output.progress("group") as report:
        found = run(folder, config, sheet, report)
    return output.tell(found, _group_lines(found), json_output, failed=found.problems)


def _group_lines(found: Ordering) -> Iterator[str]:
    yield from output.problem_lines(found.problems)
    names = [crop.group for crop in found.crops]
    for name in dict.fromkeys(names):
        yield f"{names.count(name):7d}  {name or 'without a value'}"
    crops = counted(len(found.crops), "crop")
    yield f"{found.folder}: {crops} by {found.by}: {found.says} ({found.unit})"


def people(
    folder: Path,
    /,
    *,
    config: Annotated[PeopleConfig, Parameter(name="*")] = PeopleConfig(),  # noqa: B008
    sheets: Path | None = None,
    json_output: Json = False,
) -> int:
    """Group a faceset by whose face each crop shows, and list the people; needs dlib.

    Args:
        folder: A faceset.
        sheets: Draw a contact sheet of each person into this folder.
    """
    from counterface.faceset.curate.people import group_people

    with output.progress("people") as report:
        found = group_people(folder, config, sheets, report)
    return output.tell(found, _people_lines(found), json_output, failed=found.problems)


def _people_lines(found: PeopleInFaceset) -> Iterator[str]:
    yield from output.problem_lines(found.problems)
    for person in found.people:
        sheet = f", {person.sheet}" if person.sheet else ""
        yield f"{person.crops:7d}  {person.group}, as in {person.nearest}{sheet}"
    yield f"{found.folder}: {counted(len(found.people), 'person', 'people')}"


def filter_(
    folder: Path,
    /,
    *,
    config: Annotated[Choice, Parameter(name="*")] = Choice(),  # noqa: B008
    dry_run: DryRun = False,
    json_output: Json = False,
) -> int:
    """Keep the crops of a faceset that fit, and move the others into its `trash/`.

    All that is asked must hold. `faceset restore` brings crops back.

    Args:
        folder: A faceset.
        dry_run: Only tell what would move.
    """
    from counterface.faceset.curate.choose import filter_ as run

    with output.progress("filter") as report:
        moved = run(folder, config, dry_run=dry_run, progress=report)
    lines = _moved_lines(moved, "would go" if dry_run else "set aside")
    return output.tell(moved, lines, json_output, failed=moved.problems)


def _moved_lines(moved: Moved, done: str) -> Iterator[str]:
    yield from output.problem_lines(moved.problems)
    yield (
        f"{moved.folder}: {counted(len(moved.moved), 'crop')} {done}; "
        f"{counted(moved.crops, 'crop')} now, {moved.in_trash} in its trash"
    )


def dedupe(
    folder: Path,
    /,
    *,
    config: Annotated[DedupeConfig, Parameter(name="*")] = DedupeConfig(),  # noqa: B008
    dry_run: DryRun = False,
    json_output: Json = False,
) -> int:
    """Move crops that look like a sharper one into the `trash/` of a faceset.

    Args:
        folder: A faceset.
        dry_run: Only tell what would move.
    """
    from counterface.faceset.curate.duplicates import dedupe as run

    with output.progress("dedupe") as report:
        found = run(folder, config, dry_run=dry_run, progress=report)
    lines = _copy_lines(found, "would go" if dry_run else "set aside")
    return output.tell(found, lines, json_output, failed=found.problems)


def _copy_lines(found: Deduped, done: str) -> Iterator[str]:
    for copy in found.copies[:_SHOWN]:
        yield f"copy     {copy.file} of {copy.kept}: {counted(copy.bits, 'bit')} of 256"
    if len(found.copies) > _SHOWN:
        yield f"{'...':>7}"
    yield from _moved_lines(found, done)


def restore(
    folder: Path,
    /,
    *,
    config: Annotated[Choice, Parameter(name="*")] = Choice(),  # noqa: B008
    names: Annotated[bool, Parameter(negative="")] = False,
    json_output: Json = False,
) -> int:
    """Bring crops back from the trash of a faceset: all, or those that fit.

    Args:
        folder: A faceset.
        names: Undo `sort --rename` in place of that: each file gets its first name back.
    """
    from counterface.faceset.curate.choose import restore as run

    with output.progress("restore") as report:
        moved = run(folder, config, names=names, progress=report)
    lines = _moved_lines(moved, "named as before" if names else "brought back")
    return output.tell(moved, lines, json_output, failed=moved.problems)


def pack(folder: Path, out: Path, /, *, json_output: Json = False) -> int:
    """Write a faceset into one Parquet file, for copying; its trash stays behind.

    Args:
        folder: A faceset.
        out: The file; replaced if it exists.
    """
    from counterface.faceset.curate.pour import pack as run

    output.require_place(out, "OUT")
    with output.progress("pack") as report:
        poured = run(folder, out, report)
    return output.tell(poured, _poured_lines(poured), json_output)


def _poured_lines(poured: Poured) -> Iterator[str]:
    known = f", {poured.known} were there already" if poured.known else ""
    yield f"{poured.path}: {counted(poured.crops, 'crop')}; {poured.added} copied{known}"


def unpack(file: Path, out: Path, /, *, json_output: Json = False) -> int:
    """Write the crops of a packed faceset into a folder; run again to continue.

    Args:
        file: What `faceset pack` wrote.
        out: A new folder.
    """
    from counterface.faceset.curate.pour import unpack as run

    with output.progress("unpack") as report:
        poured = run(file, out, report)
    return output.tell(poured, _poured_lines(poured), json_output)


def merge(*facesets: Path, out: Path, json_output: Json = False) -> int:
    """Copy the crops of several facesets into one; run again to continue.

    Each crop keeps the rights record of the faceset that it came from.

    Args:
        facesets: Facesets of one template and size; they are not changed.
        out: A new folder, or a faceset to add to.
    """
    from counterface.faceset.curate.pour import merge_facesets

    with output.progress("merge") as report:
        poured = merge_facesets(facesets, out, report)
    return output.tell(poured, _poured_lines(poured), json_output)
